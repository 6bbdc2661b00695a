//! What is served where. The API for operators is in `api.rs`.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, State},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE, WARNING},
    },
    middleware::map_response,
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{Readiness, Source, api, table::Table};
use crate::{
    limits::ADMIN_BODY_BYTES_MAX,
    telemetry::{Metric, prometheus},
};

pub(super) type Shared = Arc<dyn Source>;

/// Everything, over one source.
pub(super) fn router(source: Shared) -> Router {
    finish(table().into_router(), source)
}

/// Health, and metrics where that is allowed.
pub(super) fn probes(source: Shared, with_metrics: bool) -> Router {
    let table = Table::new().get("/healthz", healthz).get("/readyz", readyz);
    let table = if with_metrics { table.get("/metrics", metrics) } else { table };
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
        .get("/histograms", histograms)
        .get("/histograms/{name}", histogram)
        .get("/metrics", metrics)
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

async fn histograms(State(source): State<Shared>) -> Response {
    ask(source, |source| {
        let (latency, problems) = source.latency();
        let summaries: Map<String, Value> = Metric::ALL
            .into_iter()
            .map(|metric| (metric.name().to_owned(), json!(latency.summary(metric))))
            .collect();
        Json(json!({ "histograms": summaries, "problems": problems })).into_response()
    })
    .await
}

async fn histogram(State(source): State<Shared>, Path(name): Path<String>) -> Response {
    let Some(metric) = Metric::from_name(&name) else {
        let names = Metric::ALL.map(Metric::name);
        let body = json!({ "error": "there is no such histogram", "histograms": names });
        return (StatusCode::NOT_FOUND, Json(body)).into_response();
    };
    ask(source, move |source| {
        let (latency, problems) = source.latency();
        let mut text = String::new();
        comment(&problems, &mut text);
        latency.percentile_text(metric, &mut text);
        (warnings(&problems, "text/plain; charset=utf-8"), text).into_response()
    })
    .await
}

async fn metrics(State(source): State<Shared>) -> Response {
    ask(source, |source| {
        let (latency, problems) = source.latency();
        let mut text = String::new();
        comment(&problems, &mut text);
        source.counters().prometheus(&mut text);
        latency.prometheus(&mut text);
        (warnings(&problems, prometheus::CONTENT_TYPE), text).into_response()
    })
    .await
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

fn comment(problems: &[String], text: &mut String) {
    for problem in problems {
        text.push_str("# problem: ");
        text.extend(problem.chars().map(|c| if c.is_control() { ' ' } else { c }));
        text.push('\n');
    }
}

/// Headers of a text answer; a program that skips comments still learns that it is partial.
fn warnings(problems: &[String], content_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if !problems.is_empty() {
        const PARTIAL: HeaderValue =
            HeaderValue::from_static("199 causeway \"partial: some workers did not answer\"");
        headers.insert(WARNING, PARTIAL);
    }
    headers
}
