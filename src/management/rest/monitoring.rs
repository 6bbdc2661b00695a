//! What is looked at and not changed: how subaccounts do, and who changed what.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{
    desk::{Desk, apart},
    entity,
};
use crate::{
    limits::CHANGES_PER_PAGE,
    management::{
        Failure,
        accounts::{Caller, Permission},
    },
};

/// The form of the incumbent's answers.
pub(super) const FORM: u32 = 1;

pub(super) async fn subaccounts(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
) -> Result<Response, Failure> {
    caller.must(Permission::SeeMonitoring)?;
    let done = apart(&desk, |desk| {
        let all = desk.all()?;
        let shown: Vec<_> = all.iter().map(|one| entity::monitored(desk, one)).collect();
        Ok(json!({ "subaccounts": shown, "version": FORM }))
    });
    Ok(Json(done.await?).into_response())
}

/// Behind which change a page begins.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Page {
    before: Option<i64>,
}

pub(super) async fn changes(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Response, Failure> {
    caller.must(Permission::Administer)?;
    let wrong = |error: QueryRejection| Failure::invalid(error.body_text());
    let Query(Page { before }) = page.map_err(wrong)?;
    let done = apart(&desk, move |desk| Ok(desk.store.changes(before, CHANGES_PER_PAGE)?));
    let shown = done.await?.into_iter().map(|one| {
        json!({
            "id": one.number,
            "timestamp": one.at,
            "account": one.account,
            "source": one.source,
            "what": one.what,
        })
    });
    Ok(Json(shown.collect::<Vec<_>>()).into_response())
}
