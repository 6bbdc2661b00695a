//! One stream: its two pipes, its timeouts and the first thing that went wrong.

use std::time::{Duration, Instant};

use super::{Ending, Pipe};

/// A direction, named from the client's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Client to service.
    Up,
    /// Service to client.
    Down,
}

/// How long a stream may be quiet.
#[derive(Debug, Clone, Copy)]
pub struct Timeouts {
    /// Nothing in either direction; `None` never ends a stream.
    pub idle: Option<Duration>,
    /// Nothing in one direction after the other finished.
    pub half_closed: Duration,
}

/// One stream between a client and a service.
#[derive(Debug)]
pub struct Stream {
    up: Pipe,
    down: Pipe,
    timeouts: Timeouts,
    /// The first failure; later ones are its consequences.
    failure: Option<Ending>,
}

impl Stream {
    /// A stream that starts now.
    pub fn new(timeouts: Timeouts, now: Instant) -> Self {
        Self { up: Pipe::new(now), down: Pipe::new(now), timeouts, failure: None }
    }

    /// Bytes may move from now on: the clocks start, what failed stays failed.
    pub fn establish(&mut self, now: Instant) {
        self.up = Pipe::new(now);
        self.down = Pipe::new(now);
    }

    /// One of its pipes.
    pub fn pipe(&self, direction: Direction) -> &Pipe {
        match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        }
    }

    /// One of its pipes, to note what happened on it.
    pub fn pipe_mut(&mut self, direction: Direction) -> &mut Pipe {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }

    /// Notes a failure; the first one names the ending. Says whether this was the first.
    pub fn fail(&mut self, ending: Ending) -> bool {
        let first = self.failure.is_none();
        self.failure.get_or_insert(ending);
        first
    }

    /// Whether something went wrong. An end of data seen after that is not a clean one.
    pub fn has_failed(&self) -> bool {
        self.failure.is_some()
    }

    /// The first thing that went wrong, if anything did.
    pub fn failure(&self) -> Option<Ending> {
        self.failure
    }

    /// Payload bytes so far: up, down.
    pub fn moved_bytes(&self) -> (u64, u64) {
        (self.up.moved_bytes(), self.down.moved_bytes())
    }

    /// Whether both directions were finished by their senders.
    pub fn is_over(&self) -> bool {
        self.up.is_finished() && self.down.is_finished()
    }

    /// How the stream ended, once both directions are over.
    pub fn ending(&self) -> Ending {
        match self.failure {
            Some(ending) => ending,
            None if self.is_over() => Ending::Clean,
            None => Ending::TunnelLost,
        }
    }

    /// Whether nothing moved in either direction for a while, so that it should hold no buffers.
    pub fn is_idle(&self, now: Instant) -> bool {
        self.up.is_idle(now) && self.down.is_idle(now)
    }

    /// When a byte last moved, or a direction began or finished.
    pub fn last_moved(&self) -> Instant {
        self.up.last_moved().max(self.down.last_moved())
    }

    /// The timeout that has passed, if one has.
    pub fn overdue(&self, now: Instant) -> Option<Ending> {
        let quiet = now.saturating_duration_since(self.last_moved());
        if self.up.is_finished() != self.down.is_finished() && quiet >= self.timeouts.half_closed {
            return Some(Ending::HalfClosedTimeout);
        }
        self.timeouts.idle.filter(|idle| quiet >= *idle).map(|_| Ending::IdleTimeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUTS: Timeouts =
        Timeouts { idle: Some(Duration::from_secs(60)), half_closed: Duration::from_secs(10) };

    #[test]
    fn half_closed_timeout_starts_at_the_finish_and_is_put_off_by_bytes() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut stream = Stream::new(TIMEOUTS, start);
        assert_eq!(stream.overdue(at(11)), None);
        stream.pipe_mut(Direction::Up).finish(at(11));
        assert_eq!(stream.overdue(at(20)), None);
        stream.pipe_mut(Direction::Down).moved(1, at(20));
        assert_eq!(stream.overdue(at(29)), None);
        assert_eq!(stream.overdue(at(30)), Some(Ending::HalfClosedTimeout));
    }

    #[test]
    fn idle_timeout_needs_both_directions_quiet() {
        let start = Instant::now();
        let mut stream = Stream::new(TIMEOUTS, start);
        stream.pipe_mut(Direction::Down).moved(1, start + Duration::from_secs(30));
        assert_eq!(stream.overdue(start + Duration::from_secs(89)), None);
        assert_eq!(stream.overdue(start + Duration::from_secs(90)), Some(Ending::IdleTimeout));
        let never = Timeouts { idle: None, ..TIMEOUTS };
        let stream = Stream::new(never, start);
        assert_eq!(stream.overdue(start + Duration::from_secs(1_000_000)), None);
    }

    #[test]
    fn the_first_failure_names_the_ending() {
        let now = Instant::now();
        let mut stream = Stream::new(TIMEOUTS, now);
        assert!(stream.fail(Ending::ServiceAborted));
        assert!(!stream.fail(Ending::TunnelLost));
        stream.pipe_mut(Direction::Up).finish(now);
        stream.pipe_mut(Direction::Down).finish(now);
        assert_eq!(stream.ending(), Ending::ServiceAborted);
    }
}
