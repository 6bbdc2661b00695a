//! [`Session`] over rustls' unbuffered connections.
//!
//! Records are given to rustls one at a time: so a record whose plaintext has no room is never
//! begun, and application data behind the handshake is left alone. rustls reassembles handshake
//! messages inside the buffer it is given, so the records of an unfinished message are kept here
//! and the caller's bytes are always used up in whole records.

use std::fmt;
use std::sync::Arc;

use rustls::time_provider::TimeProvider;
use rustls::unbuffered::{ConnectionState, EncryptError};
use rustls::{CommonState, HandshakeKind};

use crate::limits;
use crate::tls::connection::{Connection, append, process, unexpected};
use crate::tls::record::{Front, front, plain_bytes_max};
use crate::tls::{
    Alpn, CertificateDer, CertificateFault, Handshake, Opened, Session, TlsError, certificate,
};

/// A session over one rustls connection.
pub(super) struct RustlsSession<C> {
    connection: C,
    /// Whole records that end in the middle of a handshake message; rustls has offsets into these
    /// bytes, so this is what it is given whenever there is nothing new. Empty almost always.
    unfinished: Vec<u8>,
    /// Set on a server until its handshake is done: refuses expired certificates of tickets.
    clock: Option<Arc<dyn TimeProvider>>,
    server_name: Option<Box<str>>,
    failed: Option<Box<TlsError>>,
    phase: Phase,
    /// The peer has sent at least one TLS record.
    heard: bool,
    peer_closed: bool,
    closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Nothing processed yet.
    New,
    Handshaking,
    Open,
}

impl<C: Connection> RustlsSession<C> {
    pub(super) fn new(connection: C, clock: Option<Arc<dyn TimeProvider>>) -> Self {
        Self {
            connection,
            unfinished: Vec::new(),
            clock,
            server_name: None,
            failed: None,
            phase: Phase::New,
            heard: false,
            peer_closed: false,
            closed: false,
        }
    }

    fn common(&self) -> &CommonState {
        &self.connection
    }

    fn check_usable(&self) -> Result<(), TlsError> {
        match &self.failed {
            Some(error) => Err(TlsError::clone(error)),
            None => Ok(()),
        }
    }

    fn check_open(&self) -> Result<(), TlsError> {
        self.check_usable()?;
        match self.phase {
            Phase::Open => Ok(()),
            Phase::New | Phase::Handshaking => Err(TlsError::internal("the handshake is not done")),
        }
    }

    /// Remembers the first error and appends the alert that rustls has for it.
    fn fail(&mut self, error: TlsError, control: &mut Vec<u8>) -> TlsError {
        self.unfinished = Vec::new();
        while self.common().wants_write() {
            // With something to write rustls looks at no input, so no offset into the bytes that
            // are gone is followed.
            match self.connection.process(&mut []).state {
                Ok(ConnectionState::EncodeTlsData(mut data)) => {
                    if append(&mut data, control).is_err() {
                        break;
                    }
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while traffic.next_record().is_some() {}
                }
                _ => break,
            }
        }
        self.failed = Some(Box::new(error.clone()));
        error
    }

    /// Gives whole records to rustls, and whatever of an unfinished message precedes them.
    fn feed(
        &mut self,
        records: &mut [u8],
        plain: &mut [u8],
        control: &mut Vec<u8>,
    ) -> Result<usize, TlsError> {
        let fed = if self.unfinished.is_empty() {
            let fed = process(&mut self.connection, records, plain, control);
            if let Ok(fed) = &fed {
                self.unfinished.extend_from_slice(records.get(fed.discard..).unwrap_or_default());
            }
            fed
        } else {
            self.unfinished.extend_from_slice(records);
            let fed = process(&mut self.connection, &mut self.unfinished, plain, control);
            if let Ok(fed) = &fed {
                self.unfinished.drain(..fed.discard.min(self.unfinished.len()));
                if self.unfinished.is_empty() {
                    self.unfinished = Vec::new();
                }
            }
            fed
        };
        if let Some(name) = C::take_server_name() {
            self.server_name = Some(name);
        }
        let fed = fed?;
        self.peer_closed |= fed.peer_closed;
        if self.unfinished.len() > limits::HANDSHAKE_BYTES_MAX {
            return Err(TlsError::Misbehaved("handshake message without an end".into()));
        }
        Ok(fed.produced)
    }

