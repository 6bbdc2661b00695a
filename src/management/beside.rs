//! The management and the admin server's own routes on one listener: the page and `/api/` are the
//! management's, the rest stays where it was and may be asked by the management's accounts as well.

use std::sync::Arc;

use axum::{
    Router,
    extract::{FromRequestParts, Request, State},
    http::{
        HeaderMap,
        header::{AUTHORIZATION, COOKIE},
    },
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use super::{
    Failure,
    accounts::{Caller, Permission},
    rest::{Desk, router},
};
use crate::admin::{Admitted, ShownCertificate};

/// The management, and what it asks of callers of the other routes.
#[derive(Clone)]
struct Beside {
    desk: Arc<Desk>,
    management: TowerToHyperService<Router>,
}

/// Puts the management beside an admin server's routes.
pub fn beside(desk: Arc<Desk>) -> impl FnOnce(Router) -> Router {
    let management = TowerToHyperService::new(router(desk.clone()));
    move |routes| routes.layer(from_fn_with_state(Beside { desk, management }, choose))
}

async fn choose(State(beside): State<Beside>, request: Request, next: Next) -> Response {
    if is_ours(request.uri().path()) {
        return match beside.management.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
    }
    match admit(&beside.desk, request).await {
        Ok(request) => next.run(request).await,
        Err(failure) => failure.into_response(),
    }
}

fn is_ours(path: &str) -> bool {
    path == "/" || path.starts_with("/assets/") || path == "/api" || path.starts_with("/api/")
}

/// Marks the request of an account that may do what it asks. Without an account it has to show
/// something else over there.
async fn admit(desk: &Arc<Desk>, request: Request) -> Result<Request, Failure> {
    let certified = request.extensions().get::<ShownCertificate>().is_some();
    if !shows_account(request.headers(), certified) {
        return Ok(request);
    }
    let reads = request.method().is_safe();
    let (mut parts, body) = request.into_parts();
    let caller = Caller::from_request_parts(&mut parts, desk).await?;
    // What operators see there is all tenants' names, addresses and streams.
    caller.must(if reads { Permission::SeeMonitoring } else { Permission::Administer })?;
    parts.extensions.insert(Admitted);
    Ok(Request::from_parts(parts, body))
}

/// What is said in words counts before what the connection shows: a token is nobody's account.
fn shows_account(headers: &HeaderMap, certified: bool) -> bool {
    let authorization = headers.get(AUTHORIZATION).map(|value| value.as_bytes());
    let is_basic =
        |value: &[u8]| value.get(..5).is_some_and(|it| it.eq_ignore_ascii_case(b"basic"));
    authorization.map_or_else(|| certified || headers.contains_key(COOKIE), is_basic)
}
