//! A worker that panics takes its process down, aloud. The process is this test binary again.

use std::{
    net::{TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::process::ExitStatusExt},
    process::Command,
    rc::Rc,
    time::{Duration, Instant},
};

use causeway::{
    engine::Kind,
    telemetry::Records,
    worker::{self, Accepted, Plan, Role, Worker},
};

use crate::support::{Process, Suite};

/// Names the engine of the child's worker.
const CHILD: &str = "CAUSEWAY_TEST_PANICKING_WORKER";

pub fn add(suite: &mut Suite) {
    suite.both("a_panicking_worker_ends_its_process_and_is_named", worker_panics);
}

/// Panics for the first connection, in a task of its own as the real roles serve theirs.
struct Panicking;

impl Role for Panicking {
    type Message = ();

    fn accepted(self: &Rc<Self>, _: &Rc<Worker>, _: Accepted) {
        tokio::task::spawn_local(async { panic!("on purpose") });
    }

    fn message(self: &Rc<Self>, _: &Rc<Worker>, (): ()) {}

    fn tick(self: &Rc<Self>, _: &Rc<Worker>, _: Instant) {}
}

/// Called before anything else in this binary.
pub fn be_the_child_if_asked() {
    let Ok(engine) = std::env::var(CHILD) else { return };
    let kind = if engine == "epoll" { Kind::Epoll } else { Kind::IoUring };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let plan = Plan { role: "shaky", kind, cores: vec![None], records: Records::default() };
    let listeners = vec![vec![OwnedFd::from(listener)]];
    let _crew = worker::start(
        &plan,
        listeners.into_iter().map(worker::Listening::everywhere).collect(),
        |_| Rc::new(Panicking),
    )
    .unwrap();
    let _client = TcpStream::connect(address).unwrap();
    std::thread::sleep(Duration::from_secs(10)); // deadline: the panic comes long before
    println!("still alive");
    std::process::exit(0);
}

fn worker_panics(kind: Kind) {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let (status, said) = Process::start(command.env(CHILD, kind.to_string())).end();
    const SIGABRT: i32 = 6;
    assert_eq!(status.signal(), Some(SIGABRT), "{status}: {said}");
    for part in ["on purpose", "worker causeway-shaky-0 panicked", "the process ends"] {
        assert!(said.contains(part), "{said}");
    }
}
