//! The real binary as a process of its own.

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use super::{DEADLINE, wait_until};

/// The program under test; with `CAUSEWAY_BINARY` another build of it, for measurements.
pub fn binary() -> PathBuf {
    env::var_os("CAUSEWAY_BINARY")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_causeway")), PathBuf::from)
}

/// A running command. It is killed when dropped.
pub struct Process {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Process {
    /// Starts `causeway` with these arguments.
    pub fn causeway(arguments: &[&str]) -> Self {
        Self::start(Command::new(binary()).args(arguments))
    }

    /// Starts any command and gathers what it writes, line by line.
    pub fn start(command: &mut Command) -> Self {
        let command = command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
        let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = Arc::new(Mutex::new(Vec::new()));
        let readers = vec![
            gather(child.stdout.take().unwrap(), &lines),
            gather(child.stderr.take().unwrap(), &lines),
        ];
        Self { child, lines, readers }
    }

    /// All lines so far, standard output and standard error as they came.
    pub fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap().clone()
    }

    /// Waits for a line that holds `text`.
    pub fn line(&mut self, text: &str) -> String {
        let find = |lines: &[String]| lines.iter().find(|line| line.contains(text)).cloned();
        wait_until(&format!("a line with {text:?}"), DEADLINE, || {
            find(&self.lines()).is_some()
                || self.child.try_wait().unwrap().is_some_and(|status| {
                    panic!("{status} before a line with {text:?}: {:#?}", self.lines())
                })
        });
        find(&self.lines()).unwrap_or_default()
    }

    /// Waits for a line that holds `text` and reads the address it tells under `key`.
    pub fn address(&mut self, text: &str, key: &str) -> SocketAddr {
        let line = self.line(text);
        let plain = format!("{key}=");
        let json = format!("\"{key}\":\"");
        let rest = line.split_once(&json).or_else(|| line.split_once(&plain));
        let (_, rest) = rest.unwrap_or_else(|| panic!("no {key} in {line}"));
        let end = rest.find([' ', '"', ',']).unwrap_or(rest.len());
        rest[..end].parse().unwrap()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        let id = self.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Whether it has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for its end: how it ended and all it wrote.
    pub fn end(mut self) -> (ExitStatus, String) {
        wait_until("the process ends", DEADLINE, || !self.is_running());
        let status = self.child.wait().unwrap();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        (status, self.lines().join("\n"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gather(
    from: impl Read + Send + 'static,
    lines: &Arc<Mutex<Vec<String>>>,
) -> thread::JoinHandle<()> {
    let lines = lines.clone();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            lines.lock().unwrap().push(line);
        }
    })
}

/// One GET: status and body.
pub fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, body.to_owned())
}

/// Runs a line of shell and returns what it printed; it must succeed.
pub fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-c", line]).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{line}: {} {printed} {errors}", output.status);
    printed
}
