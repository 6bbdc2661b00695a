//! Histograms of running processes, decoded by a program that knows nothing of us, against what
//! the requests themselves took; and what the rarer latencies record.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use causeway::{engine::Kind, telemetry::Metric};
use hdrhistogram::Histogram;
use serde_json::Value;

use crate::support::{DEADLINE, Running, Service, Site, Suite, bounded, get, run, wait_until};

pub fn add(suite: &mut Suite) {
    suite.both("the_interesting_latencies_are_recorded_where_they_arise", rarer);
    if python().is_some() {
        suite.both("python_decodes_what_the_requests_took", python_decodes);
    } else {
        eprintln!(
            "SKIPPED: histograms decoded by Python, the test is not run: no package hdrhistogram \
             (pip install hdrhistogram)"
        );
        suite.skipped("python_decodes_what_the_requests_took");
    }
}

/// Where `.ci/run` installs the package; elsewhere it may be installed for everybody.
fn packages() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    cache.unwrap_or_else(home).join("causeway-python")
}

/// A shell line that runs a program with Python where the package is.
fn line(python: &str, program: &str) -> String {
    format!("PYTHONPATH='{}' exec {python} {program}", packages().display())
}

fn python() -> Option<&'static str> {
    let has = |python: &&str| {
        let line = line(python, "-c 'import hdrh.histogram'");
        Command::new("sh").args(["-c", &line]).output().is_ok_and(|done| done.status.success())
    };
    ["python3", "/usr/bin/python3"].into_iter().find(has)
}

/// Requests at the same time, each with its own time to wait.
const REQUESTS: u64 = 40;

/// What one request took: no less than its service held it, no more than its client saw.
#[derive(Default)]
struct Record {
    held: Mutex<Vec<Duration>>,
    seen: Mutex<Vec<Duration>>,
}

impl Record {
    /// Reads how many milliseconds to wait, waits, answers.
    fn service(self: &Arc<Self>) -> Service {
        let record = self.clone();
        Service::start(move |stream| {
            let (mut stream, mut asked) = (bounded(stream), [0; 2]);
            if stream.read_exact(&mut asked).is_err() {
                return;
            }
            let since = Instant::now();
            let wait = Duration::from_millis(u16::from_be_bytes(asked).into());
            thread::sleep(wait); // pace: the time that is measured
            let held = since.elapsed();
            stream.write_all(b"!").unwrap();
            record.held.lock().unwrap().push(held);
        })
    }

    fn request(&self, channel: SocketAddr, wait_ms: u16) {
        let since = Instant::now();
        let mut stream = bounded(TcpStream::connect(channel).unwrap());
        stream.write_all(&wait_ms.to_be_bytes()).unwrap();
        stream.read_exact(&mut [0]).unwrap();
        self.seen.lock().unwrap().push(since.elapsed());
    }
}

fn recorded(durations: &Mutex<Vec<Duration>>) -> Histogram<u64> {
    let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
    for duration in &*durations.lock().unwrap() {
        histogram.record(duration.as_nanos() as u64).unwrap();
    }
    histogram
}

/// What Python makes of histograms: count and percentiles by name.
fn decoded(text: &str) -> BTreeMap<String, Vec<u64>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/histograms.py");
    let line = line(python().unwrap(), &script.display().to_string());
    let done = run("sh", &["-c", &line], text.as_bytes());
    assert!(done.status.success(), "{done:?}");
    let numbers = |rest: &str| rest.split(' ').map(|word| word.parse().unwrap()).collect();
    let lines = done.text();
    let lines = lines.lines().map(|line| line.split_once(' ').unwrap());
    lines.map(|(name, rest)| (name.to_owned(), numbers(rest))).collect()
}

const QUANTILES: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 1.0];

