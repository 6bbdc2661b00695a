//! One TLS connection as its user sees it.

use crate::limits::RECORD_PLAIN_BYTES_MAX;
use crate::tls::{CertificateDer, TlsError};

/// One TLS connection, client or server side, that does no input or output of its own.
///
/// The caller keeps received bytes that were not consumed and passes them again, in front of what
/// came later. Order of calls: [`handshake`](Self::handshake) until it is done, then
/// [`open`](Self::open), [`seal`](Self::seal) and [`close_notify`](Self::close_notify) in any
/// order; the two directions close on their own. After an error every call repeats that error.
///
/// Whatever lands in `out` or `control` must be sent, in the order it was produced and before
/// anything sealed later, also when the call failed: it then holds the alert for the peer.
pub trait Session {
    /// Takes handshake records from `incoming` and appends the answer to `out`. The client's first
    /// call, with nothing received, produces its hello. Not done and nothing consumed means that
    /// more bytes are needed. Application data behind the handshake stays in `incoming`.
    fn handshake(&mut self, incoming: &mut [u8], out: &mut Vec<u8>) -> Handshake;

    /// Opens every complete record of `incoming` whose plaintext fits into `plain`, contiguously.
    /// Space for one full record (16 384 bytes) always makes progress.
    ///
    /// # Errors
    /// The peer broke TLS, sent an alert, or tampered bytes did not authenticate.
    fn open(
        &mut self,
        incoming: &mut [u8],
        plain: &mut [u8],
        control: &mut Vec<u8>,
    ) -> Result<Opened, TlsError>;

    /// Seals all of `plain` into `out` and returns the bytes written; `out` has room for
    /// [`sealed_len`]`(plain.len())`.
    ///
    /// # Errors
    /// The session failed or was closed by us, or `out` is too small (nothing is sealed then).
    fn seal(&mut self, plain: &[u8], out: &mut [u8]) -> Result<usize, TlsError>;

    /// Appends the end of our direction to `out`, once; later calls append nothing. Opening what
    /// the peer still sends remains possible. Nothing is appended during the handshake.
    fn close_notify(&mut self, out: &mut Vec<u8>);

    /// Changes the keys of both directions: our new ones are announced in `control`, the peer is
    /// asked for its own. Keys also change by themselves before a cipher's limit is reached.
    ///
    /// # Errors
    /// The session failed or is not TLS 1.3.
    fn refresh_keys(&mut self, control: &mut Vec<u8>) -> Result<(), TlsError>;

    /// What the two sides agreed to speak; no agreement counts as HTTP/1.1.
    fn alpn(&self) -> Alpn;

    /// The host name the client asked for (SNI, lower case); only on the server's side.
    fn server_name(&self) -> Option<&str>;

    /// The peer's certificate chain, leaf first; also after a resumption.
    fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]>;

    /// Whether the handshake resumed an earlier session.
    fn resumed(&self) -> bool;
}

/// What a step of the handshake came to.
#[derive(Debug)]
#[must_use]
pub struct Handshake {
    /// Bytes at the front of `incoming` that are used up.
    pub consumed: usize,
    /// Whether the handshake is done, or why it ends.
    pub state: Result<bool, TlsError>,
}

/// What opening records came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[must_use]
pub struct Opened {
    /// Bytes at the front of `incoming` that are used up.
    pub consumed: usize,
    /// Bytes of plaintext written to the front of `plain`.
    pub produced: usize,
    /// The peer ended its direction with close_notify: nothing more will come. A connection that
    /// ends without this was cut off.
    pub closed: bool,
    /// More can be had at once: call again with `plain` emptied, before receiving more.
    pub full: bool,
}

/// Application protocol, agreed in the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Alpn {
    /// HTTP/2: many streams in one tunnel.
    H2,
    /// HTTP/1.1: one stream per tunnel.
    Http1,
}

impl Alpn {
    /// The protocol's name on the wire.
    #[must_use]
    pub fn as_bytes(self) -> &'static [u8] {
        match self {
            Self::H2 => b"h2",
            Self::Http1 => b"http/1.1",
        }
    }

    pub(super) fn from_agreed(protocol: Option<&[u8]>) -> Self {
        if protocol == Some(Self::H2.as_bytes()) { Self::H2 } else { Self::Http1 }
    }
}

/// Most that sealing adds to one record: TLS 1.2 with AES-GCM (header 5, explicit nonce 8, tag 16).
/// TLS 1.3 adds 22.
const RECORD_OVERHEAD_BYTES_MAX: usize = 29;
/// A KeyUpdate that has to leave in front of the data: handshake header 4, body 1, one record.
const KEY_UPDATE_BYTES_MAX: usize = 5 + RECORD_OVERHEAD_BYTES_MAX;

/// Room that sealing `plain` bytes may need at most. What is used is returned by
/// [`Session::seal`]; it is less than this.
#[must_use]
pub const fn sealed_len(plain: usize) -> usize {
    plain
        + RECORD_OVERHEAD_BYTES_MAX * plain.div_ceil(RECORD_PLAIN_BYTES_MAX)
        + KEY_UPDATE_BYTES_MAX
}

#[cfg(test)]
mod tests {
    use crate::limits;

    use super::*;

    #[test]
    fn every_buffer_class_holds_its_sealed_plaintext() {
        assert!(sealed_len(16_384) <= limits::BUFFER_SMALL_BYTES);
        assert!(sealed_len(65_536) <= limits::BUFFER_MEDIUM_BYTES);
        assert!(sealed_len(262_144) <= limits::BUFFER_LARGE_BYTES);
    }
}
