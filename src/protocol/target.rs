//! What a CONNECT asks for: the authority and the three headers that matter, checked once for
//! HTTP/1.1 and HTTP/2 alike. The authority is a key into the caller's own mappings, never an
//! address that is dialled.

use std::{fmt, net::Ipv6Addr, str};

use crate::{limits::NAME_BYTES_MAX, protocol::Refusal};

/// Header that names the connector's location; absent means the default location "".
pub const LOCATION_HEADER: &str = "SAP-Connectivity-SCC-Location_ID";
/// Header that names the kind of service; absent means TCP.
pub const SERVICE_TYPE_HEADER: &str = "Connectivity-Service-Type";
/// W3C Trace Context header, carried into the line the log has for the stream.
pub const TRACEPARENT_HEADER: &str = "traceparent";

/// A request that is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// A stream to a service.
    Connect(ConnectRequest),
    /// `GET /healthcheck`: is this proxy alive?
    Healthcheck,
}

/// A CONNECT request whose every part passed its check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectRequest {
    /// The service asked for.
    pub target: Target,
    /// The location the connector claims; "" is the default one.
    pub location: String,
    /// The kind of service asked for.
    pub service_type: RequestedType,
    /// A well-formed `traceparent`, for correlation only.
    pub traceparent: Option<String>,
}

impl ConnectRequest {
    /// Checks an authority and header fields. Unknown headers are ignored.
    pub fn from_parts<'h>(
        authority: &str,
        headers: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    ) -> Result<Self, Refusal> {
        let target = Target::parse(authority).map_err(|error| Refusal::Malformed(error.text()))?;
        let mut location = None;
        let mut service_type = None;
        let mut traceparents = 0;
        let mut traceparent = None;
        for (name, value) in headers {
            if name.eq_ignore_ascii_case(LOCATION_HEADER) {
                let parsed = parse_location(value)?;
                if location.replace(parsed).is_some() {
                    return Err(Refusal::Malformed("more than one location header"));
                }
            } else if name.eq_ignore_ascii_case(SERVICE_TYPE_HEADER) {
                let parsed = RequestedType::parse(value)?;
                if service_type.replace(parsed).is_some() {
                    return Err(Refusal::Malformed("more than one service type header"));
                }
            } else if name.eq_ignore_ascii_case(TRACEPARENT_HEADER) {
                traceparents += 1;
                traceparent = parse_traceparent(value);
            }
        }
        Ok(Self {
            target,
            location: location.unwrap_or_default(),
            service_type: service_type.unwrap_or(RequestedType::Tcp),
            // Two trace parents contradict each other: the trace starts anew (W3C Trace Context).
            traceparent: traceparent.filter(|_| traceparents == 1),
        })
    }
}

/// The kind of service a CONNECT asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RequestedType {
    /// Any TCP service.
    #[default]
    Tcp,
    /// An RFC destination, which is TCP on the wire and a key of its own in the mappings.
    Rfc,
}

impl RequestedType {
    fn parse(value: &[u8]) -> Result<Self, Refusal> {
        if value.eq_ignore_ascii_case(b"TCP") {
            Ok(Self::Tcp)
        } else if value.eq_ignore_ascii_case(b"RFC") {
            Ok(Self::Rfc)
        } else {
            Err(Refusal::Malformed("the service type is neither TCP nor RFC"))
        }
    }
}

impl fmt::Display for RequestedType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "TCP",
            Self::Rfc => "RFC",
        })
    }
}

/// The authority of a CONNECT (RFC 9110 §9.3.6).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Service id, or an IPv6 literal without its brackets.
    pub service: String,
    /// Syntactically checked, otherwise of no consequence: the mapping knows the real port.
    pub port: u16,
}

impl Target {
    /// Parses `host:port`; an IPv6 literal comes in brackets.
    ///
    /// Percent-encoding is refused rather than decoded: one key has one spelling.
    pub fn parse(authority: &str) -> Result<Self, TargetError> {
        if authority.contains('@') {
            return Err(TargetError::UserInfo);
        }
        let (host, port) = authority.rsplit_once(':').ok_or(TargetError::NoPort)?;
        // Without a port, the last colon of an IPv6 literal is one inside its brackets.
        if host.starts_with('[') && !host.ends_with(']') {
            let complete = authority.ends_with(']');
            return Err(if complete { TargetError::NoPort } else { TargetError::BadHost });
        }
        let service = parse_host(host)?;
        Ok(Self { service: service.to_owned(), port: parse_port(port)? })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.service.contains(':') {
            write!(formatter, "[{}]:{}", self.service, self.port)
        } else {
            write!(formatter, "{}:{}", self.service, self.port)
        }
    }
}

