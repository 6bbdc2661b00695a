//! Receiving: RECV, or READ_FIXED into registered memory, and waiting without a buffer when idle.

use std::{io, rc::Rc};

use io_uring::{opcode, squeue};

use super::operation::{Flight, is, length, target, transfer};
use crate::engine::{
    buffers::{Buffer, BufferPool, SizeClass},
    socket::Shared,
};

pub(in crate::engine) async fn recv(
    socket: &Rc<Shared>,
    flight: &Flight,
    pool: &BufferPool,
    class: SizeClass,
    bytes_max: usize,
) -> io::Result<Option<Buffer>> {
    flight.let_wait(socket)?;
    loop {
        let mut buffer = pool.take(class);
        let entry = entry(socket, &mut buffer, bytes_max);
        flight.receiving.set(true);
        let (received, mut buffer) = transfer(socket, buffer, entry).await;
        flight.receiving.set(false);
        flight.releasing.set(false);
        match received {
            Ok(bytes) => {
                buffer.fill(bytes);
                return Ok(Some(buffer));
            }
            Err(error) if is(&error, libc::ECANCELED) => {
                socket.check_alive()?;
                // Idle: the buffer goes back. A cancelled RECV took no byte.
                return Ok(None);
            }
            Err(error) if is(&error, libc::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

pub(in crate::engine) async fn recv_more(
    socket: &Rc<Shared>,
    flight: &Flight,
    mut buffer: Buffer,
) -> (io::Result<usize>, Buffer) {
    if let Err(error) = flight.let_wait(socket) {
        return (Err(error), buffer);
    }
    loop {
        let entry = entry(socket, &mut buffer, usize::MAX);
        let (received, mut returned) = transfer(socket, buffer, entry).await;
        match received {
            Ok(bytes) => {
                returned.fill(bytes);
                return (Ok(bytes), returned);
            }
            Err(error) if is(&error, libc::EINTR) => buffer = returned,
            Err(error) => return (Err(error), returned),
        }
    }
}

fn entry(socket: &Shared, buffer: &mut Buffer, bytes_max: usize) -> squeue::Entry {
    let registered = buffer.registered_index();
    let spare = buffer.spare_mut();
    let bytes = length(spare.len().min(bytes_max));
    let start = spare.as_mut_ptr();
    match registered {
        Some(index) => opcode::ReadFixed::new(target(socket), start, bytes, index).build(),
        None => opcode::Recv::new(target(socket), start, bytes).build(),
    }
}
