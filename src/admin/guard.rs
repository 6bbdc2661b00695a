//! Who may ask what. Health is told to everybody. Where a token or a client certificate is
//! demanded, everything else needs one. Where neither is, the server is on loopback, and what
//! threatens it there is a browser: a page of somebody else's that posts to it, or that has its
//! own name point to it (DNS rebinding) to read the answers.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use axum::{
    Json,
    extract::{Request, State},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{AUTHORIZATION, HOST, ORIGIN, WWW_AUTHENTICATE},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::token::Token;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Visitor {
    /// Where it comes from.
    pub(super) peer: SocketAddr,
    /// Whether it showed a certificate of the authority that is asked for.
    pub(super) certified: bool,
}

/// SHA-256, in hexadecimal, of the certificate that the sender of a request showed.
#[derive(Debug, Clone)]
pub struct ShownCertificate(pub Arc<str>);

/// Marks a request of somebody who may do what it asks, as somebody else found out.
#[derive(Debug, Clone, Copy)]
pub struct Admitted;

/// What a server demands.
pub(super) struct Guard {
    /// The token, where there is one.
    pub(super) token: Option<Token>,
    /// Whether client certificates are enough.
    pub(super) certificates: bool,
    /// Whether accounts may be shown.
    pub(super) accounts: bool,
    /// Whether metrics are told to everybody.
    pub(super) open_metrics: bool,
    /// The address it listens on.
    pub(super) own: Option<IpAddr>,
}

/// A request that is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refused {
    /// It does not show who sends it.
    Nobody,
    /// A browser sends it for a page that is not ours.
    Foreign(&'static str),
}

/// What is told to whoever reaches a server on loopback, whatever they call it: probes and
/// scrapers use names of their own.
const TOLD_TO_NEIGHBOURS: [&str; 4] = ["/", "/metrics", "/histograms", "/status"];

/// Lets a request through, or says why not.
pub(super) async fn check(
    State(guard): State<Arc<Guard>>,
    request: Request,
    next: Next,
) -> Response {
    if request.extensions().get::<Admitted>().is_some() {
        return next.run(request).await;
    }
    let certified = request.extensions().get::<Visitor>().is_some_and(|v| v.certified);
    let (method, path) = (request.method(), request.uri().path());
    match guard.judge(method, path, request.headers(), certified) {
        Ok(()) => next.run(request).await,
        Err(Refused::Nobody) => {
            let (error, scheme) = match guard.accounts {
                true => (
                    "this needs an account of the management, as `Authorization: Basic …`, or the \
                     token of the admin server or a client certificate where they are configured",
                    "Basic realm=\"causeway\", charset=\"UTF-8\"",
                ),
                false => (
                    "this needs the token of the admin server, as `Authorization: Bearer …`, or a \
                     client certificate that it accepts",
                    "Bearer realm=\"causeway\"",
                ),
            };
            let body = json!({ "error": error });
            let mut response = (StatusCode::UNAUTHORIZED, Json(body)).into_response();
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(scheme));
            response
        }
        Err(Refused::Foreign(why)) => {
            (StatusCode::FORBIDDEN, Json(json!({ "error": why }))).into_response()
        }
    }
}

impl Guard {
    fn judge(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        certified: bool,
    ) -> Result<(), Refused> {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let is_health = matches!(path, "/healthz" | "/readyz" | "/exposed");
        if reads && (is_health || (self.open_metrics && path == "/metrics")) {
            return Ok(());
        }
        if self.token.as_ref().is_some_and(|token| bearer(headers).is_some_and(|b| token.is(b))) {
            return Ok(());
        }
        if self.certificates && certified {
            // A browser shows its certificate for any page.
            return if reads { Ok(()) } else { from_no_page(headers) };
        }
        if self.token.is_some() || self.certificates || self.accounts {
            return Err(Refused::Nobody);
        }
        let histogram = path.starts_with("/histograms/");
        if reads && (histogram || TOLD_TO_NEIGHBOURS.contains(&path)) {
            return Ok(());
        }
        self.called_by_our_name(headers)?;
        if reads { Ok(()) } else { from_no_page(headers) }
    }

