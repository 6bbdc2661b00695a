//! The PROXY protocol, version 2: what a service is told about a stream before its first byte, for
//! services that know it (HAProxy, nginx, Envoy, PostgreSQL behind a pooler …).
//!
//! <https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt>, section 2.2.

use std::net::{IpAddr, SocketAddr};

const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
/// Version 2, command PROXY.
const VERSION_AND_COMMAND: u8 = 0x21;
const TCP_OVER_IPV4: u8 = 0x11;
const TCP_OVER_IPV6: u8 = 0x21;

const TYPE_AUTHORITY: u8 = 0x02;
const TYPE_SSL: u8 = 0x20;
/// Types from 0xE0 to 0xEF are for applications: what Causeway says of a stream.
const TYPE_SUBACCOUNT: u8 = 0xE0;
const TYPE_LOCATION: u8 = 0xE1;
const TYPE_SERIAL: u8 = 0xE2;

/// The peer came by TLS and showed a certificate in this connection or the one it resumes.
const CLIENT_TLS_WITH_CERTIFICATE: u8 = 0x01 | 0x02 | 0x04;

/// What the service is told.
#[derive(Clone, Copy, Debug)]
pub struct ProxyHeader<'a> {
    /// Where the tunnel comes from.
    pub source: SocketAddr,
    /// Where the tunnel came in.
    pub destination: SocketAddr,
    /// The service that was asked for.
    pub service: &'a str,
    /// Whose certificate it was.
    pub subaccount: &'a str,
    /// The location it claimed.
    pub location: &'a str,
    /// The certificate's serial number.
    pub serial: &'a str,
}

impl ProxyHeader<'_> {
    /// The header's bytes; they fit into any buffer.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let mut out = SIGNATURE.to_vec();
        self.write(&mut out);
        // Five entries of at most 255 bytes: far below what the field holds.
        let length = u16::try_from(out.len() - PREFIX_BYTES).unwrap_or(u16::MAX);
        out[PREFIX_BYTES - 2..PREFIX_BYTES].copy_from_slice(&length.to_be_bytes());
        out
    }

    /// All but the signature, with no length yet.
    fn write(&self, out: &mut Vec<u8>) {
        out.push(VERSION_AND_COMMAND);
        let (source, destination) = (self.source, self.destination);
        match (source.ip().to_canonical(), destination.ip().to_canonical()) {
            (IpAddr::V4(from), IpAddr::V4(to)) => {
                out.push(TCP_OVER_IPV4);
                out.extend_from_slice(&[0, 0]);
                out.extend_from_slice(&from.octets());
                out.extend_from_slice(&to.octets());
            }
            (from, to) => {
                let octets = |address: IpAddr| match address {
                    IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
                    IpAddr::V6(address) => address.octets(),
                };
                out.push(TCP_OVER_IPV6);
                out.extend_from_slice(&[0, 0]);
                out.extend_from_slice(&octets(from));
                out.extend_from_slice(&octets(to));
            }
        }
        out.extend_from_slice(&source.port().to_be_bytes());
        out.extend_from_slice(&destination.port().to_be_bytes());
        entry(TYPE_AUTHORITY, self.service.as_bytes(), out);
        // The flags, then whether the certificate was verified: 0 says that it was.
        entry(TYPE_SSL, &[CLIENT_TLS_WITH_CERTIFICATE, 0, 0, 0, 0], out);
        entry(TYPE_SUBACCOUNT, self.subaccount.as_bytes(), out);
        entry(TYPE_LOCATION, self.location.as_bytes(), out);
        entry(TYPE_SERIAL, self.serial.as_bytes(), out);
    }
}

/// Bytes before the addresses.
const PREFIX_BYTES: usize = 16;

fn entry(kind: u8, value: &[u8], out: &mut Vec<u8>) {
    let value = &value[..value.len().min(usize::from(u8::MAX))];
    out.push(kind);
    out.extend_from_slice(&[0, u8::try_from(value.len()).unwrap_or(u8::MAX)]);
    out.extend_from_slice(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(source: &str, destination: &str, subaccount: &str) -> Vec<u8> {
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        let (service, location, serial) = ("echo", "", "01:ff");
        ProxyHeader { source, destination, service, subaccount, location, serial }.bytes()
    }

    #[test]
    fn the_header_is_laid_out_as_the_specification_says() {
        let bytes = header("192.0.2.7:4711", "[::ffff:198.51.100.1]:8042", "a");
        let mut expected = b"\r\n\r\n\0\r\nQUIT\n\x21\x11".to_vec();
        expected.extend([0, 12 + 7 + 8 + 4 + 3 + 8]);
        expected.extend([192, 0, 2, 7, 198, 51, 100, 1, 0x12, 0x67, 0x1f, 0x6a]);
        expected.extend(b"\x02\0\x04echo\x20\0\x05\x07\0\0\0\0\xe0\0\x01a\xe1\0\0");
        expected.extend(b"\xe2\0\x0501:ff");
        assert_eq!(bytes, expected);
    }

    #[test]
    fn families_that_differ_meet_in_ipv6_and_long_names_are_cut() {
        let bytes = header("192.0.2.7:1", "[2001:db8::1]:2", &"x".repeat(70_000));
        assert_eq!(bytes[13], TCP_OVER_IPV6);
        assert_eq!(bytes[16..32], std::net::Ipv4Addr::new(192, 0, 2, 7).to_ipv6_mapped().octets());
        let length = usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
        assert_eq!(length + PREFIX_BYTES, bytes.len());
        assert!(bytes.len() < crate::limits::BUFFER_SMALL_BYTES);
    }
}
