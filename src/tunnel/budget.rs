//! Credit as a loan: what tunnels may be sent comes out of budgets, so that memory is bounded by
//! configuration and not by traffic.

use std::{cell::Cell, rc::Rc};

use crate::limits;

/// A number of bytes that can be lent to a number of tunnels.
#[derive(Debug)]
pub struct Budget {
    bytes_max: Cell<usize>,
    loans_max: Cell<usize>,
    lent_bytes: Cell<usize>,
    loans: Cell<usize>,
}

impl Budget {
    /// A budget of which nothing is lent. It must hold the smallest window for all `loans_max`.
    #[must_use]
    pub fn new(bytes_max: usize, loans_max: usize) -> Rc<Self> {
        let budget = Self {
            bytes_max: Cell::default(),
            loans_max: Cell::default(),
            lent_bytes: Cell::default(),
            loans: Cell::default(),
        };
        budget.resize(bytes_max, loans_max);
        Rc::new(budget)
    }

    /// From now on it is so large. What is lent beyond stays lent until it comes back.
    pub fn resize(&self, bytes_max: usize, loans_max: usize) {
        debug_assert!(loans_max * limits::TUNNEL_WINDOW_BYTES_MIN as usize <= bytes_max);
        self.bytes_max.set(bytes_max);
        self.loans_max.set(loans_max);
    }

    /// What is lent.
    #[must_use]
    pub fn lent_bytes(&self) -> usize {
        self.lent_bytes.get()
    }

    /// What can still be lent.
    #[must_use]
    pub fn left_bytes(&self) -> usize {
        self.bytes_max.get().saturating_sub(self.lent_bytes.get())
    }

    /// Lends the window of one tunnel: as much as a tunnel should have, or the half of what is
    /// free when that is less. Free is what remains beside the smallest window of every tunnel
    /// that may still come, so that large windows never turn a tunnel away. `None` when there
    /// are as many as there may be.
    #[must_use]
    pub fn lend_window(self: &Rc<Self>) -> Option<Loan> {
        let smallest = limits::TUNNEL_WINDOW_BYTES_MIN as usize;
        let later = self.loans_max.get().checked_sub(self.loans.get() + 1)?;
        let free = self.left_bytes().saturating_sub(later * smallest);
        let wanted = limits::TUNNEL_WINDOW_BYTES_MAX as usize;
        let bytes = wanted.min((free / 2).max(smallest));
        self.lent_bytes.set(self.lent_bytes.get() + bytes);
        self.loans.set(self.loans.get() + 1);
        Some(Loan { budget: self.clone(), bytes })
    }
}

/// Bytes on loan; given back on drop.
#[derive(Debug)]
pub struct Loan {
    budget: Rc<Budget>,
    bytes: usize,
}

impl Loan {
    /// How much was lent.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Loan {
    fn drop(&mut self) {
        self.budget.lent_bytes.set(self.budget.lent_bytes.get() - self.bytes);
        self.budget.loans.set(self.budget.loans.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loans_shrink_as_the_budget_does_and_never_exceed_it() {
        let mebibyte = 1024 * 1024;
        let budget = Budget::new(100 * mebibyte, 256);
        let loans: Vec<Loan> = std::iter::from_fn(|| budget.lend_window()).collect();
        let sizes: Vec<usize> = loans.iter().map(|loan| loan.bytes() / mebibyte).collect();
        assert_eq!(sizes[..4], [32, 26, 13, 6]);
        assert!(sizes.windows(2).all(|pair| pair[0] >= pair[1]), "{sizes:?}");
        assert_eq!(loans.len(), 256, "large windows turn no tunnel away");
        assert!(loans.iter().map(Loan::bytes).sum::<usize>() <= 100 * mebibyte);
        drop(loans);
        assert_eq!(budget.left_bytes(), 100 * mebibyte);
        assert!(budget.lend_window().is_some());
    }

    #[test]
    fn a_budget_that_shrinks_lends_the_smallest_until_enough_came_back() {
        let mebibyte = 1024 * 1024;
        let budget = Budget::new(100 * mebibyte, 256);
        let loans: Vec<Loan> = (0..3).filter_map(|_| budget.lend_window()).collect();
        budget.resize(4 * mebibyte, 4);
        assert_eq!(budget.left_bytes(), 0);
        let smallest = budget.lend_window().map(|loan| loan.bytes());
        assert_eq!(smallest, Some(limits::TUNNEL_WINDOW_BYTES_MIN as usize));
        drop(loans);
        assert_eq!(budget.left_bytes(), 4 * mebibyte);
    }
}
