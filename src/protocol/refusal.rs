//! Every way to say no to a CONNECT: the status, a stable label for counters and logs, the
//! `Proxy-Status` of RFC 9209 and one line of words that say what to check next.
//!
//! A refusal never tells one tenant about another: what another subaccount owns and what nobody
//! owns are the same value here, so they are the same bytes on the wire.

use std::fmt;

/// Why a CONNECT is not answered with 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request is not one we understand; the text says where.
    Malformed(&'static str),
    /// The peer showed no client certificate.
    NoCertificate,
    /// The certificate names no subaccount, or more than one.
    BadIdentity,
    /// The mapping, or the certificate, does not allow the location.
    LocationNotAllowed,
    /// The mapping does not allow connectors from where this one is.
    SourceNotAllowed,
    /// The caller's subaccount has no such service.
    NoSuchMapping,
    /// Another method, or a path other than the health check.
    NotConnect,
    /// The TLS server name is not ours.
    WrongServerName,
    /// A limit of this subaccount is reached; the text names it.
    TenantLimit(&'static str),
    /// The service refused the connection; the text must not hold the internal address.
    ServiceRefused(String),
    /// The service cannot be reached; the text must not hold the internal address.
    ServiceUnreachable(String),
    /// The internal name of the service has no address.
    Unresolvable,
    /// The service did not answer the dial in time.
    DialTimeout,
    /// This proxy takes no new streams.
    Draining,
    /// A limit of this proxy is reached; the text names it.
    Overloaded(&'static str),
}

impl Refusal {
    /// HTTP status code.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::NoCertificate | Self::BadIdentity => 401,
            Self::LocationNotAllowed | Self::SourceNotAllowed => 403,
            Self::NoSuchMapping => 404,
            Self::NotConnect => 405,
            Self::WrongServerName => 421,
            Self::TenantLimit(_) => 429,
            Self::ServiceRefused(_) | Self::ServiceUnreachable(_) | Self::Unresolvable => 502,
            Self::Draining | Self::Overloaded(_) => 503,
            Self::DialTimeout => 504,
        }
    }

    /// Reason phrase of the status line.
    pub fn phrase(&self) -> &'static str {
        match self.status() {
            400 => "Bad Request",
            401 => "Unauthorized",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            421 => "Misdirected Request",
            429 => "Too Many Requests",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            _ => "Gateway Timeout",
        }
    }

    /// Stable label for counters and logs.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::NoCertificate => "no_certificate",
            Self::BadIdentity => "bad_identity",
            Self::LocationNotAllowed => "location_not_allowed",
            Self::SourceNotAllowed => "source_not_allowed",
            Self::NoSuchMapping => "no_such_mapping",
            Self::NotConnect => "not_connect",
            Self::WrongServerName => "wrong_server_name",
            Self::TenantLimit("tunnels") => "tenant_limit_tunnels",
            Self::TenantLimit("opens a second") => "tenant_limit_opens",
            Self::TenantLimit(_) => "tenant_limit",
            Self::ServiceRefused(_) => "service_refused",
            Self::ServiceUnreachable(_) => "service_unreachable",
            Self::Unresolvable => "unresolvable",
            Self::DialTimeout => "dial_timeout",
            Self::Draining => "draining",
            Self::Overloaded(_) => "overloaded",
        }
    }

    /// Value of the `Proxy-Status` field: our name, a registered error type and the words.
    pub fn proxy_status(&self) -> String {
        let details = escape(&self.words());
        format!("causeway; error={}; details=\"{details}\"", self.error_type())
    }

    /// The answer's body: one line of ASCII that ends in a newline.
    pub fn body(&self) -> String {
        format!("{} {}: {}\n", self.status(), self.reason(), printable_ascii(&self.words()))
    }

    /// Seconds after which another try makes sense, where there is such a time.
    pub fn retry_after_s(&self) -> Option<u32> {
        match self.status() {
            429 | 503 => Some(1),
            _ => None,
        }
    }

    /// Error type of RFC 9209 §2.3.
    fn error_type(&self) -> &'static str {
        match self {
            Self::Malformed(_) | Self::NotConnect | Self::WrongServerName => "http_request_error",
            Self::NoCertificate
            | Self::BadIdentity
            | Self::LocationNotAllowed
            | Self::SourceNotAllowed
            | Self::TenantLimit(_) => "http_request_denied",
            Self::NoSuchMapping => "destination_not_found",
            Self::ServiceRefused(_) => "connection_refused",
            Self::ServiceUnreachable(_) => "destination_unavailable",
            Self::Unresolvable => "dns_error",
            Self::DialTimeout => "connection_timeout",
            // The one type for "answered here without an attempt to connect".
            Self::Draining => "proxy_internal_response",
            Self::Overloaded(_) => "connection_limit_reached",
        }
    }

    /// What happened and what to check next.
    fn words(&self) -> String {
        match self {
            Self::Malformed(text) => (*text).to_owned(),
            Self::NoCertificate => "a client certificate is required on CONNECT".to_owned(),
            Self::BadIdentity => {
                "the client certificate does not name exactly one subaccount".to_owned()
            }
            Self::LocationNotAllowed => {
                "this location id may not use the service; check locationIds of the service \
                 mapping and the location in the certificate (letter case counts)"
                    .to_owned()
            }
            Self::SourceNotAllowed => {
                "the service may not be used from this address; check the annotation \
                 causeway.io/allowed-sources of the service mapping"
                    .to_owned()
            }
            Self::NoSuchMapping => {
                "your subaccount has no service mapping with this service id and type".to_owned()
            }
            Self::NotConnect => {
                "only CONNECT serviceId:port and GET /healthcheck are served here".to_owned()
            }
            Self::WrongServerName => {
                "the TLS server name is not the external host of this proxy".to_owned()
            }
            Self::TenantLimit(limit) => format!("your subaccount is at its limit of {limit}"),
            Self::ServiceRefused(text) => format!("the service refused the connection: {text}"),
            Self::ServiceUnreachable(text) => format!("the service cannot be reached: {text}"),
            Self::Unresolvable => {
                "the internal name of the service has no address; check internalAddress of the \
                 service mapping"
                    .to_owned()
            }
            Self::DialTimeout => "the service did not accept the connection in time".to_owned(),
            Self::Draining => "this proxy is shutting down; connect again elsewhere".to_owned(),
            Self::Overloaded(limit) => format!("this proxy is at its limit of {limit}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} {}: {}", self.status(), self.reason(), self.words())
    }
}

