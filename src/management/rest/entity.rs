//! Subaccounts and channels as they are shown.

use serde_json::{Value, json};

use super::{
    desk::{Desk, ms},
    known::{Known, is_stored, managed_by},
    path::Base,
};
use crate::{
    management::{ChannelReport, store::Channel},
    tls::leaf_of,
};

/// A channel.
pub(super) fn channel(base: &Base, desk: &Desk, channel: &Channel) -> Value {
    let Channel { id, owner, enabled, made } = channel;
    let link = base.channel(owner, *id);
    let mut shown = json!({
        "id": id,
        "type": "K8S",
        "k8sCluster": made.cluster,
        "k8sService": made.service,
        "port": made.port,
        "connections": made.connections,
        "enabled": enabled,
        "comment": made.comment,
        "localAddress": made.local_address,
        "mode": made.mode.name(),
        "allowedSources": made.allowed_sources.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "bytesPerSecondMax": made.bytes_per_second_max,
        "tls": made.tls,
        "managedBy": managed_by(is_stored(*id)),
        "_links": {
            "self": { "href": link },
            "state": { "href": format!("{link}/state") },
        },
    });
    if *enabled {
        let report = desk.carrier.channel(*id).unwrap_or_default();
        shown["state"] = json!({
            "connected": report.open > 0,
            "openedConnections": report.open,
            "connectedSinceTimeStamp": report.connected_since.unwrap_or(0),
            "problem": report.problem,
        });
    }
    shown
}

/// A subaccount in a list.
pub(super) fn in_list(known: &Known) -> Value {
    let one = &known.subaccount;
    json!({
        "regionHost": one.owner.region_host,
        "subaccount": one.owner.subaccount,
        "locationID": one.location,
        "managedBy": managed_by(known.stored),
    })
}

/// A subaccount with its channels.
pub(super) fn subaccount(base: &Base, desk: &Desk, known: &Known) -> Value {
    let one = &known.subaccount;
    let link = base.subaccount(&one.owner);
    json!({
        "regionHost": one.owner.region_host,
        "subaccount": one.owner.subaccount,
        "locationID": one.location,
        "autoCertRenewal": false,
        "displayName": one.display_name,
        "description": one.description,
        "isManaged": one.managed,
        "managedBy": managed_by(known.stored),
        "tunnel": tunnel(desk, known),
        "_links": {
            "self": { "href": link },
            "state": { "href": format!("{link}/state") },
            "validity": { "href": format!("{link}/validity") },
            "K8S-channels": { "href": format!("{link}/channels/K8S") },
        },
    })
}

/// A subaccount as those who monitor see it.
pub(super) fn monitored(desk: &Desk, known: &Known) -> Value {
    let one = &known.subaccount;
    json!({
        "regionHost": one.owner.region_host,
        "subaccount": one.owner.subaccount,
        "displayName": one.display_name,
        "description": one.description,
        "locationID": one.location,
        "tunnel": tunnel(desk, known),
    })
}

/// How a subaccount is connected. Tunnels are those of its channels: it is connected as soon as it
/// is told to be, and fails when every one of its channels that is to be open has a problem.
fn tunnel(desk: &Desk, known: &Known) -> Value {
    let Known { subaccount: one, channels, .. } = known;
    let report = |channel: &Channel| {
        let wanted = channel.enabled && one.connected;
        wanted.then(|| desk.carrier.channel(channel.id).unwrap_or_default())
    };
    let all: Vec<Option<ChannelReport>> = channels.iter().map(report).collect();
    let mut running = all.iter().flatten().peekable();
    let any = running.peek().is_some();
    let state = match one.connected {
        false => "Disconnected",
        true if any && running.all(fails) => "ConnectFailure",
        true => "Connected",
    };
    let since = all.iter().flatten().filter_map(|report| report.connected_since).min();
    let open: usize = all.iter().flatten().map(|report| report.open).sum();
    let shown = channels.iter().zip(&all).map(|(channel, report)| in_tunnel(channel, report));
    json!({
        "state": state,
        "connectedSinceTimeStamp": since.unwrap_or(0),
        "connections": open,
        "applicationConnections": [],
        "serviceChannels": shown.collect::<Vec<_>>(),
        "subaccountCertificate": one.certificate.as_deref().and_then(certificate),
        "user": "",
    })
}

fn fails(report: &ChannelReport) -> bool {
    report.open == 0 && report.problem.is_some()
}

fn certificate(pem: &str) -> Option<Value> {
    let leaf = leaf_of(pem)?;
    Some(json!({
        "notBeforeTimeStamp": ms(leaf.not_before),
        "notAfterTimeStamp": leaf.not_after.map(ms),
        "subjectDN": leaf.subject,
        "issuer": leaf.issuer,
        "serialNumber": leaf.serial,
    }))
}

fn in_tunnel(channel: &Channel, report: &Option<ChannelReport>) -> Value {
    let state = match report {
        _ if !channel.enabled => "Disabled",
        Some(report) if report.open > 0 => "Connected",
        Some(report) if fails(report) => "ConnectFailure",
        _ => "Disconnected",
    };
    let made = &channel.made;
    json!({
        "type": "K8S",
        "state": state,
        "details": format!("{}/{}", made.cluster, made.service),
        "comment": made.comment,
    })
}
