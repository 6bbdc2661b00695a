//! Operations over epoll: try, and on "would block" wait for readiness. The epoll driver has no
//! others; under io_uring this is how a socket is waited for, and the ring takes what is left over.
//!
//! A short read or write means the kernel's queue is empty or full. Clearing the readiness then
//! saves the system call that would only say so; epoll is edge-triggered, so whatever happens
//! later is reported anew.

use std::{
    cell::Cell,
    io,
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    pin::pin,
    task::{Context, Poll, Waker},
};

use tokio::io::unix::AsyncFd;

use super::{
    buffers::{Buffer, BufferPool, SizeClass},
    system,
};
use crate::limits;

/// A full read of so much means that more is waiting, and that others have waited meanwhile.
const GREEDY_BYTES: usize = limits::BUFFER_MEDIUM_BYTES;

/// A socket, and whether its last read left much behind.
///
/// A socket that is always ready never lets go of the event loop: tokio looks at epoll only when
/// no task can run or after 61 of them, and lets one task read 128 times. With 256 KiB a read
/// that is long enough to delay a small message by tens of milliseconds. So a socket that keeps
/// its reader busy gives way before its next read: by waiting for the others and for epoll, or by
/// a receive of the ring, which begins only once the event loop has nothing else to do.
pub(super) struct Watched {
    fd: AsyncFd<OwnedFd>,
    greedy: Cell<bool>,
}

impl Watched {
    pub(super) fn new(fd: AsyncFd<OwnedFd>) -> Self {
        Self { fd, greedy: Cell::new(false) }
    }

    pub(super) fn fd(&self) -> &AsyncFd<OwnedFd> {
        &self.fd
    }

    pub(super) fn into_inner(self) -> OwnedFd {
        self.fd.into_inner()
    }

    /// Whether the next read must give way to others; asked once for each.
    pub(super) fn gives_way(&self) -> bool {
        self.greedy.replace(false)
    }
}

pub(super) async fn connected(socket: &AsyncFd<OwnedFd>) -> io::Result<()> {
    loop {
        let mut ready = socket.writable().await?;
        if let Some(outcome) = system::connect_outcome(socket.as_fd()) {
            return outcome;
        }
        ready.clear_ready();
    }
}

pub(super) async fn recv(
    socket: &Watched,
    pool: &BufferPool,
    class: SizeClass,
    bytes_max: usize,
) -> io::Result<Buffer> {
    loop {
        let mut ready = socket.fd.readable().await?;
        // Only now: a stream that waits holds no buffer.
        let mut buffer = pool.take(class);
        let room = bytes_max.min(buffer.spare_len());
        match system::receive_now(socket.fd.as_fd(), &mut buffer.spare_mut()[..room]) {
            Ok(bytes) => {
                socket.greedy.set(bytes == room && room >= GREEDY_BYTES);
                if bytes > 0 && bytes < room {
                    ready.clear_ready();
                }
                buffer.fill(bytes);
                return Ok(buffer);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
            Err(error) => return Err(error),
        }
    }
}

pub(super) async fn recv_more(socket: &Watched, mut buffer: Buffer) -> (io::Result<usize>, Buffer) {
    let room = buffer.spare_len();
    loop {
        let mut ready = match socket.fd.readable().await {
            Ok(ready) => ready,
            Err(error) => return (Err(error), buffer),
        };
        match system::receive_now(socket.fd.as_fd(), buffer.spare_mut()) {
            Ok(bytes) => {
                socket.greedy.set(bytes == room && room >= GREEDY_BYTES);
                if bytes > 0 && bytes < room {
                    ready.clear_ready();
                }
                buffer.fill(bytes);
                return (Ok(bytes), buffer);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
            Err(error) => return (Err(error), buffer),
        }
    }
}

/// Sends what the kernel did not take just now.
pub(super) async fn send_rest(
    socket: &AsyncFd<OwnedFd>,
    mut buffer: Buffer,
) -> (io::Result<()>, Buffer) {
    loop {
        forget_writable(socket);
        if let Err(error) = socket.writable().await {
            return (Err(error), buffer);
        }
        if let Err(error) = send_what_fits(socket, &mut buffer) {
            return (Err(error), buffer);
        }
        if buffer.is_empty() {
            return (Ok(()), buffer);
        }
    }
}

/// Sends as much as the kernel takes at once, which may be nothing.
pub(super) fn send_what_fits(socket: &AsyncFd<OwnedFd>, buffer: &mut Buffer) -> io::Result<()> {
    if buffer.is_empty() {
        return Ok(());
    }
    match system::send_now(socket.as_fd(), buffer.filled()) {
        Ok(sent) => buffer.consume(sent),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Clears a readiness from before the send that just filled the kernel's queue. The event loop
/// has not run since, so an event that came after the send is still to be reported.
fn forget_writable(socket: &AsyncFd<OwnedFd>) {
    let writable = pin!(socket.writable());
    let mut context = Context::from_waker(Waker::noop());
    if let Poll::Ready(Ok(mut ready)) = writable.poll(&mut context) {
        ready.clear_ready();
    }
}

/// Waits for a connection and accepts it.
pub(super) async fn accept(listener: &AsyncFd<OwnedFd>) -> io::Result<(OwnedFd, SocketAddr)> {
    loop {
        let mut ready = listener.readable().await?;
        match system::accept_now(listener.as_fd()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready.clear_ready(),
            accepted => return accepted,
        }
    }
}
