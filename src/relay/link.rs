//! The TLS end of a tunnel: a socket and its TLS session, with one writer at a time.

use std::{
    cell::{Cell, RefCell},
    io,
};

use super::{Inbound, shard::class_for};
use crate::{
    engine::{Buffer, BufferPool, SizeClass, Socket},
    limits,
    telemetry::TunnelId,
    tls::{self, TlsError},
};

/// Why a tunnel cannot be used any more.
#[derive(Debug)]
pub enum LinkError {
    /// The peer's TCP stream ended without a TLS `close_notify`: an abort, never a clean end.
    Truncated,
    /// The connection failed.
    Io(io::Error),
    /// The peer's bytes are not the TLS we accept.
    Tls(TlsError),
    /// The peer needs more room for its handshake than a medium buffer.
    HandshakeTooLarge,
}

impl From<io::Error> for LinkError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<TlsError> for LinkError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

impl std::fmt::Display for LinkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Truncated => f.write_str("the connection ended without a TLS close_notify"),
            Self::Io(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::HandshakeTooLarge => {
                write!(f, "the TLS handshake exceeds {} bytes", limits::BUFFER_MEDIUM_BYTES)
            }
        }
    }
}

impl LinkError {
    /// The stable label for counters of failed handshakes.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Truncated | Self::Io(_) => "closed",
            Self::Tls(error) => error.reason(),
            Self::HandshakeTooLarge => "too_large",
        }
    }
}

/// The TLS end of a tunnel.
///
/// Records are numbered in the order they are sealed, so they must be sent in that order:
/// whoever seals holds `writing` until its bytes are sent. What the receiving side must answer
/// (key updates, alerts) waits in `control` and leaves before the next sealed byte.
pub struct Link {
    id: TunnelId,
    socket: Socket,
    session: RefCell<Box<dyn tls::Session>>,
    writing: tokio::sync::Mutex<()>,
    control: RefCell<Vec<u8>>,
    /// Our `close_notify` has been given out.
    finished: Cell<bool>,
}

impl Link {
    /// A link over `socket` whose handshake has not begun.
    pub fn new(id: TunnelId, socket: Socket, session: Box<dyn tls::Session>) -> Self {
        Self {
            id,
            socket,
            session: RefCell::new(session),
            writing: tokio::sync::Mutex::new(()),
            control: RefCell::default(),
            finished: Cell::new(false),
        }
    }

    /// Its name in records.
    pub fn id(&self) -> TunnelId {
        self.id
    }

    /// The socket below.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Looks at the TLS session.
    pub fn with_session<T>(&self, look: impl FnOnce(&dyn tls::Session) -> T) -> T {
        look(&**self.session.borrow())
    }

    /// Runs the handshake to its end. On failure the peer has been sent the alert that says why.
    pub async fn handshake(&self, pool: &BufferPool) -> Result<Inbound, LinkError> {
        let mut incoming: Option<Buffer> = None;
        let mut out = Vec::new();
        loop {
            let outcome = {
                let mut empty = [];
                let bytes = incoming.as_mut().map_or(&mut empty[..], Buffer::filled_mut);
                self.session.borrow_mut().handshake(bytes, &mut out)
            };
            if let Some(buffer) = &mut incoming {
                buffer.consume(outcome.consumed);
            }
            self.send_bytes(pool, &out).await?;
            out.clear();
            match outcome.state {
                Err(error) => return Err(error.into()),
                Ok(true) => return Ok(Inbound::starting_with(incoming)),
                Ok(false)
                    if outcome.consumed > 0 && incoming.as_ref().is_some_and(|b| !b.is_empty()) => {
                }
                Ok(false) => self.receive_handshake(pool, &mut incoming).await?,
            }
        }
    }

    async fn receive_handshake(
        &self,
        pool: &BufferPool,
        incoming: &mut Option<Buffer>,
    ) -> Result<(), LinkError> {
        let received = match incoming.take() {
            None => {
                let buffer = self.socket.recv(pool, SizeClass::Small).await?;
                let received = buffer.len();
                *incoming = Some(buffer);
                received
            }
            Some(mut buffer) => {
                buffer.compact();
                if buffer.spare_len() == 0 {
                    if buffer.class() != SizeClass::Small {
                        return Err(LinkError::HandshakeTooLarge);
                    }
                    buffer = moved_into(pool, SizeClass::Medium, &buffer);
                }
                let (received, buffer) = self.socket.recv_more(buffer).await;
                *incoming = Some(buffer);
                received?
            }
        };
        if received == 0 { Err(LinkError::Truncated) } else { Ok(()) }
    }

