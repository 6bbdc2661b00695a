//! What all parts of a multiplexed tunnel share: its vital signs and what its session is asked.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    task::{Context, Waker},
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use crate::{
    engine::Buffer,
    protocol::http2::{self, Flood, Ping, PingPong, Wire},
    relay::Link,
    tunnel::{Key, Pulse, Vitals},
};

/// A multiplexed tunnel. Requests to its HTTP/2 session are left here and carried out by the task
/// that owns the session.
pub struct Tunnel {
    pub(super) link: Rc<Link>,
    pub(super) wire: Wire<Buffer>,
    vitals: RefCell<Vitals>,
    wishes: RefCell<Wishes>,
    bytes_in_flight: Cell<usize>,
    streams: Cell<usize>,
    draining: Cell<bool>,
    closed: Cell<bool>,
    fault: Cell<Option<&'static str>>,
    /// The session it is.
    key: Cell<Option<Key>>,
    /// Told when there is room for a stream again.
    pub(super) room: Rc<Notify>,
}

/// What the session is asked to do.
#[derive(Default)]
struct Wishes {
    ping: bool,
    window: Option<u32>,
    drain: bool,
    end: bool,
    session: Option<Waker>,
}

/// What the session must do, taken all at once.
pub(super) struct Orders {
    pub(super) ping: bool,
    pub(super) window: Option<u32>,
    pub(super) drain: bool,
    pub(super) end: bool,
}

impl Tunnel {
    pub(super) fn new(
        link: Rc<Link>,
        wire: Wire<Buffer>,
        room: Rc<Notify>,
        now: Instant,
    ) -> Rc<Self> {
        Rc::new(Self {
            link,
            wire,
            vitals: RefCell::new(Vitals::new(now)),
            wishes: RefCell::default(),
            bytes_in_flight: Cell::new(0),
            streams: Cell::new(0),
            draining: Cell::new(false),
            closed: Cell::new(false),
            fault: Cell::new(None),
            key: Cell::new(None),
            room,
        })
    }

    /// The TLS end below.
    #[must_use]
    pub fn link(&self) -> &Rc<Link> {
        &self.link
    }

    /// Payload handed to the session and not yet written by it.
    #[must_use]
    pub fn bytes_in_flight(&self) -> usize {
        self.bytes_in_flight.get()
    }

    /// Streams open on it.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.streams.get()
    }

    /// Which session it is, for its streams to tell.
    pub fn set_key(&self, key: Key) {
        self.key.set(Some(key));
    }

    pub(super) fn key(&self) -> Option<Key> {
        self.key.get()
    }

    /// Whether it ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// What its peer did wrong, if that is why it ended: a stable label for logs and counters.
    #[must_use]
    pub fn fault(&self) -> Option<&'static str> {
        self.fault.get()
    }

    /// Takes no more streams, says so to the peer, and ends when the last one has.
    pub fn drain(&self) {
        if !self.draining.replace(true) {
            self.wish(|wishes| wishes.drain = true);
        }
    }

    /// Whether it takes no more streams.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.get()
    }

    /// Time passed. Says whether the tunnel is dead.
    pub(in crate::relay) fn tick(&self, now: Instant) -> bool {
        let pulse = self.vitals.borrow().tick(now);
        match pulse {
            Pulse::Steady => false,
            Pulse::Ping => {
                self.wish(|wishes| wishes.ping = true);
                false
            }
            Pulse::Dead => true,
        }
    }

    /// Bytes arrived.
    pub(super) fn received(&self, bytes: usize, now: Instant) {
        if self.vitals.borrow_mut().received(bytes, now) {
            self.wish(|wishes| wishes.ping = true);
        }
    }

    /// The peer used up a budget: the session ends with ENHANCE_YOUR_CALM.
    pub fn flooded(&self, flood: Flood) {
        self.blame(flood.reason());
        self.wish(|wishes| wishes.end = true);
    }

    /// The session ended with an error, perhaps the peer's.
    pub(super) fn failed(&self, error: &http2::Error) {
        if let Some(violation) = http2::violation_of(error) {
            self.blame(violation);
        }
    }

    /// The first fault is the reason; later ones are its consequences.
    fn blame(&self, fault: &'static str) {
        if self.fault.get().is_none() {
            self.fault.set(Some(fault));
        }
    }

    pub(super) fn set_closed(&self) {
        self.closed.set(true);
    }

    pub(super) fn add_in_flight(&self, bytes: usize) {
        self.bytes_in_flight.set(self.bytes_in_flight.get() + bytes);
    }

    pub(super) fn remove_in_flight(&self, bytes: usize) {
        self.bytes_in_flight.set(self.bytes_in_flight.get() - bytes);
    }

    fn wish(&self, change: impl FnOnce(&mut Wishes)) {
        let session = {
            let mut wishes = self.wishes.borrow_mut();
            change(&mut wishes);
            wishes.session.take()
        };
        if let Some(session) = session {
            session.wake();
        }
    }

    /// What the session must do now; it is woken when there is more.
    pub(super) fn orders(&self, cx: &Context<'_>) -> Orders {
        let mut wishes = self.wishes.borrow_mut();
        wishes.session = Some(cx.waker().clone());
        Orders {
            ping: std::mem::take(&mut wishes.ping),
            window: wishes.window.take(),
            drain: std::mem::take(&mut wishes.drain),
            end: std::mem::take(&mut wishes.end),
        }
    }

    /// The window could not be announced now because the peer has not acknowledged the last
    /// one; it is tried again at the next opportunity.
    pub(super) fn window_refused(&self, window: u32) {
        self.wishes.borrow_mut().window.get_or_insert(window);
    }

    /// Sends a PING if asked, and takes the answer to the last one; `measured` hears how long it
    /// took.
    pub(super) fn ping(
        &self,
        pinger: &mut PingPong,
        wanted: bool,
        cx: &mut Context<'_>,
        measured: impl Fn(Duration),
    ) {
        if wanted && pinger.send_ping(Ping::opaque()).is_ok() {
            self.vitals.borrow_mut().pinged(Instant::now());
        }
        while let std::task::Poll::Ready(Ok(_)) = pinger.poll_pong(cx) {
            let window = self.vitals.borrow_mut().ponged(Instant::now());
            if let Some(round_trip) = self.vitals.borrow().round_trip() {
                measured(round_trip);
            }
            if let Some(window) = window {
                self.window_refused(window);
                cx.waker().wake_by_ref();
            }
        }
    }
}

/// A stream of a tunnel, counted until it is dropped.
pub(super) struct Seat(Rc<Tunnel>);

impl Seat {
    pub(super) fn take(tunnel: &Rc<Tunnel>) -> Self {
        tunnel.streams.set(tunnel.streams.get() + 1);
        Self(tunnel.clone())
    }

    pub(super) fn tunnel(&self) -> &Rc<Tunnel> {
        &self.0
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.streams.set(self.0.streams.get() - 1);
        self.0.room.notify_one();
    }
}
