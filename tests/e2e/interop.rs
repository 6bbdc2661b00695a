//! HTTP/2 implementations that know nothing of us, over real mTLS: Node's http2 and Python's h2 as
//! connectors of our proxy, and Node's http2 as the proxy of our connector. The programs are in
//! `tests/interop/`; they say what they saw, and what must be so is asserted here.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::mpsc,
};

use causeway::{engine::Kind, telemetry::Count};
use sha2::{Digest, Sha256};

use crate::support::{
    DEADLINE, Pattern, Process, Service, Suite, World, assert_reset, bounded, connect, problem_of,
    reset, run, wait_ended,
};

pub fn add(suite: &mut Suite) {
    if found("node", &["--version"]) {
        suite.both("node_opens_connect_streams_on_our_proxy", node_client);
        suite.multiplexed("our_connector_works_through_a_node_proxy", node_server);
    } else {
        eprintln!("SKIPPED: interoperation with Node, its tests are not run: no program node");
    }
    if python().is_some() {
        suite.both("python_h2_opens_connect_streams_on_our_proxy", python_client);
    } else {
        eprintln!("SKIPPED: interoperation with Python's h2, its test is not run: no module h2");
    }
}

fn found(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// A Python that has h2: the first on the path may be another one than the distribution's.
fn python() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"].into_iter().find(|python| found(python, &["-c", "import h2"]))
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop").join(name)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

const FIRST: Pattern = Pattern(91);
const FIRST_BYTES: usize = 1_000_000;

fn first_bytes() -> Vec<u8> {
    let mut bytes = vec![0; FIRST_BYTES];
    FIRST.fill(0, &mut bytes);
    bytes
}

/// The services of both sides of the tests: `echo`; `sum`, which hears its client out and then
/// says the SHA-256 of it; `first`, which ends first and hands on the SHA-256 of what still came.
struct Services {
    echo: Service,
    sum: Service,
    first: Service,
    heard: mpsc::Receiver<String>,
}

impl Services {
    fn start() -> Self {
        let (hand, heard) = mpsc::channel();
        let sum = Service::start(|stream| {
            let (mut stream, mut bytes) = (bounded(stream), Vec::new());
            if stream.read_to_end(&mut bytes).is_ok() {
                stream.write_all(sha256(&bytes).as_bytes()).unwrap();
            }
        });
        let first = Service::start(move |stream| {
            let (mut stream, mut bytes) = (bounded(stream), Vec::new());
            stream.write_all(&first_bytes()).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            if stream.read_to_end(&mut bytes).is_ok() {
                hand.send(sha256(&bytes)).unwrap();
            }
        });
        Self { echo: Service::echo(), sum, first, heard }
    }

    fn list(&self) -> [(&'static str, SocketAddr); 3] {
        [("echo", self.echo.address), ("sum", self.sum.address), ("first", self.first.address)]
    }
}

fn node_client(kind: Kind) {
    client(kind, "node", "client.mjs");
}

fn python_client(kind: Kind) {
    client(kind, python().expect("it was there before"), "client.py");
}

/// Runs a connector's program against our proxy and holds what it says against what the services
/// and our counters say.
fn client(kind: Kind, program: &str, name: &str) {
    let services = Services::start();
    let world = World::with_services(kind, &services.list());
    let files = world.client("a", None);
    let (script, ca) = (script(name), world.path("ca.crt"));
    let port = world.proxy_address().port().to_string();
    let paths = [&script, &ca, &files.certificate, &files.private_key].map(|p| p.to_str().unwrap());
    let done = run(program, &[paths[0], &port, paths[1], paths[2], paths[3]], b"");
    let text = done.text();
    assert!(done.status.success() && text.ends_with("done\n"), "{done:?} {text}");
    let told = |what: &str| -> Vec<Vec<&str>> {
        let lines = text.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        lines.filter(|words| words[0] == what).collect()
    };
    assert_eq!(told("open"), [["open", "6"]]);
    let echoes = told("echo");
    assert_eq!(echoes.len(), 6, "{text}");
    for words in echoes {
        let bytes = 300_000 + words[1].parse::<usize>().unwrap();
        assert_eq!(words[2], bytes.to_string(), "{words:?}");
        assert_eq!(words[3], words[4], "what came back differs: {words:?}");
    }
    let sums = told("sum");
    assert_eq!(sums.len(), 1, "{text}");
    assert_eq!(sums[0][1], sums[0][2], "what the service heard differs");
    let heard = services.heard.recv_timeout(DEADLINE).unwrap();
    let first = [FIRST_BYTES.to_string(), sha256(&first_bytes()), heard];
    assert_eq!(told("first"), [["first", &first[0], &first[1], &first[2]]]);
    let refused = "refused 404 causeway; error=destination_not_found; details=";
    assert!(text.lines().any(|line| line.starts_with(refused)), "{text}");
    // All in one tunnel, all ended by both their ends, and nothing is left.
    wait_ended(world.proxy().crew().counters(), &[("clean", 8)]);
    assert_eq!(world.counted(Count::HandshakesOk), 1);
    assert_eq!(world.counted(Count::Refused("no_such_mapping")), 1);
    world.wait_empty();
}

fn node_server(kind: Kind) {
    let services = Services::start();
    let world = World::new(kind);
    let mut node = Command::new("node");
    node.arg(script("server.mjs"));
    node.args(["ca.crt", "server.crt", "server.key"].map(|name| world.path(name)));
    node.args(services.list().map(|(name, address)| format!("{name}={}", address.port())));
    let mut node = Process::start(&mut node);
    let line = node.line("listening ");
    let port = line.rsplit(' ').next().unwrap().parse().unwrap();
    let files = world.client("a", None);
    let names = ["echo", "sum", "first", "reset", "nothing"];
    let (connector, channels) = world.connector_with("a", "", &files, port, &names, "");
    let [echo, sum, first, cut, nothing] = channels[..] else { panic!("{channels:?}") };

    several_at_once(echo);
    let on = node.lines().into_iter().filter(|line| line.starts_with("stream echo:"));
    let on: Vec<_> = on.collect();
    assert_eq!(on.len(), 4, "{on:?}");
    assert!(on.iter().all(|line| *line == on[0]), "in one tunnel: {on:?}");

    let sent = fastrand_bytes(1, 400_000);
    let mut stream = connect(sum);
    stream.write_all(&sent).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(String::from_utf8(rest(&mut stream)).unwrap(), sha256(&sent));

    let mut stream = connect(first);
    assert!(rest(&mut stream) == first_bytes(), "what the service said differs");
    stream.write_all(&sent).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(services.heard.recv_timeout(DEADLINE).unwrap(), sha256(&sent));

    let mut stream = connect(cut);
    stream.write_all(b"x").unwrap();
    let error = stream.read(&mut [0]).expect_err("an abort is never an end");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");

    assert_reset(nothing);
    let problem = problem_of(&connector, 4);
    assert!(problem.contains("404") && problem.contains("node has no such service"), "{problem}");

    // A client's RST is CONNECT_ERROR to the proxy (RFC 9113 section 8.5), which is 10.
    let mut stream = connect(echo);
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    reset(stream);
    node.line(&format!("aborted echo:{port} 10"));
}

fn fastrand_bytes(seed: u64, count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    fastrand::Rng::with_seed(seed).fill(&mut bytes);
    bytes
}

fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Four streams, all open before the first ends, each with bytes of its own.
fn several_at_once(channel: SocketAddr) {
    let mut clients: Vec<_> = (0..4).map(|_| connect(channel)).collect();
    for client in &mut clients {
        client.write_all(b"open?").unwrap();
        client.read_exact(&mut [0; 5]).unwrap();
    }
    std::thread::scope(|scope| {
        for (seed, mut client) in clients.into_iter().enumerate() {
            scope.spawn(move || {
                let sent = fastrand_bytes(seed as u64, 1_000_000 + seed);
                let mut writer = client.try_clone().unwrap();
                let writing = sent.clone();
                scope.spawn(move || {
                    writer.write_all(&writing).unwrap();
                    writer.shutdown(Shutdown::Write).unwrap();
                });
                assert!(rest(&mut client) == sent, "what came back on stream {seed} differs");
            });
        }
    });
}
