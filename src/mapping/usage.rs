//! What a subaccount uses of this proxy and may use, counted across workers and across reloads.
//! All of it is atomics: a few for a stream's beginning and, where bytes are paced, one for each
//! chunk.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use super::pace::Pace;
use super::schedule::Schedule;
use crate::limits;

/// What one subaccount may use, all workers together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Streams open.
    pub streams_max: usize,
    /// Tunnels of many streams.
    pub tunnels_max: usize,
    /// Streams asked for in a second, and at once; 0 is any number.
    pub opens_per_second_max: u32,
    /// Payload bytes in a second, both directions together; 0 is any number.
    pub bytes_per_second_max: u64,
}

/// What a subaccount has too many of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spent {
    /// Streams are open.
    Streams,
    /// Streams were asked for in a short time.
    Opens,
}

/// One subaccount's use of this proxy.
#[derive(Debug)]
pub struct TenantUsage {
    streams: AtomicUsize,
    tunnels: AtomicUsize,
    streams_max: AtomicUsize,
    tunnels_max: AtomicUsize,
    opens_per_second_max: AtomicU64,
    opens: Schedule,
    pace: Arc<Pace>,
}

impl Default for TenantUsage {
    /// Nothing is used and nothing bounded but the streams.
    fn default() -> Self {
        Self {
            streams: AtomicUsize::new(0),
            tunnels: AtomicUsize::new(0),
            streams_max: AtomicUsize::new(limits::STREAMS_PER_TENANT_MAX),
            tunnels_max: AtomicUsize::new(limits::TUNNELS_PER_TENANT_MAX),
            opens_per_second_max: AtomicU64::new(0),
            opens: Schedule::default(),
            pace: Arc::default(),
        }
    }
}

// Relaxed throughout: the numbers order nothing else, and each update is atomic by itself.
impl TenantUsage {
    /// From now on it may use so much. What it uses beyond stays with it.
    pub fn set_quota(&self, quota: &Quota) {
        self.streams_max.store(quota.streams_max, Ordering::Relaxed);
        self.tunnels_max.store(quota.tunnels_max, Ordering::Relaxed);
        self.opens_per_second_max.store(quota.opens_per_second_max.into(), Ordering::Relaxed);
        self.pace.set(quota.bytes_per_second_max);
    }

    /// Counts one more stream until the permit is dropped.
    ///
    /// # Errors
    /// What it has too many of. Nothing is counted then.
    pub fn try_open(self: &Arc<Self>, now: Instant) -> Result<StreamPermit, Spent> {
        let max = self.streams_max.load(Ordering::Relaxed);
        if !take(&self.streams, max) {
            return Err(Spent::Streams);
        }
        let permit = StreamPermit { usage: Arc::clone(self) };
        let per_second = self.opens_per_second_max.load(Ordering::Relaxed);
        if self.opens.take_one(per_second, now) { Ok(permit) } else { Err(Spent::Opens) }
    }

    /// What [`TenantUsage::try_open`] would say, without counting anything.
    ///
    /// # Errors
    /// What it has too many of.
    pub fn could_open(&self, now: Instant) -> Result<(), Spent> {
        if self.open() >= self.streams_max.load(Ordering::Relaxed) {
            return Err(Spent::Streams);
        }
        let per_second = self.opens_per_second_max.load(Ordering::Relaxed);
        if self.opens.has_one(per_second, now) { Ok(()) } else { Err(Spent::Opens) }
    }

    /// Counts one more tunnel until the permit is dropped; `None` when it has as many as it may.
    #[must_use]
    pub fn try_tunnel(self: &Arc<Self>) -> Option<TunnelPermit> {
        let max = self.tunnels_max.load(Ordering::Relaxed);
        take(&self.tunnels, max).then(|| TunnelPermit { usage: Arc::clone(self) })
    }

    /// What [`TenantUsage::try_tunnel`] would say, without counting anything.
    #[must_use]
    pub fn could_tunnel(&self) -> bool {
        self.tunnels() < self.tunnels_max.load(Ordering::Relaxed)
    }

