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
}

/// The lines of streams that ended, parsed; every line must be JSON.
fn stream_lines(process: &Process) -> Vec<Value> {
    let mut lines = Vec::new();
    for line in process.lines() {
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
    assert!(line["lifetime_ms"].is_u64(), "{line}");
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
