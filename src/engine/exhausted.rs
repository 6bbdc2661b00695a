//! What the process, or its surroundings, has too little of: descriptors, kernel memory, memory.
//!
//! The kernel gives out the lowest free descriptor, so its number alone tells how many are open. A
//! connection or dial that would reach into the reserve is given up at once: the admin server, the
//! log and a reload still have descriptors when traffic has used up all others, and whoever
//! connects sees an end and does not hang in the backlog.

use std::{
    fmt, fs, io,
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
    sync::atomic::{AtomicI32, Ordering::Relaxed},
    time::Duration,
};

use socket2::SockRef;

use crate::limits;

/// Descriptors of traffic lie below; set once the limit of open files is known.
static BOUND: AtomicI32 = AtomicI32::new(i32::MAX);

/// Keeps [`limits::DESCRIPTORS_RESERVED`] of `open_files` descriptors, or a quarter where that is
/// less, from traffic. Says how many are left to it.
pub(super) fn reserve(open_files: u64) -> u64 {
    let left = left_to_traffic(open_files);
    BOUND.store(i32::try_from(left).unwrap_or(i32::MAX), Relaxed);
    left
}

/// How many of `open_files` descriptors traffic may use.
pub(super) fn left_to_traffic(open_files: u64) -> u64 {
    open_files - (limits::DESCRIPTORS_RESERVED as u64).min(open_files / 4)
}

/// The descriptor is of the reserve.
#[derive(Debug)]
struct Reserved;

impl fmt::Display for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("all descriptors but the reserve are in use; raise the limit of open files")
    }
}

impl std::error::Error for Reserved {}

/// Fails for a descriptor that traffic must not use: it is of the reserve.
pub(super) fn outside_reserve(fd: &impl AsRawFd) -> io::Result<()> {
    if fd.as_raw_fd() < BOUND.load(Relaxed) { Ok(()) } else { Err(io::Error::other(Reserved)) }
}

/// The resource an operation failed for want of, as a stable label; `None` when that was not why.
#[must_use]
pub fn exhausted(error: &io::Error) -> Option<&'static str> {
    if error.get_ref().is_some_and(|inner| inner.is::<Reserved>()) {
        return Some("descriptors");
    }
    match error.raw_os_error()? {
        libc::EMFILE => Some("emfile"),
        libc::ENFILE => Some("enfile"),
        libc::ENOMEM => Some("enomem"),
        libc::ENOBUFS => Some("enobufs"),
        // What may be watched by epoll is bounded for each user.
        libc::ENOSPC => Some("enospc"),
        _ => None,
    }
}

/// Closes a connection that nobody serves, by a reset: its peer must not take it for an end.
pub fn turn_away(connection: OwnedFd) {
    // One that is gone already needs no reset.
    let _ = SockRef::from(&connection).set_linger(Some(Duration::ZERO));
}

/// Bytes of memory this process's cgroup allows, the least of those above it (version 2, then 1).
#[must_use]
pub fn memory_allowed() -> Option<u64> {
    memory_allowed_below(Path::new("/"))
}

fn memory_allowed_below(root: &Path) -> Option<u64> {
    let membership = fs::read_to_string(root.join("proc/self/cgroup")).ok()?;
    let allowed = membership.lines().filter_map(|line| {
        // hierarchy:controllers:path
        let mut fields = line.splitn(3, ':').skip(1);
        let (controllers, path) = (fields.next()?, fields.next()?);
        let (mount, file) = match controllers {
            "" => ("sys/fs/cgroup", "memory.max"),
            _ if controllers.split(',').any(|controller| controller == "memory") => {
                ("sys/fs/cgroup/memory", "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let group = |group: &Path| {
            let group = group.strip_prefix("/").unwrap_or(group);
            let text = fs::read_to_string(root.join(mount).join(group).join(file)).ok()?;
            text.trim().parse::<u64>().ok()
        };
        Path::new(path).ancestors().filter_map(group).min()
    });
    // Version 1 says "none" by the largest number of whole pages.
    allowed.min().filter(|bytes| *bytes < 1 << 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_of_a_small_limit_and_no_more_than_the_reserve_of_a_large_one_is_kept() {
        assert_eq!(left_to_traffic(100), 75);
        assert_eq!(left_to_traffic(256), 192);
        let large = 1 << 20;
        assert_eq!(left_to_traffic(large), large - limits::DESCRIPTORS_RESERVED as u64);
    }

    #[test]
    fn the_least_of_the_limits_above_is_what_is_allowed() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        assert_eq!(memory_allowed_below(root.path()), None);
        write("proc/self/cgroup", "0::/pod/app\n");
        write("sys/fs/cgroup/pod/app/memory.max", "max\n");
        assert_eq!(memory_allowed_below(root.path()), None);
        write("sys/fs/cgroup/pod/memory.max", "536870912\n");
        assert_eq!(memory_allowed_below(root.path()), Some(512 << 20));
        write("sys/fs/cgroup/pod/app/memory.max", "67108864\n");
        assert_eq!(memory_allowed_below(root.path()), Some(64 << 20));
        write("proc/self/cgroup", "5:memory:/app\n4:cpu,cpuacct:/app\n");
        write("sys/fs/cgroup/memory/app/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(memory_allowed_below(root.path()), None);
        write("sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
        assert_eq!(memory_allowed_below(root.path()), Some(1 << 30));
    }

    #[test]
    fn what_ran_out_is_told_from_what_else_went_wrong() {
        assert_eq!(exhausted(&io::Error::from_raw_os_error(libc::EMFILE)), Some("emfile"));
        assert_eq!(exhausted(&io::Error::other(Reserved)), Some("descriptors"));
        assert_eq!(exhausted(&io::Error::from_raw_os_error(libc::ECONNREFUSED)), None);
        assert_eq!(exhausted(&io::Error::other("else")), None);
    }
}
