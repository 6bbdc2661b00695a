//! The tunnel's side of one stream, whatever carries it: a TLS connection of its own (mode
//! `direct`) or a stream of an HTTP/2 session (mode `multiplexed`).

#![allow(async_fn_in_trait)] // one thread per worker: no future is ever sent to another

use std::{rc::Rc, time::Duration};

use super::{Chunk, Inbound, Link, LinkError, abort_when_delivered};
use crate::{
    engine::{Buffer, BufferPool, SizeClass},
    tunnel::Stride,
};

/// Why the tunnel's side of a stream ended other than by its sender finishing.
#[derive(Debug)]
pub enum Cut {
    /// The far end aborted the stream.
    Aborted,
    /// The tunnel is gone.
    Lost,
}

impl From<LinkError> for Cut {
    fn from(error: LinkError) -> Self {
        match error {
            LinkError::Truncated => Self::Aborted,
            _ => Self::Lost,
        }
    }
}

/// What the far end sends.
pub trait Source {
    /// The next chunk.
    async fn next(&mut self, pool: &BufferPool, stride: Stride) -> Result<Chunk, Cut>;
    /// The plain end took this much: the far end may send as much again.
    fn taken(&mut self, bytes: usize);
    /// Receives and throws away until the far end's side is over, or [`Sink::close`].
    async fn discard_rest(&mut self, pool: &BufferPool) -> Result<(), Cut>;
}

/// What is sent to the far end.
pub trait Sink {
    /// How much of the plain end's data to take at once.
    fn chunk_bytes(&self, class: SizeClass) -> usize;
    /// Sends a chunk.
    async fn forward(&self, pool: &BufferPool, plain: Buffer) -> Result<(), Cut>;
    /// How long the last [`Sink::forward`] waited for the kernel, where it did; asked once. None
    /// where the chunk leaves later, with those of other streams.
    fn take_stall(&self) -> Option<Duration> {
        None
    }
    /// Says that nothing more follows.
    async fn finish(&self, pool: &BufferPool) -> Result<(), Cut>;
    /// Says, after all that was forwarded, that the stream is aborted. The far end's side may go
    /// on until it has seen that.
    async fn abort(&self);
    /// Ends both directions now as an abort; a pending receive or send returns.
    fn cut(&self);
    /// Both directions were finished and nothing is left to send: lets go of the tunnel.
    fn close(&self);
}

/// The receiving side of a tunnel in mode `direct`.
pub struct DirectSource {
    /// The TLS end.
    pub link: Rc<Link>,
    /// What was received and not yet opened.
    pub inbound: Inbound,
}

impl Source for DirectSource {
    async fn next(&mut self, pool: &BufferPool, stride: Stride) -> Result<Chunk, Cut> {
        Ok(self.inbound.next(&self.link, pool, stride).await?)
    }

    fn taken(&mut self, _bytes: usize) {
        // Not receiving is the back-pressure of a TCP connection.
    }

    async fn discard_rest(&mut self, pool: &BufferPool) -> Result<(), Cut> {
        Ok(self.inbound.discard_rest(&self.link, pool).await?)
    }
}

impl Sink for Rc<Link> {
    fn chunk_bytes(&self, class: SizeClass) -> usize {
        class.plain_bytes()
    }

    async fn forward(&self, pool: &BufferPool, plain: Buffer) -> Result<(), Cut> {
        Ok(Link::forward(self, pool, plain).await?)
    }

    fn take_stall(&self) -> Option<Duration> {
        self.socket().take_stall()
    }

    async fn finish(&self, pool: &BufferPool) -> Result<(), Cut> {
        Ok(Link::finish(self, pool).await?)
    }

    async fn abort(&self) {
        if self.has_finished() {
            // Behind our close_notify only an RST says that the stream was aborted.
            abort_when_delivered(self.socket()).await;
        } else if self.socket().shutdown_write().is_err() {
            self.socket().shutdown();
        }
    }

    fn cut(&self) {
        Link::cut(self);
    }

    fn close(&self) {
        self.socket().shutdown();
    }
}
