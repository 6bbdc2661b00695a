//! What is served where.

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    http::{
        HeaderName, HeaderValue, StatusCode, Uri,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
        },
    },
    middleware::{Next, from_fn},
    response::Response,
    routing::{MethodRouter, get, post, put},
};

use super::{
    accounts, alerts, backup, certificates, channels, desk::Desk, machine, monitoring, requests,
    session, setup, subaccounts, transfer, usage, version,
};
use crate::{
    limits::RESTORE_BODY_BYTES_MAX,
    management::{Failure, accounts::Caller, web},
};

/// Everything, with an answer to what is not there. Whoever serves it says where a request comes
/// from, as an extension `axum::extract::ConnectInfo<std::net::SocketAddr>`.
pub fn router(desk: Arc<Desk>) -> Router {
    let mut router = Router::new();
    for (path, methods) in own().into_iter().chain(looked_at()).chain(configuration()) {
        router = router.route(path, methods);
    }
    router
        .merge(web::routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn(finish))
        .with_state(desk)
}

type Route = (&'static str, MethodRouter<Arc<Desk>>);

fn own() -> [Route; 9] {
    [
        ("/api/v1/session", post(session::log_in).get(session::who).delete(session::log_out)),
        ("/api/v1/setup", post(setup::make)),
        ("/api/v1/password", put(accounts::password)),
        ("/api/v1/configuration/accounts", get(accounts::list).post(accounts::create)),
        ("/api/v1/configuration/accounts/{user}", put(accounts::change).delete(accounts::delete)),
        ("/api/v1/connector/version", get(version::version)),
        ("/api/v1/changes", get(monitoring::changes)),
        ("/api/v1/usage", get(usage::hours).delete(usage::forget)),
        ("/api/v1/latency", get(usage::latency)),
    ]
}

fn looked_at() -> [Route; 11] {
    [
        ("/api/monitoring/subaccounts", get(monitoring::subaccounts)),
        ("/api/monitoring/connections/serviceChannels", get(usage::connections)),
        ("/api/monitoring/usage", get(usage::totals)),
        ("/api/monitoring/certificates", get(certificates::all)),
        ("/api/monitoring/certificates/expired", get(certificates::expired)),
        ("/api/monitoring/certificates/expiring", get(certificates::expiring)),
        ("/api/monitoring/certificates/ok", get(certificates::ok)),
        ("/api/monitoring/alerts", get(alerts::alerts)),
        ("/api/monitoring/memory", get(machine::memory)),
        ("/api/monitoring/cpu", get(machine::cpu)),
        ("/api/monitoring/disk", get(machine::disk)),
    ]
}

fn configuration() -> [Route; 12] {
    let all = || get(channels::list).post(channels::create).delete(channels::delete_all);
    let backup = post(backup::take).put(backup::restore);
    let limit = DefaultBodyLimit::max(RESTORE_BODY_BYTES_MAX);
    [
        ("/api/v1/configuration/backup", backup.layer(limit)),
        ("/api/v1/configuration/certificateRequests", post(requests::make)),
        ("/api/v1/configuration/subaccounts", get(subaccounts::list).post(subaccounts::create)),
        (
            "/api/v1/configuration/subaccounts/{region}/{subaccount}",
            get(subaccounts::one).put(subaccounts::edit).delete(subaccounts::delete),
        ),
        ("/api/v1/configuration/subaccounts/{region}/{subaccount}/state", put(subaccounts::state)),
        (
            "/api/v1/configuration/subaccounts/{region}/{subaccount}/validity",
            post(subaccounts::validity),
        ),
        // The only type there is.
        (
            "/api/v1/configuration/subaccounts/{region}/{subaccount}/channels",
            axum::routing::delete(channels::delete_all),
        ),
        (
            "/api/v1/configuration/subaccounts/{region}/{subaccount}/channels/export",
            get(transfer::export),
        ),
        (
            "/api/v1/configuration/subaccounts/{region}/{subaccount}/channels/import",
            post(transfer::import),
        ),
        ("/api/v1/configuration/subaccounts/{region}/{subaccount}/channels/K8S", all()),
        (
            "/api/v1/configuration/subaccounts/{region}/{subaccount}/channels/K8S/{id}",
            get(channels::one).put(channels::replace).delete(channels::delete),
        ),
        (
            "/api/v1/configuration/subaccounts/{region}/{subaccount}/channels/K8S/{id}/state",
            put(channels::state),
        ),
    ]
}

async fn not_found(_caller: Caller, uri: Uri) -> Failure {
    Failure::unknown(format!("there is no {}", uri.path().escape_debug()))
}

async fn method_not_allowed(_caller: Caller, request: Request) -> Failure {
    let (method, path) = (request.method(), request.uri().path().escape_debug());
    let message = format!("{path} has no {method}");
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "INVALID_REQUEST", message)
}

/// What every answer says.
async fn finish(request: Request, next: Next) -> Response {
    // A browser asks its user for a password of its own where Basic is offered; the page has a
    // better place for that. What a page asks for has this header, what programs ask for has not.
    let in_page = request.headers().contains_key("sec-fetch-site");
    let mut response = next.run(request).await;
    let status = response.status();
    let mut say = |name: HeaderName, value: &'static str| {
        response.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    };
    say(CACHE_CONTROL, "no-store");
    say(X_CONTENT_TYPE_OPTIONS, "nosniff");
    say(CONTENT_SECURITY_POLICY, web::POLICY);
    if status == StatusCode::UNAUTHORIZED {
        let challenge = match in_page {
            true => "Session realm=\"causeway\"",
            false => "Basic realm=\"causeway\", charset=\"UTF-8\"",
        };
        say(WWW_AUTHENTICATE, challenge);
    }
    response
}
