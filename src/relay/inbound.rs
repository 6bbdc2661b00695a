//! The receiving side of a tunnel: ciphertext in, chunks of plaintext out.

use std::time::Instant;

use super::{
    Link, LinkError,
    link::moved_into,
    shard::{class_for, class_of},
};
use crate::{
    engine::{Buffer, BufferPool, SizeClass},
    tunnel::Stride,
};

/// Plaintext of every complete record that one receive brought.
pub struct Chunk {
    /// The plaintext; may be empty when the records carried none.
    pub plain: Buffer,
    /// The peer said that nothing more follows.
    pub closed: bool,
    /// When the receive completed.
    pub received_at: Instant,
}

/// What was received and not yet opened.
pub struct Inbound {
    /// Ciphertext from an earlier receive: an incomplete record, or records that had no room.
    carry: Option<Buffer>,
    /// Whether `carry` needs another receive before anything can be opened.
    need_more: bool,
    /// The peer's close_notify has been opened; nothing it sends counts any more.
    closed: bool,
}

impl Inbound {
    /// Continues with what the handshake left over.
    pub fn starting_with(carry: Option<Buffer>) -> Self {
        let carry = carry.filter(|buffer| !buffer.is_empty());
        // The TLS session may hold plaintext that came with the handshake's last flight, so the
        // first open does not wait for bytes.
        Self { carry, need_more: false, closed: false }
    }

    /// The next chunk; after the last one, empty ones that say so again.
    ///
    /// # Errors
    /// [`LinkError::Truncated`] when the peer's TCP stream ended without a `close_notify`.
    pub async fn next(
        &mut self,
        link: &Link,
        pool: &BufferPool,
        stride: Stride,
    ) -> Result<Chunk, LinkError> {
        self.next_up_to(link, pool, stride, |_| usize::MAX).await
    }

    /// The same, of no more plaintext than fits sealed again into a buffer of its class.
    ///
    /// # Errors
    /// As [`next`](Self::next).
    pub async fn next_to_seal(
        &mut self,
        link: &Link,
        pool: &BufferPool,
        stride: Stride,
    ) -> Result<Chunk, LinkError> {
        self.next_up_to(link, pool, stride, SizeClass::plain_bytes).await
    }

    async fn next_up_to(
        &mut self,
        link: &Link,
        pool: &BufferPool,
        stride: Stride,
        bytes_max: impl Fn(SizeClass) -> usize,
    ) -> Result<Chunk, LinkError> {
        loop {
            if self.closed {
                let plain = pool.take(class_of(Stride::Small));
                return Ok(Chunk { plain, closed: true, received_at: Instant::now() });
            }
            if self.need_more {
                self.receive(link, pool, stride).await?;
            }
            let received_at = Instant::now();
            let mut cipher = match self.carry.take() {
                Some(cipher) => cipher,
                None => pool.take(class_of(Stride::Small)),
            };
            let mut plain = pool.take(class_for(cipher.len()));
            let bytes_max = bytes_max(plain.class());
            let opened = link.open(&mut cipher, &mut plain, bytes_max);
            link.flush_control(pool).await?;
            let opened = opened?;
            self.need_more = !opened.full;
            self.closed = opened.closed;
            self.carry = (!cipher.is_empty()).then_some(cipher);
            if opened.closed || !plain.is_empty() {
                return Ok(Chunk { plain, closed: opened.closed, received_at });
            }
        }
    }

    async fn receive(
        &mut self,
        link: &Link,
        pool: &BufferPool,
        stride: Stride,
    ) -> Result<(), LinkError> {
        let class = class_of(stride);
        let received = match self.carry.take() {
            None => {
                let buffer = link.socket().recv(pool, class).await?;
                let received = buffer.len();
                self.carry = Some(buffer);
                received
            }
            Some(mut buffer) => {
                if buffer.class() < class {
                    buffer = moved_into(pool, class, &buffer);
                } else {
                    buffer.compact();
                }
                let (received, buffer) = link.socket().recv_more(buffer).await;
                self.carry = Some(buffer);
                received?
            }
        };
        if received == 0 { Err(LinkError::Truncated) } else { Ok(()) }
    }

    /// Receives and throws away until the peer's TCP stream ends, so that closing our socket does
    /// not reset what we sent. The session's deadline ends it by shutting the socket down.
    ///
    /// # Errors
    /// When the connection was reset or timed out instead.
    pub async fn discard_rest(&mut self, link: &Link, pool: &BufferPool) -> Result<(), LinkError> {
        self.carry = None;
        while !link.socket().recv(pool, class_of(Stride::Small)).await?.is_empty() {}
        Ok(())
    }
}
