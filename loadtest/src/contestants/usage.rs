//! What processes have used, from /proc.

use std::{fs, iter::Sum};

/// What a process and its children have used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// User and system time.
    pub(crate) cpu_seconds: f64,
    /// Resident memory now.
    pub(crate) resident_bytes: u64,
}

impl Sum for Usage {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            cpu_seconds: sum.cpu_seconds + one.cpu_seconds,
            resident_bytes: sum.resident_bytes + one.resident_bytes,
        })
    }
}

/// A process and all that descend from it.
pub(super) fn tree(pid: u32) -> Vec<u32> {
    let mut all = vec![pid];
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    for child in children.unwrap_or_default().split_whitespace() {
        all.extend(child.parse().into_iter().flat_map(tree));
    }
    all
}

/// Of a process and all that descend from it.
pub(super) fn usage_of_tree(pid: u32) -> Usage {
    let of_one = |pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        Usage { cpu_seconds: cpu_seconds(&stat), resident_bytes: resident_bytes(&status) }
    };
    tree(pid).into_iter().map(of_one).sum()
}

/// CPU time of this process so far.
pub(crate) fn own_cpu_seconds() -> f64 {
    cpu_seconds(&fs::read_to_string("/proc/self/stat").unwrap_or_default())
}

/// utime and stime of a `/proc/PID/stat`; the name before them may hold anything.
fn cpu_seconds(stat: &str) -> f64 {
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    // proc(5) counts from 1 with pid and name, so utime, its 14th, is the 12th here.
    let ticks = after_name.split_whitespace().skip(11).take(2);
    let ticks: f64 = ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
    let per_second = rustix::param::clock_ticks_per_second() as f64;
    ticks / per_second
}

/// VmRSS of a `/proc/PID/status`.
fn resident_bytes(status: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stat_is_read_even_when_the_name_looks_like_fields() {
        let stat = "7 (a b) 1 2 (c) S 1 7 7 0 -1 4194304 100 0 0 0 250 50 9 9 20 0 1 0 5 1 2";
        let expected = 300.0 / 100.0;
        assert!((cpu_seconds(stat) - expected).abs() < 1e-9, "{}", cpu_seconds(stat));
        assert!(cpu_seconds("").abs() < 1e-9);
    }

    #[test]
    fn resident_memory_is_in_bytes() {
        assert_eq!(resident_bytes("VmHWM:\t 9 kB\nVmRSS:\t    2048 kB\n"), 2 * 1024 * 1024);
        assert_eq!(resident_bytes(""), 0);
        assert!(usage_of_tree(std::process::id()).resident_bytes > 100_000);
    }
}
