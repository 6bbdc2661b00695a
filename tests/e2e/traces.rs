//! Traces: one trace over both roles, in both logs and at a collector.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

use causeway::engine::Kind;
use serde_json::Value;

use crate::support::{
    DEADLINE, HeldPort, Process, Service, Site, Suite, assert_reset, exchange, get, mode, run,
    wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.all("a_stream_is_one_trace_over_both_roles", one_trace);
    suite.both("who_began_a_trace_decides_whether_it_is_recorded", callers_choice);
    suite.both("a_collector_that_is_away_costs_spans_and_nothing_else", collector_away);
}

/// A collector of OTLP over HTTP.
struct Collector {
    address: SocketAddr,
    /// Name of the service, and the span.
    spans: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let spans = Arc::new(Mutex::new(Vec::new()));
        let kept = spans.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                kept.lock().unwrap().extend(receive(stream));
            }
        });
        Self { address, spans }
    }

    /// Waits for so many spans of a service.
    fn spans(&self, service: &str, many: usize) -> Vec<Value> {
        let of = || -> Vec<Value> {
            let spans = self.spans.lock().unwrap();
            let own = spans.iter().filter(|(name, _)| name == service);
            own.map(|(_, span)| span.clone()).collect()
        };
        wait_until(&format!("{many} spans of {service}"), DEADLINE, || of().len() >= many);
        of()
    }
}

/// Takes one request as a collector does.
fn receive(stream: TcpStream) -> Vec<(String, Value)> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line == "\r\n" {
            break;
        }
        head.push(line.trim_end().to_ascii_lowercase());
    }
    assert_eq!(head[0], "post /v1/traces http/1.1");
    assert!(head.contains(&"content-type: application/json".to_owned()), "{head:?}");
    let length = head.iter().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    reader.read_exact(&mut body).unwrap();
    let answer =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    reader.get_mut().write_all(answer).unwrap();
    let request: Value = serde_json::from_slice(&body).unwrap();
    let mut spans = Vec::new();
    for resource in request["resourceSpans"].as_array().unwrap() {
        let name = attribute(&resource["resource"], "service.name").unwrap();
        for scope in resource["scopeSpans"].as_array().unwrap() {
            let all = scope["spans"].as_array().unwrap();
            spans.extend(all.iter().map(|span| (name.clone(), span.clone())));
        }
    }
    spans
}

fn attribute(of: &Value, key: &str) -> Option<String> {
    let found = of["attributes"].as_array()?.iter().find(|attribute| attribute["key"] == key)?;
    let value = &found["value"];
    Some(value["stringValue"].as_str().or_else(|| value["intValue"].as_str())?.to_owned())
}