    /// How fast its bytes may go.
    #[must_use]
    pub fn pace(&self) -> &Arc<Pace> {
        &self.pace
    }

    /// Streams open now.
    #[must_use]
    pub fn open(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// Tunnels of many streams up now.
    #[must_use]
    pub fn tunnels(&self) -> usize {
        self.tunnels.load(Ordering::Relaxed)
    }
}

/// Adds one, unless that is more than `max`.
fn take(count: &AtomicUsize, max: usize) -> bool {
    let one_more = |used: usize| (used < max).then_some(used + 1);
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
}

/// The right to one open stream; dropping it gives the place back on every way out.
#[derive(Debug)]
#[must_use = "dropping the permit gives the stream's place back"]
pub struct StreamPermit {
    usage: Arc<TenantUsage>,
}

impl StreamPermit {
    /// Whose stream it is.
    #[must_use]
    pub fn usage(&self) -> &Arc<TenantUsage> {
        &self.usage
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        self.usage.streams.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to one tunnel; dropping it gives the place back on every way out.
#[derive(Debug)]
#[must_use = "dropping the permit gives the tunnel's place back"]
pub struct TunnelPermit {
    usage: Arc<TenantUsage>,
}

impl Drop for TunnelPermit {
    fn drop(&mut self) {
        self.usage.tunnels.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn usage(quota: Quota) -> Arc<TenantUsage> {
        let usage = Arc::new(TenantUsage::default());
        usage.set_quota(&quota);
        usage
    }

    const FREE: Quota = Quota {
        streams_max: usize::MAX,
        tunnels_max: usize::MAX,
        opens_per_second_max: 0,
        bytes_per_second_max: 0,
    };

    #[test]
    fn as_many_opens_at_once_as_in_a_second_and_then_their_rate() {
        let (usage, start) = (usage(Quota { opens_per_second_max: 10, ..FREE }), Instant::now());
        let opened = |now| std::iter::from_fn(|| usage.try_open(now).ok()).take(1000).count();
        assert_eq!(opened(start), 10);
        assert_eq!(usage.could_open(start), Err(Spent::Opens));
        assert_eq!(opened(start + Duration::from_millis(300)), 3);
        assert_eq!(opened(start + Duration::from_secs(3600)), 10, "a pause earns no more");
        assert_eq!(usage.open(), 0, "an open that is refused holds no place");
    }

    #[test]
    fn asking_whether_a_stream_could_open_costs_nothing() {
        let quota = Quota { opens_per_second_max: 1, streams_max: 1, ..FREE };
        let (usage, now) = (usage(quota), Instant::now());
        assert!((0..100).all(|_| usage.could_open(now).is_ok()));
        let permit = usage.try_open(now).unwrap();
        assert_eq!(usage.could_open(now), Err(Spent::Streams));
        drop(permit);
        assert_eq!(usage.could_open(now), Err(Spent::Opens));
    }

    #[test]
    fn a_quota_that_changes_holds_at_once_for_what_comes() {
        let (usage, now) = (usage(FREE), Instant::now());
        let permits: Vec<_> = (0..5).map(|_| usage.try_open(now).unwrap()).collect();
        let tunnels: Vec<_> = (0..5).map(|_| usage.try_tunnel().unwrap()).collect();
        usage.set_quota(&Quota { streams_max: 4, tunnels_max: 5, ..FREE });
        assert_eq!(usage.try_open(now).err(), Some(Spent::Streams));
        assert!(usage.try_tunnel().is_none());
        drop((permits, tunnels));
        assert_eq!((usage.open(), usage.tunnels()), (0, 0));
        assert!(usage.try_open(now).is_ok() && usage.try_tunnel().is_some());
        usage.set_quota(&Quota { bytes_per_second_max: 1000, ..FREE });
        assert_eq!(usage.pace().per_second(), Some(1000));
    }
}
