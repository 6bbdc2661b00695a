//! Listening sockets: one per worker on the same port, spread by the kernel.

use std::{
    io,
    net::{IpAddr, Shutdown, SocketAddr},
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
};

use socket2::{Domain, Protocol, SockRef, Type};
use tokio::io::{Interest, unix::AsyncFd};

use super::{epoll, exhausted, options::Tuning, system};
use crate::limits;

/// One worker's listening socket. Clones are the same one.
#[derive(Clone)]
pub struct Listener {
    shared: Rc<Shared>,
}

struct Shared(AsyncFd<OwnedFd>);

impl Drop for Shared {
    fn drop(&mut self) {
        let _closed_already = SockRef::from(&self.0.as_fd()).shutdown(Shutdown::Both);
    }
}

impl Listener {
    /// Binds `count` listeners to `addr` (port 0: one port of the kernel's choice for all) and
    /// returns the address they got. An IPv6 wildcard takes IPv4 as well.
    ///
    /// # Errors
    /// `AddrInUse` when anyone else listens there, another instance of this program included.
    pub fn bind_group(addr: SocketAddr, count: usize) -> io::Result<(SocketAddr, Vec<OwnedFd>)> {
        let first = bind(addr, false)?;
        let addr = system::internet(&first.local_addr()?)?;
        // The first listens alone, which the kernel grants to one process only. It joins the
        // group from then on; a newcomer that comes alone is refused.
        first.set_reuse_port(true)?;
        let mut listeners = vec![OwnedFd::from(first)];
        for _ in 1..count {
            listeners.push(bind(addr, true)?.into());
        }
        Ok((addr, listeners))
    }

    /// Takes over a listening socket. Must be called inside `block_on`, of either driver: both
    /// wait for connections by epoll.
    ///
    /// The ring's ACCEPT is not used: the descriptor it completes with after its future is
    /// dropped, or while the event loop ends, belongs to nobody, and its peer would wait for ever.
    ///
    /// # Errors
    /// When its mode cannot be set or epoll refuses it.
    pub fn adopt(fd: OwnedFd) -> io::Result<Self> {
        system::set_nonblocking(fd.as_fd(), true)?;
        Ok(Self { shared: Rc::new(Shared(system::watch(fd, Interest::READABLE)?)) })
    }

    /// Waits for a connection. Ended by [`close`](Self::close); a dropped wait loses none.
    ///
    /// # Errors
    /// The kernel's refusal: descriptors exhausted, the connection gone before it was accepted,
    /// the listener closed. Also when only the reserve of descriptors is left; the connection was
    /// reset then.
    pub async fn accept(&self) -> io::Result<(OwnedFd, SocketAddr)> {
        let (connection, peer) = epoll::accept(&self.shared.0).await?;
        if let Err(error) = exhausted::outside_reserve(&connection) {
            exhausted::turn_away(connection);
            return Err(error);
        }
        Ok((connection, peer))
    }

    /// Stops listening: the port is free, a pending accept ends with an error, connections nobody
    /// accepted are reset.
    pub fn close(&self) {
        let _closed_already = SockRef::from(&self.shared.0.as_fd()).shutdown(Shutdown::Both);
    }

    /// Sets the options accepted connections are born with, which saves setting them on each.
    ///
    /// # Errors
    /// When the kernel refuses one.
    pub fn tune(&self, tuning: &Tuning) -> io::Result<()> {
        tuning.apply(self.shared.0.as_fd())
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// When the kernel cannot tell.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        system::internet(&SockRef::from(&self.shared.0.as_fd()).local_addr()?)
    }
}

fn bind(addr: SocketAddr, shared_port: bool) -> io::Result<socket2::Socket> {
    let socket =
        socket2::Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?;
    if let IpAddr::V6(ip) = addr.ip() {
        socket.set_only_v6(!ip.is_unspecified())?;
    }
    // Connections of a former run in TIME_WAIT must not keep a restart from binding.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared_port)?;
    socket.bind(&addr.into())?;
    socket.listen(limits::LISTEN_BACKLOG)?;
    Ok(socket)
}
