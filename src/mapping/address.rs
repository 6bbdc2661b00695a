//! `host:port` of a service inside the cluster.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// Where a service listens: a DNS name or an IP address, and a port. Displays the way it is
/// written, an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// A DNS name or an IP address, an IPv6 address without brackets.
    pub host: String,
    /// 1 to 65535.
    pub port: u16,
}

/// What is wrong with an address and what to do; a message for whoever wrote it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AddressError(String);

impl Address {
    /// The host as an IP address, where it is one and needs no name lookup.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = |message: String| Err(AddressError(message));
        let shown = text.escape_debug();
        if let Some((scheme, rest)) = text.split_once("://") {
            let scheme = scheme.escape_debug();
            return error(format!(
                "`{shown}` has a scheme; remove `{scheme}://` and write `{}`",
                rest.trim_end_matches('/').escape_debug()
            ));
        }
        let Some((host, port)) = split(text) else {
            return error(format!(
                "`{shown}` is not host:port; write for example `echo.default.svc:8080`, an IPv6 \
                 address in brackets"
            ));
        };
        let port = match port.parse::<u16>() {
            // `parse` takes a leading `+`, which no port has.
            Ok(port) if port > 0 && !text.ends_with(&format!("+{port}")) => port,
            _ => {
                return error(format!(
                    "`{}` is not a port; write a number from 1 to 65535 after the last colon",
                    port.escape_debug()
                ));
            }
        };
        let host = match host.strip_prefix('[') {
            Some(literal) => ipv6(literal.trim_end_matches(']')).map(str::to_owned),
            None => name(host).map(|()| host.to_owned()),
        };
        Ok(Self { host: host.map_err(AddressError)?, port })
    }
}

/// Splits at the colon before the port; `None` without one, with no host, or when a colon of an
/// IPv6 address would be taken for it.
fn split(text: &str) -> Option<(&str, &str)> {
    let (host, port) = text.rsplit_once(':')?;
    let bracketed = host.starts_with('[') && host.ends_with(']') && host.len() > 2;
    (bracketed || (!host.is_empty() && !host.contains([':', '[', ']']))).then_some((host, port))
}

fn ipv6(literal: &str) -> Result<&str, String> {
    literal.parse::<Ipv6Addr>().map(|_| literal).map_err(|_| {
        format!("`{}` is not an IPv6 address; only those stand in brackets", literal.escape_debug())
    })
}

/// A host name is what a resolver can be asked for: RFC 1123 labels, and underscores because
/// cluster-internal DNS has them. Digits and dots alone must be an IPv4 address.
fn name(host: &str) -> Result<(), String> {
    if host.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return host.parse::<Ipv4Addr>().map(drop).map_err(|_| {
            format!("`{host}` is not an IPv4 address; write four numbers from 0 to 255")
        });
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(other) = host.chars().find(|c| !allowed(*c)) {
        return Err(format!(
            "the host has the character {other:?}; write a DNS name (letters, digits, `-`, `.`) or \
             an IP address"
        ));
    }
    let label = |label: &str| {
        (1..=63).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
    };
    // A trailing dot marks a name that is not searched in the resolver's domains.
    let absolute = host.strip_suffix('.').unwrap_or(host);
    if absolute.len() <= 253 && absolute.split('.').all(label) {
        return Ok(());
    }
    Err(format!(
        "`{host}` is not a DNS name; each part between dots has 1 to 63 characters and neither \
         begins nor ends with `-`"
    ))
}
