//! One direction of one stream: how much to ask for next, and whether it still runs.

use std::time::Instant;

use crate::limits;

/// How much a pipe asks its next receive for. The engine maps it to a buffer class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stride {
    /// One TLS record: the start of every stream, and again after a pause.
    Small,
    /// Four TLS records.
    Medium,
    /// Sixteen TLS records: proven bulk.
    Large,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Finished,
}

/// One direction of a stream.
///
/// ```text
///   Open ──finish()──▶ Finished        stride: Small ─128 KiB─▶ Medium ─10 MiB─▶ Large
///                                              ▲────────── 1 s without a byte ─────┘
/// ```
#[derive(Debug)]
pub struct Pipe {
    state: State,
    moved_bytes: u64,
    /// Bytes since the pipe was last idle: what the stride follows.
    run_bytes: u64,
    last_moved: Instant,
}

impl Pipe {
    /// A pipe that has moved nothing yet.
    pub fn new(now: Instant) -> Self {
        Self { state: State::Open, moved_bytes: 0, run_bytes: 0, last_moved: now }
    }

    /// What the next receive should ask for.
    pub fn stride(&self) -> Stride {
        match self.run_bytes {
            n if n >= limits::GROW_TO_LARGE_BYTES => Stride::Large,
            n if n >= limits::GROW_TO_MEDIUM_BYTES => Stride::Medium,
            _ => Stride::Small,
        }
    }

    /// Notes a chunk of payload that arrived.
    pub fn moved(&mut self, bytes: usize, now: Instant) {
        debug_assert!(self.state == State::Open, "a finished pipe moves nothing");
        if self.is_idle(now) {
            self.run_bytes = 0;
        }
        self.moved_bytes += bytes as u64;
        self.run_bytes += bytes as u64;
        self.last_moved = now;
    }

    /// The sender finished; nothing more will move.
    pub fn finish(&mut self, now: Instant) {
        self.state = State::Finished;
        self.last_moved = now;
    }

    /// Whether the sender finished.
    pub fn is_finished(&self) -> bool {
        self.state == State::Finished
    }

    /// Whether nothing moved for [`limits::IDLE_SHRINK_AFTER`].
    pub fn is_idle(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last_moved) >= limits::IDLE_SHRINK_AFTER
    }

    /// Payload bytes moved since the start.
    pub fn moved_bytes(&self) -> u64 {
        self.moved_bytes
    }

    /// When a byte last moved, or the pipe began or finished.
    pub fn last_moved(&self) -> Instant {
        self.last_moved
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn stride_grows_with_what_moved_and_falls_back_after_a_pause() {
        let start = Instant::now();
        let mut pipe = Pipe::new(start);
        assert_eq!(pipe.stride(), Stride::Small);
        pipe.moved(128 * 1024, start);
        assert_eq!(pipe.stride(), Stride::Medium);
        pipe.moved(10 * 1024 * 1024, start);
        assert_eq!(pipe.stride(), Stride::Large);
        let later = start + Duration::from_millis(1001);
        assert!(pipe.is_idle(later));
        pipe.moved(100, later);
        assert_eq!(pipe.stride(), Stride::Small);
        assert_eq!(pipe.moved_bytes(), 128 * 1024 + 10 * 1024 * 1024 + 100);
    }

    #[test]
    fn a_busy_pipe_is_not_idle() {
        let start = Instant::now();
        let mut pipe = Pipe::new(start);
        for step in 1..20 {
            let now = start + Duration::from_millis(900 * step);
            assert!(!pipe.is_idle(now));
            pipe.moved(1, now);
        }
    }
}
