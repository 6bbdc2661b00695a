//! Cancelling by descriptor (kernel 5.19): older kernels answer EINVAL and nothing changes.

use std::rc::Rc;

use io_uring::{opcode, types::CancelBuilder};

use super::operation::{Flight, simple, target};
use crate::engine::socket::Shared;

/// Cancels the pending `recv` so that it gives its buffer back. Entries are handled in order, so
/// this one can only meet the `recv` queued before it, never a later one.
pub(in crate::engine) fn release_idle(socket: &Rc<Shared>, flight: &Flight) {
    if flight.receiving.get() && !flight.sending.get() && !flight.releasing.replace(true) {
        let one = CancelBuilder::fd(target(socket));
        // Nobody waits for the answer; until it comes the ring keeps the socket open.
        drop(simple(socket.clone(), opcode::AsyncCancel2::new(one).build()));
    }
}

/// Cancels everything the socket has in flight.
pub(in crate::engine) fn cancel_all(socket: &Rc<Shared>) {
    let all = CancelBuilder::fd(target(socket)).all();
    drop(simple(socket.clone(), opcode::AsyncCancel2::new(all).build()));
}
