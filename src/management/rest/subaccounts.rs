//! Subaccounts: listed, made, edited, connected, given another certificate, deleted. Where the
//! incumbent asks the cloud for a certificate, here one is sent along.

use std::{sync::Arc, time::SystemTime};

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::Value;

use super::{
    body::{Fields, there},
    desk::{Desk, apart, now_ms},
    entity,
    path::{Base, Named, OfSubaccount, location},
    sent::Sent,
};
use crate::{
    limits::NAME_BYTES_MAX,
    management::{
        Failure,
        accounts::{Caller, Permission},
        store::{Owner, Subaccount},
    },
    tls::{PemMaterial, load_client_pem},
};

/// What an entity shows and nobody sets by writing the entity.
const SHOWN: [&str; 6] = ["regionHost", "subaccount", "tunnel", "isManaged", "managedBy", "_links"];

pub(super) async fn list(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
) -> Result<Response, Failure> {
    caller.must(Permission::SeeConfiguration)?;
    let all = apart(&desk, |desk| desk.all()).await?;
    Ok(Json(all.iter().map(entity::in_list).collect::<Vec<_>>()).into_response())
}

pub(super) async fn one(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    base: Base,
    Named(at): Named<OfSubaccount>,
) -> Result<Response, Failure> {
    caller.must(Permission::SeeConfiguration)?;
    let owner = at.owner();
    let done = apart(&desk, move |desk| shown(desk, &base, &owner));
    done.await.map(IntoResponse::into_response)
}

fn shown(desk: &Desk, base: &Base, owner: &Owner) -> Result<Json<Value>, Failure> {
    Ok(Json(entity::subaccount(base, desk, &desk.known(owner)?)))
}

pub(super) async fn create(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    base: Base,
    request: Request,
) -> Result<Response, Failure> {
    caller.must(Permission::Configure { managed: false })?;
    let mut fields = Fields::read(request).await?;
    no_enrolment(&mut fields)?;
    let region_host = name(&mut fields, "regionHost")?;
    let subaccount = name(&mut fields, "subaccount")?;
    let sent = Sent::read(&mut fields)?;
    let mut one = Subaccount {
        owner: Owner { region_host, subaccount },
        location: location_id(&mut fields)?.unwrap_or_default(),
        display_name: fields.text("displayName")?.unwrap_or_default(),
        description: fields.text("description")?.unwrap_or_default(),
        connected: true,
        managed: fields.flag("isManaged")?.unwrap_or(false),
        certificate: None,
        private_key: String::new(),
        authorities: String::new(),
        created_at: now_ms(),
    };
    no_renewal(&mut fields)?;
    fields.end(&[])?;
    caller.must(Permission::Configure { managed: one.managed })?;
    let turn = sent.turn(&desk).await;
    let done = apart(&desk, move |desk| {
        let material = sent.open(turn)?;
        let key = material.key;
        one.certificate = Some(material.certificate);
        one.private_key = there("privateKey", key.text(desk, &one.owner))?;
        one.authorities = there("ca", Ok(material.authorities))?;
        usable(&one)?;
        let of_file = desk.is_not_of_file(&one.owner);
        of_file.map_err(|failure| Failure::exists(failure.message))?;
        desk.change(&caller, |edit| {
            edit.add_subaccount(&one)?;
            key.use_up(edit, &one.owner)?;
            Ok(((), format!("made subaccount {}", one.owner)))
        })?;
        Ok((base.subaccount(&one.owner), shown(desk, &base, &one.owner)?))
    });
    let (url, entity) = done.await?;
    Ok((StatusCode::CREATED, location(&url)?, entity).into_response())
}

pub(super) async fn edit(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    base: Base,
    Named(at): Named<OfSubaccount>,
    request: Request,
) -> Result<Response, Failure> {
    caller.must(Permission::Configure { managed: false })?;
    let mut fields = Fields::read(request).await?;
    let location = location_id(&mut fields)?;
    let display_name = fields.text("displayName")?;
    let description = fields.text("description")?;
    no_renewal(&mut fields)?;
    fields.end(&SHOWN)?;
    let owner = at.owner();
    let done = apart(&desk, move |desk| {
        desk.may_change(&caller, &owner)?;
        if let Some(location) = &location {
            usable(&Subaccount { location: location.clone(), ..desk.subaccount(&owner)? })?;
        }
        desk.change(&caller, |edit| {
            let one = edit.change_subaccount(&owner, |one| {
                replace(&mut one.location, location);
                replace(&mut one.display_name, display_name);
                replace(&mut one.description, description);
            })?;
            let location = one.location.escape_debug();
            Ok(((), format!("edited subaccount {owner}: location id \"{location}\"")))
        })?;
        shown(desk, &base, &owner)
    });
    done.await.map(IntoResponse::into_response)
}

pub(super) async fn delete(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    Named(at): Named<OfSubaccount>,
) -> Result<StatusCode, Failure> {
    caller.must(Permission::Configure { managed: false })?;
    let owner = at.owner();
    let done = apart(&desk, move |desk| {
        desk.may_change(&caller, &owner)?;
        desk.change(&caller, |edit| {
            edit.delete_subaccount(&owner)?;
            Ok(((), format!("deleted subaccount {owner} with its channels")))
        })
    });
    done.await.map(|()| StatusCode::NO_CONTENT)
}

