//! A live session as its worker sees it: what the tick, a mapping change or a drain acts on.

use std::{
    cell::{Cell, RefCell, RefMut},
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Aim, Link, TunnelSide, Whose};
use crate::{
    engine::{Socket, Tuning},
    mapping::{Mapping, Pace, StreamPermit},
    tunnel::{Ending, Key, Phase, Session, Stream, Timeouts},
};

/// What allowed a stream, kept to judge it anew when the mappings change.
pub struct Grant {
    /// The mapping it was allowed by.
    pub mapping: Arc<Mapping>,
    /// The location the connector claimed.
    pub location: String,
    /// Where the connector's tunnel comes from.
    pub source: IpAddr,
    /// Its place among the subaccount's streams.
    pub permit: StreamPermit,
}

impl Grant {
    fn whose(&self) -> Whose<'_> {
        Whose {
            subaccount: &self.mapping.subaccount,
            location: Some(&self.location),
            service: Some(&self.mapping.service),
        }
    }
}

/// One session of a worker: a tunnel with its one stream, a tunnel of many, or one of those.
pub struct Live {
    session: RefCell<Session>,
    stream: RefCell<Stream>,
    authenticated: Cell<bool>,
    tunnel: RefCell<Option<Box<dyn TunnelSide>>>,
    /// The client's socket on a connector, the service's on a proxy; while that is being dialled,
    /// the attempt under way.
    plain: RefCell<Option<Socket>>,
    /// Whether the plain end's socket looks after a dead peer.
    tuned: Cell<bool>,
    grant: RefCell<Option<Grant>>,
    pace: RefCell<Option<Arc<Pace>>>,
    /// The plain end finished its direction, so nobody reads there; should it break, this is why
    /// the stream ended.
    unread: Cell<Option<Ending>>,
    /// From the established stream to the service's first byte.
    first_byte: Cell<Option<Duration>>,
    begun_at: Instant,
    /// For lists: what it is for, where no grant tells that.
    aim: RefCell<Option<Rc<Aim>>>,
    peer: Cell<Option<SocketAddr>>,
    target: Cell<Option<SocketAddr>>,
}

impl Live {
    /// A session that begins now, in [`Phase::Handshake`].
    pub fn new(timeouts: Timeouts, now: Instant) -> Self {
        Self {
            session: RefCell::new(Session::new(now)),
            stream: RefCell::new(Stream::new(timeouts, now)),
            authenticated: Cell::new(false),
            tunnel: RefCell::default(),
            plain: RefCell::default(),
            tuned: Cell::new(false),
            grant: RefCell::default(),
            pace: RefCell::default(),
            unread: Cell::default(),
            first_byte: Cell::default(),
            begun_at: now,
            aim: RefCell::default(),
            peer: Cell::default(),
            target: Cell::default(),
        }
    }

    /// The tunnel's end, once there is one.
    pub fn set_tunnel(&self, tunnel: impl TunnelSide + 'static) {
        *self.tunnel.borrow_mut() = Some(Box::new(tunnel));
    }

    /// The plain end, once there is one.
    pub fn set_plain(&self, socket: Socket) {
        *self.plain.borrow_mut() = Some(socket);
    }

    /// Whether it is a tunnel that is up: one of many streams, or one whose peer is known and
    /// that carries a stream or may yet.
    pub fn is_tunnel(&self) -> bool {
        match self.phase() {
            Phase::Carrying => true,
            Phase::Waiting | Phase::Head => self.authenticated.get(),
            Phase::Dialling | Phase::Opening | Phase::Relaying => self.with_link(|_| ()).is_some(),
            Phase::Held | Phase::Handshake | Phase::Lingering => false,
        }
    }

    /// What allowed the stream.
    pub fn set_grant(&self, grant: Grant) {
        *self.grant.borrow_mut() = Some(grant);
    }

    /// Looks at what allowed the stream, if it has been allowed yet.
    pub fn with_grant<T>(&self, look: impl FnOnce(&Grant) -> T) -> Option<T> {
        self.grant.borrow().as_ref().map(look)
    }

    /// Has its bytes go no faster than that, where no grant says how fast.
    pub fn set_pace(&self, pace: Arc<Pace>) {
        *self.pace.borrow_mut() = Some(pace);
    }

    /// How fast its bytes may go, where that may be bounded.
    pub(super) fn pace(&self) -> Option<Arc<Pace>> {
        let granted = self.with_grant(|grant| grant.permit.usage().pace().clone());
        granted.or_else(|| self.pace.borrow().clone())
    }

    /// Looks at the TLS end, where the session owns one.
    pub fn with_link<T>(&self, look: impl FnOnce(&Link) -> T) -> Option<T> {
        self.tunnel.borrow().as_ref().and_then(|tunnel| tunnel.link()).map(look)
    }

    /// Looks at the tunnel's end, if there is one.
    pub(super) fn with_tunnel<T>(&self, look: impl FnOnce(&dyn TunnelSide) -> T) -> Option<T> {
        self.tunnel.borrow().as_deref().map(look)
    }

    /// Who is at the other end of what was accepted.
    pub fn set_peer(&self, peer: SocketAddr) {
        self.peer.set(Some(peer));
    }

