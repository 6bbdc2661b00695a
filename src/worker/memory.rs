//! Each worker's part of what traffic may make the process hold.

use crate::engine;

/// The share of one of `workers` workers in a budget of `configured` bytes for the process.
/// Without one (`None`) it is three quarters of what the cgroup allows, where that allows less
/// than all: the rest is for what does not grow with traffic. 0 is unbounded.
#[must_use]
pub fn memory_share(configured: Option<u64>, workers: usize) -> Option<usize> {
    share(configured.or_else(|| engine::memory_allowed().map(|allowed| allowed / 4 * 3)), workers)
}

fn share(budget: Option<u64>, workers: usize) -> Option<usize> {
    let budget = usize::try_from(budget.filter(|bytes| *bytes > 0)?).unwrap_or(usize::MAX);
    Some(budget / workers.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_worker_has_the_same_share_and_0_is_unbounded() {
        assert_eq!(share(Some(64 << 20), 2), Some(32 << 20));
        assert_eq!(share(Some(0), 2), None);
        assert_eq!(share(None, 2), None);
    }
}