/// Why an authority is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetError {
    /// There is no `:port`.
    NoPort,
    /// The port is empty, not a number, 0 or above 65535.
    BadPort,
    /// There is nothing before the port.
    NoHost,
    /// The service id is longer than [`NAME_BYTES_MAX`].
    HostTooLong,
    /// The service id has characters no authority has.
    BadHost,
    /// `user@` has no place in a CONNECT.
    UserInfo,
}

impl TargetError {
    /// The error in words.
    pub fn text(self) -> &'static str {
        match self {
            Self::NoPort => "the CONNECT target has no port; write serviceId:port",
            Self::BadPort => "the port of the CONNECT target is not a number from 1 to 65535",
            Self::NoHost => "the CONNECT target names no service; write serviceId:port",
            Self::HostTooLong => "the service id is longer than 255 bytes",
            Self::BadHost => "the service id has characters that are not allowed in an authority",
            Self::UserInfo => "the CONNECT target carries user information",
        }
    }
}

impl fmt::Display for TargetError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.text())
    }
}

impl std::error::Error for TargetError {}

fn parse_host(host: &str) -> Result<&str, TargetError> {
    if host.is_empty() {
        return Err(TargetError::NoHost);
    }
    if host.len() > NAME_BYTES_MAX {
        return Err(TargetError::HostTooLong);
    }
    if let Some(literal) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return match literal.parse::<Ipv6Addr>() {
            Ok(_) => Ok(literal),
            Err(_) => Err(TargetError::BadHost),
        };
    }
    if host.bytes().all(is_reg_name_byte) { Ok(host) } else { Err(TargetError::BadHost) }
}

/// `unreserved` and `sub-delims` of RFC 3986 §2.
fn is_reg_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(&byte)
}

fn parse_port(port: &str) -> Result<u16, TargetError> {
    // `parse` alone would take "+80", and any number of leading zeros.
    if port.len() > 5 || !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(TargetError::BadPort);
    }
    port.parse().ok().filter(|port| *port != 0).ok_or(TargetError::BadPort)
}

fn parse_location(value: &[u8]) -> Result<String, Refusal> {
    if value.len() > NAME_BYTES_MAX {
        return Err(Refusal::Malformed("the location id is longer than 255 bytes"));
    }
    let location =
        str::from_utf8(value).map_err(|_| Refusal::Malformed("the location id is not UTF-8"))?;
    if !location.chars().all(is_printable) {
        return Err(Refusal::Malformed("the location id has characters that do not print"));
    }
    Ok(location.to_owned())
}

/// Whether a character is safe to show: names end up in logs and terminals, where controls, line
/// separators and direction marks let one name pose as another.
fn is_printable(character: char) -> bool {
    let invisible = matches!(character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}');
    !character.is_control() && !invisible && character != '\u{feff}'
}

