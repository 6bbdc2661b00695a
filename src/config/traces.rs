//! `[tracing]`: where spans go.

use super::checks::split_host_port;
use super::document::Document;
use super::raw;

/// A collector and how much it is told.
#[derive(Clone, Debug, PartialEq)]
pub struct TracesConfig {
    /// Its host, an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Path of its traces.
    pub path: String,
    /// The share of the streams that begin a trace here and are recorded, 0 to 1.
    pub sample_ratio: f64,
}

// The ratio is a number between 0 and 1, which is equal to itself.
impl Eq for TracesConfig {}

/// The port of OTLP over HTTP.
const PORT: u16 = 4318;

/// `Some(None)` where nothing is to be sent.
pub(super) fn traces(
    document: &mut Document<'_>,
    raw: &raw::Tracing,
) -> Option<Option<TracesConfig>> {
    let sample_ratio = raw.sample_ratio.unwrap_or(0.01);
    if !(0.0..=1.0).contains(&sample_ratio) {
        document.fault(
            "tracing.sample_ratio",
            format!("is {sample_ratio}; write a number from 0 to 1"),
        );
        return None;
    }
    let Some(endpoint) = &raw.otlp_endpoint else {
        return Some(None);
    };
    let key = "tracing.otlp_endpoint";
    let Some(rest) = endpoint.strip_prefix("http://") else {
        document.fault(
            key,
            "is no http:// URL; write `http://host:4318`, a collector near by that passes spans on",
        );
        return None;
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic());
    let Some((host, port)) = split_host_port(authority).filter(|_| is_plain) else {
        document.fault(key, "has no valid host, port or path; write `http://host:4318`");
        return None;
    };
    let base = path.trim_end_matches('/');
    let path = if base.is_empty() { "/v1/traces".to_owned() } else { format!("/{base}/v1/traces") };
    Some(Some(TracesConfig {
        host: host.to_owned(),
        port: port.unwrap_or(PORT),
        path,
        sample_ratio,
    }))
}