fn python_decodes(kind: Kind) {
    let record = Arc::new(Record::default());
    let site = Site::new(kind, record.service().address, false);
    let running = site.start();
    thread::scope(|scope| {
        for nth in 0..REQUESTS {
            let (record, channel) = (&record, running.channel);
            scope.spawn(move || record.request(channel, (5 + nth * nth / 4) as u16));
        }
    });
    let (held, seen) = (recorded(&record.held), recorded(&record.seen));
    assert_eq!((held.len(), seen.len()), (REQUESTS, REQUESTS));
    let mut merged = String::new();
    for admin in [running.proxy_admin, running.connector_admin] {
        let picked = "service=echoserver";
        wait_until("every request is recorded", DEADLINE, || {
            count(admin, "stream_lifetime") == REQUESTS
        });
        let (status, text) = get(admin, &format!("/histograms?format=v2&{picked}"));
        assert_eq!(status, 200, "{text}");
        let python = decoded(&text);
        assert_eq!(python.len(), Metric::OF_SERVICES.len(), "{python:?}");
        // The same numbers as our own figures of the same moment, which nothing changes any more.
        for (name, told) in &python {
            let (_, own) = get(admin, &format!("/histograms/{name}?format=json&{picked}"));
            let own: Value = serde_json::from_str(&own).unwrap();
            assert_eq!(told[0], own["count"].as_u64().unwrap(), "{name}");
            let own = ["p50_ns", "p90_ns", "p99_ns", "p999_ns", "max_ns"].map(|key| &own[key]);
            for (own, python) in own.into_iter().zip(&told[1..]) {
                let own = own.as_u64().unwrap();
                assert!(near(own, *python), "{name}: {own} is not {python}");
            }
        }
        // And those of the requests: a percentile of what is between two others is between theirs.
        let first_byte = &python["first_byte"];
        assert_eq!(first_byte[0], REQUESTS);
        for (quantile, value) in QUANTILES.into_iter().zip(&first_byte[1..]) {
            let (least, most) =
                (held.value_at_quantile(quantile), seen.value_at_quantile(quantile));
            let within = least <= *value && *value <= most;
            let at = format!("{quantile}: {least} <= {value} <= {most}");
            assert!(within || near(least, *value) || near(most, *value), "{at}");
        }
        merged.push_str(&text);
    }
    // Both processes' together, as one would add up pods.
    assert_eq!(decoded(&merged)["first_byte"][0], 2 * REQUESTS);
}

/// The same bucket or the next: of 3 digits, so none is wider than a thousandth of its value.
fn near(one: u64, other: u64) -> bool {
    one.abs_diff(other) <= one.max(other) / 500 + 1
}

fn count(admin: SocketAddr, name: &str) -> u64 {
    let (_, body) = get(admin, "/histograms");
    let body: Value = serde_json::from_str(&body).unwrap();
    body["histograms"][name]["count"].as_u64().unwrap_or_else(|| panic!("no {name}: {body}"))
}

/// A client that reads nothing makes its connector wait in a send, and at last its proxy, too.
fn rarer(kind: Kind) {
    let flood = Service::start(|stream| {
        let mut stream = bounded(stream);
        let bytes = vec![7; 64 * 1024];
        for _ in 0..1024 {
            if stream.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    let site = Site::new(kind, flood.address, false);
    let running = site.start();
    let Running { proxy_admin, connector_admin, channel, .. } = &running;
    let mut client = bounded(TcpStream::connect(*channel).unwrap());
    client.read_exact(&mut [0]).unwrap();
    for admin in [*proxy_admin, *connector_admin] {
        // Accepted and begun: the tunnel or tunnels, or the client.
        assert!(count(admin, "queue_wait") >= 1, "{admin}");
    }
    // Only a send that is over is recorded: it must wait, and then go on.
    let (mut before, mut still) = (0, 0);
    wait_until("the client's end is full", DEADLINE, || {
        thread::sleep(Duration::from_millis(50)); // pace: of looks at what moves
        let now = moved(*connector_admin);
        still = if now > 0 && now == before { still + 1 } else { 0 };
        before = now;
        still == 20
    });
    let mut rest = Vec::new();
    client.read_to_end(&mut rest).unwrap();
    assert_eq!(rest.len(), 64 * 1024 * 1024 - 1);
    wait_until("the connector's stall is recorded", DEADLINE, || {
        count(*connector_admin, "write_stall") >= 1
    });
    let (_, stalls) =
        get(*connector_admin, "/histograms/write_stall?service=echoserver&format=json");
    let stalls: Value = serde_json::from_str(&stalls).unwrap();
    assert!(stalls["count"].as_u64() >= Some(1), "it is known for the service: {stalls}");
    // The first word of a peer is answered with a PING on either side of a multiplexed tunnel.
    for admin in [*proxy_admin, *connector_admin] {
        wait_until("a PING was answered", DEADLINE, || count(admin, "tunnel_rtt") >= 1);
    }
}

/// Bytes that went down so far.
fn moved(admin: SocketAddr) -> u64 {
    let (_, metrics) = get(admin, "/metrics");
    let line = metrics.lines().find_map(|line| line.strip_prefix("causeway_bytes_down_total "));
    line.unwrap().parse().unwrap()
}
