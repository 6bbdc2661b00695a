//! The budget of what traffic may make one worker hold: an estimate on the safe side, from numbers
//! that are known at any moment, and what follows from it.

use std::{cell::Cell, rc::Rc};

use super::Budget;
use crate::limits;

/// What a worker holds for its sessions.
#[derive(Debug, Clone, Copy, Default)]
pub struct Held {
    /// How many there are: tunnels, and streams.
    pub sessions: usize,
    /// Bytes of buffers, in use and kept for reuse.
    pub buffers: usize,
    /// Bytes of credit the peers of its tunnels have: they may arrive at any moment.
    pub lent: usize,
}

impl Held {
    /// What counts against the budget. A session that is quiet may need its buffers at any moment,
    /// so they count whether it has them or not.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let buffers = self.buffers.max(self.sessions * limits::SESSION_BUFFER_BYTES);
        self.sessions * limits::SESSION_BYTES + buffers + self.lent
    }
}

/// The budget of one worker.
///
/// ```text
///   0 ───────────────── 3/4 ───────── all
///     everything goes on │ idle buffers │ no new tunnel, no new stream;
///                        │ go back      │ what is open goes on
/// ```
///
/// Half of it may be lent as credit, an eighth kept in free buffers, and beyond a quarter in use
/// buffers are small ones.
#[derive(Debug)]
pub struct Memory {
    bytes_max: Cell<Option<usize>>,
}

impl Memory {
    /// No budget: only the fixed bounds of buffers and loans hold.
    #[must_use]
    pub fn unbounded() -> Self {
        Self { bytes_max: Cell::new(None) }
    }

    /// From now on it is so large; `None` is unbounded.
    pub fn resize(&self, bytes_max: Option<usize>) {
        self.bytes_max.set(bytes_max);
    }

    /// How large it is.
    #[must_use]
    pub fn bytes_max(&self) -> Option<usize> {
        self.bytes_max.get()
    }

    /// Whether another session may come.
    #[must_use]
    pub fn has_room(&self, held: &Held) -> bool {
        let one_more = Held { sessions: held.sessions + 1, ..*held };
        self.bytes_max.get().is_none_or(|max| one_more.bytes() <= max)
    }

    /// Whether what is idle should be given back.
    #[must_use]
    pub fn is_pressed(&self, held: &Held) -> bool {
        self.bytes_max.get().is_some_and(|max| held.bytes() > max / 4 * 3)
    }

    /// Bytes of buffers in use beyond which they are small ones.
    #[must_use]
    pub fn buffers_soft_max(&self) -> usize {
        self.share(4).min(limits::POOL_BYTES_SOFT_MAX)
    }

    /// Bytes of free buffers kept for reuse.
    #[must_use]
    pub fn buffers_free_max(&self) -> usize {
        self.share(8).min(limits::POOL_FREE_BYTES_MAX)
    }

    /// What may be lent as credit.
    #[must_use]
    pub fn loans(&self) -> Rc<Budget> {
        let (bytes, loans) = self.loan_bounds();
        Budget::new(bytes, loans)
    }

    /// Makes a budget of loans as large as [`Memory::loans`] would be.
    pub fn resize_loans(&self, budget: &Budget) {
        let (bytes, loans) = self.loan_bounds();
        budget.resize(bytes, loans);
    }

    fn loan_bounds(&self) -> (usize, usize) {
        let bytes = self.share(2).min(limits::WORKER_LOAN_BYTES_MAX);
        // The smallest windows are a quarter at most, as without a budget of memory.
        let loans = bytes / 4 / limits::TUNNEL_WINDOW_BYTES_MIN as usize;
        (bytes, loans.clamp(1, limits::TUNNELS_PER_WORKER_MAX))
    }

    fn share(&self, part: usize) -> usize {
        self.bytes_max.get().map_or(usize::MAX, |max| max / part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEBIBYTE: usize = 1024 * 1024;

    #[test]
    fn sessions_are_admitted_until_what_they_may_need_is_the_budget() {
        let memory = Memory::unbounded();
        assert!(memory.has_room(&Held { sessions: usize::MAX / 1_000_000, ..Held::default() }));
        memory.resize(Some(32 * MEBIBYTE));
        let held = |sessions| Held { sessions, buffers: 0, lent: 4 * MEBIBYTE };
        let most = (0..10_000).take_while(|sessions| memory.has_room(&held(*sessions))).count();
        let each = limits::SESSION_BYTES + limits::SESSION_BUFFER_BYTES;
        assert_eq!(most, 28 * MEBIBYTE / each);
        assert!(memory.is_pressed(&held(most)) && !memory.is_pressed(&held(most / 3)));
        // Buffers count beyond what sessions are charged for them.
        let busy = Held { buffers: 30 * MEBIBYTE, ..held(10) };
        assert!(!memory.has_room(&busy));
    }

    #[test]
    fn buffers_and_loans_shrink_with_the_budget() {
        let memory = Memory::unbounded();
        let loans = memory.loans();
        assert_eq!(loans.left_bytes(), limits::WORKER_LOAN_BYTES_MAX);
        assert_eq!(memory.buffers_soft_max(), limits::POOL_BYTES_SOFT_MAX);
        memory.resize(Some(32 * MEBIBYTE));
        memory.resize_loans(&loans);
        assert_eq!(loans.left_bytes(), 16 * MEBIBYTE);
        assert_eq!(memory.buffers_soft_max(), 8 * MEBIBYTE);
        assert_eq!(memory.buffers_free_max(), 4 * MEBIBYTE);
        let lent: Vec<_> = std::iter::from_fn(|| loans.lend_window()).collect();
        assert_eq!(lent.len(), 64);
        assert!(loans.lent_bytes() <= 16 * MEBIBYTE);
    }
}