    /// Seals `plain` and sends it, after whatever control bytes wait.
    pub async fn send(&self, pool: &BufferPool, plain: &[u8]) -> Result<(), LinkError> {
        let _writing = self.writing.lock().await;
        self.send_control(pool).await?;
        let out = self.sealed(pool, plain)?;
        let (sent, _) = self.socket.send_all(out).await;
        sent?;
        self.send_control(pool).await
    }

    /// Seals and sends a received chunk; its buffer is free for others while the send is under way.
    pub async fn forward(&self, pool: &BufferPool, plain: Buffer) -> Result<(), LinkError> {
        let _writing = self.writing.lock().await;
        self.send_control(pool).await?;
        let out = self.sealed(pool, plain.filled())?;
        drop(plain);
        let (sent, _) = self.socket.send_all(out).await;
        sent?;
        self.send_control(pool).await
    }

    /// Says with `close_notify` that nothing more will be sent.
    pub async fn finish(&self, pool: &BufferPool) -> Result<(), LinkError> {
        let _writing = self.writing.lock().await;
        self.finished.set(true);
        self.session.borrow_mut().close_notify(&mut self.control.borrow_mut());
        self.send_control(pool).await
    }

    /// Whether the peer has been told, or is being told, that nothing more will be sent.
    pub fn has_finished(&self) -> bool {
        self.finished.get()
    }

    /// Ends both directions now, as an abort. A FIN without `close_notify` says so and loses
    /// nothing of what was sent; behind a `close_notify` a FIN means nothing, an RST does.
    pub fn cut(&self) {
        if self.has_finished() { self.socket.abort() } else { self.socket.shutdown() }
    }

    /// Opens what it can of `cipher` into `plain`, at most `bytes_max`, which is room for one
    /// record or more; says whether the peer finished and whether complete records are left that
    /// had no room.
    pub(super) fn open(
        &self,
        cipher: &mut Buffer,
        plain: &mut Buffer,
        bytes_max: usize,
    ) -> Result<tls::Opened, TlsError> {
        let room = bytes_max.min(plain.spare_len());
        let opened = self.session.borrow_mut().open(
            cipher.filled_mut(),
            &mut plain.spare_mut()[..room],
            &mut self.control.borrow_mut(),
        )?;
        cipher.consume(opened.consumed);
        plain.fill(opened.produced);
        Ok(opened)
    }

    /// Sends control bytes that wait, unless a writer is busy: then it sends them.
    pub(super) async fn flush_control(&self, pool: &BufferPool) -> Result<(), LinkError> {
        if self.control.borrow().is_empty() {
            return Ok(());
        }
        match self.writing.try_lock() {
            Ok(_writing) => self.send_control(pool).await,
            Err(_) => Ok(()),
        }
    }

    fn sealed(&self, pool: &BufferPool, plain: &[u8]) -> Result<Buffer, TlsError> {
        let mut out = pool.take_whole(class_for(tls::sealed_len(plain.len())));
        let sealed = self.session.borrow_mut().seal(plain, out.spare_mut())?;
        out.fill(sealed);
        Ok(out)
    }

    /// The caller holds `writing`.
    async fn send_control(&self, pool: &BufferPool) -> Result<(), LinkError> {
        loop {
            let bytes = std::mem::take(&mut *self.control.borrow_mut());
            if bytes.is_empty() {
                return Ok(());
            }
            self.send_bytes(pool, &bytes).await?;
        }
    }

    async fn send_bytes(&self, pool: &BufferPool, bytes: &[u8]) -> Result<(), LinkError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let mut buffer = pool.take(class_for(rest.len()));
            let taken = rest.len().min(buffer.spare_len());
            let (now, later) = rest.split_at(taken);
            buffer.spare_mut()[..taken].copy_from_slice(now);
            buffer.fill(taken);
            let (sent, _) = self.socket.send_all(buffer).await;
            sent?;
            rest = later;
        }
        Ok(())
    }
}

/// A copy of `from`'s bytes in a buffer of `class`.
pub(super) fn moved_into(pool: &BufferPool, class: SizeClass, from: &Buffer) -> Buffer {
    let mut buffer = pool.take_whole(class);
    buffer.spare_mut()[..from.len()].copy_from_slice(from.filled());
    buffer.fill(from.len());
    buffer
}
