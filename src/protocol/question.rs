//! A CONNECT that nobody sent, to be explained.

use std::net::IpAddr;

use super::target::{LOCATION_HEADER, SERVICE_TYPE_HEADER};

/// What a caller would say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Question {
    /// The subaccount in the caller's certificate; `None` is a caller without a certificate.
    pub subaccount: Option<String>,
    /// The location that certificate is bound to, if it is.
    pub certificate_location: Option<String>,
    /// The TLS server name the caller asked for; `None` is the right one.
    pub server_name: Option<String>,
    /// Where the caller's tunnel would come from, if that is to be judged.
    pub peer: Option<IpAddr>,
    /// The method, if it is another than CONNECT.
    pub method: Option<String>,
    /// The service id.
    pub service: String,
    /// The port behind it; it has no meaning beyond its syntax.
    pub port: Option<String>,
    /// The location header, if there is one.
    pub location: Option<String>,
    /// The service type header, if there is one.
    pub service_type: Option<String>,
    /// Whether the caller would open another multiplexed tunnel for it.
    pub new_tunnel: bool,
    /// Whether to dial the service as well.
    pub dial: bool,
}

impl Question {
    /// The HTTP/1.1 head that the caller would send. What it is made of is taken as it is, so
    /// that the same parser judges it.
    #[must_use]
    pub fn head(&self) -> Vec<u8> {
        let method = self.method.as_deref().unwrap_or("CONNECT");
        let port = self.port.as_deref().unwrap_or("80");
        let authority = format!("{}:{port}", self.service);
        let mut head = format!("{method} {authority} HTTP/1.1\r\nHost: {authority}\r\n");
        let headers =
            [(LOCATION_HEADER, &self.location), (SERVICE_TYPE_HEADER, &self.service_type)];
        for (name, value) in headers {
            if let Some(value) = value {
                head.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}
