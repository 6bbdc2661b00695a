//! perf, started on a contestant's processes for as long as they are measured.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

use super::stacks::Profile;
use crate::failure::{Failure, While as _};

/// Samples a second. Not a round number: those would meet timers again and again.
const FREQUENCY_HZ: &str = "999";
/// A clock, which every machine has; guests often have no counter of cycles.
const EVENT: &str = "cpu-clock";

/// perf while it records.
pub(crate) struct Recording {
    child: Child,
    data: PathBuf,
}

/// Why perf cannot be had; none where it can.
pub(crate) fn missing() -> Option<String> {
    let record = ["record", "-q", "-F", FREQUENCY_HZ, "-e", EVENT, "-o", "/dev/null", "true"];
    match Command::new("perf").args(record).stdin(Stdio::null()).output() {
        Ok(said) if said.status.success() => None,
        Ok(said) => {
            let words = String::from_utf8_lossy(&said.stderr).into_owned();
            let first = words.lines().find(|line| !line.trim().is_empty()).unwrap_or("no reason");
            Some(format!("perf does not record: {}", first.trim()))
        }
        Err(error) => Some(format!("perf cannot be started ({error}); install linux-perf")),
    }
}

impl Recording {
    /// Begins; `name.data` and `name.folded` in `directory` will be its files.
    pub(crate) fn start(processes: &[u32], directory: &Path, name: &str) -> Result<Self, Failure> {
        let processes: Vec<String> = processes.iter().map(u32::to_string).collect();
        let data = directory.join(format!("{name}.data"));
        let child = Command::new("perf")
            .args(["record", "-q", "-F", FREQUENCY_HZ, "-e", EVENT, "-g", "-p"])
            .arg(processes.join(","))
            .arg("-o")
            .arg(&data)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .during("perf record")?;
        Ok(Self { child, data })
    }

    /// Takes no more samples; does not wait until they are written.
    pub(crate) fn stop(&self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ended_already = kill_process(pid, Signal::INT);
        }
    }

    /// Reads what was recorded and writes the folded stacks beside it.
    pub(crate) fn read(mut self) -> Result<Profile, Failure> {
        self.stop();
        self.child.wait().during("perf record")?;
        // --no-inline: who is inlined where is looked up in debug information for minutes.
        let said = Command::new("perf")
            .args(["script", "--no-inline", "-F", "ip,sym,dso", "-i"])
            .arg(&self.data)
            .stdin(Stdio::null())
            .output()
            .during("perf script")?;
        if !said.status.success() {
            let words = String::from_utf8_lossy(&said.stderr).into_owned();
            return Err(Failure(format!("perf script: {}", words.trim())));
        }
        let profile = Profile::parse(&String::from_utf8_lossy(&said.stdout));
        if profile.samples == 0 {
            return Err(Failure(format!("perf took no sample; see {}", self.data.display())));
        }
        let folded = self.data.with_extension("folded");
        fs::write(&folded, profile.folded_text()).during(folded.display())?;
        Ok(profile)
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.stop();
        // read() has waited already, and then this says so at once.
        drop(self.child.wait());
    }
}
