//! How many streams a subaccount has open, counted across workers and across reloads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One subaccount's open streams on this proxy.
#[derive(Debug, Default)]
pub struct TenantUsage {
    streams: AtomicUsize,
}

impl TenantUsage {
    /// Counts one more stream until the permit is dropped; `None` when `max` are open.
    #[must_use]
    pub fn try_open(self: &Arc<Self>, max: usize) -> Option<StreamPermit> {
        // Relaxed: the count orders nothing else, and the update itself is atomic.
        self.streams
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| {
                (open < max).then_some(open + 1)
            })
            .ok()
            .map(|_| StreamPermit { usage: Arc::clone(self) })
    }

    /// Whether fewer than `max` are open.
    #[must_use]
    pub fn has_room(&self, max: usize) -> bool {
        self.open() < max
    }

    /// Streams open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }
}

/// The right to one open stream; dropping it gives the place back on every way out.
#[derive(Debug)]
#[must_use = "dropping the permit gives the stream's place back"]
pub struct StreamPermit {
    usage: Arc<TenantUsage>,
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.usage.streams.fetch_sub(1, Ordering::Relaxed);
    }
}
