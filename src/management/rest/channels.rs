//! Service channels of a subaccount: listed, made, replaced, enabled, deleted.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::{
    body::Fields,
    desk::{Desk, apart},
    enable, entity,
    path::{Base, Named, OfChannel, OfSubaccount, location},
    said::{Said, words},
};
use crate::management::{
    Failure,
    accounts::{Caller, Permission},
};

pub(super) async fn list(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    base: Base,
    Named(at): Named<OfSubaccount>,
) -> Result<Response, Failure> {
    caller.must(Permission::SeeChannels)?;
    let (owner, asked) = (at.owner(), desk.clone());
    let channels = apart(&asked, move |desk| desk.channels_of(&owner)).await?;
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
    let channel = apart(&desk, move |desk| desk.channel(&owner, id)).await?;
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
        desk.may_change(&caller, &owner)?;
        let made = said.into_made(None);
        let id = desk.change(&caller, |edit| {
            let id = edit.add_channel(&owner, &made)?;
            Ok((id, format!("made channel {id} of {owner}: {}", words(&made))))
        })?;
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
        desk.may_change_channel(&caller, &owner, id)?;
        let ports = desk.ports();
        let before = desk.store.channel(&owner, id)?;
        let made = said.into_made(Some(before.made));
        if before.enabled {
            enable::port_is_free(desk, id, &made).map_err(Failure::invalid)?;
        }
        let what = format!("changed channel {id} of {owner}: {}", words(&made));
        desk.write(&caller, |edit| {
            edit.change_channel(&owner, id, |channel| channel.made = made)?;
            Ok(((), what))
        })?;
        drop(ports);
        Ok(desk.put_in_force()?)
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
    let enabled = Fields::flag_alone(request, "enabled").await?;
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
        desk.may_change_channel(&caller, &owner, id)?;
        desk.change(&caller, |edit| {
            edit.delete_channel(&owner, id)?;
            Ok(((), format!("deleted channel {id} of {owner}")))
        })
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
        desk.may_change(&caller, &owner)?;
        desk.change(&caller, |edit| {
            let count = edit.delete_channels_of(&owner)?;
            Ok(((), format!("deleted all {count} channels of {owner}")))
        })
    });
    done.await.map(|()| StatusCode::NO_CONTENT)
}
