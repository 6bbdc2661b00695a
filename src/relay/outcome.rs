//! The account of one stream: on every path out, one log line, one lifetime sample, one count.

use std::{cell::Cell, net::SocketAddr, rc::Rc, time::Instant};

use super::{Live, Shard};
use crate::{
    telemetry::{Count, Group, Metric, Presence},
    tunnel::Ending,
};

/// Who a stream belongs to and where it goes.
#[derive(Debug, Clone)]
pub struct Party {
    /// The tenant.
    pub subaccount: String,
    /// Which of the tenant's connectors.
    pub location: String,
    /// The service asked for.
    pub service: String,
    /// The connector as the proxy sees it, the client as the connector sees it.
    pub peer: SocketAddr,
    /// The trace the stream belongs to, where its opener said so.
    pub traceparent: Option<String>,
    /// Where the bytes go: the service's address, or the proxy's.
    pub target: SocketAddr,
}

/// Accounts for one established stream when it is dropped.
pub struct Outcome {
    shard: Rc<Shard>,
    live: Rc<Live>,
    party: Party,
    presence: Presence,
    established_at: Instant,
    ending: Cell<Option<Ending>>,
}

impl Outcome {
    /// A stream was established just now.
    pub fn new(
        shard: Rc<Shard>,
        live: Rc<Live>,
        (party, group): (Party, &Rc<Group>),
        established_at: Instant,
    ) -> Self {
        shard.count(Count::StreamsOpened);
        let presence = group.stream();
        Self { shard, live, party, presence, established_at, ending: Cell::new(None) }
    }

    /// How the stream ended. Without this it counts as lost.
    pub fn ended(&self, ending: Ending) {
        self.ending.set(Some(ending));
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        let ending = self.ending.get().unwrap_or(Ending::TunnelLost);
        let lifetime = self.established_at.elapsed();
        let (up_bytes, down_bytes) = self.live.moved_bytes();
        self.presence.group().sample(Metric::StreamLifetime, lifetime);
        self.shard.count(Count::StreamsEnded(ending.reason()));
        let Party { subaccount, location, service, peer, traceparent, target } = &self.party;
        tracing::info!(
            target: "causeway::stream",
            worker = self.shard.index,
            // Not "target": JSON lines have that key already, for the module.
            subaccount, location, service, %peer, dialled = %target,
            up_bytes, down_bytes,
            lifetime_ms = lifetime.as_millis() as u64,
            ending = ending.reason(),
            traceparent = traceparent.as_deref(),
            "stream ended"
        );
    }
}
