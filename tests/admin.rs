//! The admin server over real connections: what it answers, and that nobody can hold it up.

// Helpers of tests may unwrap like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Barrier, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use causeway::{
    admin::{Admin, Readiness, Source, serve},
    limits::{ADMIN_CONNECTIONS_MAX, ADMIN_HEAD_BYTES_MAX},
    telemetry::{Count, Counters, CountersSnapshot, Fact, Figures, Gauge, Groups, Metric},
};
use serde_json::{Value, json};

#[path = "admin/histograms.rs"]
mod histograms;

/// A role with one worker that recorded a little.
struct Role {
    counters: Arc<Counters>,
    figures: Mutex<Figures>,
    draining: AtomicBool,
    silent_worker: AtomicBool,
    /// Where the next question for latencies waits, when there is such a place.
    held: Option<Arc<Barrier>>,
}

impl Role {
    fn new() -> Self {
        let counters = Arc::new(Counters::new());
        counters.add(Count::StreamsOpened, 7);
        counters.add(Count::Refused("no_such_mapping"), 2);
        counters.set(Gauge::Sessions, 3);
        let (now, mut figures) = (Instant::now(), Figures::new(1));
        let mut groups = Groups::new(now);
        let group = groups.group("a", "echo", now);
        for millis in 1..=100 {
            group.sample(Metric::Connect, Duration::from_millis(millis));
        }
        groups.group("b", "echo", now).sample(Metric::Dial, Duration::from_millis(5));
        groups.group("b", "", now).refused("no_such_mapping");
        groups.sample(Metric::TlsHandshake, Duration::from_millis(7));
        figures.take_in([(0, groups.take())], now);
        Self {
            counters,
            figures: figures.into(),
            draining: AtomicBool::new(false),
            silent_worker: AtomicBool::new(false),
            held: None,
        }
    }
}

impl Source for Role {
    fn ready(&self) -> Readiness {
        if self.draining.load(SeqCst) {
            Readiness::not_ready("draining")
        } else {
            Readiness::ready()
        }
    }

    fn figures(&self, _age_max: Duration, look: &mut dyn FnMut(&mut Figures, &[String])) {
        if let Some(barrier) = &self.held {
            barrier.wait();
            barrier.wait();
        }
        let silent = self.silent_worker.load(SeqCst).then(|| "worker 1 did not\nanswer".to_owned());
        look(&mut self.figures.lock().unwrap(), silent.as_slice());
    }

    fn counters(&self) -> CountersSnapshot {
        CountersSnapshot::of(std::slice::from_ref(&self.counters)).with(Fact::Mappings, 4)
    }

    fn details(&self) -> Value {
        json!({ "tunnels": ["one"] })
    }
}

struct Reply {
    status: u16,
    head: String,
    body: String,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

fn start() -> (Admin, Arc<Role>) {
    let role = Arc::new(Role::new());
    (serve(any_port(), role.clone()).unwrap(), role)
}

fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

fn ask(addr: SocketAddr, method: &str, path: &str) -> Reply {
    let mut stream = connect(addr);
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    read_reply(&mut stream)
}

fn read_reply(stream: &mut TcpStream) -> Reply {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, head: head.to_lowercase(), body: body.to_owned() }
}

fn get(admin: &Admin, path: &str) -> Reply {
    ask(admin.addr(), "GET", path)
}

#[test]
fn readiness_follows_the_role_and_says_why_not() {
    let (admin, role) = start();
    let reply = get(&admin, "/readyz");
    let wanted = json!({ "ready": true, "reasons": [], "notes": [] });
    assert_eq!((reply.status, reply.json()), (200, wanted));
    role.draining.store(true, SeqCst);
    let reply = get(&admin, "/readyz");
    let wanted = json!({ "ready": false, "reasons": ["draining"], "notes": [] });
    assert_eq!((reply.status, reply.json()), (503, wanted));
    assert_eq!(get(&admin, "/healthz").status, 200, "draining is healthy");
}

#[test]
fn histogram_summaries_have_stable_names_with_units() {
    let (admin, _role) = start();
    let reply = get(&admin, "/histograms");
    assert_eq!(reply.status, 200);
    assert!(reply.head.contains("content-type: application/json"), "{}", reply.head);
    assert!(reply.head.contains("cache-control: no-store"), "{}", reply.head);
    let body = reply.json();
    assert_eq!(body["problems"], json!([]));
    for metric in Metric::ALL {
        let summary = body["histograms"][metric.name()].as_object().unwrap();
        let names: Vec<&str> = summary.keys().map(String::as_str).collect();
        let wanted =
            ["count", "max_ns", "mean_ns", "min_ns", "p50_ns", "p90_ns", "p999_ns", "p99_ns"];
        assert_eq!(names, wanted);
    }
    let connect = &body["histograms"]["connect"];
    assert_eq!(connect["count"], 100);
    assert_eq!(connect["p50_ns"].as_u64().unwrap() / 1_000_000, 50);
    assert_eq!(body["histograms"]["dial"]["count"], 1);
    assert_eq!(body["histograms"]["queue_wait"]["count"], 0);
    let services = [("a", "echo"), ("b", "echo")];
    let services = services
        .map(|(subaccount, service)| json!({ "subaccount": subaccount, "service": service }));
    assert_eq!(body["services"], json!(services));
}

