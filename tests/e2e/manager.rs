//! What the service manager is told: ready, alive for as long as the workers answer, stopping.

use std::{
    net::{TcpListener, TcpStream},
    os::{fd::OwnedFd, unix::net::UnixDatagram},
    process::Command,
    rc::Rc,
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use causeway::{
    engine::Kind,
    telemetry::Records,
    worker::{self, Accepted, Plan, Role, Worker},
};

use crate::support::{DEADLINE, Process, Service, Site, Suite, get, wait_until};

pub fn add(suite: &mut Suite) {
    suite.both("the_service_manager_hears_ready_alive_and_stopping", told);
    suite.both("nobody_is_told_where_nobody_listens", silent);
    suite.both("a_worker_that_does_not_answer_is_named", stuck);
}

/// The socket of a service manager.
struct Manager {
    directory: tempfile::TempDir,
    socket: UnixDatagram,
}

impl Manager {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(directory.path().join("notify")).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        Self { directory, socket }
    }

    fn start(&self, arguments: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_causeway"));
        command.args(arguments).env("NOTIFY_SOCKET", self.directory.path().join("notify"));
        Process::start(command.env("WATCHDOG_USEC", "200000"))
    }

    /// The next word.
    fn hear(&self) -> String {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).unwrap();
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    }

    /// The next word that is no sign of life, and how many of those came before.
    fn hear_news(&self) -> (String, usize) {
        let mut signs = 0;
        loop {
            match self.hear() {
                word if word == "WATCHDOG=1" => signs += 1,
                news => return (news, signs),
            }
        }
    }
}

fn told(kind: Kind) {
    let echo = Service::echo();
    let site = Site::new(kind, echo.address, false);
    let manager = Manager::new();
    let proxy_toml = site.proxy_toml("127.0.0.1:0").display().to_string();
    let mut proxy = manager.start(&["proxy", "--config", &proxy_toml]);
    let (ready, _) = manager.hear_news();
    assert!(ready.starts_with("READY=1\nSTATUS=serves tunnels on 127.0.0.1:"), "{ready}");
    let tunnel = proxy.address("proxy serves", "address");
    for _ in 0..3 {
        assert_eq!(manager.hear(), "WATCHDOG=1");
    }
    proxy.terminate();
    let (stopping, _) = manager.hear_news();
    assert!(stopping.starts_with("STOPPING=1\nSTATUS=drains"), "{stopping}");
    let (status, said) = proxy.end();
    assert_eq!(status.code(), Some(0), "{said}");
    assert!(!said.contains("workers do not answer"), "{said}");

    let manager = Manager::new();
    let connector_toml = site.connector_toml(tunnel.port()).display().to_string();
    let connector = manager.start(&["connector", "--config", &connector_toml]);
    let (ready, _) = manager.hear_news();
    assert_eq!(ready, "READY=1\nSTATUS=serves 1 service channels");
    assert_eq!(manager.hear(), "WATCHDOG=1");
    connector.terminate();
    assert!(manager.hear_news().0.starts_with("STOPPING=1\n"));
    assert_eq!(connector.end().0.code(), Some(0));
}

fn silent(kind: Kind) {
    let echo = Service::echo();
    let site = Site::new(kind, echo.address, false);
    let config = site.proxy_toml("127.0.0.1:0").display().to_string();
    let mut command = Command::new(env!("CARGO_BIN_EXE_causeway"));
    command.args(["proxy", "--config", &config]).env("NOTIFY_SOCKET", "/nowhere/at/all");
    let mut proxy = Process::start(&mut command);
    let admin = proxy.address("admin server listens", "address");
    proxy.line("the service manager cannot be told how we are");
    assert_eq!(get(admin, "/healthz").0, 200);
}

/// Holds its worker up at the first connection, until it is told to go on.
struct Stubborn(Receiver<()>);

impl Role for Stubborn {
    type Message = ();

    fn accepted(self: &Rc<Self>, _: &Rc<Worker>, _: Accepted) {
        let _ = self.0.recv();
    }

    fn message(self: &Rc<Self>, _: &Rc<Worker>, (): ()) {}

    fn tick(self: &Rc<Self>, _: &Rc<Worker>, _: Instant) {}
}

fn stuck(kind: Kind) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (go_on, told) = channel();
    let told = std::sync::Mutex::new(Some(told));
    let told = std::sync::Arc::new(told);
    let plan = Plan { role: "stubborn", kind, cores: vec![None], records: Records::default() };
    let listening = worker::Listening::everywhere(vec![OwnedFd::from(listener)]);
    let make = move |_: &Rc<Worker>| {
        let told = told.lock().unwrap().take().expect("there is one worker");
        Rc::new(Stubborn(told))
    };
    let crew = worker::start(&plan, vec![listening], make).unwrap();
    assert!(crew.silent().is_empty());
    let _client = TcpStream::connect(address).unwrap();
    wait_until("the worker is held up", DEADLINE, || crew.silent() == [0]);
    go_on.send(()).unwrap();
    wait_until("it answers again", DEADLINE, || crew.silent().is_empty());
    crew.drain(Duration::ZERO);
    assert!(crew.silent().is_empty(), "who was stopped need not answer");
}
