//! The account of one stream: on every path out, one log line, one audit record, one lifetime
//! sample, one count.

use std::{
    cell::Cell,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Live, Shard};
use crate::{
    telemetry::{Count, Group, Metric, Party, Presence, audit::Event, trace::Span},
    tunnel::Ending,
};

/// Accounts for one established stream when it is dropped.
pub struct Outcome {
    shard: Rc<Shard>,
    live: Rc<Live>,
    party: Arc<Party>,
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
        let party = Arc::new(party);
        shard.audit.record(|| Event::StreamOpened(party.clone()));
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
        self.shard.audit.record(|| Event::StreamClosed {
            party: self.party.clone(),
            up_bytes,
            down_bytes,
            lifetime,
            ending: ending.reason(),
        });
        self.trace(ending, lifetime, (up_bytes, down_bytes));
        let party = &self.party;
        tracing::info!(
            target: "causeway::stream",
            worker = self.shard.index,
            // Not "target": JSON lines have that key already, for the module.
            subaccount = party.subaccount, location = party.location, serial = party.serial,
            service = party.service, peer = %party.peer, dialled = %party.target,
            tunnel = %party.tunnel,
            up_bytes, down_bytes,
            connect_us = micros(party.connect),
            dial_us = party.dial.map(micros),
            first_byte_us = self.live.first_byte().map(micros),
            lifetime_ms = lifetime.as_millis() as u64,
            ending = ending.reason(),
            why = ending.words(),
            traceparent = party.traceparent.as_deref(),
            "stream ended"
        );
    }
}

impl Outcome {
    /// Leaves the stream's span, from its request to its end.
    fn trace(&self, ending: Ending, lifetime: Duration, (up_bytes, down_bytes): (u64, u64)) {
        let party = &self.party;
        let Some(seed) = party.span else {
            return;
        };
        let asked_at = self.established_at.checked_sub(party.connect);
        let asked_at = asked_at.unwrap_or(self.established_at);
        let span = Span::new(seed, "causeway.stream", asked_at, party.connect + lifetime)
            .with("causeway.subaccount", &*party.subaccount)
            .with("causeway.location", &*party.location)
            .with("causeway.service", &*party.service)
            .with("causeway.tunnel", &*party.tunnel.to_string())
            .with("network.peer.address", party.peer)
            .with("causeway.dialled", party.target)
            .with("causeway.up_bytes", up_bytes)
            .with("causeway.down_bytes", down_bytes)
            .with("causeway.ending", ending.reason());
        let span = if ending.is_clean() { span } else { span.failed(ending.words()) };
        self.shard.traces.record(span);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
