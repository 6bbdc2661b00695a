//! What the world's proxy has counted, summed over its workers.

use causeway::telemetry::{Count, CountersSnapshot};

use super::{DEADLINE, World, wait_until};

impl World {
    /// The proxy's sum of a counter.
    pub fn counted(&self, count: Count) -> u64 {
        CountersSnapshot::of(self.proxy().crew().counters()).count(count)
    }

    /// Waits until the proxy has counted exactly `times`; more than that fails the test.
    pub fn wait_counted(&self, count: Count, times: u64) {
        let what = format!("{count:?} is counted {times} times");
        wait_until(&what, DEADLINE, || self.counted(count) >= times);
        assert_eq!(self.counted(count), times, "{count:?}");
    }

    /// Sessions of the proxy, a tick old at most.
    pub fn sessions(&self) -> usize {
        self.proxy().crew().sessions().iter().sum()
    }

    /// Waits until the proxy has no session left.
    pub fn wait_empty(&self) {
        wait_until("every session is gone", DEADLINE, || self.sessions() == 0);
    }

    /// What the proxy says of its TLS files; `None` when nothing is wrong.
    pub fn tls_problem(&self) -> Option<String> {
        self.proxy().details()["tls_problem"].as_str().map(str::to_owned)
    }
}
