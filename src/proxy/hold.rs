//! A connection of an offender until its turn: asleep, without handshake, buffer or permit of one.

use std::{rc::Rc, time::Instant};

use tokio::sync::Notify;

use crate::{
    relay::{Live, Shard, TunnelSide},
    telemetry::Count,
    tunnel::Phase,
};

/// Wakes a connection that is killed while it is held.
struct Alarm(Rc<Notify>);

impl TunnelSide for Alarm {
    fn cut(&self) {
        self.0.notify_one();
    }
}

/// Waits for `turn`. Whether it may begin its handshake then; if not, that is counted.
pub(super) async fn hold(shard: &Shard, live: &Live, turn: Instant) -> bool {
    let Some(_permit) = shard.hold_permit() else {
        shard.count(Count::Refused("overloaded"));
        return false;
    };
    live.enter(Phase::Held, Instant::now());
    let killed = Rc::new(Notify::new());
    live.set_tunnel(Alarm(killed.clone()));
    // That its time is over is no error but its turn.
    let _ = tokio::time::timeout_at(turn.into(), killed.notified()).await;
    if let Some(ending) = live.failure() {
        shard.count(Count::Refused(ending.reason()));
        return false;
    }
    live.enter(Phase::Handshake, Instant::now());
    true
}
