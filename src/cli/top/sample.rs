//! One look at a server, taken apart.

use std::{collections::HashMap, time::Instant};

use serde_json::Value;

use super::client::{Asking, Client, encoded, in_time};

/// Streams that are looked at one by one; a server with more shows its totals all the same.
const STREAMS_MAX: usize = 5000;
/// Services whose latencies are asked for: those with the most streams.
const SERVICES_MAX: usize = 20;

/// What a server said.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    pub(super) at: Instant,
    pub(super) role: String,
    pub(super) version: String,
    pub(super) engine: String,
    /// Why it is not ready; nothing when it is.
    pub(super) reasons: Vec<String>,
    pub(super) workers: usize,
    pub(super) tunnels: u64,
    pub(super) streams: u64,
    /// Since the start: up, down.
    pub(super) bytes: (u64, u64),
    pub(super) streams_opened: u64,
    /// By id.
    pub(super) each: HashMap<String, Stream>,
    pub(super) latencies: Vec<Latency>,
    /// Of each service, where the server tells them apart.
    pub(super) of_services: HashMap<Service, Vec<Latency>>,
    pub(super) problems: Vec<String>,
}

/// Subaccount and service id.
pub(super) type Service = (String, String);

/// One stream.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub(super) service: Service,
    pub(super) age_ms: u64,
    /// Since it was opened: up, down.
    pub(super) bytes: (u64, u64),
}

/// One latency in short, in nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Latency {
    pub(super) name: String,
    pub(super) count: u64,
    pub(super) p50: u64,
    pub(super) p90: u64,
    pub(super) p99: u64,
    pub(super) p999: u64,
    pub(super) max: u64,
}

/// Looks once.
pub(super) async fn look(client: &Client) -> Result<Sample, String> {
    in_time(async { ask(&mut client.connect().await?).await }).await
}

async fn ask(asking: &mut Asking<'_>) -> Result<Sample, String> {
    let status = asking.get("/status").await?;
    let workers = asking.get("/workers").await?;
    let tunnels = asking.get("/tunnels?limit=0").await?;
    let at = Instant::now();
    let (each, streams) = streams(asking).await?;
    let histograms = asking.get("/histograms").await?;
    let mut sample = Sample {
        at,
        role: text(&workers["role"]),
        version: text(&status["version"]),
        engine: text(&workers["engine"]),
        reasons: texts(&status["reasons"]),
        workers: workers["workers"].as_array().map_or(0, Vec::len),
        tunnels: number(&tunnels["total"]),
        streams,
        bytes: (sum(&workers, "bytes_up"), sum(&workers, "bytes_down")),
        streams_opened: sum(&workers, "streams_opened"),
        each,
        latencies: latencies(&histograms["histograms"]),
        of_services: HashMap::new(),
        problems: texts(&tunnels["problems"]),
    };
    // A server that names services tells their latencies apart.
    if histograms["services"].is_array() {
        of_services(asking, &mut sample).await?;
    }
    Ok(sample)
}

async fn streams(asking: &mut Asking<'_>) -> Result<(HashMap<String, Stream>, u64), String> {
    let mut each = HashMap::new();
    let mut after = String::new();
    loop {
        let page = asking.get(&format!("/streams?limit=1000{after}")).await?;
        for stream in page["streams"].as_array().into_iter().flatten() {
            let service = (text(&stream["subaccount"]), text(&stream["service"]));
            let bytes = (number(&stream["bytes_up"]), number(&stream["bytes_down"]));
            let age_ms = number(&stream["age_ms"]);
            each.insert(text(&stream["id"]), Stream { service, age_ms, bytes });
        }
        match page["next"].as_str() {
            Some(next) if each.len() < STREAMS_MAX => after = format!("&after={next}"),
            _ => return Ok((each, number(&page["total"]))),
        }
    }
}

async fn of_services(asking: &mut Asking<'_>, sample: &mut Sample) -> Result<(), String> {
    let mut streams: HashMap<&Service, usize> = HashMap::new();
    for stream in sample.each.values() {
        *streams.entry(&stream.service).or_default() += 1;
    }
    let mut services: Vec<_> = streams.into_iter().collect();
    services.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let services: Vec<Service> =
        services.into_iter().take(SERVICES_MAX).map(|(service, _)| service.clone()).collect();
    for (subaccount, service) in services {
        let (of, to) = (encoded(&subaccount), encoded(&service));
        let path = format!("/histograms?subaccount={of}&service={to}");
        // One it has forgotten, or keeps no latencies of, is no failure.
        let (status, answer) = asking.try_get(&path).await?;
        if status.is_success() {
            let latencies = latencies(&answer["histograms"]);
            sample.of_services.insert((subaccount, service), latencies);
        }
    }
    Ok(())
}

fn latencies(histograms: &Value) -> Vec<Latency> {
    let latency = |(name, summary): (&String, &Value)| Latency {
        name: name.clone(),
        count: number(&summary["count"]),
        p50: number(&summary["p50_ns"]),
        p90: number(&summary["p90_ns"]),
        p99: number(&summary["p99_ns"]),
        p999: number(&summary["p999_ns"]),
        max: number(&summary["max_ns"]),
    };
    histograms.as_object().into_iter().flatten().map(latency).collect()
}

fn sum(workers: &Value, name: &str) -> u64 {
    let workers = workers["workers"].as_array().into_iter().flatten();
    workers.map(|worker| number(&worker[name])).sum()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().map(text).collect()
}
