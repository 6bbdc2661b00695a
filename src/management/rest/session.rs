//! Logging in and out, and who is logged in.

use std::{net::IpAddr, sync::Arc, time::Instant};

use axum::{
    Json,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{AUTHORIZATION, SET_COOKIE},
    },
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    desk::{Desk, now_ms},
    who::{COOKIE_NAME, CSRF, by_password, cookie, from_a_stranger},
};
use crate::management::{
    Failure,
    accounts::{Caller, Opened, csrf_of},
};

pub(super) async fn log_in(
    State(desk): State<Arc<Desk>>,
    request: Request,
) -> Result<Response, Failure> {
    let (from, mut fields) = from_a_stranger(request).await?;
    let (user, password) = (fields.text("user")?, fields.text("password")?);
    fields.end(&[])?;
    let (user, password) = (user.unwrap_or_default(), password.unwrap_or_default());
    let (caller, opened) = open(&desk, &user, &password, from).await?;
    let attributes = "HttpOnly; Secure; SameSite=Strict; Path=/";
    let set = header(&format!("{COOKIE_NAME}={}; {attributes}", opened.id))?;
    let shown = shown(&desk, &caller, Some(&opened.id))?;
    Ok(([(SET_COOKIE, set)], shown).into_response())
}

/// A session for whoever knows the password of an account.
async fn open(
    desk: &Arc<Desk>,
    user: &str,
    password: &str,
    from: IpAddr,
) -> Result<(Caller, Opened), Failure> {
    loop {
        let endings = desk.sessions().endings();
        let caller = by_password(desk, user.to_owned(), password.to_owned(), from).await?;
        let mut sessions = desk.sessions();
        // Else the password may be one that was changed after it was looked at, and its sessions
        // ended before this one began.
        if sessions.endings() == endings {
            let opened = sessions.open(&caller.account, caller.role, Instant::now());
            return Ok((caller, opened));
        }
    }
}

pub(super) async fn who(
    caller: Caller,
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let id = cookie(&headers).filter(|_| !headers.contains_key(AUTHORIZATION));
    Ok(shown(&desk, &caller, id)?.into_response())
}

pub(super) async fn log_out(
    _caller: Caller,
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    if let Some(id) = cookie(&headers).filter(|_| !headers.contains_key(AUTHORIZATION)) {
        desk.sessions().close(id);
    }
    let attributes = "HttpOnly; Secure; SameSite=Strict; Path=/; Max-Age=0";
    let unset = header(&format!("{COOKIE_NAME}=; {attributes}"))?;
    Ok((StatusCode::NO_CONTENT, [(SET_COOKIE, unset)]).into_response())
}

/// A header and a body.
type Shown = ([(HeaderName, HeaderValue); 1], Json<Value>);

/// The body, with the token in a header as well, where there is a session.
fn shown(desk: &Desk, caller: &Caller, id: Option<&str>) -> Result<Shown, Failure> {
    let session = id.and_then(|id| Some((id, desk.sessions().find(id, Instant::now())?)));
    let token = session.as_ref().map(|(id, _)| csrf_of(id));
    let left = session.map(|(_, session)| session.left(Instant::now()).as_millis());
    let until = left.and_then(|left| i64::try_from(left).ok()).map(|left| now_ms() + left);
    let body = json!({
        "user": caller.account,
        "role": caller.role.name(),
        "csrfToken": token,
        "validUntil": until,
    });
    let token = header(token.as_deref().unwrap_or_default())?;
    Ok(([(HeaderName::from_static(CSRF), token)], Json(body)))
}

fn header(text: &str) -> Result<HeaderValue, Failure> {
    HeaderValue::from_str(text).map_err(|_| Failure::failed("an odd header"))
}