/// A file of a role with traces to `collector`, in the mode of the test.
fn traced(file: PathBuf, collector: SocketAddr, ratio: &str) -> String {
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text
        .replace(
            "#otlp_endpoint = \"http://127.0.0.1:4318\"",
            &format!("otlp_endpoint = \"http://{collector}\""),
        )
        .replace("#sample_ratio = 0.01", &format!("sample_ratio = {ratio}"))
        .replace("#mode = \"multiplexed\"", &format!("mode = \"{}\"", mode()));
    assert!(text.contains("\notlp_endpoint") && text.contains("\nsample_ratio"));
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

struct Pair {
    proxy: Process,
    proxy_admin: SocketAddr,
    tunnel: SocketAddr,
    connector: Process,
    channel: SocketAddr,
}

fn start(site: &Site, collector: SocketAddr) -> Pair {
    let config = traced(site.proxy_toml("127.0.0.1:0"), collector, "1.0");
    let mut proxy = Process::causeway(&["proxy", "--config", &config]);
    let tunnel = proxy.address("proxy serves", "address");
    let proxy_admin = proxy.address("admin server listens", "address");
    let config = traced(site.connector_toml(tunnel.port()), collector, "1");
    let mut connector = Process::causeway(&["connector", "--config", &config]);
    let channel = connector.address("channel listens", "local");
    Pair { proxy, proxy_admin, tunnel, connector, channel }
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

fn logged_trace(process: &Process) -> String {
    let line = || process.lines().into_iter().find(|line| line.contains("stream ended"));
    wait_until("the stream's line", DEADLINE, || line().is_some());
    let line = line().unwrap_or_default();
    let (_, rest) = line.split_once("traceparent=").unwrap_or_else(|| panic!("none in {line}"));
    rest.trim_matches('"').chars().take("00-".len() + 32 + "-".len() + 16).collect()
}

fn one_trace(kind: Kind) {
    let echo = Service::echo();
    let site = Site::new(kind, echo.address, false);
    let collector = Collector::start();
    let pair = start(&site, collector.address);
    assert_eq!(exchange(pair.channel, "hello").unwrap(), "hello");
    let own = collector.spans("causeway-connector", 1);
    let theirs = collector.spans("causeway-proxy", 2);
    let named = |name: &str| theirs.iter().find(|span| span["name"] == name).unwrap();
    let (stream, dial) = (named("causeway.stream"), named("causeway.dial"));
    assert_eq!((own.len(), theirs.len()), (1, 2));
    for span in [stream, dial] {
        assert_eq!(text(span, "traceId"), text(&own[0], "traceId"));
        assert_eq!(text(span, "traceId").len(), 32);
    }
    assert!(own[0].get("parentSpanId").is_none());
    assert_eq!(text(stream, "parentSpanId"), text(&own[0], "spanId"));
    assert_eq!(text(dial, "parentSpanId"), text(stream, "spanId"));
    assert_eq!(
        (&own[0]["kind"], &stream["kind"], &dial["kind"]),
        (&3.into(), &2.into(), &3.into())
    );
    for span in [&own[0], stream] {
        assert_eq!(attribute(span, "causeway.service").unwrap(), "echoserver");
        assert_eq!(attribute(span, "causeway.up_bytes").unwrap(), "5");
        assert_eq!(attribute(span, "causeway.ending").unwrap(), "clean");
        assert!(span.get("status").is_none());
        let time = |key: &str| text(span, key).parse::<u128>().unwrap();
        assert!(time("startTimeUnixNano") < time("endTimeUnixNano"));
    }
    let time = |span: &Value, key: &str| text(span, key).parse::<u128>().unwrap();
    assert!(time(dial, "startTimeUnixNano") >= time(stream, "startTimeUnixNano"));
    // Both logs tell of the trace as well.
    let logged = logged_trace(&pair.proxy);
    assert_eq!(logged, logged_trace(&pair.connector));
    assert_eq!(logged, format!("00-{}-{}", text(stream, "traceId"), text(&own[0], "spanId")));
    // What gets no stream says why.
    std::fs::remove_file(site.path("mappings/echoserver.yaml")).unwrap();
    let refused = || pair.proxy.lines().iter().any(|line| line.contains("no_such_mapping"));
    wait_until("the service is gone", DEADLINE, || {
        let _ = exchange(pair.channel, "refused");
        refused()
    });
    assert_reset(pair.channel);
    wait_until("a span that failed", DEADLINE, || {
        let spans = collector.spans("causeway-proxy", 3);
        spans.iter().any(|span| span["status"]["message"] == "no_such_mapping")
    });
    wait_until("the connector's", DEADLINE, || {
        let spans = collector.spans("causeway-connector", 2);
        spans.iter().any(|span| span["status"]["code"] == 2)
    });
}

fn callers_choice(kind: Kind) {
    let service = Service::http("served");
    let site = Site::new(kind, service.address, false);
    let collector = Collector::start();
    let pair = start(&site, collector.address);
    let file = |name: &str| site.path(name).display().to_string();
    let (ca, certificate, key) = (file("ca.crt"), file("connector.crt"), file("connector.key"));
    let proxy = format!("https://localhost:{}", pair.tunnel.port());
    let ask = |traceparent: &str| {
        let field = format!("traceparent: {traceparent}");
        let arguments = ["-sS", "--proxy", &proxy, "--proxy-cacert", &ca, "--proxy-cert"];
        let more = [&certificate, "--proxy-key", &key, "--proxytunnel", "--proxy-header", &field];
        let all = [&arguments[..], &more, &["http://echoserver:80/"]].concat();
        assert_eq!(run("curl", &all, b"").text(), "served");
    };
    let (unwanted, wanted) = ("1".repeat(32), "2".repeat(32));
    let parent = "b7ad6b7169203331";
    ask(&format!("00-{unwanted}-{parent}-00"));
    ask(&format!("00-{wanted}-{parent}-01"));
    let spans = collector.spans("causeway-proxy", 2);
    assert!(spans.iter().all(|span| text(span, "traceId") == wanted), "{spans:?}");
    let stream = spans.iter().find(|span| span["name"] == "causeway.stream").unwrap();
    assert_eq!(text(stream, "parentSpanId"), parent);
}

fn collector_away(kind: Kind) {
    let echo = Service::echo();
    let site = Site::new(kind, echo.address, false);
    let nobody = HeldPort::new();
    let mut pair = start(&site, nobody.address);
    assert_eq!(exchange(pair.channel, "goes on").unwrap(), "goes on");
    pair.proxy.line("spans cannot be sent");
    let lost = || {
        let (_, metrics) = get(pair.proxy_admin, "/metrics");
        let line = metrics.lines().find_map(|line| line.strip_prefix("causeway_spans_lost_total "));
        line.unwrap().parse::<u64>().unwrap()
    };
    wait_until("they are counted", DEADLINE, || lost() == 2);
    assert_eq!(exchange(pair.channel, "goes on").unwrap(), "goes on");
    for process in [pair.connector, pair.proxy] {
        process.terminate();
        assert_eq!(process.end().0.code(), Some(0));
    }
}
