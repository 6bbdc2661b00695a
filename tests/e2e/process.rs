//! Both roles as processes, installed and asked the way an administrator does.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
};

use causeway::engine::Kind;
use serde_json::Value;

use crate::support::{
    DEADLINE, Flow, Running, Service, Site, Suite, exchange, get, sh, wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.both("the_walk_of_the_announcement_works_with_the_example_files", walk);
    suite.both("the_admin_server_counts_the_streams_that_ran", admin);
    suite.both("sigterm_drains_unready_first_and_exits_with_0", drain);
}

fn walk(kind: Kind) {
    let service = Service::http("the echo server");
    let site = Site::new(kind, service.address, false);
    let mut running = site.start();
    let port = running.channel.port();
    let curl = format!("curl -sS -i http://localhost:{port}/test -H 'Host: echoserver.test'");
    let answer = sh(&curl);
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("the echo server"));
    let file = |name: &str| site.path(name).display().to_string();
    let tunnel = running.proxy.address("proxy serves", "address").port();
    let direct = format!(
        "curl -sS --proxy https://localhost:{tunnel} --proxy-cert {} --proxy-key {} \
         --proxy-cacert {} --proxytunnel http://echoserver:80/test",
        file("connector.crt"),
        file("connector.key"),
        file("ca.crt")
    );
    assert_eq!(sh(&direct), "the echo server");
    let missing = direct.replace("http://echoserver:80", "http://nobody:80");
    let said = sh(&format!("{missing} 2>&1 -w '%{{http_connect}}' || true"));
    assert!(said.contains("404"), "{said}");
    assert_eq!(service.accepted(), 2);
    end(running);
}

fn end(running: Running) {
    for process in [running.connector, running.proxy] {
        process.terminate();
        let (status, said) = process.end();
        assert_eq!(status.code(), Some(0), "{said}");
    }
}

fn json(address: std::net::SocketAddr, path: &str) -> Value {
    let (status, body) = get(address, path);
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// A metric's value, over all its labels.
fn number(metrics: &str, name: &str) -> f64 {
    let values: Vec<f64> = metrics
        .lines()
        .filter_map(|line| line.rsplit_once(' '))
        .filter(|(series, _)| series.split('{').next() == Some(name))
        .map(|(_, value)| value.parse().unwrap())
        .collect();
    assert!(!values.is_empty(), "no {name} in {metrics}");
    values.iter().sum()
}

/// What `connect`, `first_byte` and `stream_lifetime` counted.
fn counts(address: std::net::SocketAddr) -> [u64; 3] {
    let summary = json(address, "/histograms");
    assert_eq!(summary["problems"], Value::Array(Vec::new()));
    ["connect", "first_byte", "stream_lifetime"].map(|name| {
        let histogram = &summary["histograms"][name];
        histogram["count"].as_u64().unwrap_or_else(|| panic!("no {name}: {summary}"))
    })
}

fn admin(kind: Kind) {
    const STREAMS: u64 = 12;
    let echo = Service::echo();
    let site = Site::new(kind, echo.address, false);
    let running = site.start();
    let admins = [running.proxy_admin, running.connector_admin];
    for address in admins {
        assert_eq!(get(address, "/healthz").0, 200);
        let ready = "{\"notes\":[],\"ready\":true,\"reasons\":[]}";
        assert_eq!(get(address, "/readyz"), (200, ready.to_owned()));
    }
    for stream in 0..STREAMS {
        let text = format!("stream {stream}");
        assert_eq!(exchange(running.channel, &text).unwrap(), text);
    }
    for address in admins {
        wait_until("every stream is accounted for", DEADLINE, || counts(address)[2] == STREAMS);
        assert_eq!(counts(address), [STREAMS; 3]);
        let (status, text) = get(address, "/histograms/stream_lifetime");
        assert_eq!(status, 200);
        assert!(text.contains("TotalCount") && text.contains(&STREAMS.to_string()), "{text}");
        assert_eq!(get(address, "/histograms/nonsense").0, 404);
        let (status, metrics) = get(address, "/metrics");
        assert_eq!(status, 200);
        assert_eq!(number(&metrics, "causeway_streams_opened_total"), STREAMS as f64);
        assert_eq!(number(&metrics, "causeway_streams_ended_total"), STREAMS as f64);
        assert!(metrics.contains(&format!("engine=\"{kind}\"")), "{metrics}");
        let bytes: usize = (0..STREAMS).map(|n| format!("stream {n}").len()).sum();
        for direction in ["bytes_up", "bytes_down"] {
            let name = format!("causeway_{direction}_total");
            assert_eq!(number(&metrics, &name), bytes as f64, "{name}");
        }
    }
    show_open_streams(&running);
    // A proxy dials once for each stream; a connector also for what it keeps warm.
    let dials = &json(running.proxy_admin, "/histograms")["histograms"]["dial"]["count"];
    assert_eq!(dials.as_u64(), Some(STREAMS + 2));
    assert_eq!(json(running.proxy_admin, "/status")["details"]["mappings"], 1);
    end(running);
}

/// Open streams show as gauges, and no longer when they have ended.
fn show_open_streams(running: &Running) {
    let flows = [Flow::start(running.channel), Flow::start(running.channel)];
    let open = |address| number(&get(address, "/metrics").1, "causeway_streams");
    let admins = [running.proxy_admin, running.connector_admin];
    for address in admins {
        wait_until("both open streams are shown", DEADLINE, || open(address) == 2.0);
        assert!(number(&get(address, "/metrics").1, "causeway_sessions") >= 2.0);
    }
    flows.into_iter().for_each(|flow| assert!(flow.finish() > 0));
    for address in admins {
        wait_until("no stream is shown", DEADLINE, || open(address) == 0.0);
    }
}

fn drain(kind: Kind) {
    let echo = Service::echo();
    let site = Site::new(kind, echo.address, false);
    let mut running = site.start();
    let mut stream = TcpStream::connect(running.channel).unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut round_trip = |text: &str| {
        stream.write_all(text.as_bytes()).unwrap();
        let mut back = vec![0; text.len()];
        stream.read_exact(&mut back).unwrap();
        assert_eq!(back, text.as_bytes());
    };
    round_trip("before");
    for (process, admin) in [
        (&mut running.proxy, running.proxy_admin),
        (&mut running.connector, running.connector_admin),
    ] {
        process.terminate();
        wait_until("it says that it takes no more", DEADLINE, || {
            let (status, text) = get(admin, "/readyz");
            status == 503 && text.contains("\"reasons\":[\"draining\"]")
        });
        assert_eq!(get(admin, "/healthz").0, 200);
        assert!(process.is_running());
        round_trip("while it drains");
    }
    // Who came between the last accept and the end of the listener is reset.
    wait_until("nobody listens any more", DEADLINE, || {
        exchange(running.channel, "too late")
            .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
    });
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    assert_eq!(rest, b"", "a drained stream ends cleanly");
    for process in [running.proxy, running.connector] {
        let (status, said) = process.end();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("aborted=0"), "{said}");
    }
}
