//! Who sends a request: by Basic, by the cookie of a session, or by a client certificate.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Instant,
};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request},
    http::{
        HeaderMap, Method,
        header::{AUTHORIZATION, COOKIE},
        request::Parts,
    },
};
use base64::{Engine as _, prelude::BASE64_STANDARD};

use super::{
    body::Fields,
    desk::{Desk, apart},
};
use crate::{
    admin::ShownCertificate,
    limits::ACCOUNT_NAME_BYTES_MAX,
    management::{
        Failure,
        accounts::{Caller, Role, Wait, verify, verify_nobody},
        store::Account,
    },
};

/// The cookie of a session. Browsers take one of that prefix only by HTTPS, for this host and for
/// all of its paths.
pub(super) const COOKIE_NAME: &str = "__Host-causeway";
/// The header with the token of a session's page.
pub(super) const CSRF: &str = "x-csrf-token";

/// Where a request comes from. Whoever serves the routes says it; without that nobody who guesses
/// could be told from others.
fn address(parts: &Parts) -> Result<IpAddr, Failure> {
    let known = parts.extensions.get::<ConnectInfo<SocketAddr>>();
    let known = known.ok_or_else(|| {
        tracing::error!(target: "causeway::management", "a request without its address");
        Failure::failed("the server does not know where this request comes from")
    })?;
    Ok(known.0.ip().to_canonical())
}

/// What somebody sends who has no account yet, or does not show it, and where from.
pub(super) async fn from_a_stranger(request: Request) -> Result<(IpAddr, Fields), Failure> {
    let (parts, body) = request.into_parts();
    from_our_page(&parts.method, &parts.headers)?;
    let from = address(&parts)?;
    Ok((from, Fields::read(Request::from_parts(parts, body)).await?))
}

impl FromRequestParts<Arc<Desk>> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, Failure> {
        let (headers, from) = (&parts.headers, address(parts)?);
        from_our_page(&parts.method, headers)?;
        if headers.contains_key(AUTHORIZATION) {
            let (name, password) = basic(headers).ok_or_else(|| {
                Failure::unauthorized("an account is shown as `Authorization: Basic …`")
            })?;
            return by_password(desk, name, password, from).await;
        }
        let Some(id) = cookie(headers) else {
            let shown = parts.extensions.get::<ShownCertificate>().ok_or_else(|| {
                Failure::unauthorized(
                    "this needs an account: as `Authorization: Basic …`, by logging in, or by a \
                     client certificate",
                )
            })?;
            return by_certificate(desk, shown.0.clone(), from).await;
        };
        let over = || Failure::unauthorized("the session is over; log in again");
        let session = desk.sessions().find(id, Instant::now()).ok_or_else(over)?;
        let token = headers.get(CSRF).and_then(|token| token.to_str().ok());
        if !reads(&parts.method) && !token.is_some_and(|token| session.is_of_its_page(token)) {
            return Err(Failure::forbidden(
                "a change in a session needs its token in the header X-CSRF-Token; \
                 GET /api/v1/session tells it",
            ));
        }
        // What the account may now, not when it logged in.
        let name = session.account;
        let account = apart(desk, move |desk| Ok(desk.store.account(&name)?)).await?;
        caller(account.ok_or_else(over)?, from)
    }
}

/// Whoever has the certificate of an account. That it is of an authority that is trusted, and that
/// the key is there too, is known from the handshake.
async fn by_certificate(
    desk: &Arc<Desk>,
    sha256: Arc<str>,
    from: IpAddr,
) -> Result<Caller, Failure> {
    let shown = sha256.clone();
    let account = apart(desk, move |desk| Ok(desk.store.account_of_certificate(&shown)?)).await?;
    let account = account.ok_or_else(|| {
        Failure::unauthorized(format!("no account has the client certificate of SHA-256 {sha256}"))
    })?;
    caller(account, from)
}

/// Whoever knows the password of an account.
pub(super) async fn by_password(
    desk: &Arc<Desk>,
    name: String,
    password: String,
    from: IpAddr,
) -> Result<Caller, Failure> {
    // Asked for before the lock-out is looked at, so that of many guesses at a time few see it
    // as it was before all of them. Never closed.
    let _turn = desk.hashing.acquire().await;
    apart(desk, move |desk| check(desk, &name, &password, from)).await
}

fn check(desk: &Desk, name: &str, password: &str, from: IpAddr) -> Result<Caller, Failure> {
    let wrong = || Failure::unauthorized("there is no such account with this password");
    caller(verified(desk, name, password, from)?.ok_or_else(wrong)?, from)
}

/// The account of that name if that is its password. Takes as long as hashing does, and refuses
/// whoever was wrong too often.
pub(super) fn verified(
    desk: &Desk,
    name: &str,
    password: &str,
    from: IpAddr,
) -> Result<Option<Account>, Failure> {
    // No account has a longer name, and what is remembered has to be bounded.
    let name = if name.len() > ACCOUNT_NAME_BYTES_MAX { "" } else { name };
    let locked = |Wait(wait)| Failure::wait(wait);
    desk.lockout().check(name, from, Instant::now()).map_err(locked)?;
    let account = desk.store.account(name)?;
    let hash = account.as_ref().and_then(|account| account.password.as_deref());
    let right = match hash {
        Some(hash) => verify(hash, password),
        None => {
            verify_nobody(password);
            false
        }
    };
    if right {
        desk.lockout().right(name);
        return Ok(account);
    }
    desk.lockout().wrong(name, from, Instant::now());
    tracing::warn!(target: "causeway::management", account = name, %from, "a wrong password");
    Ok(None)
}

fn caller(account: Account, from: IpAddr) -> Result<Caller, Failure> {
    let Account { name, role, .. } = account;
    let role = Role::of(&role).ok_or_else(|| {
        Failure::forbidden(format!("{name} has the role {role}, which this version does not know"))
    })?;
    Ok(Caller { account: name, role, from })
}

/// Name and password.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let value = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("Basic") {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// The id of a session.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|one| one.split_once('='));
    pairs.find(|(name, _)| name.trim() == COOKIE_NAME).map(|(_, value)| value.trim())
}

/// Whether a request changes nothing.
pub(super) fn reads(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// A browser that remembers a password sends it for any page, and says for which.
fn from_our_page(method: &Method, headers: &HeaderMap) -> Result<(), Failure> {
    let site = headers.get("sec-fetch-site").map(|site| site.as_bytes());
    let ours = matches!(site, None | Some(b"same-origin" | b"none"));
    if reads(method) || ours {
        return Ok(());
    }
    Err(Failure::forbidden("a page of another site asks for this"))
}
