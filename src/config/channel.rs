//! One `[[channel]]` of `connector.toml`, and all of them together.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::document::Document;
use super::{Endpoint, quotas, raw};
use crate::{limits, mapping::Network};

/// One local port and where it leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelConfig {
    /// Where it leads.
    pub endpoint: Endpoint,
    /// The type of the service's mapping.
    pub service_type: ChannelType,
    /// Where it listens.
    pub local: SocketAddr,
    /// Tunnels it keeps in mode `multiplexed`.
    pub connections: usize,
    /// How its streams ride.
    pub mode: Mode,
    /// Tunnels it keeps ready in mode `direct`.
    pub warm_connections: usize,
    /// Whose connections it takes; empty is everybody's.
    pub allowed_sources: Vec<Network>,
    /// Payload bytes a second, both directions of all its streams together; 0 is any number.
    pub bytes_per_second_max: u64,
    /// Whether its clients speak TLS.
    pub tls: bool,
    /// Whether it is open.
    pub enabled: bool,
}

/// The type of the mapping a channel asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChannelType {
    /// Any TCP service.
    #[default]
    Tcp,
    /// SAP's remote function calls.
    Rfc,
}

/// How a channel's streams ride.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Many in one tunnel (HTTP/2).
    Multiplexed,
    /// Each in a tunnel of its own (HTTP/1.1).
    Direct,
}

pub(super) fn read(
    document: &mut Document<'_>,
    at: &str,
    raw: &raw::Channel,
) -> Option<ChannelConfig> {
    let key = |name: &str| format!("{at}.{name}");
    let example = "\"tcp://cp.example.com:443/myservice\"";
    let endpoint =
        document.required(&key("endpoint"), raw.endpoint.as_deref(), example).and_then(|text| {
            match text.parse::<Endpoint>() {
                Ok(endpoint) => Some(endpoint),
                Err(error) => {
                    document.fault(&key("endpoint"), error.to_string());
                    None
                }
            }
        });
    let types = [("TCP", ChannelType::Tcp), ("RFC", ChannelType::Rfc)];
    let service_type =
        document.choice(&key("type"), raw.service_type.as_deref(), &types, ChannelType::Tcp);
    let address = match raw.local_address.as_deref() {
        None => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Some(text) => ip(document, &key("local_address"), text),
    };
    // 0 lets the system choose, as tests need.
    let port = document
        .required(&key("local_port"), raw.local_port, "5001")
        .and_then(|port| document.number(&key("local_port"), port, 0..=65535));
    let connections = document.number(
        &key("connections"),
        raw.connections.unwrap_or(1),
        1..=limits::CONNECTIONS_PER_CHANNEL_MAX,
    );
    let warm = match raw.warm_connections {
        None => Some(limits::WARM_CONNECTIONS),
        Some(warm) => {
            document.number(&key("warm_connections"), warm, 0..=limits::WARM_CONNECTIONS_MAX)
        }
    };
    let mode = mode(document, &key("mode"), raw.mode.as_deref());
    let sources = sources(document, &key("allowed_sources"), raw.allowed_sources.as_deref());
    let bytes_per_second =
        quotas::bytes_per_second(document, &key("bytes_per_second_max"), raw.bytes_per_second_max);
    Some(ChannelConfig {
        endpoint: endpoint?,
        service_type: service_type?,
        local: SocketAddr::new(address?, port?),
        connections: connections?,
        mode: mode?,
        warm_connections: warm?,
        allowed_sources: sources?,
        bytes_per_second_max: bytes_per_second?.unwrap_or(0),
        tls: raw.tls.unwrap_or(false),
        enabled: raw.enabled.unwrap_or(true),
    })
}

fn mode(document: &mut Document<'_>, key: &str, raw: Option<&str>) -> Option<Mode> {
    let modes = [("direct", Mode::Direct), ("multiplexed", Mode::Multiplexed)];
    document.choice(key, raw, &modes, Mode::Multiplexed)
}

fn sources(document: &mut Document<'_>, key: &str, raw: Option<&[String]>) -> Option<Vec<Network>> {
    let Some(texts) = raw else { return Some(Vec::new()) };
    if texts.is_empty() {
        document.fault(key, "allows nobody; list networks, or leave the key out".to_owned());
        return None;
    }
    if texts.len() > limits::SOURCES_PER_CHANNEL_MAX {
        let (count, max) = (texts.len(), limits::SOURCES_PER_CHANNEL_MAX);
        document.fault(key, format!("lists {count} networks, more than {max}"));
        return None;
    }
    let networks = texts.iter().map(|text| text.parse::<Network>());
    networks.collect::<Result<_, _>>().map_err(|error| document.fault(key, error)).ok()
}

fn ip(document: &mut Document<'_>, key: &str, text: &str) -> Option<IpAddr> {
    let address = text.parse().ok();
    if address.is_none() {
        document.fault(
            key,
            format!("{text:?} is not an IP address; write \"127.0.0.1\" or \"0.0.0.0\""),
        );
    }
    address
}

/// Enabled channels and the admin interface listen side by side.
pub(super) fn distinct_ports(
    document: &mut Document<'_>,
    channels: &[Option<ChannelConfig>],
    admin: Option<SocketAddr>,
) {
    let mut taken: Vec<(SocketAddr, String)> =
        admin.into_iter().map(|admin| (admin, "admin.listen".to_owned())).collect();
    for (index, channel) in channels.iter().enumerate() {
        let Some(channel) = channel.as_ref().filter(|channel| channel.enabled) else { continue };
        let other = taken.iter().find(|(address, _)| overlap(*address, channel.local));
        if let Some((address, other)) = other {
            let message = format!(
                "{} is already taken by {other} ({address}); choose another port or set \
                 `enabled = false`",
                channel.local
            );
            document.fault(&format!("channel[{index}].local_port"), message);
        }
        taken.push((channel.local, format!("channel[{index}]")));
    }
}

/// Whether two listeners cannot both be opened: an unspecified address takes the port of all.
fn overlap(one: SocketAddr, other: SocketAddr) -> bool {
    let all = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (all || one.ip() == other.ip())
}