    fn called_by_our_name(&self, headers: &HeaderMap) -> Result<(), Refused> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).map(name_of);
        let ours = |name: &str| {
            name.eq_ignore_ascii_case("localhost")
                || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback() || Some(ip) == self.own)
        };
        if host.is_some_and(ours) {
            return Ok(());
        }
        Err(Refused::Foreign(
            "without a token this is served under localhost and loopback addresses only; ask for \
             one of those as the host",
        ))
    }
}

/// Programs do not say which page they ask for; browsers do.
fn from_no_page(headers: &HeaderMap) -> Result<(), Refused> {
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if headers.contains_key(ORIGIN) || site.is_some_and(|site| site != b"none") {
        return Err(Refused::Foreign("a page in a browser may not change anything here"));
    }
    Ok(())
}

/// The token a request carries.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A host without its port, an IPv6 address without its brackets.
fn name_of(host: &str) -> &str {
    match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        let own = "127.0.0.1".parse().ok();
        Guard { token: None, certificates: false, accounts: false, open_metrics: false, own }
    }

    fn judge(guard: &Guard, line: &str, headers: &[(&'static str, &str)]) -> Option<Refused> {
        let (method, path) = line.split_once(' ').unwrap();
        let headers = headers
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
        guard.judge(&method.parse().unwrap(), path, &headers.collect(), false).err()
    }

    #[test]
    fn on_loopback_only_a_page_in_a_browser_is_kept_out() {
        let guard = guard();
        let is_foreign =
            |line, headers: &[_]| matches!(judge(&guard, line, headers), Some(Refused::Foreign(_)));
        for host in ["localhost", "LOCALHOST:9494", "127.0.0.1:9494", "127.1.2.3", "[::1]:1"] {
            assert_eq!(judge(&guard, "DELETE /streams/1-2-3", &[("host", host)]), None, "{host}");
            assert_eq!(judge(&guard, "GET /config", &[("host", host)]), None, "{host}");
        }
        for host in ["evil.test", "evil.test:9494", "localhost.evil.test", "10.0.0.1", "", "[::2]"]
        {
            assert!(is_foreign("POST /drain", &[("host", host)]), "{host}");
            assert!(is_foreign("GET /config", &[("host", host)]), "{host}");
            assert_eq!(judge(&guard, "GET /metrics", &[("host", host)]), None, "{host}");
            assert_eq!(judge(&guard, "GET /readyz", &[("host", host)]), None, "{host}");
        }
        assert!(is_foreign("GET /streams", &[]), "no host at all");
        let host = ("host", "localhost");
        assert!(is_foreign("POST /drain", &[host, ("origin", "http://localhost")]));
        assert!(is_foreign("POST /drain", &[host, ("origin", "null")]));
        assert!(is_foreign("PUT /log-level", &[host, ("sec-fetch-site", "cross-site")]));
        assert_eq!(judge(&guard, "GET /streams", &[host, ("origin", "http://localhost")]), None);
    }

    #[test]
    fn behind_a_token_only_health_is_told_to_everybody() {
        let secret = "0123456789abcdef0123456789abcdef";
        let token = Some(Token::of(secret).unwrap());
        let guard = Guard { token, ..guard() };
        let right = format!("Bearer {secret}");
        for line in ["GET /", "GET /metrics", "GET /status", "GET /streams", "POST /drain"] {
            let host = ("host", "localhost");
            assert_eq!(judge(&guard, line, &[host]), Some(Refused::Nobody), "{line}");
            for wrong in ["", "Bearer", "Bearer ", "Bearer x", secret, &right[..right.len() - 1]] {
                let headers = [host, ("authorization", wrong)];
                assert_eq!(judge(&guard, line, &headers), Some(Refused::Nobody), "{wrong:?}");
            }
            let headers = [("host", "admin.example.com"), ("authorization", right.as_str())];
            assert_eq!(judge(&guard, line, &headers), None, "{line}");
        }
        for path in ["/healthz", "/readyz", "/exposed"] {
            assert_eq!(judge(&guard, &format!("GET {path}"), &[]), None);
        }
        assert_eq!(judge(&guard, "POST /healthz", &[]), Some(Refused::Nobody));
        let open = Guard { open_metrics: true, ..guard };
        assert_eq!(judge(&open, "GET /metrics", &[]), None);
        assert_eq!(judge(&open, "GET /status", &[]), Some(Refused::Nobody));
    }
}
