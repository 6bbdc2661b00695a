//! The tunnel's side of a session, whatever kind of tunnel it is.

use std::{rc::Rc, time::Instant};

use super::{Link, mux::Tunnel};
use crate::tunnel::Key;

/// The tunnel's side of a session, as far as the tick and a kill need it.
pub trait TunnelSide {
    /// Ends a stream as an abort; pending operations return.
    fn cut(&self);
    /// Ends what carries no stream; pending operations return and what was sent still arrives.
    fn end(&self) {
        self.cut();
    }
    /// Gives back the buffers of pending receives.
    fn release_idle(&self) {}
    /// Whether nobody waits for an answer any more.
    fn hung_up(&self) -> bool {
        false
    }
    /// Time passed on a tunnel of many streams. Says whether it is dead.
    fn is_dead(&self, _now: Instant) -> bool {
        false
    }
    /// Takes no more streams and ends when the last one has.
    fn drain(&self) {}
    /// The TLS end, where the session owns one.
    fn link(&self) -> Option<&Link> {
        None
    }
    /// Streams open on a tunnel of many.
    fn streams(&self) -> Option<usize> {
        None
    }
    /// Payload waiting to be sent on a tunnel of many.
    fn bytes_in_flight(&self) -> usize {
        0
    }
    /// The session of the tunnel of many that carries this stream, if one does.
    fn carrier(&self) -> Option<Key> {
        None
    }
}

impl TunnelSide for Rc<Link> {
    fn cut(&self) {
        Link::cut(self);
    }

    fn end(&self) {
        self.socket().shutdown();
    }

    fn release_idle(&self) {
        self.socket().release_idle();
    }

    fn hung_up(&self) -> bool {
        self.socket().hung_up()
    }

    fn link(&self) -> Option<&Link> {
        Some(self)
    }
}

impl TunnelSide for Rc<Tunnel> {
    fn cut(&self) {
        TunnelSide::end(Tunnel::link(self));
    }

    fn release_idle(&self) {
        TunnelSide::release_idle(Tunnel::link(self));
    }

    fn is_dead(&self, now: Instant) -> bool {
        self.tick(now)
    }

    fn drain(&self) {
        Tunnel::drain(self);
    }

    fn link(&self) -> Option<&Link> {
        Some(Tunnel::link(self))
    }

    fn streams(&self) -> Option<usize> {
        Some(Tunnel::streams(self))
    }

    fn bytes_in_flight(&self) -> usize {
        Tunnel::bytes_in_flight(self)
    }
}
