//! Memory, processors and disk of the machine, and what of them this process has, as Linux tells.

use std::{fs, io, path::Path};

use crate::limits::CPU_TICKS_MIN;

/// Memory in KiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Memory {
    pub(super) total: u64,
    /// What others could still have.
    pub(super) free: u64,
    /// What this process has of it.
    pub(super) own: u64,
    pub(super) swap_total: u64,
    pub(super) swap_free: u64,
    pub(super) swap_own: u64,
}

impl Memory {
    /// As it is now.
    pub(super) fn read() -> io::Result<Self> {
        Ok(Self::of(&fs::read_to_string("/proc/meminfo")?, &own_status()?))
    }

    fn of(machine: &str, own: &str) -> Self {
        Self {
            total: kib(machine, "MemTotal:"),
            free: kib(machine, "MemAvailable:"),
            own: kib(own, "VmRSS:"),
            swap_total: kib(machine, "SwapTotal:"),
            swap_free: kib(machine, "SwapFree:"),
            swap_own: kib(own, "VmSwap:"),
        }
    }
}

fn own_status() -> io::Result<String> {
    fs::read_to_string("/proc/self/status")
}

/// The number behind a name; 0 where a kernel does not tell it.
fn kib(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let word = line.and_then(|line| line.split_whitespace().next());
    word.and_then(|word| word.parse().ok()).unwrap_or(0)
}

/// Time of all processors since the machine started, in ticks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ticks {
    total: u64,
    busy: u64,
    own: u64,
}

impl Ticks {
    /// Until now.
    pub(super) fn read() -> io::Result<Self> {
        let machine = fs::read_to_string("/proc/stat")?;
        Ok(Self::of(&machine, &fs::read_to_string("/proc/self/stat")?))
    }

    fn of(machine: &str, own: &str) -> Self {
        let line = machine.lines().find_map(|line| line.strip_prefix("cpu "));
        // User, nice, system, idle, wait for disks, interrupts, the same, stolen by others. What
        // guests have is in the first two.
        let words = line.unwrap_or_default().split_whitespace().take(8);
        let all: Vec<u64> = words.map(|word| word.parse().unwrap_or(0)).collect();
        let total: u64 = all.iter().sum();
        let idle: u64 = all.iter().skip(3).take(2).sum();
        // Behind the name, which may hold anything.
        let rest = own.rsplit_once(')').map_or("", |(_, rest)| rest);
        let own = rest.split_whitespace().skip(11).take(2);
        let own = own.map(|word| word.parse().unwrap_or(0)).sum();
        Self { total, busy: total - idle, own }
    }
}

/// Percentages of what all processors could do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) total: u64,
    pub(super) own: u64,
}

/// How busy the processors were between two looks that are not too close.
#[derive(Debug, Default)]
pub(super) struct Meter {
    last: Ticks,
    load: Load,
}

impl Meter {
    /// One that begins with that look.
    pub(super) fn new(begin: Ticks) -> Self {
        Self { last: begin, load: Load::default() }
    }

    /// How busy they were of late.
    pub(super) fn look(&mut self, now: Ticks) -> Load {
        let passed = now.total.saturating_sub(self.last.total);
        if passed >= CPU_TICKS_MIN {
            let percent = |now: u64, last: u64| {
                // The kernel counts the process and the machine in different places.
                (now.saturating_sub(last) * 100).div_ceil(passed).min(100)
            };
            let total = percent(now.busy, self.last.busy);
            self.load = Load { total, own: percent(now.own, self.last.own) };
            self.last = now;
        }
        self.load
    }
}

/// The disk of a directory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Disk {
    pub(super) total: u64,
    /// What this user may still have.
    pub(super) free: u64,
    /// What is in the directory itself.
    pub(super) own: u64,
}

impl Disk {
    /// As it is now.
    pub(super) fn of(directory: &Path) -> io::Result<Self> {
        let facts = rustix::fs::statvfs(directory)?;
        let mut own = 0;
        for entry in fs::read_dir(directory)? {
            let size = entry.and_then(|entry| entry.metadata()).map(|file| file.len());
            // One that is gone meanwhile has none.
            own += size.unwrap_or(0);
        }
        let bytes = |blocks: u64| blocks.saturating_mul(facts.f_frsize);
        Ok(Self { total: bytes(facts.f_blocks), free: bytes(facts.f_bavail), own })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_as_linux_writes_it() {
        let machine = "MemTotal:       4000 kB\nMemFree:  1 kB\nMemAvailable:    3000 kB\n\
                       SwapTotal:  50 kB\nSwapFree:  40 kB\n";
        let own = "Name:\tMemTotal: 7\nVmRSS:\t     600 kB\nVmSwap:\t       8 kB\n";
        let memory = Memory::of(machine, own);
        let (total, free, own) = (4000, 3000, 600);
        let (swap_total, swap_free, swap_own) = (50, 40, 8);
        assert_eq!(memory, Memory { total, free, own, swap_total, swap_free, swap_own });
        assert_eq!(Memory::of("", "x"), Memory::default());
        let here = Memory::read().unwrap();
        assert!(0 < here.own && here.own < here.total && here.free <= here.total, "{here:?}");
    }

    #[test]
    fn processors_are_as_busy_as_between_two_looks() {
        let own = "1 (odd) name) R 1 1 1 0 -1 4194560 100 0 0 0 30 20 0 0 20 0 1 0 5 0 0";
        let begin = Ticks::of("cpu  100 0 100 700 100 0 0 0 0 0\ncpu0 1 1 1 1\n", own);
        assert_eq!(begin, Ticks { total: 1000, busy: 200, own: 50 });
        let mut meter = Meter::new(begin);
        let soon = Ticks { total: 1000 + CPU_TICKS_MIN - 1, ..begin };
        assert_eq!(meter.look(soon), Load::default(), "too close to tell");
        let later = Ticks { total: 1200, busy: 250, own: 60 };
        assert_eq!(meter.look(later), Load { total: 25, own: 5 });
        assert_eq!(meter.look(later), Load { total: 25, own: 5 });
        assert_eq!(Ticks::of("", ""), Ticks::default());
        assert!(Ticks::read().unwrap().total > 0);
    }

    #[test]
    fn a_disk_is_as_large_as_it_is() {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("x"), [0; 1000]).unwrap();
        let disk = Disk::of(place.path()).unwrap();
        assert!(disk.own == 1000 && disk.free < disk.total, "{disk:?}");
        assert!(Disk::of(&place.path().join("y")).is_err());
    }
}
