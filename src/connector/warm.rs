//! The warm tunnels of a channel in mode `direct` on one worker.

use std::{cell::RefCell, rc::Rc, time::Instant};

use super::{dial::Tunnel, status::ChannelStatus};
use crate::{relay::Shard, tunnel::WarmPool};

/// Tunnels that are up and wait for a stream.
pub(super) struct Warm(RefCell<WarmPool<Tunnel>>);

impl Warm {
    pub(super) fn new(wanted: usize) -> Self {
        Self(RefCell::new(WarmPool::new(wanted)))
    }

    /// A warm tunnel that is not known to be dead.
    pub(super) fn take(&self, status: &ChannelStatus, now: Instant) -> Option<Tunnel> {
        self.changing(status, |warm| {
            loop {
                let tunnel = warm.take(now)?;
                if !tunnel.link.socket().hung_up() {
                    return Some(tunnel);
                }
            }
        })
    }

    /// Retires old and dead tunnels; says how many are missing.
    pub(super) fn upkeep(&self, status: &ChannelStatus, shard: &Rc<Shard>, now: Instant) -> usize {
        let retired = self.changing(status, |warm| {
            warm.discard(|tunnel| tunnel.link.socket().hung_up());
            warm.expired(now)
        });
        retire(shard, retired);
        self.0.borrow().missing()
    }

    pub(super) fn dial_started(&self) {
        self.0.borrow_mut().dial_started();
    }

    /// A dial ended; a tunnel that is not `current` any more was opened with old certificates.
    pub(super) fn dial_ended(
        &self,
        status: &ChannelStatus,
        shard: &Rc<Shard>,
        tunnel: Option<Tunnel>,
        current: bool,
    ) {
        let (kept, outdated) = if current { (tunnel, None) } else { (None, tunnel) };
        retire(shard, outdated);
        self.changing(status, |warm| warm.dial_ended(kept, Instant::now()));
    }

    /// Retires every tunnel.
    pub(super) fn renew(&self, status: &ChannelStatus, shard: &Rc<Shard>) {
        let now = Instant::now();
        let old =
            self.changing(status, |warm| std::iter::from_fn(|| warm.take(now)).collect::<Vec<_>>());
        retire(shard, old);
    }

    /// Changes the pool and keeps the status in step.
    fn changing<T>(
        &self,
        status: &ChannelStatus,
        change: impl FnOnce(&mut WarmPool<Tunnel>) -> T,
    ) -> T {
        let mut warm = self.0.borrow_mut();
        let before = warm.ready();
        let outcome = change(&mut warm);
        status.ready_changed(before, warm.ready());
        outcome
    }
}

/// Closes tunnels the proper way, in the background.
fn retire(shard: &Rc<Shard>, tunnels: impl IntoIterator<Item = Tunnel>) {
    for tunnel in tunnels {
        let shard = shard.clone();
        tokio::task::spawn_local(async move {
            // A tunnel that is gone already needs no farewell.
            let _ = tunnel.link.finish(&shard.pool).await;
            tunnel.link.socket().shutdown();
        });
    }
}
