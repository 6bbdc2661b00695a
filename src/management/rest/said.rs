//! What a request says of a channel.

use std::net::{IpAddr, Ipv4Addr};

use super::body::{Fields, there};
use crate::{
    config::Endpoint,
    limits::{CONNECTIONS_PER_CHANNEL_MAX, SOURCES_PER_CHANNEL_MAX},
    management::{
        Failure,
        store::{ChannelMode, Made},
    },
    mapping::Network,
};

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// What an entity shows and nobody sets by writing the entity.
const SHOWN: [&str; 6] = ["id", "type", "enabled", "managedBy", "state", "_links"];

/// What is said; what is not stays as it is.
pub(super) struct Said {
    cluster: String,
    service: String,
    port: u16,
    connections: usize,
    comment: String,
    local_address: Option<IpAddr>,
    mode: Option<ChannelMode>,
    allowed_sources: Option<Vec<Network>>,
    bytes_per_second_max: Option<u64>,
    tls: Option<bool>,
}

impl Said {
    /// Takes all of it.
    pub(super) fn read(mut fields: Fields) -> Result<Self, Failure> {
        let cluster = fields.text("k8sCluster");
        let cluster = there("k8sCluster", cluster)?;
        let service = fields.text("k8sService")?.unwrap_or_default();
        let (cluster, service) = place(&cluster, &service)?;
        let port = fields.number("port", 1..=u16::MAX)?;
        let said = Self {
            cluster,
            service,
            port: port.ok_or_else(|| Failure::invalid("port is missing"))?,
            connections: fields
                .number("connections", 1..=CONNECTIONS_PER_CHANNEL_MAX)?
                .unwrap_or(1),
            comment: fields.text("comment")?.unwrap_or_default(),
            local_address: fields.text("localAddress")?.map(|text| address(&text)).transpose()?,
            mode: fields.text("mode")?.map(|text| mode(&text)).transpose()?,
            allowed_sources: fields
                .texts("allowedSources")?
                .map(|list| sources(&list))
                .transpose()?,
            bytes_per_second_max: fields.number("bytesPerSecondMax", 0..=i64::MAX as u64)?,
            tls: fields.flag("tls")?,
        };
        fields.end(&SHOWN)?;
        Ok(said)
    }

    /// What the incumbent does not know is as it was where it is not said: its clients never do.
    pub(super) fn into_made(self, before: Option<Made>) -> Made {
        let before = before.as_ref();
        let local_address = || before.map_or(LOCALHOST, |it| it.local_address);
        let sources = || before.map(|it| it.allowed_sources.clone()).unwrap_or_default();
        let pace = || before.map_or(0, |it| it.bytes_per_second_max);
        Made {
            cluster: self.cluster,
            service: self.service,
            port: self.port,
            connections: self.connections,
            comment: self.comment,
            local_address: self.local_address.unwrap_or_else(local_address),
            mode: self.mode.or_else(|| Some(before?.mode)).unwrap_or_default(),
            allowed_sources: self.allowed_sources.unwrap_or_else(sources),
            bytes_per_second_max: self.bytes_per_second_max.unwrap_or_else(pace),
            tls: self.tls.unwrap_or_else(|| before.is_some_and(|it| it.tls)),
        }
    }
}

/// Host with port as it was written, and service. A whole endpoint that is pasted as the host is
/// taken apart; any scheme is dropped.
fn place(cluster: &str, service: &str) -> Result<(String, String), Failure> {
    let cluster = cluster.trim();
    let bare = cluster.split_once("://").map_or(cluster, |(_, rest)| rest);
    let (host, pasted) = bare.split_once('/').unwrap_or((bare, ""));
    let service = match (service.trim(), pasted) {
        ("", "") => return Err(Failure::invalid("k8sService is missing")),
        ("", pasted) => pasted,
        (service, "") => service,
        (service, pasted) if service == pasted => service,
        _ => {
            return Err(Failure::invalid(
                "k8sCluster names a service and k8sService another one; name it once",
            ));
        }
    };
    let endpoint: Result<Endpoint, _> = format!("tcp://{host}/{service}").parse();
    endpoint.map_err(|error| Failure::invalid(error.to_string()))?;
    Ok((host.to_owned(), service.to_owned()))
}

fn address(text: &str) -> Result<IpAddr, Failure> {
    let wrong = |_| Failure::invalid("localAddress is not an IP address such as 127.0.0.1");
    text.parse().map_err(wrong)
}

fn mode(text: &str) -> Result<ChannelMode, Failure> {
    ChannelMode::of(text).ok_or_else(|| Failure::invalid("mode is multiplexed or direct"))
}

fn sources(list: &[String]) -> Result<Vec<Network>, Failure> {
    if list.len() > SOURCES_PER_CHANNEL_MAX {
        let message = format!("allowedSources has more than {SOURCES_PER_CHANNEL_MAX} networks");
        return Err(Failure::invalid(message));
    }
    let wrong = |why| Failure::invalid(format!("allowedSources: {why}"));
    list.iter().map(|text| text.parse().map_err(wrong)).collect()
}

/// A channel for the log of changes.
pub(super) fn words(made: &Made) -> String {
    let Made { cluster, service, port, connections, local_address, mode, .. } = made;
    let (mode, sources, pace) =
        (mode.name(), made.allowed_sources.len(), made.bytes_per_second_max);
    let tls = if made.tls { "TLS" } else { "no TLS" };
    format!(
        "{local_address} port {port} to {cluster} {service}, {connections} connections, {mode}, \
         {sources} allowed sources, {pace} bytes/s, {tls}"
    )
}
