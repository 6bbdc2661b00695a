//! A stream socket: the vocabulary of the layers above, dispatched to the driver.

use std::{
    cell::Cell,
    io,
    net::{Shutdown, SocketAddr},
    os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd},
    rc::Rc,
    time::{Duration, Instant},
};

use socket2::{Domain, Protocol, SockRef, Type};
use tokio::io::Interest;

use super::{
    buffers::{Buffer, BufferPool, SizeClass},
    driver::{Driver, Kind},
    epoll, exhausted,
    options::Tuning,
    system, uring,
};

/// A connected (or connecting) stream socket. Clones are the same socket; it closes when the last
/// clone and the last operation in flight are gone.
///
/// One `recv` and one `send_all` may be under way at a time. Await what you began: under io_uring
/// a dropped operation goes on in the kernel and what it received is lost. To end one early, call
/// [`shutdown`](Self::shutdown) or [`abort`](Self::abort).
#[derive(Clone)]
pub struct Socket {
    shared: Rc<Shared>,
}

/// What operations in flight hold on to.
pub(super) struct Shared {
    handle: Handle,
    aborted: Cell<bool>,
    /// How long the last send waited, where it could not finish at once.
    stall: Cell<Option<Duration>>,
}

struct Handle {
    watched: epoll::Watched,
    /// Under io_uring: what the ring has in flight.
    flight: Option<uring::Flight>,
}

impl Shared {
    /// Fails once the socket was aborted: the kernel would let a reset socket start anew.
    pub(super) fn check_alive(&self) -> io::Result<()> {
        if self.aborted.get() { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }
}

impl AsFd for Shared {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.handle.watched.fd().as_fd()
    }
}

impl Socket {
    /// Takes over a connected socket. Must be called inside `block_on`.
    ///
    /// # Errors
    /// When epoll refuses it.
    pub fn adopt(driver: &Driver, fd: OwnedFd) -> io::Result<Self> {
        let watched = system::watch(fd, Interest::READABLE | Interest::WRITABLE)?;
        let flight = (driver.kind() == Kind::IoUring).then(uring::Flight::default);
        let handle = Handle { watched: epoll::Watched::new(watched), flight };
        Ok(Self {
            shared: Rc::new(Shared { handle, aborted: Cell::new(false), stall: Cell::new(None) }),
        })
    }

    /// Starts connecting to `addr`; [`connected`](Self::connected) tells how it went.
    ///
    /// # Errors
    /// When there is no descriptor left but the reserve, or the kernel refuses the address at once.
    pub fn open(driver: &Driver, addr: SocketAddr) -> io::Result<Self> {
        // Born in the mode that connecting needs: a stream that lives for a millisecond notices
        // every system call.
        let kind = Type::STREAM.nonblocking().cloexec();
        let domain = Domain::for_address(addr);
        let socket = socket2::Socket::new_raw(domain, kind, Some(Protocol::TCP))?;
        exhausted::outside_reserve(&socket)?;
        match socket.connect(&addr.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => {}
            Err(error) => return Err(error),
        }
        Self::adopt(driver, socket.into())
    }

    /// Waits for the connection [`open`](Self::open) started. Ended early by `shutdown`/`abort`.
    ///
    /// # Errors
    /// Why the connection was not made.
    pub async fn connected(&self) -> io::Result<()> {
        self.shared.check_alive()?;
        epoll::connected(self.shared.handle.watched.fd()).await
    }

    /// Receives into a buffer of `class`; an empty one is the end of the stream.
    ///
    /// # Errors
    /// The connection's error.
    pub async fn recv(&self, pool: &BufferPool, class: SizeClass) -> io::Result<Buffer> {
        self.recv_up_to(pool, class, class.bytes()).await
    }

    /// Receives at most `bytes_max` into a buffer of `class`; an empty one is the end.
    ///
    /// # Errors
    /// The connection's error.
    pub async fn recv_up_to(
        &self,
        pool: &BufferPool,
        class: SizeClass,
        bytes_max: usize,
    ) -> io::Result<Buffer> {
        debug_assert!(bytes_max > 0, "asking for nothing would look like the end");
        self.shared.check_alive()?;
        let Handle { watched, flight } = &self.shared.handle;
        if watched.gives_way() {
            match flight {
                None => tokio::task::yield_now().await,
                Some(flight) => {
                    let received =
                        uring::recv(&self.shared, flight, pool, class, bytes_max).await?;
                    // It gives its buffer back when nothing comes, and waits on without one.
                    if let Some(buffer) = received {
                        return Ok(buffer);
                    }
                }
            }
        }
        epoll::recv(watched, pool, class, bytes_max).await
    }

    /// Receives into the room of `buffer`, which must have some; 0 is the end of the stream.
    /// Such a buffer holds bytes of the caller, so [`release_idle`](Self::release_idle) leaves it.
    pub async fn recv_more(&self, buffer: Buffer) -> (io::Result<usize>, Buffer) {
        debug_assert!(buffer.spare_len() > 0, "asking for nothing would look like the end");
        if let Err(error) = self.shared.check_alive() {
            return (Err(error), buffer);
        }
        let Handle { watched, flight } = &self.shared.handle;
        if watched.gives_way() {
            match flight {
                None => tokio::task::yield_now().await,
                Some(flight) => return uring::recv_more(&self.shared, flight, buffer).await,
            }
        }
        epoll::recv_more(watched, buffer).await
    }

