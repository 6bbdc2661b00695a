//! What all operations share: submission, the result of a completion, what is in flight.

use std::{
    cell::Cell,
    io,
    os::fd::{AsFd, AsRawFd},
    rc::Rc,
};

use io_uring::{cqueue, squeue, types};
use tokio_uring::{InFlightOneshot, OneshotOutputTransform, UnsubmittedOneshot};

use crate::engine::{buffers::Buffer, socket::Shared, system};

/// What a socket has in flight on the ring.
#[derive(Debug, Default)]
pub(in crate::engine) struct Flight {
    /// A `recv` whose buffer may be given back.
    pub(super) receiving: Cell<bool>,
    /// That `recv` is already being cancelled.
    pub(super) releasing: Cell<bool>,
    /// A `send_all`: cancelling by descriptor could hit it.
    pub(super) sending: Cell<bool>,
    /// The socket is in blocking mode.
    waits: Cell<bool>,
}

impl Flight {
    /// Puts the socket into blocking mode before its first operation: older kernels answer EAGAIN
    /// to operations on non-blocking sockets. System calls that must not wait say so themselves.
    pub(super) fn let_wait(&self, socket: &Shared) -> io::Result<()> {
        if !self.waits.get() {
            system::set_nonblocking(socket.as_fd(), false)?;
            self.waits.set(true);
        }
        Ok(())
    }
}

/// Data of an operation on a buffer.
pub(super) struct Transfer {
    pub(super) buffer: Buffer,
    pub(super) _socket: Rc<Shared>,
}

/// Returns the buffer with the result.
pub(super) struct GiveBack;

impl OneshotOutputTransform for GiveBack {
    type Output = (io::Result<usize>, Buffer);
    type StoredData = Transfer;

    fn transform_oneshot_output(self, data: Transfer, entry: cqueue::Entry) -> Self::Output {
        (result(&entry), data.buffer)
    }
}

/// Returns the result alone.
pub(super) struct Plain;

impl OneshotOutputTransform for Plain {
    type Output = io::Result<usize>;
    type StoredData = Rc<Shared>;

    fn transform_oneshot_output(self, _socket: Rc<Shared>, entry: cqueue::Entry) -> Self::Output {
        result(&entry)
    }
}

/// Queues an operation on `buffer`, whose memory `entry` points into. The memory does not move
/// with the buffer, and the operation owns the buffer until it completes.
pub(super) fn transfer(
    socket: &Rc<Shared>,
    buffer: Buffer,
    entry: squeue::Entry,
) -> InFlightOneshot<Transfer, GiveBack> {
    let data = Transfer { buffer, _socket: Rc::clone(socket) };
    UnsubmittedOneshot::new(data, GiveBack, entry).submit()
}

/// Queues an operation that needs no memory.
pub(super) fn simple(
    socket: Rc<Shared>,
    entry: squeue::Entry,
) -> InFlightOneshot<Rc<Shared>, Plain> {
    UnsubmittedOneshot::new(socket, Plain, entry).submit()
}

pub(super) fn target(socket: &Shared) -> types::Fd {
    types::Fd(socket.as_fd().as_raw_fd())
}

/// Length of one operation: the ring counts in 32 bits, buffers are far smaller.
pub(super) fn length(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

pub(super) fn result(entry: &cqueue::Entry) -> io::Result<usize> {
    let result = entry.result();
    usize::try_from(result).map_err(|_negative| io::Error::from_raw_os_error(-result))
}

pub(super) fn is(error: &io::Error, errno: i32) -> bool {
    error.raw_os_error() == Some(errno)
}
