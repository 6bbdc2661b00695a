//! Programs of the system, run as their users run them. One that is missing fails the test.

use std::{
    io::{Read, Write},
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What a program left behind.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

impl Finished {
    /// What it printed, as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }
}

/// Runs `program` with `input` on its standard input, for 60 s at most. No proxy of the machine's
/// environment gets in its way.
pub fn run(program: &str, arguments: &[&str], input: &[u8]) -> Finished {
    run_for(60, program, arguments, input)
}

/// The same for another number of seconds.
pub fn run_for(seconds: u64, program: &str, arguments: &[&str], input: &[u8]) -> Finished {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for variable in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        command.env_remove(variable).env_remove(variable.to_uppercase());
    }
    let mut child = command.spawn().unwrap_or_else(|error| {
        panic!("{program} cannot be run ({error}); install it: this test is nothing without it")
    });
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut stderr = child.stderr.take().unwrap();
    thread::scope(|scope| {
        let (printed, complained) = (
            scope.spawn(move || {
                let mut bytes = Vec::new();
                stdout.read_to_end(&mut bytes).unwrap();
                bytes
            }),
            scope.spawn(move || {
                let mut bytes = Vec::new();
                stderr.read_to_end(&mut bytes).unwrap();
                String::from_utf8_lossy(&bytes).into_owned()
            }),
        );
        scope.spawn(move || {
            // A program that ended early does not read.
            let _ = stdin.write_all(input);
        });
        let status = wait(&mut child, seconds, &format!("{program} {arguments:?}"));
        Finished { status, stdout: printed.join().unwrap(), stderr: complained.join().unwrap() }
    })
}

fn wait(child: &mut Child, seconds: u64, what: &str) -> ExitStatus {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if start.elapsed() > Duration::from_secs(seconds) {
            child.kill().unwrap();
            panic!("not over after {seconds} s: {what}");
        }
        thread::sleep(Duration::from_millis(10)); // pace: of the looks, bounded above
    }
}