    /// Receives what is there, without waiting.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is, else the connection's error.
    pub fn try_recv(&self, into: &mut [u8]) -> io::Result<usize> {
        self.shared.check_alive()?;
        system::receive_now(self.shared.as_fd(), into)
    }

    /// Sends all filled bytes; the buffer comes back empty. After an error it holds what the
    /// kernel did not take.
    pub async fn send_all(&self, mut buffer: Buffer) -> (io::Result<()>, Buffer) {
        if let Err(error) = self.shared.check_alive() {
            return (Err(error), buffer);
        }
        self.shared.stall.set(None);
        let Handle { watched, flight } = &self.shared.handle;
        if let Err(error) = epoll::send_what_fits(watched.fd(), &mut buffer) {
            return (Err(error), buffer);
        }
        if buffer.is_empty() {
            return (Ok(()), buffer);
        }
        let since = Instant::now();
        let sent = match flight {
            None => epoll::send_rest(watched.fd(), buffer).await,
            Some(flight) => uring::send_all(&self.shared, flight, buffer).await,
        };
        self.shared.stall.set(Some(since.elapsed()));
        sent
    }

    /// How long the last send waited for the kernel to take the rest, where it could not finish
    /// at once; asked once.
    #[must_use]
    pub fn take_stall(&self) -> Option<Duration> {
        self.shared.stall.take()
    }

    /// Ends our direction: the peer reads the end once it has read all we sent.
    ///
    /// # Errors
    /// When the connection is gone already.
    pub fn shutdown_write(&self) -> io::Result<()> {
        SockRef::from(&self.shared.as_fd()).shutdown(Shutdown::Write)
    }

    /// Ends both directions; every pending operation ends soon, `recv` as if the peer had ended.
    pub fn shutdown(&self) {
        // The only failure is a connection that is gone, and then nothing is pending.
        let _gone = SockRef::from(&self.shared.as_fd()).shutdown(Shutdown::Both);
    }

    /// Resets the connection now. The peer reads what it already has, then an error, never an end;
    /// every pending operation ends with an error.
    pub fn abort(&self) {
        if self.shared.aborted.replace(true) {
            return;
        }
        if system::reset(self.shared.as_fd()).is_err() {
            // Some kernels refuse while a thread waits in the socket (6.4 to 6.6), and a socket
            // without TCP cannot be reset at all. SO_LINGER is set, so the close that follows
            // the pending operations resets; ending our reading side sends nothing.
            let _gone = SockRef::from(&self.shared.as_fd()).shutdown(Shutdown::Read);
            if self.shared.handle.flight.is_some() {
                uring::cancel_all(&self.shared);
            }
        }
    }

    /// Bytes accepted from us that the peer has not acknowledged and still may; none after an
    /// abort.
    #[must_use]
    pub fn unsent_bytes(&self) -> usize {
        // The kernel moves a reset connection's sequence numbers on, and then counts the gap.
        if self.shared.aborted.get() {
            return 0;
        }
        system::unsent_bytes(self.shared.as_fd())
    }

    /// Whether the peer has ended its direction or the connection is gone.
    #[must_use]
    pub fn hung_up(&self) -> bool {
        const GONE: libc::c_short = libc::POLLRDHUP | libc::POLLHUP | libc::POLLERR;
        system::poll_now(self.shared.as_fd(), libc::POLLRDHUP) & GONE != 0
    }

    /// Whether there is no connection any more: reset, failed or ended by both sides. What it had
    /// received can still be read. The end of one direction is not that.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        // Only a socket in state CLOSE has no peer (ENOTCONN).
        SockRef::from(&self.shared.as_fd()).peer_addr().is_err()
    }

    /// Lets a quiet `recv` give its buffer back: it goes on waiting without one. Only one that the
    /// ring carries, after a full one, holds any. Nothing received is lost. Does nothing while the
    /// ring has a send in flight.
    pub fn release_idle(&self) {
        if let Some(flight) = &self.shared.handle.flight {
            uring::release_idle(&self.shared, flight);
        }
    }

    /// Turns Nagle's algorithm off: we batch writes. Part of every [`Tuning`].
    ///
    /// # Errors
    /// When the kernel refuses, as for a socket that is not TCP.
    pub fn send_at_once(&self) -> io::Result<()> {
        SockRef::from(&self.shared.as_fd()).set_tcp_nodelay(true)
    }

    /// Sets the options of a tunnel's leg.
    ///
    /// # Errors
    /// When the kernel refuses one, as for a socket that is not TCP.
    pub fn tune(&self, tuning: &Tuning) -> io::Result<()> {
        tuning.apply(self.shared.as_fd())
    }

    /// The other end's address.
    ///
    /// # Errors
    /// When it is not connected.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        system::internet(&SockRef::from(&self.shared.as_fd()).peer_addr()?)
    }

    /// Our end's address.
    ///
    /// # Errors
    /// When the kernel cannot tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        system::internet(&SockRef::from(&self.shared.as_fd()).local_addr()?)
    }

    /// The descriptor, to hand the socket to another worker.
    ///
    /// # Errors
    /// Gives the socket back while it has clones or operations in flight.
    pub fn into_fd(self) -> Result<OwnedFd, Self> {
        match Rc::try_unwrap(self.shared) {
            Ok(Shared { handle, .. }) => Ok(handle.watched.into_inner()),
            Err(shared) => Err(Self { shared }),
        }
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.shared.as_fd().as_raw_fd()
    }
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").field("fd", &self.as_raw_fd()).finish_non_exhaustive()
    }
}
