//! The proxy's side of HTTP/1.1: one request head in, one answer head out.

use std::io::Write;

use httparse::{Error, Header, Status};

use super::Parsed;
use crate::{
    limits::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX},
    protocol::{ConnectRequest, Refusal, Request},
};

/// Parses a request head of at most [`HEAD_BYTES_MAX`] bytes and [`HEAD_FIELDS_MAX`] fields.
///
/// HTTP/1.0 is served like 1.1: CONNECT means the same, both answers end the connection, and
/// common clients (socat, OpenBSD nc, ncat) speak 1.0.
pub fn parse_request(head: &[u8]) -> Result<Parsed<Request>, Refusal> {
    // Only the first HEAD_BYTES_MAX bytes are looked at, so the verdict is the same however the
    // bytes were cut into reads.
    let bounded = &head[..head.len().min(HEAD_BYTES_MAX)];
    let mut fields = [httparse::EMPTY_HEADER; HEAD_FIELDS_MAX];
    let mut request = httparse::Request::new(&mut fields);
    let consumed = match request.parse(bounded).map_err(refuse_head)? {
        Status::Complete(consumed) => consumed,
        Status::Partial if bounded.len() < HEAD_BYTES_MAX => return Ok(Parsed::NeedMore),
        Status::Partial => return Err(Refusal::Malformed("the request head is over 16 KiB")),
    };
    let (Some(method), Some(path), Some(version)) = (request.method, request.path, request.version)
    else {
        return Err(Refusal::Malformed("the request line is not complete"));
    };
    let value = match method {
        "CONNECT" => {
            check_target_form(path)?;
            check_framing(version, request.headers)?;
            let headers = request.headers.iter().map(|field| (field.name, field.value));
            Request::Connect(ConnectRequest::from_parts(path, headers)?)
        }
        "GET" if path == "/healthcheck" => {
            check_framing(version, request.headers)?;
            Request::Healthcheck
        }
        _ => return Err(Refusal::NotConnect),
    };
    Ok(Parsed::Done { value, consumed })
}

/// Says yes. No field follows: a 2xx to CONNECT has no body (RFC 9110 §9.3.6).
pub fn write_established(out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 200 Connection established\r\n\r\n");
}

/// Says no, why, and that the connection ends.
pub fn write_refusal(refusal: &Refusal, out: &mut Vec<u8>) {
    let body = refusal.body();
    put(out, format_args!("HTTP/1.1 {} {}\r\n", refusal.status(), refusal.phrase()));
    put(out, format_args!("Proxy-Status: {}\r\n", refusal.proxy_status()));
    if let Some(seconds) = refusal.retry_after_s() {
        put(out, format_args!("Retry-After: {seconds}\r\n"));
    }
    match refusal.status() {
        // A 401 has to name a scheme (RFC 9110 §15.5.2) and none is registered for TLS client
        // certificates; clients skip schemes they do not know.
        401 => put(out, format_args!("WWW-Authenticate: ClientCertificate\r\n")),
        405 => put(out, format_args!("Allow: CONNECT\r\n")),
        _ => {}
    }
    write_body(&body, out);
}

/// Answers the health check.
pub fn write_healthy(out: &mut Vec<u8>) {
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
    write_body("ok\n", out);
}

fn write_body(body: &str, out: &mut Vec<u8>) {
    put(out, format_args!("Content-Type: text/plain\r\nContent-Length: {}\r\n", body.len()));
    put(out, format_args!("Connection: close\r\n\r\n{body}"));
}

/// A CONNECT names an authority; a path or a URL is a client that takes us for another kind of
/// proxy, and deserves to be told.
fn check_target_form(target: &str) -> Result<(), Refusal> {
    if target.starts_with('/') || target.contains("://") || target == "*" {
        return Err(Refusal::Malformed("CONNECT takes serviceId:port, not a path or a URL"));
    }
    Ok(())
}

/// Everything that could make an intermediary and us disagree about where the head ends.
fn check_framing(version: u8, headers: &[Header<'_>]) -> Result<(), Refusal> {
    let mut hosts = 0;
    let mut lengths = 0;
    for header in headers {
        if header.name.eq_ignore_ascii_case("host") {
            hosts += 1;
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            return Err(Refusal::Malformed("a request body is not allowed: Transfer-Encoding"));
        } else if header.name.eq_ignore_ascii_case("content-length") {
            lengths += 1;
            // Exactly "0" says what we want to hear, and some HTTP libraries always say it.
            if header.value != b"0" || lengths > 1 {
                return Err(Refusal::Malformed("a request body is not allowed: Content-Length"));
            }
        }
    }
    match (version, hosts) {
        (0, 0) | (_, 1) => Ok(()),
        // RFC 9112 §3.2 asks for a 400 in both cases.
        (_, 0) => Err(Refusal::Malformed("the Host header is missing")),
        _ => Err(Refusal::Malformed("more than one Host header")),
    }
}

fn refuse_head(error: Error) -> Refusal {
    Refusal::Malformed(match error {
        Error::HeaderName => "a header name has characters that are not allowed",
        Error::HeaderValue => "a header value has characters that are not allowed",
        Error::NewLine => "a line does not end in CR LF",
        Error::Token => "the method has characters that are not allowed",
        Error::TooManyHeaders => "more than 64 header fields",
        Error::Version => "the protocol is not HTTP/1.1",
        Error::Status => "the request line is malformed",
    })
}

fn put(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a Vec does not fail");
}
