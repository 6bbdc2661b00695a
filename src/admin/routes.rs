//! What is served where. The API for operators is in `api.rs`, what was recorded in
//! `histograms.rs`.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{HeaderValue, StatusCode, header::CACHE_CONTROL},
    middleware::map_response,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::{Readiness, Source, api, exposed, histograms, table::Table};
use crate::limits::ADMIN_BODY_BYTES_MAX;

pub(super) type Shared = Arc<dyn Source>;

/// Everything, over one source.
pub(super) fn router(source: Shared) -> Router {
    finish(table().into_router(), source)
}

/// Health, and metrics where that is allowed.
pub(super) fn probes(source: Shared, with_metrics: bool) -> Router {
    let table = Table::new()
        .get("/healthz", healthz)
        .get("/readyz", readyz)
        .get("/exposed", exposed::answer);
    let table = if with_metrics { table.get("/metrics", histograms::metrics) } else { table };
    finish(table.into_router(), source)
}

fn finish(router: Router<Shared>, source: Shared) -> Router {
    router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response(never_cached))
        .layer(DefaultBodyLimit::max(ADMIN_BODY_BYTES_MAX))
        .with_state(source)
}

fn table() -> Table {
    let table = Table::new()
        .get("/", index)
        .get("/healthz", healthz)
        .get("/readyz", readyz)
        .get("/exposed", exposed::answer)
        .get("/histograms", histograms::all)
        .post("/histograms", histograms::all)
        .get("/histograms/{name}", histograms::one)
        .post("/histograms/{name}", histograms::one)
        .get("/metrics", histograms::metrics)
        .get("/status", status);
    api::add(table)
}

/// Method and path of everything that is served.
#[must_use]
pub fn routes() -> Vec<(&'static str, &'static str)> {
    table().into_routes()
}

/// Every path that is served, once.
fn paths() -> Vec<&'static str> {
    let mut paths: Vec<&str> = routes().into_iter().map(|(_, path)| path).collect();
    paths.dedup();
    paths
}

async fn index() -> Response {
    Json(json!({ "paths": paths() })).into_response()
}

/// The process answers: nothing else is asked, so a busy worker does not get it restarted.
async fn healthz() -> Response {
    Json(json!({ "healthy": true })).into_response()
}

/// Answered without a blocking thread: questions that wait for a stuck worker must not make a
/// probe time out as well.
async fn readyz(State(source): State<Shared>) -> Response {
    if let Some(over) = source.look() {
        // An end without a word leaves what was known before.
        let _ = over.await;
    }
    let readiness = source.ready();
    let ready = readiness.is_ready();
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let Readiness { reasons, notes } = readiness;
    (code, Json(json!({ "ready": ready, "reasons": reasons, "notes": notes }))).into_response()
}

async fn status(State(source): State<Shared>) -> Response {
    ask(source, |source| {
        let readiness = source.ready();
        Json(json!({
            "version": env!("CARGO_PKG_VERSION"),
            "ready": readiness.is_ready(),
            "reasons": readiness.reasons,
            "notes": readiness.notes,
            "details": source.details(),
        }))
        .into_response()
    })
    .await
}

async fn not_found() -> Response {
    let body = json!({ "error": "there is nothing here", "paths": paths() });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

async fn method_not_allowed() -> Response {
    let body = json!({ "error": "this path is not served with that method" });
    (StatusCode::METHOD_NOT_ALLOWED, Json(body)).into_response()
}

async fn never_cached(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Asks the source on a blocking thread: it may wait for workers, and the server answers others
/// meanwhile.
pub(super) async fn ask<F>(source: Shared, question: F) -> Response
where
    F: FnOnce(&dyn Source) -> Response + Send + 'static,
{
    let answer = tokio::task::spawn_blocking(move || question(&*source)).await;
    answer.unwrap_or_else(|_| {
        let body = json!({ "error": "the question could not be answered; see the log" });
        (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
    })
}
