//! Waiting for readiness: idle streams, connections being made, connections to accept.

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
    rc::Rc,
};

use io_uring::opcode;

use super::operation::{is, simple, target};
use crate::engine::{socket::Shared, system};

/// Waits until there is something to receive, the end and errors included.
pub(super) async fn readable(socket: &Rc<Shared>) -> io::Result<()> {
    wait(Rc::clone(socket) as Rc<dyn AsFd>, libc::POLLIN | libc::POLLRDHUP).await
}

pub(in crate::engine) async fn connected(socket: &Rc<Shared>) -> io::Result<()> {
    loop {
        wait(Rc::clone(socket) as Rc<dyn AsFd>, libc::POLLOUT).await?;
        if let Some(outcome) = system::connect_outcome(socket.as_fd()) {
            return outcome;
        }
    }
}

/// Waits until there is a connection to accept.
///
/// The ACCEPT operation is not used: the descriptor it completes with after its future is dropped,
/// or while the event loop ends, belongs to nobody, and its peer would wait for ever.
pub(in crate::engine) async fn acceptable(listener: &Rc<OwnedFd>) -> io::Result<()> {
    wait(Rc::clone(listener) as Rc<dyn AsFd>, libc::POLLIN).await
}

async fn wait(socket: Rc<dyn AsFd>, events: libc::c_short) -> io::Result<()> {
    let events = u32::from(events.cast_unsigned());
    loop {
        let entry = opcode::PollAdd::new(target(&*socket), events).build();
        match simple(Rc::clone(&socket), entry).await {
            Ok(_events) => return Ok(()),
            Err(error) if is(&error, libc::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}
