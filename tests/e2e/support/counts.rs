//! Reading the workers' counters.

use std::sync::Arc;

use causeway::telemetry::{Count, Counters, CountersSnapshot, Gauge};

use super::{DEADLINE, wait_until};

/// Sum of a counter over the workers.
pub fn count(workers: &[Arc<Counters>], what: Count) -> u64 {
    CountersSnapshot::of(workers).count(what)
}

/// Bytes of buffers in use, over all workers; a tick old at most.
pub fn buffer_bytes(workers: &[Arc<Counters>]) -> u64 {
    CountersSnapshot::of(workers).gauge(Gauge::BufferBytes)
}

/// Waits until exactly these streams have ended, by ending, and no other.
pub fn wait_ended(workers: &[Arc<Counters>], expected: &[(&'static str, u64)]) {
    let total: u64 = expected.iter().map(|(_, streams)| streams).sum();
    let ended = || {
        let names = causeway::telemetry::names::STREAM_ENDINGS;
        let counts = names.map(|name| (name, count(workers, Count::StreamsEnded(name))));
        counts.into_iter().filter(|(_, streams)| *streams > 0).collect::<Vec<_>>()
    };
    wait_until("all streams have ended", DEADLINE, || {
        ended().iter().map(|(_, streams)| streams).sum::<u64>() >= total
    });
    let mut expected: Vec<_> = expected.to_vec();
    let mut found = ended();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected, "endings");
}
