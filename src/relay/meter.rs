//! Bytes that are counted apart from those of all others.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::tunnel::Direction;

/// Payload bytes forwarded by one worker, with cache lines of their own: no other worker writes
/// here.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Meter {
    up: AtomicU64,
    down: AtomicU64,
}

impl Meter {
    pub(super) fn forwarded(&self, direction: Direction, bytes: usize) {
        let counter = match direction {
            Direction::Up => &self.up,
            Direction::Down => &self.down,
        };
        counter.fetch_add(bytes as u64, Relaxed);
    }

    /// Bytes so far: up, down.
    pub fn bytes(&self) -> (u64, u64) {
        (self.up.load(Relaxed), self.down.load(Relaxed))
    }
}
