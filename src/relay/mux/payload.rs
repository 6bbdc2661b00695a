//! A chunk of a stream on its way into an HTTP/2 session.

use std::rc::Rc;

use bytes::Buf;
use tokio::sync::OwnedSemaphorePermit;

use super::Tunnel;
use crate::engine::Buffer;

/// What the session holds until it has written it: the bytes, their place among the stream's
/// chunks in flight, and their share of the tunnel's.
pub(super) struct Payload {
    chunk: Option<Chunk>,
}

struct Chunk {
    buffer: Buffer,
    tunnel: Rc<Tunnel>,
    bytes: usize,
    _permit: OwnedSemaphorePermit,
}

impl Payload {
    /// Nothing: for the frame that only ends a stream.
    #[must_use]
    pub(super) fn empty() -> Self {
        Self { chunk: None }
    }

    pub(super) fn new(buffer: Buffer, permit: OwnedSemaphorePermit, tunnel: Rc<Tunnel>) -> Self {
        let bytes = buffer.len();
        tunnel.add_in_flight(bytes);
        Self { chunk: Some(Chunk { buffer, tunnel, bytes, _permit: permit }) }
    }
}

impl Buf for Payload {
    fn remaining(&self) -> usize {
        self.chunk.as_ref().map_or(0, |chunk| chunk.buffer.len())
    }

    fn chunk(&self) -> &[u8] {
        self.chunk.as_ref().map_or(&[], |chunk| chunk.buffer.filled())
    }

    fn advance(&mut self, bytes: usize) {
        if let Some(chunk) = &mut self.chunk {
            chunk.buffer.consume(bytes);
        }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.tunnel.remove_in_flight(self.bytes);
    }
}
