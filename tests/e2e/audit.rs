//! The audit: who did what, as a program reads it afterwards.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
};

use causeway::engine::Kind;
use serde_json::Value;

use crate::support::{
    DEADLINE, Process, Running, Service, Site, Suite, assert_reset, exchange, get, run, sh,
    wait_until,
};

const MARKER: &str = "[AUDIT-EVENT] ";
const SUBACCOUNT: &str = "11111111-2222-3333-4444-555555555555";

pub fn add(suite: &mut Suite) {
    suite.all("tunnels_and_streams_are_recorded_by_both_roles", both_roles);
    suite.both("tunnels_that_fail_and_streams_that_are_refused_are_recorded", failures);
    suite.both("changes_of_mappings_and_certificates_are_recorded", changes);
    suite.both("changes_of_the_configuration_are_recorded", settings);
    suite.both("an_audit_file_is_rotated_by_size_and_by_name", rotation);
    suite.both("sighup_opens_the_audit_file_anew", reopened);
}

/// The records among some lines; each must be whole.
pub fn records<'l>(lines: impl IntoIterator<Item = &'l str>) -> Vec<Value> {
    let lines = lines.into_iter().filter_map(|line| line.strip_prefix(MARKER));
    lines
        .map(|text| serde_json::from_str(text).unwrap_or_else(|_| panic!("no JSON: {text}")))
        .collect()
}

/// The records of a file, as far as it is written.
pub fn records_of(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    records(whole.lines())
}

fn records_by(process: &Process) -> Vec<Value> {
    records(process.lines().iter().map(String::as_str))
}

/// Those of one kind.
pub fn of<'r>(records: &'r [Value], event: &str) -> Vec<&'r Value> {
    records.iter().filter(|record| record["event"] == event).collect()
}