    fn advance(
        &mut self,
        incoming: &mut [u8],
        consumed: &mut usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, TlsError> {
        if self.phase == Phase::New {
            self.phase = Phase::Handshaking;
            self.feed(&mut [], &mut [], out)?;
        }
        while self.phase == Phase::Handshaking {
            let rest = &mut incoming[*consumed..];
            let length = match front(rest) {
                Front::Partial => return Ok(false),
                Front::Whole(length) => length,
                Front::NotTls if !self.heard => return Err(TlsError::NotTls),
                Front::NotTls => return Err(TlsError::Misbehaved("no TLS record".into())),
            };
            self.heard = true;
            self.feed(&mut rest[..length], &mut [], out)?;
            *consumed += length;
            if !self.common().is_handshaking() {
                self.finish_handshake(out)?;
            }
        }
        Ok(true)
    }

    fn finish_handshake(&mut self, out: &mut Vec<u8>) -> Result<(), TlsError> {
        self.phase = Phase::Open;
        let Some(clock) = self.clock.take() else { return Ok(()) };
        if !self.resumed() {
            return Ok(());
        }
        // rustls verifies the chain of a ticket only when it issues the ticket. CA and CRL cannot
        // have changed since, tickets end with the material; but time has passed.
        let now = clock.current_time().map(|now| now.as_secs()).unwrap_or_default();
        let expired = |leaf| certificate::not_after_secs(leaf).is_none_or(|end| end < now);
        if self.peer_certificates().unwrap_or_default().iter().any(expired) {
            self.close_notify(out);
            return Err(TlsError::Certificate(CertificateFault::Expired));
        }
        Ok(())
    }

    /// Sends the answer to a peer's request for new keys without waiting for data to send.
    fn answer_key_update(&mut self, control: &mut Vec<u8>) -> Result<(), TlsError> {
        if self.closed {
            return Ok(());
        }
        // rustls keeps the answer until the next data is encrypted. Encrypting into no space
        // moves it to the queue and then fails, with nothing encrypted.
        if let ConnectionState::WriteTraffic(mut traffic) =
            self.connection.process(&mut self.unfinished).state?
        {
            let _no_room = traffic.encrypt(&[0], &mut []);
        }
        self.flush(control)
    }

    /// Appends everything rustls has queued.
    fn flush(&mut self, control: &mut Vec<u8>) -> Result<(), TlsError> {
        process(&mut self.connection, &mut self.unfinished, &mut [], control).map(|_| ())
    }

    fn try_open(
        &mut self,
        incoming: &mut [u8],
        plain: &mut [u8],
        control: &mut Vec<u8>,
        opened: &mut Opened,
    ) -> Result<(), TlsError> {
        let mut without_data = false;
        while !self.peer_closed {
            let rest = &mut incoming[opened.consumed..];
            let length = match front(rest) {
                Front::Partial => break,
                Front::Whole(length) => length,
                Front::NotTls => return Err(TlsError::Misbehaved("no TLS record".into())),
            };
            let space = &mut plain[opened.produced..];
            if plain_bytes_max(length) > space.len() {
                opened.full = true;
                break;
            }
            let produced = self.feed(&mut rest[..length], space, control)?;
            without_data |= produced == 0;
            opened.consumed += length;
            opened.produced += produced;
        }
        if self.peer_closed {
            // What follows a close_notify is ignored (RFC 8446 §6.1).
            opened.closed = true;
            opened.consumed = incoming.len();
        }
        if without_data { self.answer_key_update(control) } else { Ok(()) }
    }
}

impl<C: Connection> Session for RustlsSession<C> {
    fn handshake(&mut self, incoming: &mut [u8], out: &mut Vec<u8>) -> Handshake {
        let mut consumed = 0;
        let state = self.check_usable().and_then(|()| {
            self.advance(incoming, &mut consumed, out).map_err(|error| self.fail(error, out))
        });
        Handshake { consumed, state }
    }

    fn open(
        &mut self,
        incoming: &mut [u8],
        plain: &mut [u8],
        control: &mut Vec<u8>,
    ) -> Result<Opened, TlsError> {
        self.check_open()?;
        let mut opened = Opened::default();
        if let Err(error) = self.try_open(incoming, plain, control, &mut opened) {
            let error = self.fail(error, control);
            if opened.produced == 0 {
                return Err(error);
            }
            // What authenticated before the error is delivered first; the next call tells it.
            opened.full = true;
        }
        Ok(opened)
    }

    fn seal(&mut self, plain: &[u8], out: &mut [u8]) -> Result<usize, TlsError> {
        self.check_open()?;
        if self.closed {
            return Err(TlsError::internal("sealing after close_notify"));
        }
        let mut written = 0;
        loop {
            let room = &mut out[written..];
            match self.connection.process(&mut self.unfinished).state? {
                ConnectionState::WriteTraffic(mut traffic) => {
                    return match traffic.encrypt(plain, room) {
                        Ok(sealed) => Ok(written + sealed),
                        Err(EncryptError::InsufficientSize(_)) => Err(TlsError::OutputTooSmall),
                        Err(EncryptError::EncryptExhausted) => {
                            Err(TlsError::internal("the cipher's limit is reached"))
                        }
                    };
                }
                ConnectionState::EncodeTlsData(mut data) => {
                    written += data.encode(room).map_err(|_| TlsError::OutputTooSmall)?;
                }
                ConnectionState::TransmitTlsData(data) => data.done(),
                ConnectionState::PeerClosed => self.peer_closed = true,
                other => return Err(unexpected(&other)),
            }
        }
    }

    fn close_notify(&mut self, out: &mut Vec<u8>) {
        if self.closed || self.check_open().is_err() {
            return;
        }
        if let Ok(ConnectionState::WriteTraffic(mut traffic)) =
            self.connection.process(&mut self.unfinished).state
        {
            // Into no space: that queues the alert behind whatever is queued already.
            let _no_room = traffic.queue_close_notify(&mut []);
        }
        self.closed = true;
        if let Err(error) = self.flush(out) {
            self.failed = Some(Box::new(error));
        }
    }

    fn refresh_keys(&mut self, control: &mut Vec<u8>) -> Result<(), TlsError> {
        self.check_open()?;
        if let ConnectionState::WriteTraffic(traffic) =
            self.connection.process(&mut self.unfinished).state?
        {
            traffic.refresh_traffic_keys()?;
        }
        self.flush(control)
    }

    fn alpn(&self) -> Alpn {
        Alpn::from_agreed(self.common().alpn_protocol())
    }

    fn server_name(&self) -> Option<&str> {
        self.server_name.as_deref()
    }

    fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.common().peer_certificates()
    }

    fn resumed(&self) -> bool {
        self.common().handshake_kind() == Some(HandshakeKind::Resumed)
    }
}

impl<C: Connection> fmt::Debug for RustlsSession<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RustlsSession").field("phase", &self.phase).finish_non_exhaustive()
    }
}
