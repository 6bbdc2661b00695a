//! Certificates in use, and how long they still are: the page's own and those of subaccounts.

use std::{
    sync::{Arc, PoisonError},
    time::SystemTime,
};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    desk::{Desk, apart, ms},
    known::Known,
    monitoring::FORM,
};
use crate::{
    limits::EXPIRY_WARNING,
    management::{
        Failure,
        accounts::{Caller, Permission},
        store::Owner,
    },
    tls::{CertificateEntry, leaf_of},
};

/// How long a certificate still is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Not any more.
    Expired,
    /// For less than [`EXPIRY_WARNING`].
    Expiring,
    Ok,
}

impl Standing {
    pub(super) fn of(leaf: &CertificateEntry, now: SystemTime) -> Self {
        match leaf.not_after {
            Some(end) if end < now => Self::Expired,
            Some(end) if end < now + EXPIRY_WARNING => Self::Expiring,
            _ => Self::Ok,
        }
    }
}

/// A certificate and whose it is: a subaccount's, or the page's.
pub(super) type Shown = (Option<Owner>, CertificateEntry);

impl Desk {
    /// Tells which certificate this server itself shows, as PEM; again when it shows another one.
    pub fn set_page_certificate(&self, pem: &str) {
        let leaf = leaf_of(pem);
        *self.page_certificate.lock().unwrap_or_else(PoisonError::into_inner) = leaf;
    }

    /// Every certificate, the page's first.
    pub(super) fn certificates(&self, all: &[Known]) -> Vec<Shown> {
        let page = self.page_certificate.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let of_subaccount = |known: &Known| {
            let one = &known.subaccount;
            Some((Some(one.owner.clone()), leaf_of(one.certificate.as_deref()?)?))
        };
        let page = page.map(|leaf| (None, leaf));
        page.into_iter().chain(all.iter().filter_map(of_subaccount)).collect()
    }
}

pub(super) async fn all(caller: Caller, desk: State<Arc<Desk>>) -> Result<Response, Failure> {
    of_standing(caller, desk, None).await
}

pub(super) async fn expired(caller: Caller, desk: State<Arc<Desk>>) -> Result<Response, Failure> {
    of_standing(caller, desk, Some(Standing::Expired)).await
}

pub(super) async fn expiring(caller: Caller, desk: State<Arc<Desk>>) -> Result<Response, Failure> {
    of_standing(caller, desk, Some(Standing::Expiring)).await
}

pub(super) async fn ok(caller: Caller, desk: State<Arc<Desk>>) -> Result<Response, Failure> {
    of_standing(caller, desk, Some(Standing::Ok)).await
}

async fn of_standing(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    wanted: Option<Standing>,
) -> Result<Response, Failure> {
    caller.must(Permission::SeeMonitoring)?;
    let done = apart(&desk, move |desk| {
        let now = SystemTime::now();
        let mut certificates = desk.certificates(&desk.all()?);
        certificates.retain(|(_, leaf)| wanted.is_none_or(|one| one == Standing::of(leaf, now)));
        let shown: Vec<Value> = certificates.iter().map(shown).collect();
        Ok(json!({ "certificates": shown, "version": FORM }))
    });
    Ok(Json(done.await?).into_response())
}

fn shown((owner, leaf): &Shown) -> Value {
    let mut shown = json!({
        "type": if owner.is_some() { "subaccount" } else { "UI" },
        "validTo": leaf.not_after.map(ms),
        "validFrom": ms(leaf.not_before),
        "subjectDN": leaf.subject,
        "issuerDN": leaf.issuer,
        "serialNumber": leaf.serial,
    });
    if let Some(Owner { region_host, subaccount }) = owner {
        shown["subaccountName"] = json!(subaccount);
        shown["subaccountRegion"] = json!(region_host);
    }
    shown
}
