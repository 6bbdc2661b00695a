//! The phases of a session and the deadline of each.

use std::time::Instant;

use crate::limits;

/// Where a session stands.
///
/// ```text
///   Handshake ─▶ Waiting ─▶ Head ─▶ Dialling ─▶ Relaying ─▶ Lingering ─▶ (gone)
///       │  5 s      │ 60 s    │ 5 s    │ dial timeout  │ stream's own   2 s
///       └───────────┴─────────┴────────┴── refused ────┘──────▲
///   Opening ─▶ Relaying ─▶ …    on a connector
///   Handshake ─▶ Waiting ─▶ Carrying ─▶ (gone)    a tunnel of many streams
///   Held ─▶ Handshake ─▶ …    its address has offended
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Accepted; its turn to shake hands has not come. The doorkeeper bounds that.
    Held,
    /// TLS is being set up.
    Handshake,
    /// Set up; no byte of a request yet.
    Waiting,
    /// Some of a request arrived, not all.
    Head,
    /// A proxy dials the service. The dial bounds itself.
    Dialling,
    /// A connector waits for a tunnel and the proxy's answer. Both bound themselves.
    Opening,
    /// A multiplexed tunnel; its vital signs watch over it.
    Carrying,
    /// Bytes move; the stream's own timeouts apply.
    Relaying,
    /// Over; what was sent is given time to arrive.
    Lingering,
}

impl Phase {
    /// Every phase.
    pub const ALL: [Self; 9] = [
        Self::Held,
        Self::Handshake,
        Self::Waiting,
        Self::Head,
        Self::Dialling,
        Self::Opening,
        Self::Carrying,
        Self::Relaying,
        Self::Lingering,
    ];

    /// The stable name for lists.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Handshake => "handshake",
            Self::Waiting => "waiting",
            Self::Head => "head",
            Self::Dialling => "dialling",
            Self::Opening => "opening",
            Self::Carrying => "carrying",
            Self::Relaying => "relaying",
            Self::Lingering => "lingering",
        }
    }
}

/// The timed state of one session.
#[derive(Debug)]
pub struct Session {
    phase: Phase,
    deadline: Option<Instant>,
}

impl Session {
    /// A session whose handshake starts now.
    pub fn new(now: Instant) -> Self {
        Self { phase: Phase::Handshake, deadline: Some(now + limits::HANDSHAKE_TIMEOUT) }
    }

    /// Where it stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Enters `phase`. A peer that showed no certificate (`authenticated` false) may not wait.
    pub fn enter(&mut self, phase: Phase, authenticated: bool, now: Instant) {
        self.phase = phase;
        self.deadline = match phase {
            Phase::Handshake => Some(now + limits::HANDSHAKE_TIMEOUT),
            Phase::Waiting if authenticated => Some(now + limits::FIRST_BYTE_TIMEOUT),
            Phase::Waiting | Phase::Head => Some(now + limits::HEAD_TIMEOUT),
            Phase::Held | Phase::Dialling | Phase::Opening => None,
            Phase::Carrying | Phase::Relaying => None,
            Phase::Lingering => Some(now + limits::LINGER_TIMEOUT),
        };
    }

    /// Whether the phase lasted too long.
    pub fn is_overdue(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| now >= deadline)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_peer_without_certificate_may_not_hold_a_silent_tunnel() {
        let now = Instant::now();
        let mut session = Session::new(now);
        assert!(session.is_overdue(now + limits::HANDSHAKE_TIMEOUT));
        session.enter(Phase::Waiting, false, now);
        assert!(session.is_overdue(now + limits::HEAD_TIMEOUT));
        session.enter(Phase::Waiting, true, now);
        assert!(!session.is_overdue(now + limits::HEAD_TIMEOUT));
        assert!(session.is_overdue(now + limits::FIRST_BYTE_TIMEOUT));
        session.enter(Phase::Relaying, true, now);
        assert!(!session.is_overdue(now + Duration::from_secs(1_000_000)));
    }
}
