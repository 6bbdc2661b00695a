//! The connector's side of HTTP/1.1: the CONNECT it sends, to the proxy or to an outbound HTTP
//! proxy on the way there, and the answer to it.

use std::{fmt, io::Write, str, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use httparse::{Error, Header, Status};

use super::Parsed;
use crate::{
    limits::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX, NAME_BYTES_MAX},
    protocol::target::{LOCATION_HEADER, Target},
};

/// The head of an answer to CONNECT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Status code, never an interim one (1xx).
    pub status: u16,
    /// `Proxy-Status`, cut to [`PROXY_STATUS_BYTES_MAX`] printable ASCII characters.
    pub proxy_status: Option<String>,
    /// `Retry-After` in its seconds form.
    pub retry_after: Option<Duration>,
}

impl Answer {
    /// Whether the tunnel is open. Only 200 counts: it is the only success we ever send.
    pub fn established(&self) -> bool {
        self.status == 200
    }
}

/// What of a peer's `Proxy-Status` is kept for the log.
pub const PROXY_STATUS_BYTES_MAX: usize = 512;

/// Why an answer is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerError {
    /// Not an HTTP/1.x response head; the text says where.
    Malformed(&'static str),
    /// No end within [`HEAD_BYTES_MAX`] bytes.
    TooLarge,
    /// `101 Switching Protocols`, which we did not ask for.
    Switched,
}

impl fmt::Display for AnswerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(text) => write!(formatter, "the answer to CONNECT is not HTTP: {text}"),
            Self::TooLarge => formatter.write_str("the answer to CONNECT is over 16 KiB"),
            Self::Switched => formatter.write_str("the answer to CONNECT switches protocols"),
        }
    }
}

impl std::error::Error for AnswerError {}

/// Why a request is not written: it would not arrive as it was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsendable(&'static str);

impl fmt::Display for Unsendable {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0)
    }
}

impl std::error::Error for Unsendable {}

/// Writes the CONNECT for a service. Nothing is written on an error.
pub fn write_connect(
    service: &str,
    port: u16,
    location: &str,
    extra: &[(&str, &str)],
    out: &mut Vec<u8>,
) -> Result<(), Unsendable> {
    let authority = authority(service, port)?;
    if location.len() > NAME_BYTES_MAX || !is_field_value(location) {
        return Err(Unsendable("the location id cannot be sent in a header"));
    }
    if !extra.iter().all(|(name, value)| is_token(name) && is_field_value(value)) {
        return Err(Unsendable("a header has characters that cannot be sent"));
    }
    put(out, format_args!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"));
    if !location.is_empty() {
        put(out, format_args!("{LOCATION_HEADER}: {location}\r\n"));
    }
    for (name, value) in extra {
        put(out, format_args!("{name}: {value}\r\n"));
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Writes the CONNECT to an outbound HTTP proxy, `basic` being user name and password
/// (RFC 7617). Nothing is written on an error.
pub fn write_proxy_connect(
    host: &str,
    port: u16,
    basic: Option<(&str, &str)>,
    out: &mut Vec<u8>,
) -> Result<(), Unsendable> {
    let authority = authority(host, port)?;
    let credentials = match basic {
        Some((user, _)) if user.contains(':') => {
            return Err(Unsendable("the user name of the outbound proxy has a colon"));
        }
        Some((user, password)) => {
            let pair = format!("{user}:{password}");
            if pair.chars().any(char::is_control) {
                return Err(Unsendable("the outbound proxy's credentials have control characters"));
            }
            Some(STANDARD.encode(pair))
        }
        None => None,
    };
    put(out, format_args!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n"));
    if let Some(credentials) = credentials {
        put(out, format_args!("Proxy-Authorization: Basic {credentials}\r\n"));
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Parses the answer to CONNECT. Interim answers before it are skipped and count as consumed.
pub fn parse_answer(head: &[u8]) -> Result<Parsed<Answer>, AnswerError> {
    let bounded = &head[..head.len().min(HEAD_BYTES_MAX)];
    let mut consumed = 0;
    loop {
        let mut fields = [httparse::EMPTY_HEADER; HEAD_FIELDS_MAX];
        let mut response = httparse::Response::new(&mut fields);
        let rest = &bounded[consumed..];
        match response.parse(rest).map_err(|error| AnswerError::Malformed(describe(error)))? {
            Status::Complete(bytes) => consumed += bytes,
            Status::Partial if bounded.len() < HEAD_BYTES_MAX => return Ok(Parsed::NeedMore),
            Status::Partial => return Err(AnswerError::TooLarge),
        }
        match response.code {
            Some(101) => return Err(AnswerError::Switched),
            Some(100..=199) => {}
            Some(status @ 200..=599) => {
                let value = answer(status, response.headers);
                return Ok(Parsed::Done { value, consumed });
            }
            _ => return Err(AnswerError::Malformed("the status is not from 100 to 599")),
        }
    }
}

fn answer(status: u16, headers: &[Header<'_>]) -> Answer {
    let find = |name: &str| {
        headers.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    };
    let proxy_status = find("proxy-status").map(|value| {
        let kept = value.iter().take(PROXY_STATUS_BYTES_MAX);
        kept.map(|byte| if matches!(byte, b' '..=b'~') { *byte as char } else { '?' }).collect()
    });
    let retry_after = find("retry-after")
        .and_then(|value| str::from_utf8(value).ok())
        .and_then(|text| text.parse::<u32>().ok())
        .map(|seconds| Duration::from_secs(seconds.into()));
    Answer { status, proxy_status, retry_after }
}

fn authority(host: &str, port: u16) -> Result<Target, Unsendable> {
    let target = Target { service: host.to_owned(), port };
    // What our own parser reads back differently does not go out.
    match Target::parse(&target.to_string()) {
        Ok(parsed) if parsed == target => Ok(target),
        _ => Err(Unsendable("the host or service id and port do not make an authority")),
    }
}

/// RFC 9110 §5.6.2.
fn is_token(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(allowed)
}

/// No controls, and no blank at either end: a receiver strips it.
fn is_field_value(value: &str) -> bool {
    !value.chars().any(char::is_control) && value.trim() == value
}

fn describe(error: Error) -> &'static str {
    match error {
        Error::HeaderName => "bad header name",
        Error::HeaderValue => "bad header value",
        Error::NewLine => "bad line end",
        Error::Status => "bad status line",
        Error::Token => "bad reason phrase",
        Error::TooManyHeaders => "more than 64 header fields",
        Error::Version => "bad version",
    }
}

fn put(out: &mut Vec<u8>, text: fmt::Arguments<'_>) {
    out.write_fmt(text).expect("writing to a Vec does not fail");
}