impl std::error::Error for Refusal {}

/// The inside of an sf-string (RFC 8941 §3.3.3): printable ASCII with `"` and `\` escaped.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in printable_ascii(text).chars() {
        if matches!(character, '"' | '\\') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Everything else becomes `?`: no text may end a header line or colour a terminal.
fn printable_ascii(text: &str) -> String {
    text.chars().map(|c| if matches!(c, ' '..='~') { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_cannot_leave_its_header_or_its_line() {
        let hostile = "a\"b\\c\r\nSet-Cookie: x\0\u{1b}[31mé".to_owned();
        let refusal = Refusal::ServiceRefused(hostile);
        let status = refusal.proxy_status();
        assert!(status.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{status}");
        assert!(status.contains(r#"a\"b\\c??Set-Cookie: x??[31m?""#), "{status}");
        let body = refusal.body();
        assert!(body.is_ascii());
        assert_eq!(body.find('\n'), Some(body.len() - 1));
        assert!(!body.contains(['\r', '\0', '\u{1b}']));
    }

    #[test]
    fn only_a_busy_proxy_asks_to_be_tried_again() {
        assert_eq!(Refusal::TenantLimit("streams").retry_after_s(), Some(1));
        assert_eq!(Refusal::Draining.retry_after_s(), Some(1));
        assert_eq!(Refusal::Overloaded("dials").retry_after_s(), Some(1));
        assert_eq!(Refusal::NoSuchMapping.retry_after_s(), None);
    }
}
