//! What operators ask and tell. Nothing here runs on a worker's thread; what waits for workers
//! waits on a blocking thread.

use std::sync::Arc;

use axum::{
    Extension, Json,
    body::to_bytes,
    extract::{Path, Request, State},
    http::{HeaderValue, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{sync::Semaphore, time::timeout};

use super::{
    Kind, Operations, Unanswered,
    guard::Visitor,
    log_level::Levels,
    query,
    routes::{Shared, ask},
    table::Table,
};
use crate::limits::{ADMIN_BODY_BYTES_MAX, ADMIN_HEAD_TIMEOUT, EXPLAIN_DIALS_MAX};

/// What the requests of one server share.
pub(super) struct Desk {
    explain_dials: Arc<Semaphore>,
    levels: Levels,
}

impl Desk {
    pub(super) fn new() -> Self {
        Self {
            explain_dials: Arc::new(Semaphore::new(EXPLAIN_DIALS_MAX)),
            levels: Levels::default(),
        }
    }
}

pub(super) fn add(table: Table) -> Table {
    table
        .get("/openapi.json", openapi)
        .get("/tunnels", tunnels)
        .delete("/tunnels/{id}", kill_tunnel)
        .get("/streams", streams)
        .delete("/streams/{id}", kill_stream)
        .get("/mappings", mappings)
        .get("/workers", workers)
        .get("/config", config)
        .get("/certificates", certificates)
        .get("/explain", explain)
        .post("/drain", drain)
        .get("/log-level", log_level)
        .put("/log-level", set_log_level)
}

/// The description of all of it.
pub(super) const OPENAPI: &str = include_str!("openapi.json");

async fn openapi() -> Response {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    ([(CONTENT_TYPE, JSON)], OPENAPI).into_response()
}

impl IntoResponse for Unanswered {
    fn into_response(self) -> Response {
        let (status, error) = match self {
            Self::NotFound(error) => (StatusCode::NOT_FOUND, error),
            Self::Bad(error) => (StatusCode::BAD_REQUEST, error),
            Self::Busy(error) => (StatusCode::SERVICE_UNAVAILABLE, error),
        };
        (status, Json(json!({ "error": error }))).into_response()
    }
}

/// Puts a question to the role on a blocking thread.
async fn put<F>(source: Shared, question: F) -> Response
where
    F: FnOnce(&dyn Operations) -> Result<Value, Unanswered> + Send + 'static,
{
    ask(source, |source| {
        let Some(operations) = source.operations() else {
            return Unanswered::NotFound("this process has no API".to_owned()).into_response();
        };
        match question(operations) {
            Ok(answer) => Json(answer).into_response(),
            Err(unanswered) => unanswered.into_response(),
        }
    })
    .await
}

async fn tunnels(State(source): State<Shared>, uri: Uri) -> Response {
    list(source, Kind::Tunnels, &uri).await
}

async fn streams(State(source): State<Shared>, uri: Uri) -> Response {
    list(source, Kind::Streams, &uri).await
}

async fn list(source: Shared, kind: Kind, uri: &Uri) -> Response {
    match query::selection(uri) {
        Ok(selection) => put(source, move |role| role.list(kind, &selection)).await,
        Err(unanswered) => unanswered.into_response(),
    }
}

async fn kill_tunnel(
    State(source): State<Shared>,
    visitor: Extension<Visitor>,
    Path(id): Path<String>,
) -> Response {
    kill(source, Kind::Tunnels, visitor.0, id).await
}

async fn kill_stream(
    State(source): State<Shared>,
    visitor: Extension<Visitor>,
    Path(id): Path<String>,
) -> Response {
    kill(source, Kind::Streams, visitor.0, id).await
}

async fn kill(source: Shared, kind: Kind, visitor: Visitor, id: String) -> Response {
    put(source, move |role| {
        role.kill(kind, &id)?;
        tracing::warn!(target: "causeway::admin", peer = %visitor.peer, ?kind, id, "killed");
        Ok(json!({ "killed": id }))
    })
    .await
}

async fn mappings(State(source): State<Shared>, uri: Uri) -> Response {
    match query::selection(&uri) {
        Ok(selection) => put(source, move |role| role.mappings(&selection)).await,
        Err(unanswered) => unanswered.into_response(),
    }
}

async fn workers(State(source): State<Shared>) -> Response {
    put(source, |role| Ok(role.workers())).await
}

async fn config(State(source): State<Shared>) -> Response {
    put(source, |role| Ok(json!({ "role": role.role(), "config": role.config() }))).await
}

async fn certificates(State(source): State<Shared>) -> Response {
    put(source, |role| Ok(role.certificates())).await
}

async fn explain(
    State(source): State<Shared>,
    Extension(desk): Extension<Arc<Desk>>,
    uri: Uri,
) -> Response {
    let question = match query::question(&uri) {
        Ok(question) => question,
        Err(unanswered) => return unanswered.into_response(),
    };
    let mut place = None;
    if question.dial {
        match desk.explain_dials.clone().try_acquire_owned() {
            Ok(free) => place = Some(free),
            Err(_) => {
                let why = format!("{EXPLAIN_DIALS_MAX} explanations dial already; try again");
                return Unanswered::Busy(why).into_response();
            }
        }
    }
    put(source, move |role| {
        let _place = place;
        role.explain(&question)
    })
    .await
}

async fn drain(State(source): State<Shared>, Extension(visitor): Extension<Visitor>) -> Response {
    let mut answer = put(source, move |role| {
        tracing::warn!(target: "causeway::admin", peer = %visitor.peer, "told to drain");
        role.drain();
        Ok(json!({ "draining": true }))
    })
    .await;
    if answer.status() == StatusCode::OK {
        *answer.status_mut() = StatusCode::ACCEPTED;
    }
    answer
}

async fn log_level(
    State(source): State<Shared>,
    Extension(desk): Extension<Arc<Desk>>,
) -> Response {
    put(source, move |role| Ok(desk.levels.show(role))).await
}

/// The body of a change of the log level.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The level, or several with targets.
    pub(super) level: String,
    /// For so long; then the one before is in force again.
    pub(super) for_seconds: Option<u64>,
}

async fn set_log_level(
    State(source): State<Shared>,
    Extension(desk): Extension<Arc<Desk>>,
    Extension(visitor): Extension<Visitor>,
    request: Request,
) -> Response {
    let wanted: Wanted = match read(request).await {
        Ok(wanted) => wanted,
        Err(unanswered) => return unanswered.into_response(),
    };
    let after = desk.clone();
    let again = source.clone();
    let answer = put(source, move |role| {
        let level = wanted.level.clone();
        let shown = desk.levels.set(role, &wanted)?;
        tracing::warn!(target: "causeway::admin", peer = %visitor.peer, level, "log level set");
        Ok(shown)
    })
    .await;
    after.levels.go_back_in_time(again);
    answer
}

/// The body of a request, as JSON whatever it says it is.
async fn read<T: for<'de> Deserialize<'de>>(request: Request) -> Result<T, Unanswered> {
    let reading = to_bytes(request.into_body(), ADMIN_BODY_BYTES_MAX);
    let Ok(Ok(body)) = timeout(ADMIN_HEAD_TIMEOUT, reading).await else {
        return Err(Unanswered::Bad("the body is too long, or did not come".to_owned()));
    };
    serde_json::from_slice(&body).map_err(|error| Unanswered::Bad(format!("the body: {error}")))
}
