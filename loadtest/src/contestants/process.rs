//! A contestant's process on its core: started, watched through /proc, and ended with it.

use std::{
    fs,
    fs::File,
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    thread::{CpuSet, sched_setaffinity},
};

use super::contestant::{Launch, Place};
use crate::failure::{Failure, While as _};

/// From its start until it accepts connections.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// From SIGTERM to SIGKILL; a contestant without streams has nothing to wait for.
const END_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two looks at a process that is starting or ending.
const LOOK: Duration = Duration::from_millis(5);
/// How much of what it printed is worth repeating.
const LAST_WORDS_LINES: usize = 5;

/// A started contestant; ends with this value.
pub(crate) struct Running {
    child: Child,
    log: std::path::PathBuf,
}

/// What the process and its children have used so far.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Usage {
    /// User and system time.
    pub(crate) cpu_seconds: f64,
    /// Resident memory now.
    pub(crate) resident_bytes: u64,
}

/// Ties the calling thread, and what it starts from now on, to one core.
pub(crate) fn pin_this_thread(core: usize) -> Result<(), Failure> {
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).during(format!("pinning to core {core}"))
}

/// The first line with a digit that a program prints: that is where its version stands.
pub(super) fn version(program: &Path, arguments: &[&str]) -> String {
    let Ok(said) = Command::new(program).args(arguments).output() else { return String::new() };
    let both = [said.stdout, said.stderr].concat();
    let text = String::from_utf8_lossy(&both);
    let line = text.lines().find(|line| line.contains(|c: char| c.is_ascii_digit()));
    line.unwrap_or_default().trim().to_owned()
}

impl Running {
    /// Starts it on `core` and waits until it accepts connections.
    pub(crate) fn start(
        launch: &Launch,
        place: &Place,
        core: Option<usize>,
    ) -> Result<Self, Failure> {
        let log = place.directory.join("output.log");
        let output = File::create(&log).during(log.display())?;
        let mut command = Command::new(&launch.program);
        command
            .args(&launch.arguments)
            .current_dir(&place.directory)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output);
        // A child has the affinity of the thread that starts it.
        let spawned = thread::scope(|scope| {
            let starter = scope.spawn(|| -> Result<Child, Failure> {
                if let Some(core) = core {
                    pin_this_thread(core)?;
                }
                command.spawn().during(launch.program.display())
            });
            starter.join().map_err(|_| Failure("the starting thread panicked".to_owned()))?
        });
        let mut running = Self { child: spawned?, log };
        running.wait_until_it_accepts(place.listen)?;
        Ok(running)
    }

    fn wait_until_it_accepts(&mut self, address: SocketAddr) -> Result<(), Failure> {
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            self.check()?;
            if TcpStream::connect(address).is_ok() {
                return Ok(());
            }
            if Instant::now() > deadline {
                let seconds = START_TIMEOUT.as_secs();
                let words = self.last_words();
                return Err(Failure(format!("nothing accepts after {seconds} s; {words}")));
            }
            thread::sleep(LOOK);
        }
    }

    /// An error if it has ended.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => Err(Failure(format!("it ended ({status}); {}", self.last_words()))),
        }
    }

    fn last_words(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(LAST_WORDS_LINES).collect();
        let lines: Vec<&str> = lines.into_iter().rev().collect();
        if lines.is_empty() { "it printed nothing".into() } else { lines.join(" / ") }
    }

    /// What it and its children use.
    pub(crate) fn usage(&self) -> Usage {
        usage_of_tree(self.child.id())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // SIGTERM first: a killed parent would leave its workers behind.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ended_already = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + END_TIMEOUT;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                drop(self.child.kill());
                drop(self.child.wait());
                return;
            }
            thread::sleep(LOOK);
        }
    }
}

fn usage_of_tree(pid: u32) -> Usage {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let mut sum =
        Usage { cpu_seconds: cpu_seconds(&stat), resident_bytes: resident_bytes(&status) };
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
    for child in children.unwrap_or_default().split_whitespace() {
        let Ok(child) = child.parse() else { continue };
        let usage = usage_of_tree(child);
        sum.cpu_seconds += usage.cpu_seconds;
        sum.resident_bytes += usage.resident_bytes;
    }
    sum
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
