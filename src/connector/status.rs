//! What the control side can see of a channel.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::relay::Meter;

/// The state of one channel, written by all workers, read by the admin side.
#[derive(Debug)]
pub struct ChannelStatus {
    ready: AtomicUsize,
    wanted: AtomicUsize,
    streams: AtomicUsize,
    /// When the first tunnel came up after there was none, in milliseconds of the Unix time.
    connected_at: AtomicU64,
    /// What its streams move, by worker.
    meters: Box<[Arc<Meter>]>,
    problems: Mutex<Problems>,
}

/// What is wrong, by who can tell that it no longer is.
#[derive(Debug, Default)]
struct Problems {
    owner: Option<String>,
    way: Option<String>,
    service: Option<String>,
}

/// Which part of a channel has a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The certificates of its owner. Only other ones prove them well.
    Owner,
    /// The local port and the tunnel to the proxy. A tunnel that opens proves it well.
    Way,
    /// The service at the far end. Only a stream that opens proves it well.
    Service,
}

impl ChannelStatus {
    /// Nothing is up yet, on so many workers.
    pub(super) fn new(workers: usize) -> Self {
        Self {
            ready: AtomicUsize::default(),
            wanted: AtomicUsize::default(),
            streams: AtomicUsize::default(),
            connected_at: AtomicU64::default(),
            meters: (0..workers).map(|_| Arc::default()).collect(),
            problems: Mutex::default(),
        }
    }

    /// Where a worker counts what the channel's streams move.
    pub(super) fn meter(&self, worker: usize) -> Option<Arc<Meter>> {
        self.meters.get(worker).cloned()
    }

    /// Adds to the number of warm connections wanted.
    pub(super) fn want(&self, connections: usize) {
        self.wanted.fetch_add(connections, Relaxed);
    }

    /// Takes from the number of warm connections wanted.
    pub(super) fn unwant(&self, connections: usize) {
        self.wanted.fetch_sub(connections, Relaxed);
    }

    /// One worker's number of warm connections changed from `before` to `after`.
    pub(super) fn ready_changed(&self, before: usize, after: usize) {
        if after >= before {
            let others = self.ready.fetch_add(after - before, Relaxed);
            if others == 0 && after > before {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
                self.connected_at.store(now, Relaxed);
            }
        } else {
            self.ready.fetch_sub(before - after, Relaxed);
        }
    }

    /// A stream opened.
    pub(super) fn stream_opened(&self) {
        self.streams.fetch_add(1, Relaxed);
    }

    /// A stream ended.
    pub(super) fn stream_ended(&self) {
        self.streams.fetch_sub(1, Relaxed);
    }

    /// Says what is wrong with a part, or that nothing is. Answers whether that is news.
    pub(super) fn set_problem(&self, part: Part, problem: Option<String>) -> bool {
        let mut problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        let known = match part {
            Part::Owner => &mut problems.owner,
            Part::Way => &mut problems.way,
            Part::Service => &mut problems.service,
        };
        let news = *known != problem;
        *known = problem;
        news
    }

    /// Warm connections: ready, wanted.
    pub fn connected(&self) -> (usize, usize) {
        (self.ready.load(Relaxed), self.wanted.load(Relaxed))
    }

    /// Since when there has been a tunnel that can take a stream; `None` while there is none.
    pub fn connected_since(&self) -> Option<SystemTime> {
        let at = Duration::from_millis(self.connected_at.load(Relaxed));
        (self.ready.load(Relaxed) > 0).then_some(UNIX_EPOCH + at)
    }

    /// Payload bytes its streams have moved: to the service, from it.
    pub fn bytes(&self) -> (u64, u64) {
        let each = self.meters.iter().map(|meter| meter.bytes());
        each.fold((0, 0), |(up, down), more| (up + more.0, down + more.1))
    }

    /// Streams open now.
    pub fn streams(&self) -> usize {
        self.streams.load(Relaxed)
    }

    /// What is wrong with the channel, if anything is known to be: what is nearest first,
    /// because nothing behind it can be known while it is blocked.
    pub fn problem(&self) -> Option<String> {
        let problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        let Problems { owner, way, service } = &*problems;
        owner.as_ref().or(way.as_ref()).or(service.as_ref()).cloned()
    }
}