/// Every record so far has the number after the last one's.
pub fn assert_complete(records: &[Value]) {
    let numbers: Vec<u64> = records.iter().map(|record| record["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>());
}

fn wait_for(process: &Process, event: &str, many: usize) -> Vec<Value> {
    wait_until(&format!("{many} × {event}"), DEADLINE, || {
        of(&records_by(process), event).len() >= many
    });
    records_by(process)
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

fn serial_of(certificate: &Path) -> String {
    let path = certificate.display().to_string();
    let told = run("openssl", &["x509", "-noout", "-serial", "-in", &path], b"").text();
    let digits = told.trim().trim_start_matches("serial=").to_ascii_lowercase();
    let bytes: Vec<&str> =
        digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
    bytes.join(":")
}

/// A connector's file in the mode of the test.
fn in_mode(file: PathBuf) -> PathBuf {
    let wanted = format!("mode = \"{}\"", crate::support::mode());
    let text = fs::read_to_string(&file).unwrap().replace("#mode = \"multiplexed\"", &wanted);
    fs::write(&file, text).unwrap();
    file
}

fn both_roles(kind: Kind) {
    let echo = Service::echo();
    let site = Site::new(kind, echo.address, false);
    let serial = serial_of(&site.path("connector.crt"));
    let mut proxy = Process::causeway(&[
        "proxy",
        "--config",
        &site.proxy_toml("127.0.0.1:0").display().to_string(),
    ]);
    let tunnel = proxy.address("proxy serves", "address");
    let connector_toml = in_mode(site.connector_toml(tunnel.port())).display().to_string();
    let mut connector = Process::causeway(&["connector", "--config", &connector_toml]);
    let channel = connector.address("channel listens", "local");
    assert_eq!(exchange(channel, "hello").unwrap(), "hello");
    for (process, role) in [(&proxy, "proxy"), (&connector, "connector")] {
        let records = wait_for(process, "stream_close", 1);
        let opened = of(&records, "stream_open")[0];
        let closed = of(&records, "stream_close")[0];
        for record in [opened, closed] {
            assert_eq!((text(record, "role"), text(record, "subaccount")), (role, SUBACCOUNT));
            assert_eq!((text(record, "service"), text(record, "location")), ("echoserver", ""));
            assert_eq!(text(record, "serial"), serial);
            assert_eq!(text(record, "peer"), text(opened, "peer"));
        }
        let target = if role == "proxy" { echo.address } else { tunnel };
        assert_eq!(text(closed, "dialled"), target.to_string());
        let number = |key: &str| closed[key].as_u64().unwrap();
        assert_eq!((number("up_bytes"), number("down_bytes")), (5, 5));
        assert_eq!(text(closed, "ending"), "clean");
        // The tunnel that carried it was recorded before it, with the incumbent's keys.
        let tunnels = of(&records, "tunnel_open");
        let id = text(closed, "tunnel");
        let tunnel = tunnels.iter().find(|tunnel| text(tunnel, "tunnel") == id);
        let tunnel = tunnel.unwrap_or_else(|| panic!("no tunnel {id}: {tunnels:?}"));
        assert!(tunnel["seq"].as_u64() < opened["seq"].as_u64());
        assert_eq!(text(tunnel, "tenant"), SUBACCOUNT);
        let data: Value = serde_json::from_str(text(tunnel, "data")).unwrap();
        assert_eq!(text(&data, "action"), "open connectivity tunnel");
        assert_eq!(text(&data, "message"), "tunnel handshake success");
        assert_eq!((text(&data, "tunnelId"), text(&data, "clientId")), (id, serial.as_str()));
    }
    assert_eq!(of(&records_by(&connector), "channel_open").len(), 1);
    for process in [connector, proxy] {
        process.terminate();
        let (status, said) = process.end();
        assert_eq!(status.code(), Some(0), "{said}");
        let records = records(said.lines());
        assert_complete(&records);
        assert_eq!(text(&records[0], "event"), "start");
        assert_eq!(text(&records[records.len() - 1], "event"), "stop");
    }
}

fn failures(kind: Kind) {
    let echo = Service::echo();
    let site = Site::new(kind, echo.address, false);
    let running = site.start();
    let Running { proxy, .. } = &running;
    // Our own probe has no certificate either, and is nobody's attempt.
    assert_eq!(get(running.proxy_admin, "/readyz").0, 200);
    let curl = |pair: &str, url: &str| {
        let file = |kind: &str| site.path(&format!("{pair}.{kind}")).display().to_string();
        let proxy = format!("https://localhost:{}", port_of(proxy));
        let ca = site.path("ca.crt").display().to_string();
        let (certificate, key) = (file("crt"), file("key"));
        let arguments = ["-sS", "--proxy", &proxy, "--proxy-cacert", &ca, "--proxy-cert"];
        let more = [&certificate, "--proxy-key", &key, "--proxytunnel", url];
        assert!(!run("curl", &[&arguments[..], &more].concat(), b"").status.success());
    };
    curl("connector", "http://nobody:80/");
    curl("server", "http://echoserver:80/");
    let records = wait_for(proxy, "stream_refuse", 1);
    let refused = of(&records, "stream_refuse")[0];
    assert_eq!((text(refused, "reason"), text(refused, "service")), ("no_such_mapping", "nobody"));
    assert_eq!(text(refused, "subaccount"), SUBACCOUNT);
    assert_eq!(text(refused, "serial"), serial_of(&site.path("connector.crt")));
    let records = wait_for(proxy, "tunnel_failed", 1);
    let failed = of(&records, "tunnel_failed");
    assert_eq!(failed.len(), 1, "{failed:?}");
    let data: Value = serde_json::from_str(text(failed[0], "data")).unwrap();
    assert_eq!(text(&data, "message"), "tunnel handshake failure");
    assert_eq!(text(failed[0], "reason"), "certificate_wrong_purpose");
    assert!(text(failed[0], "peer").starts_with("127.0.0.1:"));
    // A connector records the client that got nothing.
    drop(echo);
    let Running { proxy, mut connector, channel, .. } = running;
    proxy.terminate();
    assert_eq!(proxy.end().0.code(), Some(0));
    assert_reset(channel);
    let records = wait_for(&connector, "stream_refuse", 1);
    assert_eq!(text(of(&records, "stream_refuse")[0], "service"), "echoserver");
    let records = wait_for(&connector, "tunnel_failed", 1);
    assert_eq!(text(of(&records, "tunnel_failed")[0], "reason"), "unreachable");
    assert!(connector.is_running());
}

fn port_of(proxy: &Process) -> u16 {
    let lines = proxy.lines();
    let line = lines.iter().find(|line| line.contains("proxy serves")).unwrap();
    let (_, rest) = line.split_once("address=").unwrap();
    let address = rest.split(' ').next().unwrap();
    address.rsplit(':').next().unwrap().parse().unwrap()
}

fn changes(kind: Kind) {
    let echo = Service::echo();
    let site = Site::new(kind, echo.address, false);
    let running = site.start();
    let configured = |process: &Process, what: &str, result: &str| {
        let records = records_by(process);
        let found = of(&records, "configuration");
        let mut found = found.into_iter().filter(|record| text(record, "what") == what);
        found.rfind(|record| text(record, "result") == result).cloned()
    };
    let first = configured(&running.proxy, "mappings", "in force").unwrap();
    assert!(text(&first, "detail").contains("+echoserver (TCP "), "{first}");
    fs::remove_file(site.path("mappings/echoserver.yaml")).unwrap();
    wait_until("the removal is recorded", DEADLINE, || {
        configured(&running.proxy, "mappings", "in force")
            .is_some_and(|record| text(&record, "detail") == "0 in force: -echoserver")
    });
    fs::write(site.path("mappings/wrong.yaml"), "kind: ServiceMapping\n").unwrap();
    wait_until("the refusal is recorded", DEADLINE, || {
        configured(&running.proxy, "mappings", "refused").is_some()
    });
    fs::write(site.path("connector.crt"), "no certificate").unwrap();
    wait_until("the connector's refusal is recorded", DEADLINE, || {
        configured(&running.connector, "certificates", "refused").is_some()
    });
    fs::write(site.path("server.crt"), "no certificate").unwrap();
    wait_until("the proxy's refusal is recorded", DEADLINE, || {
        configured(&running.proxy, "certificates", "refused").is_some()
    });
}

fn settings(kind: Kind) {
    let echo = Service::echo();
    let site = Site::new(kind, echo.address, false);
    let running = site.start();
    let change = |name: &str, from: &str, to: &str| {
        let text = fs::read_to_string(site.path(name)).unwrap();
        assert!(text.contains(from), "{name} has no {from:?}");
        fs::write(site.path(name), text.replace(from, to)).unwrap();
    };
    let recorded = |process: &Process, result: &str, key: &str, expected: &str| {
        wait_until(&format!("{expected} is recorded"), DEADLINE, || {
            of(&records_by(process), "configuration").iter().any(|record| {
                (text(record, "what"), text(record, "result")) == ("settings", result)
                    && text(record, key).contains(expected)
            })
        });
    };
    let Running { proxy, connector, .. } = &running;
    change("proxy.toml", "#dial_timeout_seconds = 10", "dial_timeout_seconds = 9");
    recorded(proxy, "in force", "detail", "limits.dial_timeout_seconds: 10 → 9");
    change("proxy.toml", "#queue_events = 8192", "queue_events = 16");
    recorded(proxy, "refused", "reason", "needs a restart");
    recorded(proxy, "refused", "detail", "audit.queue_events (in force 8192, in the file 16)");
    change("connector.toml", "#idle_timeout_seconds = 0", "idle_timeout_seconds = -1");
    recorded(connector, "refused", "reason", "limits.idle_timeout_seconds");
    change("connector.toml", "idle_timeout_seconds = -1", "idle_timeout_seconds = 60");
    recorded(connector, "in force", "detail", "limits.idle_timeout_seconds: 0 → 60");
}

/// A proxy's file whose audit goes to `audit.log` beside it.
pub fn to_file(site: &Site, more: &str) -> PathBuf {
    let file = site.proxy_toml("127.0.0.1:0");
    let text = fs::read_to_string(&file).unwrap();
    let with = format!("sink = \"file\"\nfile = \"audit.log\"\n{more}");
    fs::write(&file, text.replace("#sink = \"stdout\"", &with)).unwrap();
    file
}

fn rotation(kind: Kind) {
    let echo = Service::echo();
    let site = Site::new(kind, echo.address, false);
    let running = site.start_with(&to_file(&site, "rotate_bytes = 4096\nkeep_files = 3\n"));
    let file = |number: usize| match number {
        0 => site.path("audit.log"),
        _ => site.path(&format!("audit.log.{number}")),
    };
    let mut streams = 0;
    wait_until("two rotated files", DEADLINE, || {
        exchange(running.channel, "x").unwrap();
        streams += 1;
        file(2).exists()
    });
    let all = || (0..4).rev().flat_map(|number| records_of(&file(number))).collect::<Vec<_>>();
    wait_until("every stream is recorded", DEADLINE, || {
        of(&all(), "stream_close").len() == streams
    });
    assert_complete(&all());
    let mode = fs::metadata(file(0)).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    // Somebody else takes the file away.
    let moved = site.path("moved");
    assert!(Command::new("mv").args([file(0), moved.clone()]).status().unwrap().success());
    let before = records_of(&moved).len();
    let mut stream = TcpStream::connect(running.channel).unwrap();
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    wait_until("a new file is begun", DEADLINE, || {
        of(&records_of(&file(0)), "stream_open").len() == 1
    });
    assert_eq!(records_of(&moved).len(), before);
}

/// What rotates files from outside renames one and sends SIGHUP; no record need come for that.
fn reopened(kind: Kind) {
    let echo = Service::echo();
    let site = Site::new(kind, echo.address, false);
    let running = site.start_with(&to_file(&site, ""));
    let (file, renamed) = (site.path("audit.log"), site.path("audit.log.old"));
    exchange(running.channel, "before").unwrap();
    wait_until("the first stream is recorded", DEADLINE, || {
        !of(&records_of(&file), "stream_close").is_empty()
    });
    fs::rename(&file, &renamed).unwrap();
    let before = fs::read(&renamed).unwrap();
    sh(&format!("kill -HUP {}", running.proxy.id()));
    wait_until("there is a new file", DEADLINE, || file.exists());
    exchange(running.channel, "after").unwrap();
    wait_until("the second stream is in it", DEADLINE, || {
        !of(&records_of(&file), "stream_close").is_empty()
    });
    assert!(fs::read(&renamed).unwrap() == before, "nothing more in the old one");
    let both: Vec<Value> = records_of(&renamed).into_iter().chain(records_of(&file)).collect();
    assert_complete(&both);
}
