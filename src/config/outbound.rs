//! The HTTP proxy between a connector and the world.

use super::checks::split_host_port;
use super::document::Document;
use super::{Secret, raw};

/// An HTTP proxy that tunnels are dialled through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundProxy {
    /// A host name or IP address, an IPv6 address without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// For Basic authentication, together with `password`.
    pub username: Option<String>,
    /// For Basic authentication.
    pub password: Option<Secret>,
}

impl OutboundProxy {
    /// `host:port`, an IPv6 address in brackets.
    #[must_use]
    pub fn authority(&self) -> String {
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        format!("{open}{}{close}:{}", self.host, self.port)
    }

    /// User name and password, if the proxy wants them.
    #[must_use]
    pub fn basic(&self) -> Option<(&str, &str)> {
        Some((self.username.as_deref()?, self.password.as_ref()?.expose()))
    }
}

pub(super) fn read(document: &mut Document<'_>, raw: &raw::OutboundProxy) -> Option<OutboundProxy> {
    let key = "outbound_proxy.url";
    let url = document.required(key, raw.url.as_ref(), "\"http://proxy.example.com:3128\"");
    // The URL is never printed: credentials may have been written into it.
    let like = "write `http://host:port`";
    let place = url.and_then(|url| {
        let url = url.expose();
        let Some(rest) = url.strip_prefix("http://") else {
            document.fault(key, format!("is no http:// URL; {like}"));
            return None;
        };
        if rest.contains('@') {
            document.fault(key, format!("holds credentials; {like}, username and password"));
            return None;
        }
        let place = split_host_port(rest.strip_suffix('/').unwrap_or(rest));
        let Some((host, Some(port))) = place else {
            document.fault(key, format!("has no valid host and port; {like}"));
            return None;
        };
        Some((host.to_owned(), port))
    });
    if raw.username.is_some() != raw.password.is_some() {
        let key = if raw.username.is_some() { "username" } else { "password" };
        let key = format!("outbound_proxy.{key}");
        document.fault(&key, "stands alone; give both username and password, or neither");
    }
    if raw.username.as_deref().is_some_and(|username| username.contains(':')) {
        // RFC 7617 §2: the first colon ends the user name.
        document.fault("outbound_proxy.username", "has a colon, which Basic credentials cannot");
    }
    let (host, port) = place?;
    Some(OutboundProxy {
        host,
        port,
        username: raw.username.clone(),
        password: raw.password.clone(),
    })
}
