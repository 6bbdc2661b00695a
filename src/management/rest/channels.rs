//! Service channels of a subaccount: listed, made, replaced, enabled, deleted.

use std::{net::IpAddr, sync::Arc};

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{
    body::{Fields, there},
    desk::{Desk, apart},
    enable, entity,
    path::{Base, Named, OfChannel, OfSubaccount, location},
};
use crate::{
    config::Endpoint,
    limits::{CONNECTIONS_PER_CHANNEL_MAX, SOURCES_PER_CHANNEL_MAX},
    management::{
        Failure,
        accounts::{Caller, Permission},
        store::{ChannelMode, Made, Owner},
    },
    mapping::Network,
};

/// What an entity shows and nobody sets by writing the entity.
const SHOWN: [&str; 5] = ["id", "type", "enabled", "state", "_links"];

/// Goes on if whoever asks may change the channels of a subaccount.
pub(super) fn may_configure(desk: &Desk, caller: &Caller, owner: &Owner) -> Result<(), Failure> {
    let managed = desk.subaccount(owner)?.managed;
    caller.must(Permission::Configure { managed })
}

pub(super) async fn list(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    base: Base,
    Named(at): Named<OfSubaccount>,
) -> Result<Response, Failure> {
    caller.must(Permission::SeeChannels)?;
    let (owner, asked) = (at.owner(), desk.clone());
    let channels = apart(&asked, move |desk| Ok(desk.store.channels_of(&owner)?)).await?;
    let shown: Vec<_> =
        channels.iter().map(|channel| entity::channel(&base, &desk, channel)).collect();
    Ok(Json(shown).into_response())
}

pub(super) async fn one(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    base: Base,
    Named(at): Named<OfChannel>,
) -> Result<Response, Failure> {
    caller.must(Permission::SeeChannels)?;
    let (owner, id) = at.parts()?;
    let channel = apart(&desk, move |desk| Ok(desk.store.channel(&owner, id)?)).await?;
    Ok(Json(entity::channel(&base, &desk, &channel)).into_response())
}

pub(super) async fn create(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    base: Base,
    Named(at): Named<OfSubaccount>,
    request: Request,
) -> Result<Response, Failure> {
    caller.must(Permission::Configure { managed: false })?;
    let said = Said::read(Fields::read(request).await?)?;
    let owner = at.owner();
    let url = apart(&desk, move |desk| {
        may_configure(desk, &caller, &owner)?;
        let made = said.into_made(None)?;
        let id = desk.store.add_channel(&owner, &made)?;
        let what = format!("made channel {id} of {owner}: {}", words(&made));
        desk.changed(&caller, &what)?;
        Ok(base.channel(&owner, id))
    });
    Ok((StatusCode::CREATED, location(&url.await?)?).into_response())
}

pub(super) async fn replace(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    Named(at): Named<OfChannel>,
    request: Request,
) -> Result<StatusCode, Failure> {
    caller.must(Permission::Configure { managed: false })?;
    let said = Said::read(Fields::read(request).await?)?;
    let (owner, id) = at.parts()?;
    let done = apart(&desk, move |desk| {
        may_configure(desk, &caller, &owner)?;
        let ports = desk.ports();
        let before = desk.store.channel(&owner, id)?;
        let made = said.into_made(Some(before.made))?;
        if before.enabled {
            enable::port_is_free(desk, id, &made).map_err(Failure::invalid)?;
        }
        let what = format!("changed channel {id} of {owner}: {}", words(&made));
        desk.store.change_channel(&owner, id, move |channel| channel.made = made)?;
        drop(ports);
        desk.changed(&caller, &what)
    });
    done.await.map(|()| StatusCode::NO_CONTENT)
}

pub(super) async fn state(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    Named(at): Named<OfChannel>,
    request: Request,
) -> Result<StatusCode, Failure> {
    caller.must(Permission::Configure { managed: false })?;
    let mut fields = Fields::read(request).await?;
    let enabled = fields.required_flag("enabled")?;
    fields.end(&[])?;
    let (owner, id) = at.parts()?;
    let done = if enabled {
        enable::enable(desk, caller, owner, id).await
    } else {
        apart(&desk, move |desk| enable::disable(desk, &caller, &owner, id)).await
    };
    done.map(|()| StatusCode::NO_CONTENT)
}

pub(super) async fn delete(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    Named(at): Named<OfChannel>,
) -> Result<StatusCode, Failure> {
    caller.must(Permission::Configure { managed: false })?;
    let (owner, id) = at.parts()?;
    let done = apart(&desk, move |desk| {
        may_configure(desk, &caller, &owner)?;
        desk.store.delete_channel(&owner, id)?;
        desk.changed(&caller, &format!("deleted channel {id} of {owner}"))
    });
    done.await.map(|()| StatusCode::NO_CONTENT)
}

pub(super) async fn delete_all(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    Named(at): Named<OfSubaccount>,
) -> Result<StatusCode, Failure> {
    caller.must(Permission::Configure { managed: false })?;
    let owner = at.owner();
    let done = apart(&desk, move |desk| {
        may_configure(desk, &caller, &owner)?;
        let count = desk.store.delete_channels_of(&owner)?;
        desk.changed(&caller, &format!("deleted all {count} channels of {owner}"))
    });
    done.await.map(|()| StatusCode::NO_CONTENT)
}

/// What a request says of a channel.
struct Said {
    cluster: String,
    service: String,
    port: u16,
    connections: usize,
    comment: String,
    local_address: Option<IpAddr>,
    mode: Option<ChannelMode>,
    allowed_sources: Option<Vec<Network>>,
    bytes_per_second_max: Option<u64>,
}

impl Said {
    fn read(mut fields: Fields) -> Result<Self, Failure> {
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
        };
        fields.end(&SHOWN)?;
        Ok(said)
    }

    /// What the incumbent does not know is as it was where it is not said: its clients never do.
    fn into_made(self, before: Option<Made>) -> Result<Made, Failure> {
        let (local_address, mode, allowed_sources, bytes_per_second_max) = match before {
            None => (IpAddr::from([127, 0, 0, 1]), ChannelMode::default(), Vec::new(), 0),
            Some(Made { local_address, mode, allowed_sources, bytes_per_second_max, .. }) => {
                (local_address, mode, allowed_sources, bytes_per_second_max)
            }
        };
        Ok(Made {
            cluster: self.cluster,
            service: self.service,
            port: self.port,
            connections: self.connections,
            comment: self.comment,
            local_address: self.local_address.unwrap_or(local_address),
            mode: self.mode.unwrap_or(mode),
            allowed_sources: self.allowed_sources.unwrap_or(allowed_sources),
            bytes_per_second_max: self.bytes_per_second_max.unwrap_or(bytes_per_second_max),
        })
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
fn words(made: &Made) -> String {
    let Made { cluster, service, port, connections, local_address, mode, .. } = made;
    let (mode, sources, pace) =
        (mode.name(), made.allowed_sources.len(), made.bytes_per_second_max);
    format!(
        "{local_address} port {port} to {cluster} {service}, {connections} connections, {mode}, \
         {sources} allowed sources, {pace} bytes/s"
    )
}
