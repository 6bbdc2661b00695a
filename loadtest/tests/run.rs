//! `causeway-loadtest run` against the harness's own service: the report has every file, and each
//! of them what its reader needs.

// Helpers of tests may unwrap like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
};

use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};
use serde_json::Value;

const PROGRAM: &str = env!("CARGO_BIN_EXE_causeway-loadtest");

/// The harness's service as a process of its own.
struct Service {
    child: Child,
    address: String,
}

impl Service {
    fn start() -> Self {
        let mut child = Command::new(PROGRAM).arg("serve").stdout(Stdio::piped()).spawn().unwrap();
        let mut address = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
        Self { child, address: address.trim().to_owned() }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn run(address: &str, scenario: &str, report: &Path) -> Output {
    Command::new(PROGRAM)
        .args(["run", "--scenario", scenario, "--address", address, "--seconds", "0.5"])
        .arg("--report")
        .arg(report)
        .output()
        .unwrap()
}

fn json(report: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(report.join("report.json")).unwrap()).unwrap()
}

#[test]
fn a_report_has_text_json_intervals_and_a_page_that_needs_nothing_else() {
    let service = Service::start();
    let report = tempfile::tempdir().unwrap();
    let output = run(&service.address, "ping-pong-64", report.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "nobody watches, so no progress is shown");
    let text = fs::read_to_string(report.path().join("report.txt")).unwrap();
    assert_eq!(text.as_bytes(), output.stdout);
    assert!(text.contains("no errors") && text.contains("latency p99.9"), "{text}");

    let json = json(report.path());
    let operations = json["operations"].as_u64().unwrap();
    assert!(operations > 0);
    assert_eq!(json["errors"], 0);
    assert_eq!(json["latency"]["count"].as_u64().unwrap(), operations);
    assert_eq!(json["bytes_down"].as_u64().unwrap(), operations * 64);

    let log = fs::read(report.path().join("intervals.hlog")).unwrap();
    let intervals = IntervalLogIterator::new(&log)
        .filter(|entry| matches!(entry.as_ref().unwrap(), LogEntry::Interval(_)))
        .count();
    assert_eq!(intervals, json["intervals"].as_array().unwrap().len());
    assert!(intervals >= 10, "{intervals}");

    let page = fs::read_to_string(report.path().join("report.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("prefers-color-scheme:dark"));
    for outside in ["http://", "https://", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "the page needs {outside}");
    }
}

#[test]
fn bytes_in_bulk_are_counted_and_new_streams_too() {
    let service = Service::start();
    for (scenario, count) in
        [("bulk-up", "bytes_up"), ("bulk-down", "bytes_down"), ("open-echo-close", "operations")]
    {
        let report = tempfile::tempdir().unwrap();
        let output = run(&service.address, scenario, report.path());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(json(report.path())[count].as_u64().unwrap() > 0, "{scenario}");
    }
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let service = Service::start();
    let report = tempfile::tempdir().unwrap();
    let status = Command::new(PROGRAM)
        .args(["run", "--scenario", "ping-pong-64", "--seconds", "1", "--rate", "400"])
        .args(["--address", &service.address, "--report"])
        .arg(report.path())
        .stdout(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success());
    let operations = json(report.path())["operations"].as_u64().unwrap();
    // Wide, because a busy machine shifts operations over the ends of the second; a closed loop
    // would do a hundred times as many.
    assert!((200..=600).contains(&operations), "{operations} operations in a second");
}

#[test]
fn a_target_that_is_not_there_is_an_error_in_words() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let report = tempfile::tempdir().unwrap();
    let output = run(&nobody.to_string(), "ping-pong-64", report.path());
    assert!(!output.status.success());
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(words.contains(&nobody.to_string()) && words.contains("refused"), "{words}");
}
