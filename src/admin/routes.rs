//! What is served where. A GET changes nothing; a POST of histograms begins them anew.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderValue, StatusCode, header::CACHE_CONTROL},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

use super::{Readiness, Source, histograms};

type Shared = Arc<dyn Source>;

/// The routes over one source.
pub(super) fn router(source: Shared) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .merge(histograms::routes())
        .route("/status", get(status))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(map_response(never_cached))
        .with_state(source)
}

const PATHS: [&str; 6] =
    ["/healthz", "/readyz", "/histograms", "/histograms/<name>", "/metrics", "/status"];

async fn index() -> Response {
    Json(json!({ "paths": PATHS })).into_response()
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
    let body = json!({ "error": "there is nothing here", "paths": PATHS });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

async fn method_not_allowed() -> Response {
    let body = json!({ "error": "only GET is served here, and POST of histograms" });
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
