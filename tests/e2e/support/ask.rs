//! One CONNECT from a client that is not ours, and everything the proxy answers to it.

use std::io::{self, Read, Write};

use super::{ClientFiles, HOST, World, tls_connect};

/// What a CONNECT says besides its authority.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    pub service: &'a str,
    pub location: Option<&'a str>,
    pub service_type: Option<&'a str>,
}

impl<'a> Ask<'a> {
    /// For a service, by the default location.
    pub fn for_service(service: &'a str) -> Self {
        Self { service, ..Self::default() }
    }

    /// Claims a location.
    pub fn from(self, location: &'a str) -> Self {
        Self { location: Some(location), ..self }
    }

    /// Asks for a type of service.
    pub fn of_type(self, service_type: &'a str) -> Self {
        Self { service_type: Some(service_type), ..self }
    }

    /// Sends it to the world's proxy, finishes its own direction and reads to the end.
    pub fn send(self, world: &World, client: &ClientFiles) -> Answer {
        self.try_send(world, client).unwrap()
    }

    /// Like [`Ask::send`], where the stream may be aborted meanwhile.
    pub fn try_send(self, world: &World, client: &ClientFiles) -> io::Result<Answer> {
        let ca = world.path("ca.crt");
        let mut tls = tls_connect(world.proxy_address(), HOST, &ca, Some(client));
        let service = self.service;
        let mut head = format!("CONNECT {service}:80 HTTP/1.1\r\nHost: {service}:80\r\n");
        if let Some(location) = self.location {
            head.push_str(&format!("SAP-Connectivity-SCC-Location_ID: {location}\r\n"));
        }
        if let Some(service_type) = self.service_type {
            head.push_str(&format!("Connectivity-Service-Type: {service_type}\r\n"));
        }
        head.push_str("\r\n");
        tls.write_all(head.as_bytes())?;
        tls.conn.send_close_notify();
        tls.flush()?;
        let mut bytes = Vec::new();
        tls.read_to_end(&mut bytes)?;
        Ok(Answer(bytes))
    }
}

/// All that came back, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer(pub Vec<u8>);

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        let text = self.text();
        let code = text.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3));
        code.and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no status: {text:?}"))
    }

    /// What followed the head.
    pub fn body(&self) -> String {
        let text = self.text();
        let (_, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head: {text:?}"));
        body.to_owned()
    }
}
