//! The in-memory connection under an HTTP/2 session.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::limits;

/// A write of so much is part of a large message.
const BULK_BYTES: usize = 8 * 1024;

/// The session's owner's end: what arrived goes in, what must be sent comes out.
pub struct Wire<B>(Rc<RefCell<Shared<B>>>);

/// The HTTP/2 crate's end.
pub struct Io<B>(Rc<RefCell<Shared<B>>>);

struct Shared<B> {
    inbound: VecDeque<B>,
    /// Bytes in `inbound`, and how many of them, at its end, are not to be read yet.
    inbound_bytes: usize,
    held_bytes: usize,
    /// The peer finished (`Ok`) or the connection broke; told after everything that arrived.
    inbound_end: Option<Result<(), io::ErrorKind>>,
    reader: Option<Waker>,
    /// Bytes to send. Its memory is given up whenever it is taken, so that an idle session
    /// holds none.
    outbound: BytesMut,
    outbound_ended: bool,
    /// The crate, waiting for room in `outbound`.
    writer: Option<Waker>,
    /// The owner, waiting for something in `outbound`.
    sender: Option<Waker>,
}

/// Both ends of a new wire.
pub(super) fn pair<B>() -> (Wire<B>, Io<B>) {
    let shared = Rc::new(RefCell::new(Shared {
        inbound: VecDeque::new(),
        inbound_bytes: 0,
        held_bytes: 0,
        inbound_end: None,
        reader: None,
        outbound: BytesMut::new(),
        outbound_ended: false,
        writer: None,
        sender: None,
    }));
    (Wire(shared.clone()), Io(shared))
}

impl<B: Buf> Wire<B> {
    /// A new wire: this end for the owner, the other for the crate's builders.
    #[must_use]
    pub fn new() -> (Self, Io<B>) {
        pair()
    }

    /// Plaintext that arrived.
    pub fn deliver(&self, bytes: B) {
        self.deliver_held(bytes);
        self.release(usize::MAX);
    }

    /// Plaintext that arrived and that is to be read piece by piece, as it is released.
    pub fn deliver_held(&self, bytes: B) {
        let mut shared = self.0.borrow_mut();
        if bytes.has_remaining() {
            shared.inbound_bytes += bytes.remaining();
            shared.held_bytes += bytes.remaining();
            shared.inbound.push_back(bytes);
        }
    }

    /// So many more bytes may be read.
    pub fn release(&self, bytes: usize) {
        let mut shared = self.0.borrow_mut();
        shared.held_bytes = shared.held_bytes.saturating_sub(bytes);
        if shared.readable_bytes() > 0 {
            shared.wake_reader();
        }
    }

    /// Nothing more will arrive: the peer finished, or the connection broke.
    pub fn end(&self, how: Result<(), io::ErrorKind>) {
        let mut shared = self.0.borrow_mut();
        shared.inbound_end.get_or_insert(how);
        shared.wake_reader();
    }

    /// Nothing more can be sent: the crate's writes fail from now on.
    pub fn close_outbound(&self) {
        let mut shared = self.0.borrow_mut();
        shared.outbound_ended = true;
        shared.outbound = BytesMut::new();
        for waker in [shared.writer.take(), shared.sender.take()].into_iter().flatten() {
            waker.wake();
        }
    }

    /// Bytes to send, as many as have gathered; `None` when the session has ended its side.
    pub fn poll_output(&self, cx: &mut Context<'_>) -> Poll<Option<BytesMut>> {
        let mut shared = self.0.borrow_mut();
        if !shared.outbound.is_empty() {
            let bytes = std::mem::take(&mut shared.outbound);
            if let Some(writer) = shared.writer.take() {
                writer.wake();
            }
            return Poll::Ready(Some(bytes));
        }
        if shared.outbound_ended {
            return Poll::Ready(None);
        }
        shared.sender = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Bytes that wait to be sent.
    #[must_use]
    pub fn staged_bytes(&self) -> usize {
        self.0.borrow().outbound.len()
    }
}

impl<B> Shared<B> {
    fn readable_bytes(&self) -> usize {
        self.inbound_bytes - self.held_bytes
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }

