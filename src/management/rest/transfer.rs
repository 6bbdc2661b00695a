//! Channels of a subaccount taken along: exported as JSON, and imported again, here or elsewhere.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::header::CONTENT_DISPOSITION,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    body::Fields,
    desk::{Desk, apart},
    path::{Named, OfSubaccount},
    said::Said,
};
use crate::{
    limits::{CHANNELS_MANAGED_MAX, IMPORT_BODY_BYTES_MAX},
    management::{
        Failure,
        accounts::{Caller, Permission},
        store::{Channel, Made},
    },
};

/// The form of what is exported.
const FORM: u32 = 1;

pub(super) async fn export(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    Named(at): Named<OfSubaccount>,
) -> Result<Response, Failure> {
    caller.must(Permission::SeeConfiguration)?;
    let owner = at.owner();
    let channels = apart(&desk, move |desk| desk.channels_of(&owner)).await?;
    let shown: Vec<Value> = channels.iter().map(exported).collect();
    let name = [(CONTENT_DISPOSITION, "attachment; filename=\"channels.json\"")];
    Ok((name, Json(json!({ "version": FORM, "channels": shown }))).into_response())
}

fn exported(channel: &Channel) -> Value {
    let made = &channel.made;
    json!({
        "type": "K8S",
        "k8sCluster": made.cluster,
        "k8sService": made.service,
        "port": made.port,
        "connections": made.connections,
        "comment": made.comment,
        "localAddress": made.local_address,
        "mode": made.mode.name(),
        "allowedSources": made.allowed_sources.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "bytesPerSecondMax": made.bytes_per_second_max,
        "tls": made.tls,
        "enabled": channel.enabled,
    })
}

pub(super) async fn import(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    Named(at): Named<OfSubaccount>,
    request: Request,
) -> Result<Response, Failure> {
    caller.must(Permission::Configure { managed: false })?;
    let all = read(Fields::read_up_to(request, IMPORT_BODY_BYTES_MAX).await?)?;
    let owner = at.owner();
    let done = apart(&desk, move |desk| {
        desk.may_change(&caller, &owner)?;
        desk.change(&caller, |edit| {
            // Lists begin with the newest: the first of these is made last.
            let made = all.iter().rev().map(|made| edit.add_channel(&owner, made));
            let mut ids = made.collect::<Result<Vec<i64>, _>>()?;
            ids.reverse();
            let what = format!("imported {} channels into {owner}: {ids:?}", ids.len());
            Ok((ids, what))
        })
    });
    Ok(Json(json!({ "created": done.await? })).into_response())
}

/// What is imported, all of it right.
fn read(mut fields: Fields) -> Result<Vec<Made>, Failure> {
    let version = fields.number("version", 1..=u32::MAX)?;
    if version != Some(FORM) {
        return Err(Failure::invalid(format!("version has to be {FORM}")));
    }
    let list = fields.list("channels", CHANNELS_MANAGED_MAX)?;
    fields.end(&[])?;
    let one = |(position, fields)| {
        let wrong = |failure: Failure| {
            Failure::invalid(format!("channels[{position}]: {}", failure.message))
        };
        entry(fields).map_err(wrong)
    };
    list.into_iter().enumerate().map(one).collect()
}

fn entry(mut fields: Fields) -> Result<Made, Failure> {
    if fields.text("type")?.is_some_and(|kind| kind != "K8S") {
        return Err(Failure::invalid("type has to be K8S"));
    }
    // What was open there is not here before somebody says so.
    fields.flag("enabled")?;
    Ok(Said::read(fields)?.into_made(None))
}
