//! Asks the kernel for a ring and gathers what explains its answer.

use std::io;

use io_uring::{IoUring, Probe};

use super::{
    host::{self, Status, Surroundings},
    self_test,
};
use crate::engine::{process, uring};

/// Everything the judgement about io_uring depends on.
#[derive(Clone, Debug)]
pub(super) struct Observed {
    /// The accepted setup flags, or the errno of io_uring_setup(2).
    pub(super) setup: Result<&'static str, i32>,
    /// Operations we submit that this kernel does not know.
    pub(super) missing: Vec<&'static str>,
    /// An echo through the real engine; `None` when it was not tried.
    pub(super) self_test: Option<Result<(), String>>,
    /// kernel.io_uring_disabled, where the kernel has it.
    pub(super) disabled: Option<i64>,
    /// kernel.io_uring_group, where the kernel has it.
    pub(super) group: Option<i64>,
    pub(super) status: Status,
    pub(super) kernel: String,
    pub(super) surroundings: Surroundings,
    /// Soft limit of pinned memory in bytes, `u64::MAX` for none.
    pub(super) memlock: u64,
}

impl Observed {
    pub(super) fn now() -> Self {
        let ring = first_ring();
        let missing = ring.as_ref().map_or_else(|_| Vec::new(), |(ring, _)| missing(ring));
        let setup = ring.map(|(_closed, flags)| flags);
        let tried = setup.is_ok() && missing.is_empty();
        Self {
            setup,
            missing,
            self_test: tried.then(self_test::echo),
            disabled: host::sysctl("kernel/io_uring_disabled"),
            group: host::sysctl("kernel/io_uring_group"),
            status: Status::read(),
            kernel: host::kernel_release(),
            surroundings: host::surroundings(),
            memlock: process::locked_memory().map_or(u64::MAX, |(soft, _)| soft),
        }
    }
}

fn first_ring() -> Result<(IoUring, &'static str), i32> {
    let mut refusal = libc::ENOSYS;
    for (flags, builder) in uring::setups() {
        match builder.build(4) {
            Ok(ring) => return Ok((ring, flags)),
            Err(error) => refusal = errno(&error),
        }
        if refusal != libc::EINVAL {
            break;
        }
    }
    Err(refusal)
}

fn missing(ring: &IoUring) -> Vec<&'static str> {
    let mut probe = Probe::new();
    if ring.submitter().register_probe(&mut probe).is_err() {
        // Kernels before 5.6, or a policy that denies io_uring_register(2).
        return vec!["IORING_REGISTER_PROBE"];
    }
    let unknown = uring::REQUIRED.iter().filter(|(code, _)| !probe.is_supported(*code));
    unknown.map(|(_, name)| *name).collect()
}

fn errno(error: &io::Error) -> i32 {
    error.raw_os_error().unwrap_or(libc::EIO)
}
