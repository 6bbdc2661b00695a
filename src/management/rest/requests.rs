//! A certificate is asked for: the key is made here and never leaves, an authority elsewhere signs
//! the request, and its certificate makes or renews the subaccount.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{
    body::Fields,
    desk::{Desk, apart},
    subaccounts::name,
};
use crate::{
    management::{
        Failure,
        accounts::{Caller, Permission},
        store::{Edit, Owner},
    },
    tls::request_connector,
};

/// What the field with the id of a request is called.
const FIELD: &str = "certificateRequest";

pub(super) async fn make(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    request: Request,
) -> Result<Response, Failure> {
    caller.must(Permission::Configure { managed: false })?;
    let mut fields = Fields::read(request).await?;
    let region_host = name(&mut fields, "regionHost")?;
    let subaccount = name(&mut fields, "subaccount")?;
    fields.end(&[])?;
    let owner = Owner { region_host, subaccount };
    let done = apart(&desk, move |desk| {
        // For one that is to be made, or for one that is to be renewed.
        desk.is_not_of_file(&owner)?;
        if desk.store.subaccount(&owner)?.is_some() {
            desk.may_change(&caller, &owner)?;
        }
        let asked = request_connector(&owner.subaccount);
        let asked = asked.map_err(|error| Failure::invalid(error.to_string()))?;
        let id = desk.write(&caller, |edit| {
            let id = edit.add_request(&owner, &asked.private_key_pem)?;
            Ok((id, format!("asked for a certificate for {owner}, request {id}")))
        })?;
        Ok(json!({ "id": id, "csr": asked.request_pem }))
    });
    Ok((StatusCode::CREATED, Json(done.await?)).into_response())
}

/// Where the key of a certificate comes from.
pub(super) enum Key {
    /// It is the one the subaccount has.
    Kept,
    /// It is sent along.
    Sent(String),
    /// It waits with the request for the certificate.
    Requested(i64),
}

impl Key {
    pub(super) fn read(fields: &mut Fields) -> Result<Self, Failure> {
        let sent = fields.long_text("privateKey")?.filter(|text| !text.trim().is_empty());
        let requested = fields.number(FIELD, 1..=i64::MAX)?;
        match (sent, requested) {
            (Some(_), Some(_)) => Err(Failure::invalid(format!(
                "privateKey and {FIELD}: the key of a request is here already; send one of them"
            ))),
            (Some(key), None) => Ok(Self::Sent(key)),
            (None, Some(id)) => Ok(Self::Requested(id)),
            (None, None) => Ok(Self::Kept),
        }
    }

    /// Has its request used up: the key is the subaccount's now.
    pub(super) fn use_up(&self, edit: &Edit<'_>, owner: &Owner) -> Result<(), Failure> {
        match self {
            Self::Requested(id) => Ok(edit.use_request(owner, *id)?),
            Self::Kept | Self::Sent(_) => Ok(()),
        }
    }

    /// The key itself, PEM; nothing if it is the one there is.
    pub(super) fn text(&self, desk: &Desk, owner: &Owner) -> Result<Option<String>, Failure> {
        match self {
            Self::Kept => Ok(None),
            Self::Sent(key) => Ok(Some(key.clone())),
            Self::Requested(id) => {
                let found = desk.store.requested_key(owner, *id)?;
                let none =
                    || Failure::invalid(format!("{FIELD}: there is no request {id} for {owner}"));
                found.map(Some).ok_or_else(none)
            }
        }
    }
}