    /// Who is at the other end of what was accepted, once that is known.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.peer.get()
    }

    /// Where the bytes of the stream go.
    pub fn set_target(&self, target: SocketAddr) {
        self.target.set(Some(target));
    }

    pub(super) fn target(&self) -> Option<SocketAddr> {
        self.target.get()
    }

    /// What it is for, where no grant will tell that.
    pub fn set_aim(&self, aim: Rc<Aim>) {
        *self.aim.borrow_mut() = Some(aim);
    }

    /// Looks at whose it is and what for, if that is known.
    pub fn with_whose<T>(&self, look: impl FnOnce(Whose<'_>) -> T) -> Option<T> {
        if let Some(grant) = &*self.grant.borrow() {
            return Some(look(grant.whose()));
        }
        self.aim.borrow().as_deref().map(|aim| look(aim.whose()))
    }

    /// The tunnel of many streams that carries it, if one does.
    pub fn carrier(&self) -> Option<Key> {
        self.with_tunnel(|side| side.carrier()).flatten()
    }

    pub(super) fn begun_at(&self) -> Instant {
        self.begun_at
    }

    pub(super) fn last_moved(&self) -> Instant {
        self.stream.borrow().last_moved()
    }

    /// The peer showed a certificate we accept.
    pub fn set_authenticated(&self) {
        self.authenticated.set(true);
    }

    /// Whether the peer showed a certificate we accept.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated.get()
    }

    /// Enters a phase; its deadline starts.
    pub fn enter(&self, phase: Phase, now: Instant) {
        self.session.borrow_mut().enter(phase, self.authenticated.get(), now);
        if phase == Phase::Relaying {
            self.stream.borrow_mut().establish(now);
        }
    }

    /// Where the session stands.
    pub fn phase(&self) -> Phase {
        self.session.borrow().phase()
    }

    /// The plain end finished its direction and is not read from any more. Its abort, which then
    /// shows nowhere else, ends the stream at the next tick as `aborted`.
    pub(super) fn plain_is_unread(&self, aborted: Ending) {
        self.unread.set(Some(aborted));
    }

    fn plain_has_aborted(&self) -> Option<Ending> {
        let aborted = self.unread.get()?;
        let gone = self.plain.borrow().as_ref().is_some_and(Socket::is_gone);
        (gone && !self.stream.borrow().is_over()).then_some(aborted)
    }

    /// The stream's state.
    pub(super) fn stream(&self) -> RefMut<'_, Stream> {
        self.stream.borrow_mut()
    }

    /// Why the session was ended from outside or failed, if it did.
    pub fn failure(&self) -> Option<Ending> {
        self.stream.borrow().failure()
    }

    /// How long the service's first byte took from the established stream, once it came.
    pub fn first_byte(&self) -> Option<Duration> {
        self.first_byte.get()
    }

    pub(super) fn set_first_byte(&self, waited: Duration) {
        self.first_byte.set(Some(waited));
    }

    /// Payload bytes so far: up, down.
    pub fn moved_bytes(&self) -> (u64, u64) {
        self.stream.borrow().moved_bytes()
    }

    /// The process is to end: a tunnel takes no more streams, and one that carries nothing goes.
    pub fn drain(&self) {
        if matches!(self.phase(), Phase::Held | Phase::Waiting) {
            return self.kill(Ending::Drained);
        }
        if let Some(tunnel) = &*self.tunnel.borrow() {
            tunnel.drain();
        }
    }

    /// Ends the session as an abort: both ends see an error, pending operations return.
    pub fn kill(&self, ending: Ending) {
        self.stream.borrow_mut().fail(ending);
        if let Some(tunnel) = &*self.tunnel.borrow() {
            match self.phase() {
                Phase::Relaying => tunnel.cut(),
                // A refusal that was sent, or an abort that was said: an RST could destroy it.
                _ => tunnel.end(),
            }
        }
        if let Some(plain) = &*self.plain.borrow() {
            plain.abort();
        }
    }

    /// What time brings: deadlines, timeouts, and giving back the buffers of a quiet stream; of any
    /// stream when the worker is `pressed` for memory.
    pub fn tick(&self, now: Instant, pressed: bool) {
        let phase = self.phase();
        if self.session.borrow().is_overdue(now) {
            return self.kill(Ending::PhaseTimeout);
        }
        match phase {
            Phase::Relaying => {
                self.tune_plain();
                let overdue = self.stream.borrow().overdue(now);
                if let Some(ending) = overdue.or_else(|| self.plain_has_aborted()) {
                    return self.kill(ending);
                }
                if pressed || self.stream.borrow().is_idle(now) {
                    self.release_buffers();
                }
            }
            Phase::Waiting => self.release_buffers(),
            Phase::Dialling => {
                // Nobody waits for the answer any more: do not collect dials for the dead.
                if self.tunnel.borrow().as_ref().is_some_and(|tunnel| tunnel.hung_up()) {
                    self.kill(Ending::ClientAborted);
                }
            }
            Phase::Carrying => {
                let dead = self.tunnel.borrow().as_ref().is_some_and(|side| side.is_dead(now));
                if dead {
                    return self.kill(Ending::TunnelLost);
                }
                self.release_buffers();
            }
            Phase::Held | Phase::Handshake | Phase::Head => {}
            Phase::Opening | Phase::Lingering => {}
        }
    }

    /// Keepalive and its kin, at the first tick: their times are tens of seconds, and a stream
    /// that is over by then is spared four system calls.
    fn tune_plain(&self) {
        if !self.tuned.replace(true)
            && let Some(plain) = &*self.plain.borrow()
        {
            // A socket that is gone shows at its next use.
            let _ = plain.tune(&Tuning::stream());
        }
    }

    fn release_buffers(&self) {
        if let Some(tunnel) = &*self.tunnel.borrow() {
            tunnel.release_idle();
        }
        if let Some(plain) = &*self.plain.borrow() {
            plain.release_idle();
        }
    }
}