    fn wake_sender(&mut self) {
        if let Some(sender) = self.sender.take() {
            sender.wake();
        }
    }
}

impl<B: Buf> AsyncRead for Io<B> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut shared = self.0.borrow_mut();
        let mut room = shared.readable_bytes().min(into.remaining());
        if shared.readable_bytes() == 0 {
            return match shared.inbound_end {
                Some(Ok(())) if shared.held_bytes == 0 => Poll::Ready(Ok(())),
                Some(Err(kind)) if shared.held_bytes == 0 => Poll::Ready(Err(kind.into())),
                _ => {
                    shared.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
        shared.inbound_bytes -= room;
        while room > 0
            && let Some(front) = shared.inbound.front_mut()
        {
            let chunk = front.chunk();
            let taken = chunk.len().min(room);
            into.put_slice(&chunk[..taken]);
            front.advance(taken);
            room -= taken;
            if !front.has_remaining() {
                shared.inbound.pop_front();
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<B: Buf> AsyncWrite for Io<B> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut shared = self.0.borrow_mut();
        if shared.outbound_ended {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let room = limits::STAGED_BYTES_MAX.saturating_sub(shared.outbound.len());
        if room == 0 {
            shared.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let wanted = pieces.iter().map(|piece| piece.len()).sum::<usize>().min(room);
        if wanted >= BULK_BYTES && shared.outbound.capacity() - shared.outbound.len() < wanted {
            // More of the kind is coming: growing step by step would copy it all again and again.
            shared.outbound.reserve(room);
        }
        let mut written = 0;
        for piece in pieces {
            let taken = piece.len().min(room - written);
            shared.outbound.extend_from_slice(&piece[..taken]);
            written += taken;
        }
        shared.wake_sender();
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The owner takes what is staged whenever it can send; there is nothing to push.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut shared = self.0.borrow_mut();
        shared.outbound_ended = true;
        shared.wake_sender();
        Poll::Ready(Ok(()))
    }
}

impl<B> Drop for Io<B> {
    fn drop(&mut self) {
        // The session is gone; the owner still sends what it staged.
        let mut shared = self.0.borrow_mut();
        shared.outbound_ended = true;
        shared.inbound.clear();
        (shared.inbound_bytes, shared.held_bytes) = (0, 0);
        shared.wake_sender();
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use bytes::Bytes;

    use super::*;

    fn read(io: &mut Io<Bytes>, room: usize) -> Poll<io::Result<Vec<u8>>> {
        let mut space = vec![0; room];
        let mut into = ReadBuf::new(&mut space);
        let mut cx = Context::from_waker(Waker::noop());
        Pin::new(io).poll_read(&mut cx, &mut into).map_ok(|()| into.filled().to_vec())
    }

    #[test]
    fn what_arrived_is_read_before_the_end_is_told() {
        let (wire, mut io) = Wire::new();
        wire.deliver(Bytes::from_static(b"abc"));
        wire.deliver(Bytes::from_static(b"def"));
        wire.end(Err(io::ErrorKind::ConnectionReset));
        assert!(matches!(read(&mut io, 4), Poll::Ready(Ok(bytes)) if bytes == b"abcd"));
        assert!(matches!(read(&mut io, 4), Poll::Ready(Ok(bytes)) if bytes == b"ef"));
        assert!(matches!(read(&mut io, 4), Poll::Ready(Err(_))));
    }

    #[test]
    fn what_is_held_is_read_when_it_is_released_and_before_the_end() {
        let (wire, mut io) = Wire::new();
        wire.deliver(Bytes::from_static(b"abc"));
        wire.deliver_held(Bytes::from_static(b"defg"));
        wire.end(Ok(()));
        assert!(matches!(read(&mut io, 9), Poll::Ready(Ok(bytes)) if bytes == b"abc"));
        assert!(read(&mut io, 9).is_pending());
        wire.release(3);
        assert!(matches!(read(&mut io, 2), Poll::Ready(Ok(bytes)) if bytes == b"de"));
        assert!(matches!(read(&mut io, 2), Poll::Ready(Ok(bytes)) if bytes == b"f"));
        assert!(read(&mut io, 9).is_pending());
        wire.release(usize::MAX);
        assert!(matches!(read(&mut io, 9), Poll::Ready(Ok(bytes)) if bytes == b"g"));
        assert!(matches!(read(&mut io, 9), Poll::Ready(Ok(bytes)) if bytes.is_empty()));
    }

    #[test]
    fn writes_stop_at_the_bound_and_go_on_when_taken() {
        let (wire, mut io) = Wire::<Bytes>::new();
        let mut cx = Context::from_waker(Waker::noop());
        let big = vec![7; limits::STAGED_BYTES_MAX + 1000];
        let written = Pin::new(&mut io).poll_write(&mut cx, &big);
        assert!(matches!(written, Poll::Ready(Ok(n)) if n == limits::STAGED_BYTES_MAX));
        assert!(Pin::new(&mut io).poll_write(&mut cx, &big).is_pending());
        let Poll::Ready(Some(bytes)) = wire.poll_output(&mut cx) else { panic!("no output") };
        assert_eq!(bytes.len(), limits::STAGED_BYTES_MAX);
        assert!(Pin::new(&mut io).poll_write(&mut cx, &big).is_ready());
    }

    #[test]
    fn a_dropped_session_still_has_its_last_bytes_sent() {
        let (wire, mut io) = Wire::<Bytes>::new();
        let mut cx = Context::from_waker(Waker::noop());
        assert!(Pin::new(&mut io).poll_write(&mut cx, b"bye").is_ready());
        drop(io);
        assert!(
            matches!(wire.poll_output(&mut cx), Poll::Ready(Some(bytes)) if &bytes[..] == b"bye")
        );
        assert!(matches!(wire.poll_output(&mut cx), Poll::Ready(None)));
    }
}
