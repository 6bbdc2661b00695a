//! How busy each worker is, and where an accepted connection should go.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

use crate::limits;

/// The load of one worker, on a cache line of its own: its owner writes, everyone reads.
#[repr(align(64))]
#[derive(Debug, Default)]
struct Gauge {
    bytes_in_flight: AtomicUsize,
    sessions: AtomicUsize,
}

/// The load of every worker. The figures are hints and may be a tick old.
#[derive(Debug, Clone)]
pub struct Load(Arc<[Gauge]>);

impl Load {
    /// No load on any of `workers`.
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| Gauge::default()).collect())
    }

    /// A worker says how busy it is.
    pub fn publish(&self, worker: usize, bytes_in_flight: usize, sessions: usize) {
        self.0[worker].bytes_in_flight.store(bytes_in_flight, Relaxed);
        self.0[worker].sessions.store(sessions, Relaxed);
    }

    /// A session was placed on `worker`, before it could say so itself.
    pub fn placed(&self, worker: usize) {
        self.0[worker].sessions.fetch_add(1, Relaxed);
    }

    /// The worker of `group` that should get a connection accepted by `own`: the one with the
    /// fewest bytes in flight, or as many bytes and the fewest sessions; `own`, where that is one
    /// of them, unless another is clearly better, because handing over costs a wake-up.
    pub fn best(&self, own: usize, group: &[usize]) -> usize {
        let read = |worker: usize| {
            let gauge = &self.0[worker];
            (gauge.bytes_in_flight.load(Relaxed), gauge.sessions.load(Relaxed))
        };
        let is_member = group.contains(&own);
        let (own_bytes, own_sessions) = read(own);
        group
            .iter()
            .map(|worker| (read(*worker), *worker))
            .min()
            .filter(|((bytes, sessions), _)| {
                !is_member
                    || bytes + limits::BALANCE_BYTES_SLACK <= own_bytes
                    || (*bytes <= own_bytes
                        && sessions + limits::BALANCE_SESSIONS_SLACK <= own_sessions)
            })
            .map_or(own, |(_, worker)| worker)
    }

    /// Sessions of every worker.
    pub fn sessions(&self) -> Vec<usize> {
        self.0.iter().map(|gauge| gauge.sessions.load(Relaxed)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_home_while_the_difference_is_small() {
        let load = Load::new(2);
        load.publish(0, 400 * 1024, 10);
        assert_eq!(load.best(0, &[0, 1]), 0);
    }

    #[test]
    fn goes_to_the_worker_with_clearly_fewer_bytes_in_flight() {
        let load = Load::new(3);
        load.publish(0, 2 << 20, 3);
        load.publish(1, 1 << 20, 0);
        load.publish(2, 0, 100);
        assert_eq!(load.best(0, &[0, 1, 2]), 2);
        assert_eq!(load.best(0, &[0]), 0);
    }

    #[test]
    fn never_stays_where_it_is_not_served() {
        let load = Load::new(2);
        load.publish(1, 100 << 20, 1000);
        assert_eq!(load.best(0, &[1]), 1);
    }

    #[test]
    fn evens_out_many_idle_sessions() {
        let load = Load::new(2);
        for _ in 0..100 {
            load.placed(load.best(0, &[0, 1]));
        }
        let sessions = load.sessions();
        assert!(sessions[0].abs_diff(sessions[1]) <= limits::BALANCE_SESSIONS_SLACK);
    }
}
