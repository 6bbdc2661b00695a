//! The facts without which a figure says nothing: machine, kernel, commit.

use std::{fs, path::Path, process::Command};

use rustix::{
    process::{Resource, getrlimit, setrlimit},
    thread::{CpuSet, sched_getaffinity},
};
use serde::Serialize;

/// Where something was measured.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    /// Load average of the last minute when the harness started: what else was running.
    pub(crate) load: String,
    /// Of the repository that the program under test lies in.
    pub(crate) commit: String,
}

impl Machine {
    /// Looks; `program` is under test.
    pub(crate) fn look(program: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let value = |text: &str, key: &str| {
            let line = text.lines().find(|line| line.starts_with(key));
            let value = line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim());
            value.unwrap_or("unknown").to_owned()
        };
        let memory = value(&read("/proc/meminfo"), "MemTotal");
        let kib: u64 = memory.split(' ').next().and_then(|kib| kib.parse().ok()).unwrap_or(0);
        Self {
            cpu: value(&read("/proc/cpuinfo"), "model name"),
            cores: allowed_cores().len(),
            memory_gib: (kib + (1 << 19)) >> 20,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            load: read("/proc/loadavg").split(' ').next().unwrap_or("unknown").to_owned(),
            commit: commit(program),
        }
    }
}

fn commit(program: &Path) -> String {
    let directory = program.parent().filter(|path| path.is_dir()).unwrap_or_else(|| Path::new("."));
    let described = Command::new("git")
        .args(["describe", "--always", "--dirty", "--abbrev=12"])
        .current_dir(directory)
        .output();
    match described {
        Ok(said) if said.status.success() => {
            String::from_utf8_lossy(&said.stdout).trim().to_owned()
        }
        _ => "unknown".to_owned(),
    }
}

/// Cores this process may use.
pub(crate) fn allowed_cores() -> Vec<usize> {
    let Ok(set) = sched_getaffinity(None) else { return Vec::new() };
    (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()
}

/// As many open files as the machine allows: a stream costs two here. Contestants inherit it.
pub(crate) fn allow_many_files() {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // What is refused here shows as an error of the scenario that needs more.
    let _refused = setrlimit(Resource::Nofile, limit);
}
