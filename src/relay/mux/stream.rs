//! The tunnel's side of one stream of an HTTP/2 session.

use std::{cell::RefCell, future::poll_fn, rc::Rc, sync::Arc, task::Poll, time::Instant};

use bytes::{Buf as _, Bytes};
use tokio::sync::Semaphore;

use super::{Payload, tunnel::Seat};
use crate::{
    engine::{Buffer, BufferPool, SizeClass},
    limits,
    protocol::http2::{Error, Reason, RecvStream, SendStream, StreamEnd, end_of},
    relay::{Chunk, Cut, Sink, Source, TunnelSide, shard::class_of},
    tunnel::{Key, Stride},
};

/// Chunks of one direction that may be on their way at once: one being received, one being sent.
const CHUNKS_IN_FLIGHT: u32 = 2;

/// What the far end sends.
pub struct MuxSource {
    body: RecvStream,
    /// Received and not yet copied out.
    pending: Bytes,
    ended: bool,
    shared: Rc<Shared>,
}

/// What is sent to the far end.
#[derive(Clone)]
pub struct MuxSink(Rc<Shared>);

struct Shared {
    seat: Seat,
    sender: RefCell<SendStream<Payload>>,
    in_flight: Arc<Semaphore>,
    closed: tokio::sync::Notify,
}

/// Both halves of a stream's tunnel side.
pub(super) fn halves(
    seat: Seat,
    body: RecvStream,
    sender: SendStream<Payload>,
) -> (MuxSource, MuxSink) {
    let shared = Rc::new(Shared {
        seat,
        sender: RefCell::new(sender),
        in_flight: Arc::new(Semaphore::new(CHUNKS_IN_FLIGHT as usize)),
        closed: tokio::sync::Notify::new(),
    });
    let source = MuxSource { body, pending: Bytes::new(), ended: false, shared: shared.clone() };
    (source, MuxSink(shared))
}

fn cut_of(error: &Error) -> Cut {
    match end_of(error) {
        StreamEnd::Aborted => Cut::Aborted,
        StreamEnd::TunnelLost => Cut::Lost,
    }
}

impl MuxSource {
    /// Takes what is there without waiting, up to the room in `into`.
    fn gather(&mut self, into: &mut Buffer) -> Result<(), Cut> {
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        loop {
            let taken = self.pending.len().min(into.spare_len());
            into.spare_mut()[..taken].copy_from_slice(&self.pending[..taken]);
            into.fill(taken);
            self.pending.advance(taken);
            if !self.pending.is_empty() || self.ended {
                return Ok(());
            }
            match self.body.poll_data(&mut cx) {
                Poll::Ready(Some(Ok(bytes))) => self.pending = bytes,
                Poll::Ready(None) => self.ended = true,
                // What came before is delivered first; the error shows again at the next look.
                Poll::Ready(Some(Err(_))) | Poll::Pending => return Ok(()),
            }
        }
    }
}

impl Source for MuxSource {
    async fn next(&mut self, pool: &BufferPool, stride: Stride) -> Result<Chunk, Cut> {
        if self.pending.is_empty() && !self.ended {
            match poll_fn(|cx| self.body.poll_data(cx)).await {
                Some(Ok(bytes)) => self.pending = bytes,
                Some(Err(error)) => return Err(cut_of(&error)),
                None => self.ended = true,
            }
        }
        let received_at = Instant::now();
        let mut plain = pool.take(class_of(stride));
        self.gather(&mut plain)?;
        Ok(Chunk { plain, closed: self.ended && self.pending.is_empty(), received_at })
    }

    fn taken(&mut self, bytes: usize) {
        // Fails only for a stream that is gone, and then there is no credit to return.
        let _ = self.body.flow_control().release_capacity(bytes);
    }

    async fn discard_rest(&mut self, _pool: &BufferPool) -> Result<(), Cut> {
        let pending = std::mem::take(&mut self.pending).len();
        self.taken(pending);
        while !self.ended {
            match poll_fn(|cx| self.body.poll_data(cx)).await {
                Some(Ok(bytes)) => self.taken(bytes.len()),
                Some(Err(error)) => return Err(cut_of(&error)),
                None => self.ended = true,
            }
        }
        let closed = self.shared.closed.notified();
        tokio::pin!(closed);
        // Neither is an operation on a socket: the one that loses is simply forgotten.
        poll_fn(|cx| {
            if closed.as_mut().poll(cx).is_ready() {
                return Poll::Ready(Ok(()));
            }
            match self.shared.sender.borrow_mut().poll_reset(cx) {
                Poll::Ready(Ok(_)) => Poll::Ready(Err(Cut::Aborted)),
                Poll::Ready(Err(error)) => Poll::Ready(Err(cut_of(&error))),
                Poll::Pending => Poll::Pending,
            }
        })
        .await
    }
}

impl Sink for MuxSink {
    fn chunk_bytes(&self, class: SizeClass) -> usize {
        class.plain_bytes() / limits::RECORD_PLAIN_BYTES_MAX * limits::FRAME_PAYLOAD_BYTES
    }

    /// Waits until fewer than two chunks are on their way: while the tunnel is not drained, small
    /// writes gather in the plain socket and leave as one frame.
    async fn forward(&self, _pool: &BufferPool, plain: Buffer) -> Result<(), Cut> {
        let permit = self.0.in_flight.clone().acquire_owned().await.map_err(|_| Cut::Lost)?;
        let payload = Payload::new(plain, permit, self.0.seat.tunnel().clone());
        let sent = self.0.sender.borrow_mut().send_data(payload, false);
        sent.map_err(|error| cut_of(&error))
    }

    async fn finish(&self, _pool: &BufferPool) -> Result<(), Cut> {
        let sent = self.0.sender.borrow_mut().send_data(Payload::empty(), true);
        sent.map_err(|error| cut_of(&error))
    }

    async fn abort(&self) {
        // All chunks written: a reset would otherwise overtake them.
        let _all = self.0.in_flight.acquire_many(CHUNKS_IN_FLIGHT).await;
        Sink::cut(self);
    }

    fn cut(&self) {
        self.0.sender.borrow_mut().send_reset(Reason::CONNECT_ERROR);
        self.0.closed.notify_waiters();
    }

    fn close(&self) {
        self.0.closed.notify_waiters();
    }
}

impl TunnelSide for MuxSink {
    fn cut(&self) {
        Sink::cut(self);
    }

    fn carrier(&self) -> Option<Key> {
        self.0.seat.tunnel().key()
    }
}
