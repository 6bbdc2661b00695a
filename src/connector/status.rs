//! What the control side can see of a channel.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// The state of one channel, written by all workers, read by the admin side.
#[derive(Debug, Default)]
pub struct ChannelStatus {
    ready: AtomicUsize,
    wanted: AtomicUsize,
    streams: AtomicUsize,
    problems: Mutex<Problems>,
}

/// What is wrong, by who can tell that it no longer is.
#[derive(Debug, Default)]
struct Problems {
    way: Option<String>,
    service: Option<String>,
}

/// Which part of a channel has a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// The local port and the tunnel to the proxy. A tunnel that opens proves it well.
    Way,
    /// The service at the far end. Only a stream that opens proves it well.
    Service,
}

impl ChannelStatus {
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
            self.ready.fetch_add(after - before, Relaxed);
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

    /// Streams open now.
    pub fn streams(&self) -> usize {
        self.streams.load(Relaxed)
    }

    /// What is wrong with the channel, if anything is known to be: the way first, because
    /// nothing behind it can be known while it is blocked.
    pub fn problem(&self) -> Option<String> {
        let problems = self.problems.lock().unwrap_or_else(PoisonError::into_inner);
        problems.way.as_ref().or(problems.service.as_ref()).cloned()
    }
}