#[test]
fn one_histogram_is_percentile_text_and_an_unknown_one_lists_the_names() {
    let (admin, _role) = start();
    for metric in Metric::ALL {
        let reply = get(&admin, &format!("/histograms/{}", metric.name()));
        assert_eq!(reply.status, 200);
        assert!(reply.head.contains("content-type: text/plain"), "{}", reply.head);
        assert!(reply.body.contains("values in microseconds\n"), "{}", reply.body);
        assert!(reply.body.contains("#[Mean    = "), "{}", reply.body);
    }
    let reply = get(&admin, "/histograms/none%0d%0a");
    assert_eq!(reply.status, 404);
    assert_eq!(reply.json()["histograms"], json!(Metric::ALL.map(Metric::name)));
}

#[test]
fn metrics_show_counters_gauges_facts_and_latencies() {
    let (admin, _role) = start();
    let reply = get(&admin, "/metrics");
    assert!(reply.head.contains("content-type: text/plain; version=0.0.4"), "{}", reply.head);
    for line in [
        "causeway_streams_opened_total 7",
        "causeway_refusals_total{reason=\"no_such_mapping\"} 2",
        "causeway_sessions{worker=\"0\"} 3",
        "causeway_mappings 4",
        "causeway_connect_duration_seconds_bucket{le=\"0.05\"} 50",
        "causeway_connect_duration_seconds_count 100",
        "causeway_service_connect_duration_seconds_count{subaccount=\"a\",service=\"echo\"} 100",
        "causeway_service_refusals_total{subaccount=\"b\",reason=\"no_such_mapping\"} 1",
        "connectivity_tunnel_opening_timeout_count_total{tunnel_id=\"account:///b\"} 0",
        "connectivity_business_data_tunnels_count 0",
        "connectivity_proxy_open_tunnel_call_health_status 1",
    ] {
        let found = reply.body.lines().any(|found| found == line);
        assert!(found, "{line} is not in\n{}", reply.body);
    }
    assert!(!reply.head.contains("warning:"), "{}", reply.head);
}

#[test]
fn a_worker_that_did_not_answer_is_reported_everywhere() {
    let (admin, role) = start();
    role.silent_worker.store(true, SeqCst);
    let problems = get(&admin, "/histograms").json()["problems"].clone();
    assert_eq!(problems, json!(["worker 1 did not\nanswer"]));
    assert!(
        get(&admin, "/histograms?format=hlog").body.contains("#problem: worker 1 did not answer")
    );
    for path in ["/histograms/connect", "/histograms?format=text", "/metrics"] {
        let reply = get(&admin, path);
        assert_eq!(reply.status, 200);
        assert!(reply.head.contains("warning: 199 causeway"), "{}", reply.head);
        assert!(reply.body.starts_with("# problem: worker 1 did not answer\n"), "{}", reply.body);
    }
}

#[test]
fn status_carries_the_details_of_the_role() {
    let (admin, _role) = start();
    let body = get(&admin, "/status").json();
    assert_eq!(body["details"], json!({ "tunnels": ["one"] }));
    assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
}

#[test]
fn other_paths_and_methods_are_refused_helpfully() {
    let (admin, _role) = start();
    let reply = get(&admin, "/histogram");
    assert_eq!(reply.status, 404);
    assert!(reply.body.contains("/histograms"), "{}", reply.body);
    assert_eq!(ask(admin.addr(), "POST", "/metrics").status, 405);
    assert_eq!(get(&admin, "/").status, 200);
}

#[test]
fn a_taken_port_is_a_clear_error_at_once() {
    let taken = TcpListener::bind(any_port()).unwrap();
    let addr = taken.local_addr().unwrap();
    let error = serve(addr, Arc::new(Role::new())).expect_err("the port is taken");
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    let text = error.to_string();
    assert!(text.contains(&addr.to_string()) && text.contains("another process"), "{text}");
}

