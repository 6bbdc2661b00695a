//! A contestant's processes on their core: started, watched, and ended with this program.

use std::{
    fs,
    fs::File,
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    thread::{CpuSet, sched_setaffinity},
};

use super::{
    place::{Launch, Place, Post},
    usage::{Usage, tree, usage_of_tree},
};
use crate::failure::{Failure, While as _};

/// From its start until it accepts connections.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// From SIGTERM to SIGKILL; a contestant without streams has nothing to wait for.
const END_TIMEOUT: Duration = Duration::from_secs(1);
/// Between two looks at a process that is starting or ending.
const LOOK: Duration = Duration::from_millis(5);
/// How much of what it printed is worth repeating.
const LAST_WORDS_LINES: usize = 5;

/// All processes of a contestant; they end with this value.
pub(crate) struct Team(Vec<Running>);

/// A started process; ends with this value.
struct Running {
    child: Child,
    log: PathBuf,
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

impl Team {
    /// Starts one after the other, all on `core`, each once the one before accepts connections.
    pub(crate) fn start(posts: &[Post], core: Option<usize>) -> Result<Self, Failure> {
        let mut team = Self(Vec::new());
        for post in posts {
            // In front: those that streams come from end before those that they go to.
            team.0.insert(0, Running::start(&post.launch, &post.place, core)?);
        }
        Ok(team)
    }

    /// An error if one of them has ended.
    pub(crate) fn check(&mut self) -> Result<(), Failure> {
        self.0.iter_mut().try_for_each(Running::check)
    }

    /// What they and their children use, together.
    pub(crate) fn usage(&self) -> Usage {
        self.0.iter().map(|running| usage_of_tree(running.child.id())).sum()
    }

    /// All of them, children included.
    pub(crate) fn processes(&self) -> Vec<u32> {
        self.0.iter().flat_map(|running| tree(running.child.id())).collect()
    }
}

impl Running {
    /// Starts it on `core` and waits until it accepts connections.
    fn start(launch: &Launch, place: &Place, core: Option<usize>) -> Result<Self, Failure> {
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

    fn check(&mut self) -> Result<(), Failure> {
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
