//! Setting a ring up: the best flags the kernel accepts.

use std::io;

use io_uring::opcode;

use crate::limits;

/// Operations the engine submits, with the names the kernel's manual uses.
pub(in crate::engine) const REQUIRED: [(u8, &str); 5] = [
    (opcode::Recv::CODE, "RECV"),
    (opcode::Send::CODE, "SEND"),
    (opcode::ReadFixed::CODE, "READ_FIXED"),
    (opcode::WriteFixed::CODE, "WRITE_FIXED"),
    (opcode::AsyncCancel::CODE, "ASYNC_CANCEL"),
];

/// Setups to try, best first, with the name for the log. Never DEFER_TASKRUN: deferred work does
/// not wake the epoll instance tokio-uring waits in, so the first network completion hangs.
pub(in crate::engine) fn setups() -> [(&'static str, io_uring::Builder); 3] {
    let plain = tokio_uring::uring_builder();
    // Interrupting the worker to deliver completions buys nothing: it looks when it is idle.
    let mut cooperative = plain.clone();
    cooperative.setup_coop_taskrun();
    let mut single = cooperative.clone();
    single.setup_single_issuer();
    [("single_issuer,coop_taskrun", single), ("coop_taskrun", cooperative), ("none", plain)]
}

/// A runtime on a ring with the first setup the kernel accepts, and that setup's name.
pub(in crate::engine) fn start() -> io::Result<(tokio_uring::Runtime, &'static str)> {
    let mut refusal = io::Error::from(io::ErrorKind::Unsupported);
    for (flags, mut ring) in setups() {
        ring.setup_cqsize(limits::RING_COMPLETIONS);
        let mut builder = tokio_uring::builder();
        builder.entries(limits::RING_ENTRIES).uring_builder(&ring);
        match tokio_uring::Runtime::new(&builder) {
            Ok(runtime) => return Ok((runtime, flags)),
            // EINVAL is a flag this kernel does not know.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => refusal = error,
            Err(error) => return Err(error),
        }
    }
    Err(refusal)
}