#[test]
fn a_head_beyond_its_bound_is_refused() {
    let (admin, _role) = start();
    let mut stream = connect(admin.addr());
    let long = "x".repeat(ADMIN_HEAD_BYTES_MAX);
    write!(stream, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: {long}").unwrap();
    let reply = read_reply(&mut stream);
    assert_eq!(reply.status, 431, "{}", reply.head);
}

#[test]
fn probes_are_answered_while_many_questions_wait_for_their_workers() {
    // As many questions as the server asks at a time.
    const QUESTIONS: usize = 4;
    let barrier = Arc::new(Barrier::new(QUESTIONS + 1));
    let role = Arc::new(Role { held: Some(barrier.clone()), ..Role::new() });
    let admin = serve(any_port(), role).unwrap();
    let addr = admin.addr();
    let waiting: Vec<_> = (0..QUESTIONS)
        .map(|_| std::thread::spawn(move || ask(addr, "GET", "/histograms").status))
        .collect();
    barrier.wait();
    assert_eq!(get(&admin, "/readyz").status, 200);
    assert_eq!(get(&admin, "/healthz").status, 200);
    barrier.wait();
    for question in waiting {
        assert_eq!(question.join().unwrap(), 200);
    }
}

#[test]
fn dropping_the_server_frees_its_port_though_connections_are_open() {
    let (admin, _role) = start();
    let addr = admin.addr();
    let mut idle = connect(addr);
    write!(idle, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut byte = [0];
    idle.read_exact(&mut byte).unwrap();
    drop(admin);
    let mut rest = Vec::new();
    idle.read_to_end(&mut rest).unwrap();
    let refused = TcpStream::connect(addr).expect_err("nobody listens any more");
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn connections_beyond_the_bound_wait_until_one_ends() {
    let (admin, _role) = start();
    let mut held: Vec<TcpStream> = (0..ADMIN_CONNECTIONS_MAX)
        .map(|_| {
            let mut stream = connect(admin.addr());
            write!(stream, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
            stream.read_exact(&mut [0]).unwrap();
            stream
        })
        .collect();
    let mut waiting = connect(admin.addr());
    write!(waiting, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    // Too short a wait could only miss a fault, never report one that is not there.
    waiting.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let early = waiting.read(&mut [0]).expect_err("the bound is reached");
    assert!(matches!(early.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{early}");
    held.pop();
    waiting.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(read_reply(&mut waiting).status, 200);
}

#[test]
fn the_description_of_the_api_has_every_route_and_no_other() {
    let (admin, _role) = start();
    let description = get(&admin, "/openapi.json").json();
    assert_eq!(description["openapi"], "3.1.0");
    let described = description["paths"].as_object().unwrap().iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().keys();
        methods.map(move |method| (method.to_uppercase(), path.clone()))
    });
    let served = causeway::admin::routes().into_iter();
    let served = served.map(|(method, path)| (method.to_owned(), path.to_owned()));
    let (described, served): (BTreeSet<_>, BTreeSet<_>) = (described.collect(), served.collect());
    assert!(served.len() > 15, "{served:?}");
    assert_eq!(described, served);
    // Every reference leads somewhere: a schema that is missing would be found by no answer.
    let text = description.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let pointer = reference.split('"').next().unwrap();
        assert!(description.pointer(pointer).is_some(), "{pointer}");
    }
}

#[test]
fn readers_that_take_nothing_hold_up_nobody() {
    let (admin, _role) = start();
    // The largest answer there is, asked for again and again and never read.
    let stuck: Vec<TcpStream> = (0..ADMIN_CONNECTIONS_MAX / 2)
        .map(|_| {
            let mut stream = connect(admin.addr());
            let ask = "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(100);
            stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
            // What does not fit is not sent: the server has stopped reading, as it should.
            let _ = stream.write_all(ask.as_bytes());
            stream
        })
        .collect();
    for path in ["/readyz", "/metrics", "/histograms", "/openapi.json"] {
        assert_eq!(get(&admin, path).status, 200, "{path}");
    }
    drop(stuck);
    assert_eq!(get(&admin, "/healthz").status, 200);
}

#[test]
fn a_body_beyond_its_bound_is_refused() {
    let (admin, _role) = start();
    let mut stream = connect(admin.addr());
    let long = causeway::limits::ADMIN_BODY_BYTES_MAX + 1;
    let head = "PUT /log-level HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
    write!(stream, "{head}Content-Length: {long}\r\n\r\n{}", " ".repeat(long)).unwrap();
    let reply = read_reply(&mut stream);
    assert_eq!(reply.status, 400, "{}", reply.body);
    assert!(reply.body.contains("too long"), "{}", reply.body);
}

#[test]
fn a_role_without_operations_says_so() {
    let (admin, _role) = start();
    let mut stream = connect(admin.addr());
    let head = "GET /streams HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    let reply = read_reply(&mut stream);
    assert_eq!((reply.status, reply.json()["error"].is_string()), (404, true));
}