/// `version-traceid-parentid-flags`; anything else is dropped, never a reason to refuse.
fn parse_traceparent(value: &[u8]) -> Option<String> {
    let text = str::from_utf8(value).ok()?;
    let mut parts = text.split('-');
    for length in [2, 32, 16, 2] {
        let part = parts.next()?;
        let hex = part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if part.len() != length || !hex {
            return None;
        }
    }
    parts.next().is_none().then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(authority: &str, headers: &[(&str, &[u8])]) -> bool {
        let result = ConnectRequest::from_parts(authority, headers.iter().copied());
        matches!(result, Err(Refusal::Malformed(_)))
    }

    #[test]
    fn an_authority_is_a_service_and_a_port() {
        for (text, service, port) in [
            ("db:5432", "db", 5432),
            ("my-service_1.prod:1", "my-service_1.prod", 1),
            ("[2001:db8::1]:443", "2001:db8::1", 443),
            ("10.0.0.1:65535", "10.0.0.1", 65535),
            ("db:00443", "db", 443),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!((target.service.as_str(), target.port), (service, port), "{text}");
            assert_eq!(Target::parse(&target.to_string()), Ok(target), "{text}");
        }
    }

    #[test]
    fn a_bad_authority_is_refused_with_its_exact_reason() {
        for (text, error) in [
            ("", TargetError::NoPort),
            ("db", TargetError::NoPort),
            ("[::1]", TargetError::NoPort),
            ("db:", TargetError::BadPort),
            ("db:0", TargetError::BadPort),
            ("db:65536", TargetError::BadPort),
            ("db:+80", TargetError::BadPort),
            ("db:8a", TargetError::BadPort),
            ("db:000080", TargetError::BadPort),
            (":80", TargetError::NoHost),
            ("a:b:80", TargetError::BadHost),
            ("::1:80", TargetError::BadHost),
            ("[::1:80", TargetError::BadHost),
            ("[db]:80", TargetError::BadHost),
            ("[]:80", TargetError::BadHost),
            ("d%62:80", TargetError::BadHost),
            ("d b:80", TargetError::BadHost),
            ("d\r\nb:80", TargetError::BadHost),
            ("dé:80", TargetError::BadHost),
            ("http://db:80", TargetError::BadHost),
            ("me@db:80", TargetError::UserInfo),
        ] {
            assert_eq!(Target::parse(text), Err(error), "{text:?}");
        }
        let long = format!("{}:80", "a".repeat(NAME_BYTES_MAX + 1));
        assert_eq!(Target::parse(&long), Err(TargetError::HostTooLong));
        assert!(Target::parse(&long[1..]).is_ok());
    }

    #[test]
    fn headers_are_optional_and_case_insensitive() {
        let plain = ConnectRequest::from_parts("db:1", []).unwrap();
        assert_eq!((plain.location.as_str(), plain.service_type), ("", RequestedType::Tcp));
        let headers: [(&str, &[u8]); 3] = [
            ("sap-connectivity-scc-location_id", "wörk-1".as_bytes()),
            ("CONNECTIVITY-SERVICE-TYPE", b"rFc"),
            ("x-other", b"\xff"),
        ];
        let full = ConnectRequest::from_parts("db:1", headers).unwrap();
        assert_eq!((full.location.as_str(), full.service_type), ("wörk-1", RequestedType::Rfc));
    }

    #[test]
    fn doubtful_headers_are_refused() {
        let long = vec![b'a'; NAME_BYTES_MAX + 1];
        assert!(refused("db:1", &[(LOCATION_HEADER, &long)]));
        assert!(!refused("db:1", &[(LOCATION_HEADER, &long[1..])]));
        assert!(refused("db:1", &[(LOCATION_HEADER, b"a"), (LOCATION_HEADER, b"a")]));
        assert!(refused("db:1", &[(LOCATION_HEADER, b""), (LOCATION_HEADER, b"")]));
        assert!(refused("db:1", &[(LOCATION_HEADER, b"a\tb")]));
        assert!(refused("db:1", &[(LOCATION_HEADER, b"a\0b")]));
        assert!(refused("db:1", &[(LOCATION_HEADER, b"\xff")]));
        assert!(refused("db:1", &[(LOCATION_HEADER, "a\u{202e}b".as_bytes())]));
        assert!(refused("db:1", &[(SERVICE_TYPE_HEADER, b"UDP")]));
        assert!(refused("db:1", &[(SERVICE_TYPE_HEADER, b"")]));
        assert!(refused("db:1", &[(SERVICE_TYPE_HEADER, b"TCP"), (SERVICE_TYPE_HEADER, b"TCP")]));
    }

    #[test]
    fn a_trace_parent_is_kept_when_well_formed_and_dropped_otherwise() {
        let good = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".as_slice();
        let parse = |headers: &[&'static [u8]]| {
            let headers = headers.iter().map(|value| (TRACEPARENT_HEADER, *value));
            ConnectRequest::from_parts("db:1", headers).unwrap().traceparent
        };
        assert_eq!(parse(&[good]).unwrap().as_bytes(), good);
        assert_eq!(parse(&[good, good]), None);
        assert_eq!(parse(&[b"\xff"]), None);
        assert_eq!(parse(&[b"00-zz-1-01"]), None);
        assert_eq!(parse(&[&good[1..]]), None);
    }
}
