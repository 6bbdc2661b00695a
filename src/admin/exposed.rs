//! `/exposed` of a connector, by the incumbent's words: what load balancers before several
//! connectors ask. There only one of two may carry streams, the master; here all that are ready.

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::routes::Shared;

/// What is asked.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    action: Action,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum Action {
    /// Whether the process answers.
    #[serde(rename = "ping")]
    Ping,
    /// Whether clients may be sent here; the answer is the body.
    #[serde(rename = "hasMasterRole")]
    HasMasterRole,
    /// The same; the answer is the status as well.
    #[serde(rename = "ensureMasterRole")]
    EnsureMasterRole,
}

pub(super) async fn answer(
    State(source): State<Shared>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    if source.operations().is_none_or(|role| role.role() != "connector") {
        let error = "a proxy has no such role; ask /readyz";
        return (StatusCode::NOT_FOUND, Json(json!({ "error": error }))).into_response();
    }
    let Ok(Query(Asked { action })) = asked else {
        let error = "action is ping, hasMasterRole or ensureMasterRole";
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    };
    let ready = source.ready().is_ready();
    let (status, body) = match action {
        Action::Ping => (StatusCode::OK, ""),
        Action::EnsureMasterRole if !ready => (StatusCode::CONFLICT, "false"),
        Action::HasMasterRole | Action::EnsureMasterRole => {
            (StatusCode::OK, if ready { "true" } else { "false" })
        }
    };
    (status, [(CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}
