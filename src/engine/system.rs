//! System calls that never wait, the same under both drivers.

#![allow(unsafe_code)]

use std::{
    io,
    net::SocketAddr,
    os::fd::{AsRawFd, BorrowedFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use socket2::{SockAddr, SockRef};
use tokio::io::{Interest, unix::AsyncFd};

/// Owners that keep the same descriptor open for as long as they live.
pub(super) trait Owner: AsRawFd {}

impl Owner for OwnedFd {}
impl Owner for Arc<OwnedFd> {}

/// Registers a descriptor with the event loop this runs on.
pub(super) fn watch<T: Owner>(fd: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: an `Owner` keeps one descriptor open, and the `AsyncFd` owns it from here on.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interest) }?)
}

/// Receives what is there. `WouldBlock` when nothing is.
pub(super) fn receive_now(fd: BorrowedFd<'_>, into: &mut [u8]) -> io::Result<usize> {
    loop {
        // SAFETY: the kernel writes at most `into.len()` bytes to `into`, which outlives the call.
        let received = unsafe {
            libc::recv(fd.as_raw_fd(), into.as_mut_ptr().cast(), into.len(), libc::MSG_DONTWAIT)
        };
        match usize::try_from(received) {
            Ok(bytes) => return Ok(bytes),
            Err(_negative) => retry_interrupted(io::Error::last_os_error())?,
        }
    }
}

/// Sends what fits. `WouldBlock` when nothing does.
pub(super) fn send_now(fd: BorrowedFd<'_>, bytes: &[u8]) -> io::Result<usize> {
    let socket = SockRef::from(&fd);
    loop {
        match socket.send_with_flags(bytes, libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL) {
            Ok(sent) => return Ok(sent),
            Err(error) => retry_interrupted(error)?,
        }
    }
}

fn retry_interrupted(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
}

/// Switches O_NONBLOCK on or off.
pub(super) fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    let mut on = libc::c_int::from(nonblocking);
    // SAFETY: FIONBIO reads one int, which outlives the call.
    let status = unsafe { libc::ioctl(fd.as_raw_fd(), libc::FIONBIO, &raw mut on) };
    if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Which of `events` (and POLLERR, POLLHUP) hold right now.
pub(super) fn poll_now(fd: BorrowedFd<'_>, events: libc::c_short) -> libc::c_short {
    let mut entry = libc::pollfd { fd: fd.as_raw_fd(), events, revents: 0 };
    // SAFETY: one entry, which outlives the call. A failure leaves `revents` empty.
    unsafe { libc::poll(&raw mut entry, 1, 0) };
    entry.revents
}

/// Bytes accepted from us and not yet acknowledged by the peer.
pub(super) fn unsent_bytes(fd: BorrowedFd<'_>) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: SIOCOUTQ (TIOCOUTQ) writes one int, which outlives the call.
    let status = unsafe { libc::ioctl(fd.as_raw_fd(), libc::TIOCOUTQ, &raw mut bytes) };
    if status == 0 { usize::try_from(bytes).unwrap_or(0) } else { 0 }
}

/// Resets the connection now: the peer gets an RST, and whoever waits on this socket an error.
///
/// Closing would wait for the operations in flight that hold the descriptor, and shutdown(2)
/// would send a FIN, which the peer takes for a clean end. Connecting to no address is the one
/// call that disconnects at once (`tcp_disconnect` in the kernel).
pub(super) fn reset(fd: BorrowedFd<'_>) -> io::Result<()> {
    // Should disconnecting fail, the close that follows resets.
    let lingering = SockRef::from(&fd).set_linger(Some(Duration::ZERO));
    // SAFETY: all-zero bytes are a valid sockaddr; its family is then AF_UNSPEC.
    let nowhere: libc::sockaddr = unsafe { std::mem::zeroed() };
    let bytes = libc::socklen_t::try_from(size_of::<libc::sockaddr>()).unwrap_or(16);
    // SAFETY: the kernel reads `bytes` bytes of `nowhere`, which outlives the call.
    let status = unsafe { libc::connect(fd.as_raw_fd(), &raw const nowhere, bytes) };
    if status == 0 { lingering } else { Err(io::Error::last_os_error()) }
}

/// How a connect that was started has ended, or `None` while it has not.
pub(super) fn connect_outcome(fd: BorrowedFd<'_>) -> Option<io::Result<()>> {
    // Looked at before the error is taken: an error that comes in between is not lost.
    let events = poll_now(fd, libc::POLLOUT);
    if events == libc::POLLOUT {
        return Some(Ok(()));
    }
    match SockRef::from(&fd).take_error() {
        Ok(None) => {}
        Ok(Some(error)) | Err(error) => return Some(Err(error)),
    }
    if events & libc::POLLHUP != 0 {
        // Ended by `shutdown` or `abort` of our own.
        return Some(Err(io::ErrorKind::ConnectionAborted.into()));
    }
    (events & libc::POLLOUT != 0).then_some(Ok(()))
}

/// Accepts a connection that is there; it is born in blocking mode. `WouldBlock` when none is.
pub(super) fn accept_now(listener: BorrowedFd<'_>) -> io::Result<(OwnedFd, SocketAddr)> {
    loop {
        match SockRef::from(&listener).accept() {
            Ok((socket, address)) => return Ok((socket.into(), internet(&address)?)),
            Err(error) => retry_interrupted(error)?,
        }
    }
}

/// The address in `address`, which must be an internet one.
pub(super) fn internet(address: &SockAddr) -> io::Result<SocketAddr> {
    address.as_socket().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into())
}
