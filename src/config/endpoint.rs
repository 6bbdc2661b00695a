//! `tcp://host:port/service`: what a mapping's status prints and a channel is given.

use std::fmt;
use std::str::FromStr;

use super::checks::split_host_port;
use crate::limits::NAME_BYTES_MAX;

/// The tunnel port of a proxy whose endpoint names none.
const PORT_DEFAULT: u16 = 443;

/// Where a channel leads: a proxy and one service behind it. Displays as
/// `tcp://host:port/service`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The proxy's host name or IP address, an IPv6 address without brackets.
    pub host: String,
    /// The proxy's tunnel port.
    pub port: u16,
    /// The service id.
    pub service: String,
}

/// What is wrong with an endpoint and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct EndpointError(String);

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "tcp://{open}{}{close}:{}/{}", self.host, self.port, self.service)
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    /// Reads `[<scheme>://]<host>[:<port>]/<service>`. Any scheme will do, as it is dropped.
    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let shown = text.escape_debug();
        let error = |what: String| {
            let like = "tcp://cp.example.com:443/myservice";
            Err(EndpointError(format!("`{shown}` {what}; write an endpoint like `{like}`")))
        };
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if is_scheme(scheme) => rest,
            Some(_) => return error("does not begin with a scheme such as `tcp://`".to_owned()),
            None => text,
        };
        let Some((authority, service)) = rest.split_once('/') else {
            return error("names no service after the host".to_owned());
        };
        let Some((host, port)) = split_host_port(authority) else {
            return error(format!("has no valid host and port in `{}`", authority.escape_debug()));
        };
        if service.is_empty() {
            return error("names no service after the `/`".to_owned());
        }
        if service.len() > NAME_BYTES_MAX {
            return error(format!("has a service id of more than {NAME_BYTES_MAX} bytes"));
        }
        if let Some(other) = service.chars().find(|character| !is_service_id(*character)) {
            return error(format!("has the character {other:?}, which no service id has"));
        }
        Ok(Self {
            host: host.to_owned(),
            port: port.unwrap_or(PORT_DEFAULT),
            service: service.to_owned(),
        })
    }
}

fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.'))
}

/// What may stand as the host of a CONNECT authority (RFC 3986 §3.2.2), without escapes.
fn is_service_id(character: char) -> bool {
    character.is_ascii_alphanumeric() || "-._~!$&'()*+,;=".contains(character)
}
