//! perf, started on a contestant's processes for as long as they are measured.

use std::{
    fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use super::stacks::Profile;
use crate::failure::{Failure, While as _};

/// Samples a second. Not a round number: those would meet timers again and again.
const FREQUENCY_HZ: &str = "999";
/// A clock, which every machine has; guests often have no counter of cycles.
const EVENT: &str = "cpu-clock";

/// What perf answers to a command once it has obeyed.
const ACKNOWLEDGEMENT: [u8; 5] = *b"ack\n\0";

/// perf, which looks at processes from its start on and takes samples between two moments.
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
    /// Starts perf and waits until it could take samples; `name.data` and `name.folded` in
    /// `directory` will be its files.
    pub(crate) fn prepare(
        processes: &[u32],
        directory: &Path,
        name: &str,
    ) -> Result<Self, Failure> {
        let processes: Vec<String> = processes.iter().map(u32::to_string).collect();
        let data = directory.join(format!("{name}.data"));
        // No samples at first, commands by standard input, answers by standard output.
        let child = Command::new("perf")
            .args(["record", "-q", "-D", "-1", "--control=fd:0,1"])
            .args(["-F", FREQUENCY_HZ, "-e", EVENT, "-g", "-p"])
            .arg(processes.join(","))
            .arg("-o")
            .arg(&data)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .during("perf record")?;
        let mut recording = Self { child, data };
        recording.command("ping")?;
        Ok(recording)
    }

    /// Takes samples from now on.
    pub(crate) fn begin(&mut self) -> Result<(), Failure> {
        self.command("enable")
    }

    /// Takes no more.
    pub(crate) fn end(&mut self) -> Result<(), Failure> {
        self.command("disable")
    }

    fn command(&mut self, word: &str) -> Result<(), Failure> {
        let during = || format!("perf record, command {word}");
        let (Some(commands), Some(answers)) = (&mut self.child.stdin, &mut self.child.stdout)
        else {
            return Err(Failure(format!("{}: it has ended", during())));
        };
        commands.write_all(format!("{word}\n").as_bytes()).during(during())?;
        let mut answer = [0; ACKNOWLEDGEMENT.len()];
        answers.read_exact(&mut answer).during(during())?;
        if answer != ACKNOWLEDGEMENT {
            let answer = String::from_utf8_lossy(&answer).into_owned();
            return Err(Failure(format!("{}: it answered {answer:?}", during())));
        }
        Ok(())
    }

    /// Reads what was recorded and writes the folded stacks beside it.
    pub(crate) fn read(mut self) -> Result<Profile, Failure> {
        self.command("stop")?;
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
        // It has ended where read() was called; elsewhere nobody wants what it has.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
