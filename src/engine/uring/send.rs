//! Sending what the kernel did not take at once: SEND, or WRITE_FIXED from registered memory. The
//! kernel waits for room and goes on by itself.

use std::{io, rc::Rc};

use io_uring::{opcode, squeue};

use super::operation::{Flight, is, length, target, transfer};
use crate::engine::{buffers::Buffer, socket::Shared};

pub(in crate::engine) async fn send_all(
    socket: &Rc<Shared>,
    flight: &Flight,
    mut buffer: Buffer,
) -> (io::Result<()>, Buffer) {
    if let Err(error) = flight.let_wait(socket) {
        return (Err(error), buffer);
    }
    while !buffer.is_empty() {
        let entry = entry(socket, &buffer);
        flight.sending.set(true);
        let (sent, returned) = transfer(socket, buffer, entry).await;
        flight.sending.set(false);
        buffer = returned;
        match sent {
            Ok(bytes) => buffer.consume(bytes),
            Err(error) if is(&error, libc::EINTR) => {}
            Err(error) => return (Err(error), buffer),
        }
    }
    (Ok(()), buffer)
}

fn entry(socket: &Shared, buffer: &Buffer) -> squeue::Entry {
    let filled = buffer.filled();
    let bytes = length(filled.len());
    match buffer.registered_index() {
        // Has no flags: a short write is continued above, and the standard library ignores
        // SIGPIPE before `main`.
        Some(index) => {
            opcode::WriteFixed::new(target(socket), filled.as_ptr(), bytes, index).build()
        }
        None => opcode::Send::new(target(socket), filled.as_ptr(), bytes)
            .flags(libc::MSG_WAITALL | libc::MSG_NOSIGNAL)
            .build(),
    }
}
