//! Requests and answers of HTTP/2 CONNECT, by the same rules as HTTP/1.1.

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Version, header};

use crate::{
    limits,
    protocol::{
        ConnectRequest, Refusal, Request,
        target::{LOCATION_HEADER, SERVICE_TYPE_HEADER, TRACEPARENT_HEADER},
    },
};

/// A request head as the crate hands it over.
pub type Asked<T> = http::Request<T>;

const PROXY_STATUS: &str = "proxy-status";

/// Judges a request head.
///
/// # Errors
/// The refusal to answer with.
pub fn parse_request<T>(asked: &Asked<T>) -> Result<Request, Refusal> {
    let uri = asked.uri();
    if asked.method() == Method::GET && uri.path() == "/healthcheck" && uri.query().is_none() {
        return Ok(Request::Healthcheck);
    }
    if asked.method() != Method::CONNECT {
        return Err(Refusal::NotConnect);
    }
    // The crate has seen to it that a plain CONNECT carries no :scheme and no :path.
    let authority = uri.authority().ok_or(Refusal::Malformed("CONNECT needs an authority"))?;
    let headers = asked.headers();
    if headers.len() > limits::HEAD_FIELDS_MAX {
        return Err(Refusal::Malformed("too many header fields"));
    }
    if headers.contains_key(header::CONTENT_LENGTH) {
        return Err(Refusal::Malformed("CONNECT carries no body"));
    }
    let fields = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    ConnectRequest::from_parts(authority.as_str(), fields).map(Request::Connect)
}

/// The answer once the service is connected.
#[must_use]
pub fn answer_established() -> Response<()> {
    Response::new(())
}

/// The answer to a health check; it has no body.
#[must_use]
pub fn answer_healthy() -> Response<()> {
    Response::new(())
}

/// The answer that says no; it has no body, `proxy-status` says why.
#[must_use]
pub fn answer_refusal(refusal: &Refusal) -> Response<()> {
    let mut answer = Response::new(());
    *answer.status_mut() =
        StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let headers = answer.headers_mut();
    if let Ok(status) = HeaderValue::from_str(&refusal.proxy_status()) {
        headers.insert(PROXY_STATUS, status);
    }
    if let Some(seconds) = refusal.retry_after_s() {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if refusal.status() == 405 {
        headers.insert(header::ALLOW, HeaderValue::from_static("CONNECT"));
    }
    answer
}

/// Writes the CONNECT for a service; `None` when a part of it cannot be sent.
#[must_use]
pub fn write_connect(
    (service, port): (&str, u16),
    location: &str,
    is_rfc: bool,
    traceparent: &str,
) -> Option<http::Request<()>> {
    let host = if service.contains(':') { format!("[{service}]") } else { service.to_owned() };
    let uri = http::Uri::builder().authority(format!("{host}:{port}")).build().ok()?;
    let mut request =
        http::Request::builder().method(Method::CONNECT).version(Version::HTTP_2).uri(uri);
    if !location.is_empty() {
        request = request.header(LOCATION_HEADER, location);
    }
    if is_rfc {
        request = request.header(SERVICE_TYPE_HEADER, "RFC");
    }
    let mut traceparent = HeaderValue::from_str(traceparent).ok()?;
    // No two are the same: one that entered the header table would only push others out of it.
    traceparent.set_sensitive(true);
    request = request.header(TRACEPARENT_HEADER, traceparent);
    request.body(()).ok()
}

/// The reason a peer gave with its answer.
#[must_use]
pub fn proxy_status(headers: &HeaderMap) -> Option<String> {
    headers.get(PROXY_STATUS).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::RequestedType;

    #[test]
    fn what_the_connector_writes_is_what_the_proxy_reads() {
        let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let written = write_connect(("db", 443), "plant", true, trace).unwrap();
        let Ok(Request::Connect(read)) = parse_request(&written) else { panic!("refused") };
        assert_eq!((read.target.service.as_str(), read.target.port), ("db", 443));
        assert_eq!(read.location, "plant");
        assert_eq!(read.service_type, RequestedType::Rfc);
        assert_eq!(read.traceparent.as_deref(), Some(trace));
    }

    #[test]
    fn other_methods_are_refused_and_health_is_answered() {
        let get = |uri: &str| Asked::builder().uri(uri).body(()).unwrap();
        assert_eq!(parse_request(&get("https://h/healthcheck")), Ok(Request::Healthcheck));
        assert_eq!(parse_request(&get("https://h/other")), Err(Refusal::NotConnect));
    }

    #[test]
    fn a_refusal_says_why_in_proxy_status() {
        let answer = answer_refusal(&Refusal::NoSuchMapping);
        assert_eq!(answer.status(), 404);
        assert!(proxy_status(answer.headers()).unwrap().starts_with("causeway; error="));
    }
}
