//! The plain end of a stream: TCP, or TLS that a client speaks with a connector's local port. Plain
//! is in either case what is relayed.

#![allow(async_fn_in_trait)] // one thread per worker: no future is ever sent to another

use std::rc::Rc;

use super::{Inbound, Link, shard::class_of};
use crate::{
    engine::{Buffer, BufferPool, SizeClass, Socket},
    tunnel::Stride,
};

/// The plain end cannot be used any more: it was reset, or ended without having said so.
#[derive(Debug)]
pub struct Gone;

/// What the plain end sends.
pub trait PlainSource {
    /// The next chunk, about as large as `stride` and `bytes_max` of its buffer say; an empty one
    /// when the plain end has finished its direction.
    async fn next(
        &mut self,
        pool: &BufferPool,
        stride: Stride,
        bytes_max: impl Fn(SizeClass) -> usize,
    ) -> Result<Buffer, Gone>;
}

/// What is sent to the plain end.
pub trait PlainSink {
    /// The socket below.
    fn socket(&self) -> &Socket;
    /// Sends a chunk.
    async fn send(&self, pool: &BufferPool, plain: Buffer) -> Result<(), Gone>;
    /// Says that nothing more follows.
    async fn finish(&self, pool: &BufferPool) -> Result<(), Gone>;
}

impl PlainSource for Socket {
    async fn next(
        &mut self,
        pool: &BufferPool,
        stride: Stride,
        bytes_max: impl Fn(SizeClass) -> usize,
    ) -> Result<Buffer, Gone> {
        let class = class_of(stride);
        self.recv_up_to(pool, class, bytes_max(class)).await.map_err(|_| Gone)
    }
}

impl PlainSink for Socket {
    fn socket(&self) -> &Socket {
        self
    }

    async fn send(&self, _pool: &BufferPool, plain: Buffer) -> Result<(), Gone> {
        let (sent, _) = self.send_all(plain).await;
        sent.map_err(|_| Gone)
    }

    async fn finish(&self, _pool: &BufferPool) -> Result<(), Gone> {
        self.shutdown_write().map_err(|_| Gone)
    }
}

/// The receiving side of a client that speaks TLS.
pub struct SecuredSource {
    /// The TLS end.
    pub link: Rc<Link>,
    /// What was received and not yet opened.
    pub inbound: Inbound,
}

impl PlainSource for SecuredSource {
    /// A TCP stream that ends without a `close_notify` was cut off (RFC 8446 section 6.1): what
    /// came before may be half of what was meant, and the service must not take it for all.
    async fn next(
        &mut self,
        pool: &BufferPool,
        stride: Stride,
        _bytes_max: impl Fn(SizeClass) -> usize,
    ) -> Result<Buffer, Gone> {
        let chunk = self.inbound.next_to_seal(&self.link, pool, stride).await;
        Ok(chunk.map_err(|_| Gone)?.plain)
    }
}

impl PlainSink for Rc<Link> {
    fn socket(&self) -> &Socket {
        Link::socket(self)
    }

    async fn send(&self, pool: &BufferPool, plain: Buffer) -> Result<(), Gone> {
        // A tunnel may bring more at once than fits a buffer sealed again.
        let bytes_max = SizeClass::Large.plain_bytes();
        let Some((first, rest)) = plain.filled().split_at_checked(bytes_max) else {
            return self.forward(pool, plain).await.map_err(|_| Gone);
        };
        Link::send(self, pool, first).await.map_err(|_| Gone)?;
        Link::send(self, pool, rest).await.map_err(|_| Gone)
    }

    /// Both ends of the direction, TLS' and TCP's: clients wait for the one or the other.
    async fn finish(&self, pool: &BufferPool) -> Result<(), Gone> {
        Link::finish(self, pool).await.map_err(|_| Gone)?;
        Link::socket(self).shutdown_write().map_err(|_| Gone)
    }
}
