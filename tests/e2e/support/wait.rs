//! Waiting for something to become true.

use std::time::{Duration, Instant};

/// No step of a test takes longer, on a slow and busy machine.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Looks until `condition` holds and says how long that took; fails the test after `within`.
pub fn wait_until(what: &str, within: Duration, mut condition: impl FnMut() -> bool) -> Duration {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < within, "not within {within:?}: {what}");
        std::thread::sleep(Duration::from_millis(5)); // pace: of the looks, bounded by `within`
    }
    start.elapsed()
}
