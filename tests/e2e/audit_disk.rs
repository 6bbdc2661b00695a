//! A disk that is full: the audit cannot be written, and everything else goes on or says why not.

use std::{path::Path, time::Duration};

use causeway::engine::Kind;

use crate::{
    audit::{assert_complete, of, records_of, to_file},
    support::{DEADLINE, Disk, Running, Service, Site, Suite, exchange, get, run, wait_until},
};

/// After the disk has room again.
const BACK_TO_NORMAL: Duration = Duration::from_secs(10);

pub fn add(suite: &mut Suite) {
    let possible = Disk::possible();
    suite.both_where("a_full_audit_disk_costs_records_and_tells_which", &possible, records_lost);
    suite.both_where(
        "a_full_audit_disk_stops_streams_where_records_are_demanded",
        &possible,
        stops,
    );
}

/// Dropped in this order.
struct Place {
    running: Running,
    disk: Disk,
    site: Site,
    _service: Service,
}

fn place(kind: Kind, service: Service, audit: &str) -> Place {
    let site = Site::new(kind, service.address, false);
    let disk = Disk::mount(&site.path("disk"));
    let config = to_file(&site, audit);
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, text.replace("\"audit.log\"", "\"disk/audit.log\"")).unwrap();
    let running = site.start_with(&config);
    Place { running, disk, site, _service: service }
}

impl Place {
    fn metric(&self, name: &str) -> u64 {
        let (_, metrics) = get(self.running.proxy_admin, "/metrics");
        let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("causeway_{name} ")));
        line.unwrap_or_else(|| panic!("no {name} in {metrics}")).parse().unwrap()
    }

    fn file(&self) -> std::path::PathBuf {
        self.site.path("disk/audit.log")
    }
}

fn records_lost(kind: Kind) {
    let mut place = place(kind, Service::echo(), "queue_events = 64\n");
    place.disk.fill();
    let mut streams = 0;
    wait_until("records are lost", DEADLINE, || {
        assert_eq!(exchange(place.running.channel, "goes on").unwrap(), "goes on");
        streams += 1;
        place.metric("audit_records_lost_total") > 0
    });
    assert_eq!(place.metric("audit_failing"), 1);
    assert!(place.metric("audit_writes_failed_total") > 0);
    assert_eq!(get(place.running.proxy_admin, "/readyz").0, 200);
    place.running.proxy.line("audit records cannot be written");
    place.disk.relieve();
    let took = wait_until("a record tells what is missing", BACK_TO_NORMAL, || {
        !of(&records_of(&place.file()), "gap").is_empty()
    });
    println!("{kind}: recorded again {took:?} after there was room");
    wait_until("the metric says so", BACK_TO_NORMAL, || place.metric("audit_failing") == 0);
    assert_eq!(exchange(place.running.channel, "after").unwrap(), "after");
    streams += 1;
    let file = place.file();
    wait_until("the last stream is recorded", DEADLINE, || is_closed(&file));
    let records = records_of(&file);
    assert_complete(&records);
    let gaps = of(&records, "gap");
    let missing: u64 = gaps.iter().map(|gap| gap["missing"].as_u64().unwrap()).sum();
    assert_eq!(missing, place.metric("audit_records_lost_total"));
    let reason = gaps[0]["reason"].as_str().unwrap();
    assert!(reason.contains("No space left on device"), "{reason}");
    assert!(gaps[0]["from"].as_str() <= gaps[0]["to"].as_str(), "{}", gaps[0]);
    let written = of(&records, "stream_open").len() + of(&records, "stream_close").len();
    assert!(
        written as u64 + missing >= 2 * streams,
        "{written} and {missing} of {streams} streams"
    );
    assert!(place.running.proxy.is_running());
}

/// Whether the last stream that was opened has ended.
fn is_closed(file: &Path) -> bool {
    let records = records_of(file);
    let last = |event: &str| of(&records, event).last().map(|record| record["peer"].clone());
    records.last().is_some_and(|record| record["event"] == "stream_close")
        && last("stream_open") == last("stream_close")
}

/// The proxy's answer to one CONNECT.
fn answer(place: &Place, tunnel: u16) -> String {
    let file = |name: &str| place.site.path(name).display().to_string();
    let proxy = format!("https://localhost:{tunnel}");
    let (ca, certificate, key) = (file("ca.crt"), file("connector.crt"), file("connector.key"));
    let arguments = ["-sS", "-o", "/dev/null", "-w", "%{http_connect}", "--proxy", &proxy];
    let more = ["--proxy-cacert", &ca, "--proxy-cert", &certificate, "--proxy-key", &key];
    let last = ["--proxytunnel", "http://echoserver:80/"];
    run("curl", &[&arguments[..], &more, &last].concat(), b"").text()
}

fn stops(kind: Kind) {
    const REQUEST: &str = "GET / HTTP/1.1\r\nHost: echoserver\r\n\r\n";
    let audit = "queue_events = 256\nrequired = true\n";
    let mut place = place(kind, Service::http("served"), audit);
    let tunnel = place.running.proxy.address("proxy serves", "address").port();
    assert_eq!(answer(&place, tunnel), "200");
    place.disk.fill();
    let mut served = 1;
    wait_until("streams are refused", DEADLINE, || {
        let asked = exchange(place.running.channel, REQUEST);
        served += usize::from(asked.is_ok());
        asked.is_err()
    });
    assert_eq!(answer(&place, tunnel), "503");
    place.running.proxy.line("this proxy is at its limit of audit records not yet written");
    assert!(place.running.proxy.is_running());
    place.disk.relieve();
    let took = wait_until("streams are served again", BACK_TO_NORMAL, || {
        let asked = exchange(place.running.channel, REQUEST);
        served += usize::from(asked.is_ok());
        asked.is_ok()
    });
    println!("{kind}: served again {took:?} after there was room");
    let file = place.file();
    wait_until("every stream is recorded", DEADLINE, || {
        of(&records_of(&file), "stream_close").len() == served
    });
    let records = records_of(&file);
    assert_complete(&records);
    assert_eq!(of(&records, "stream_open").len(), served);
    assert_eq!(of(&records, "gap").len(), 0, "what is demanded is not lost");
    assert!(!of(&records, "stream_refuse").is_empty());
}
