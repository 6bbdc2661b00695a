//! The log of a stream: one line, whatever its end, that a program can read.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use causeway::engine::Kind;
use serde_json::Value;

use crate::support::{
    DEADLINE, Process, Running, Service, Site, Suite, assert_reset, exchange, wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.both("each_stream_has_one_log_line_with_all_its_fields", one_line_a_stream);
    suite.both("a_flood_of_refusals_is_cut_and_told_when_it_is_over", flood);
}

/// The lines of streams that ended, parsed; every line of the log must be JSON.
fn stream_lines(process: &Process) -> Vec<Value> {
    let mut lines = Vec::new();
    // The audit has its own stream and its own tests.
    for line in process.lines().into_iter().filter(|line| !line.starts_with("[AUDIT-EVENT]")) {
        let value: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON: {line}"));
        if value["message"] == "stream ended" {
            assert_unique_keys(&line);
            lines.push(value);
        }
    }
    lines
}

/// A key twice in one object is read by each program as it likes. Stream lines are flat, and
/// their values have no quotes inside.
fn assert_unique_keys(line: &str) {
    let keys: Vec<&str> = line
        .split('"')
        .skip(1)
        .zip(line.split('"').skip(2))
        .filter(|(_, after)| after.starts_with(':'))
        .map(|(key, _)| key)
        .collect();
    let unique: BTreeSet<&&str> = keys.iter().collect();
    assert_eq!(unique.len(), keys.len(), "{line}");
}

fn aborted_by_service() -> Service {
    Service::start(|mut stream| {
        let mut bytes = [0; 64];
        while let Ok(read @ 1..) = stream.read(&mut bytes) {
            if bytes[..read].starts_with(b"abort") {
                let socket = socket2::SockRef::from(&stream);
                socket.set_linger(Some(std::time::Duration::ZERO)).unwrap();
                return;
            }
            if stream.write_all(&bytes[..read]).is_err() {
                return;
            }
        }
    })
}

fn check(line: &Value, peer_is: impl Fn(SocketAddr) -> bool, target: SocketAddr) {
    assert_eq!(line["subaccount"], "11111111-2222-3333-4444-555555555555");
    assert_eq!((&line["service"], &line["location"]), (&"echoserver".into(), &"".into()));
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["target"], "causeway::stream");
    assert!(line["timestamp"].is_string() && line["worker"].is_u64(), "{line}");
    for key in ["lifetime_ms", "connect_us"] {
        assert!(line[key].is_u64(), "{key} in {line}");
    }
    let answered = line["down_bytes"].as_u64() > Some(0);
    assert_eq!(line["first_byte_us"].is_u64(), answered, "{line}");
    for key in ["why", "serial", "tunnel", "traceparent"] {
        assert!(line[key].as_str().is_some_and(|text| !text.is_empty()), "{key} in {line}");
    }
    let address = |key: &str| -> SocketAddr {
        let text = line[key].as_str().unwrap_or_else(|| panic!("no {key}: {line}"));
        text.parse().unwrap()
    };
    assert!(peer_is(address("peer")), "{line}");
    assert_eq!(address("dialled"), target, "{line}");
}

fn endings(lines: &[Value]) -> Vec<(String, u64, u64)> {
    let mut endings: Vec<_> = lines
        .iter()
        .map(|line| {
            let number = |key: &str| line[key].as_u64().unwrap_or_else(|| panic!("{key}: {line}"));
            let ending = line["ending"].as_str().unwrap().to_owned();
            (ending, number("up_bytes"), number("down_bytes"))
        })
        .collect();
    endings.sort();
    endings
}

fn one_line_a_stream(kind: Kind) {
    let service = aborted_by_service();
    let site = Site::new(kind, service.address, true);
    let mut running = site.start();
    let tunnel = running.proxy.address("proxy serves", "address");
    assert_eq!(exchange(running.channel, "hello").unwrap(), "hello");
    assert_eq!(exchange(running.channel, "").unwrap(), "");
    let mut client = TcpStream::connect(running.channel).unwrap();
    client.set_read_timeout(Some(DEADLINE)).unwrap();
    client.write_all(b"abort").unwrap();
    let error = client.read(&mut [0]).expect_err("the service aborted");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    let mut client = TcpStream::connect(running.channel).unwrap();
    client.write_all(b"bye").unwrap();
    client.read_exact(&mut [0; 3]).unwrap();
    socket2::SockRef::from(&client).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    let local = client.local_addr().unwrap();
    drop(client);
    let Running { proxy, connector, .. } = &running;
    let expected = [("clean", 0, 0), ("clean", 5, 5), ("client_aborted", 3, 3)]
        .into_iter()
        .chain([("service_aborted", 5, 0)])
        .map(|(ending, up, down)| (ending.to_owned(), up, down))
        .collect::<Vec<_>>();
    for process in [proxy, connector] {
        wait_until("four lines", DEADLINE, || stream_lines(process).len() >= 4);
        assert_eq!(endings(&stream_lines(process)), expected);
    }
    for line in stream_lines(proxy) {
        assert!(line["dial_us"].as_u64() <= line["connect_us"].as_u64(), "{line}");
        check(&line, |peer| peer.ip().is_loopback(), service.address);
    }
    let lines = stream_lines(connector);
    for line in &lines {
        check(line, |peer| peer.ip().is_loopback() && peer != running.channel, tunnel);
    }
    assert!(lines.iter().any(|line| line["peer"] == local.to_string()));
    // What never became a stream has no such line.
    drop(service);
    running.proxy.terminate();
    wait_until("the proxy is gone", DEADLINE, || !running.proxy.is_running());
    assert_reset(running.channel);
    running.connector.terminate();
    let before = stream_lines(&running.connector).len();
    assert_eq!((before, running.connector.end().0.code()), (4, Some(0)));
}

/// The lines of refusals, and how many more they say were left out.
fn refusals(process: &Process) -> (usize, u64) {
    let mut lines = 0;
    let mut left_out = 0;
    for line in process.lines().iter().filter(|line| line.contains("causeway::refused")) {
        let value: Value = serde_json::from_str(line).unwrap();
        lines += usize::from(value["reason"] == "no_such_mapping");
        left_out += value["suppressed"].as_u64().unwrap();
    }
    (lines, left_out)
}

fn flood(kind: Kind) {
    const CLIENTS: u64 = 100;
    let echo = Service::echo();
    let site = Site::new(kind, echo.address, true);
    std::fs::remove_file(site.path("mappings/echoserver.yaml")).unwrap();
    let running = site.start();
    for _ in 0..CLIENTS {
        assert_reset(running.channel);
    }
    wait_until("every refusal is told", DEADLINE, || {
        let (lines, left_out) = refusals(&running.proxy);
        lines as u64 + left_out == CLIENTS
    });
    // Ten lines each of two workers at most, and of a second interval should the first be over.
    let (lines, left_out) = refusals(&running.proxy);
    assert!((10..=40).contains(&lines) && left_out > 0, "{lines} lines, {left_out} left out");
    assert!(running.proxy.lines().iter().any(|line| line.contains("lines were left out")));
}
