//! What lists show of a session: who, where, how much, since when.

use std::{
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use super::{Link, Live};
use crate::{
    tls::{Alpn, Identity, identity},
    tunnel::{Key, Phase},
};

/// What a session asks for, as far as its side knows it before it has an answer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aim {
    /// The tenant.
    pub subaccount: String,
    /// The location of its connector; of a tunnel the one its certificate is bound to.
    pub location: Option<String>,
    /// The service; a tunnel has none of its own.
    pub service: Option<String>,
}

impl Aim {
    pub(super) fn whose(&self) -> Whose<'_> {
        Whose {
            subaccount: &self.subaccount,
            location: self.location.as_deref(),
            service: self.service.as_deref(),
        }
    }
}

/// Whose a session is and what for: an [`Aim`] in somebody else's strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whose<'a> {
    /// The tenant.
    pub subaccount: &'a str,
    /// The location, see [`Aim::location`].
    pub location: Option<&'a str>,
    /// The service, see [`Aim::service`].
    pub service: Option<&'a str>,
}

impl Whose<'_> {
    fn to_aim(self) -> Aim {
        Aim {
            subaccount: self.subaccount.to_owned(),
            location: self.location.map(str::to_owned),
            service: self.service.map(str::to_owned),
        }
    }
}

/// The two things a session can be. In mode `direct` it is both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Face {
    /// A TLS connection between connector and proxy.
    Tunnel,
    /// A client's connection joined, or about to be joined, to a service's.
    Stream,
}

/// One session at one moment.
#[derive(Debug, Clone)]
pub struct View {
    /// Its place in its worker's slab.
    pub key: Key,
    /// Where it stands.
    pub phase: Phase,
    /// Since it was accepted or asked for.
    pub age: Duration,
    /// Since a byte moved on its stream, or that began.
    pub quiet: Duration,
    /// Whose it is and what it is for, as far as that is known.
    pub aim: Option<Aim>,
    /// The other end of what was accepted, or dialled in the case of a connector's tunnel.
    pub peer: Option<SocketAddr>,
    /// Where the bytes of an established stream go.
    pub target: Option<SocketAddr>,
    /// Payload of the stream: up, down.
    pub moved_bytes: (u64, u64),
    /// The tunnel of many streams that carries it, if one does.
    pub carrier: Option<Key>,
    /// Whether a tunnel is one of many streams, once its handshake has told.
    pub is_multiplexed: Option<bool>,
    /// Streams open on it, if it is a tunnel of many.
    pub streams: Option<usize>,
    /// Payload waiting to be sent on it, if it is a tunnel of many.
    pub bytes_in_flight: usize,
}

impl Live {
    /// Whether it appears in a list of tunnels, or of streams.
    pub fn has_face(&self, face: Face) -> bool {
        let phase = self.phase();
        match face {
            Face::Tunnel => match phase {
                Phase::Held | Phase::Handshake | Phase::Waiting | Phase::Head | Phase::Carrying => {
                    true
                }
                Phase::Dialling | Phase::Opening | Phase::Relaying | Phase::Lingering => {
                    self.with_link(|_| ()).is_some()
                }
            },
            Face::Stream => match phase {
                Phase::Dialling | Phase::Opening | Phase::Relaying => true,
                Phase::Lingering => {
                    self.with_whose(|whose| whose.service.is_some()).unwrap_or(false)
                }
                Phase::Held | Phase::Handshake | Phase::Waiting | Phase::Head => false,
                Phase::Carrying => false,
            },
        }
    }

    /// Finds out whose a tunnel is that waits for its first request: that is told by its
    /// certificate, which nobody has read yet.
    pub fn learn_whose(&self) {
        let waits = matches!(self.phase(), Phase::Waiting | Phase::Head);
        if !waits || !self.is_authenticated() || self.with_whose(|_| ()).is_some() {
            return;
        }
        let leaf = |link: &Link| {
            link.with_session(|session| identity(session.peer_certificates()?.first()?).ok())
        };
        if let Some(Identity { subaccount, location, .. }) = self.with_link(leaf).flatten() {
            self.set_aim(Rc::new(Aim { subaccount, location, service: None }));
        }
    }

    fn is_multiplexed(&self) -> Option<bool> {
        match self.phase() {
            Phase::Held | Phase::Handshake => None,
            Phase::Carrying => Some(true),
            _ => self.with_link(|link| link.with_session(|tls| tls.alpn()) == Alpn::H2),
        }
    }

    /// What a list shows of it; `key` is its place.
    pub fn view(&self, key: Key, now: Instant) -> View {
        View {
            key,
            phase: self.phase(),
            age: now.saturating_duration_since(self.begun_at()),
            quiet: now.saturating_duration_since(self.last_moved()),
            aim: self.with_whose(|whose| whose.to_aim()),
            peer: self.peer(),
            target: self.target(),
            moved_bytes: self.moved_bytes(),
            carrier: self.carrier(),
            is_multiplexed: self.is_multiplexed(),
            streams: self.with_tunnel(|side| side.streams()).flatten(),
            bytes_in_flight: self.with_tunnel(|side| side.bytes_in_flight()).unwrap_or_default(),
        }
    }
}