pub(super) async fn state(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    Named(at): Named<OfSubaccount>,
    request: Request,
) -> Result<StatusCode, Failure> {
    caller.must(Permission::Configure { managed: false })?;
    let connected = Fields::flag_alone(request, "connected").await?;
    let owner = at.owner();
    let done = apart(&desk, move |desk| {
        desk.may_change(&caller, &owner)?;
        desk.change(&caller, |edit| {
            edit.change_subaccount(&owner, |one| one.connected = connected)?;
            let what = if connected { "connected" } else { "disconnected" };
            Ok(((), format!("{what} subaccount {owner}")))
        })
    });
    done.await.map(|()| StatusCode::NO_CONTENT)
}

/// Another certificate. A key that is not sent is the one it has, authorities as well.
pub(super) async fn validity(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    base: Base,
    Named(at): Named<OfSubaccount>,
    request: Request,
) -> Result<Response, Failure> {
    caller.must(Permission::Configure { managed: false })?;
    let mut fields = Fields::read(request).await?;
    no_enrolment(&mut fields)?;
    let sent = Sent::read(&mut fields)?;
    fields.end(&[])?;
    let owner = at.owner();
    let turn = sent.turn(&desk).await;
    let done = apart(&desk, move |desk| {
        desk.may_change(&caller, &owner)?;
        let material = sent.open(turn)?;
        let key = material.key;
        let mut one = desk.subaccount(&owner)?;
        one.certificate = Some(material.certificate);
        replace(&mut one.private_key, key.text(desk, &owner)?);
        replace(&mut one.authorities, material.authorities);
        usable(&one)?;
        let Subaccount { certificate, private_key, authorities, .. } = one;
        desk.change(&caller, |edit| {
            edit.change_subaccount(&owner, |one| {
                (one.certificate, one.private_key) = (certificate, private_key);
                one.authorities = authorities;
            })?;
            key.use_up(edit, &owner)?;
            Ok(((), format!("gave subaccount {owner} another certificate")))
        })?;
        shown(desk, &base, &owner)
    });
    done.await.map(IntoResponse::into_response)
}

/// Where nothing is said it stays as it is.
fn replace(text: &mut String, said: Option<String>) {
    if let Some(said) = said {
        *text = said;
    }
}

/// Its certificate, key and authorities belong together, and a proxy takes them for it.
fn usable(one: &Subaccount) -> Result<(), Failure> {
    let pem = PemMaterial {
        certificate: one.certificate.clone().unwrap_or_default(),
        private_key: one.private_key.clone(),
        ca: one.authorities.clone(),
    };
    let material = load_client_pem(&pem, &[], false, SystemTime::now());
    let material = material.map_err(|error| Failure::invalid(error.to_string()))?;
    let Some(identity) = material.facts.identity else {
        return Err(Failure::invalid(
            "certificate: it names no subaccount, so every proxy refuses it",
        ));
    };
    if identity.subaccount != one.owner.subaccount {
        let (theirs, ours) = (identity.subaccount.escape_debug(), &one.owner.subaccount);
        return Err(Failure::invalid(format!(
            "certificate: it is that of subaccount {theirs}, not of {ours}"
        )));
    }
    match identity.location {
        Some(bound) if bound != one.location => Err(Failure::invalid(format!(
            "certificate: it is for the location id \"{}\" only, not for \"{}\"",
            bound.escape_debug(),
            one.location.escape_debug()
        ))),
        _ => Ok(()),
    }
}

/// The name of a region or subaccount: it stands in paths.
pub(super) fn name(fields: &mut Fields, field: &str) -> Result<String, Failure> {
    let text = fields.text(field);
    let text = there(field, text)?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let dots = text.chars().all(|c| c == '.');
    if text.len() > NAME_BYTES_MAX || dots || !text.chars().all(plain) {
        return Err(Failure::invalid(format!(
            "{field} has to be letters, digits, and the characters -._~, at most {NAME_BYTES_MAX}"
        )));
    }
    Ok(text)
}

/// It is sent in a header of each CONNECT.
fn location_id(fields: &mut Fields) -> Result<Option<String>, Failure> {
    let text = fields.text("locationID")?;
    let fits =
        |text: &String| text.len() <= NAME_BYTES_MAX && text.chars().all(|c| c.is_ascii_graphic());
    if text.as_ref().is_some_and(|text| !fits(text)) {
        return Err(Failure::invalid(format!(
            "locationID has to be printable ASCII without spaces, at most {NAME_BYTES_MAX}"
        )));
    }
    Ok(text)
}

fn no_renewal(fields: &mut Fields) -> Result<(), Failure> {
    if fields.flag("autoCertRenewal")? == Some(true) {
        return Err(Failure::invalid(
            "autoCertRenewal: there is nobody to renew it from; send another certificate to \
             …/validity",
        ));
    }
    Ok(())
}

/// What the incumbent enrols by. Refused by name, as whoever sends it expects that it is used.
fn no_enrolment(fields: &mut Fields) -> Result<(), Failure> {
    for field in ["cloudUser", "cloudPassword", "authenticationData", "user", "password"] {
        if fields.long_text(field)?.is_some() {
            return Err(Failure::invalid(format!(
                "{field}: there is no cloud to ask for a certificate; send certificate, \
                 privateKey and ca as PEM, or pkcs12"
            )));
        }
    }
    Ok(())
}
