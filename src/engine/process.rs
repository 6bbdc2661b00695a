//! Limits of the process that the engine depends on.

#![allow(unsafe_code)]

use std::{io, time::Duration};

use super::exhausted;

/// Soft and hard limit of open files.
///
/// # Errors
/// What getrlimit(2) says.
pub fn open_files() -> io::Result<(u64, u64)> {
    limit(libc::RLIMIT_NOFILE)
}

/// Open files: how many there may be, and how many of them are left to traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFiles {
    /// The limit of the process.
    pub limit: u64,
    /// That without the reserve.
    pub traffic: u64,
}

/// Raises the soft limit of open files to the hard one and returns it: a stream takes two. From
/// then on traffic leaves a reserve to everything else.
///
/// # Errors
/// What setrlimit(2) says; the limit is then unchanged.
pub fn raise_open_files() -> io::Result<OpenFiles> {
    let (soft, hard) = open_files()?;
    exhausted::reserve(soft);
    if soft < hard {
        let wanted = libc::rlimit { rlim_cur: hard, rlim_max: hard };
        // SAFETY: the kernel only reads `wanted`, which outlives the call.
        let status = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const wanted) };
        if status != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(OpenFiles { limit: hard, traffic: exhausted::reserve(hard) })
}

/// Soft and hard limit of pinned memory in bytes; `u64::MAX` means unlimited.
pub(super) fn locked_memory() -> io::Result<(u64, u64)> {
    limit(libc::RLIMIT_MEMLOCK)
}

/// Processor time that this thread has used, in the program and in the kernel.
#[must_use]
pub fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel fills `time`, which outlives the call.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    debug_assert_eq!(status, 0, "every thread has this clock");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Lets this thread stand back by so much in the kernel's distribution of processor time (nice(2),
/// which on Linux is of the thread): whoever has more weight runs first when both want to, and has
/// the greater share when both always want to.
pub fn stand_back(by: u8) {
    // SAFETY: takes a number and touches no memory. That less is asked for is never refused, and
    // the value it returns may be -1 without an error.
    let _ = unsafe { libc::nice(by.into()) };
}

fn limit(resource: libc::__rlimit_resource_t) -> io::Result<(u64, u64)> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel fills `limit`, which outlives the call.
    let status = unsafe { libc::getrlimit(resource, &raw mut limit) };
    if status == 0 { Ok((limit.rlim_cur, limit.rlim_max)) } else { Err(io::Error::last_os_error()) }
}

/// Gives up the right and the allowance to pin memory, for the rest of the process.
#[cfg(test)]
pub(super) fn pin_nothing() {
    let nothing = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel only reads `nothing`, which outlives the call.
    let status = unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const nothing) };
    assert_eq!(status, 0);
    // Root may pin without limit. SAFETY: takes no pointer; fails harmlessly for others.
    unsafe { libc::setuid(65_534) };
}
