//! What is told of a tunnel and its requests: counters, the log, the audit, spans.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use super::{probe::is_neighbour, visit::Visit};
use crate::{
    engine::Socket,
    protocol::{ConnectRequest, Refusal},
    relay::DialError,
    telemetry::{
        Count, Verdict,
        audit::Event,
        trace::{Seed, Span},
    },
    tls::Identity,
};

impl Visit {
    /// Records that the tunnel was opened, or why its peer has no use of it.
    pub(super) fn note_tunnel(&self, protocol: &'static str, caller: &Result<Identity, Refusal>) {
        let neighbour = || is_neighbour(self.peer.ip(), self.role.settings().listen);
        match caller {
            Ok(identity) => self.shard.audit.record(|| Event::TunnelOpened {
                tunnel: self.tunnel,
                peer: self.peer,
                subaccount: identity.subaccount.clone(),
                location: identity.location.clone(),
                serial: identity.serial.clone(),
                protocol,
            }),
            // Our own probe opens one whenever somebody asks whether we are ready.
            Err(Refusal::NoCertificate) if neighbour() => {}
            Err(refusal) => self.note_tunnel_refused(refusal, None),
        }
    }

    /// Records that the tunnel's peer has no use of it.
    pub(super) fn note_tunnel_refused(&self, refusal: &Refusal, identity: Option<&Identity>) {
        self.shard.audit.record(|| Event::TunnelFailed {
            peer: Some(self.peer),
            subaccount: identity.map(|identity| identity.subaccount.clone()).unwrap_or_default(),
            serial: identity.map(|identity| identity.serial.clone()).unwrap_or_default(),
            reason: refusal.reason(),
            detail: refusal.to_string(),
        });
    }

    /// Counts a refusal, also with its subaccount where that is known, and with the service where
    /// it is one of that subaccount's: what else a peer may call a service must not become a name
    /// of ours.
    pub(super) fn count_refusal(
        &self,
        reason: &'static str,
        identity: Option<&Identity>,
        request: Option<&ConnectRequest>,
    ) {
        self.shard.count(Count::Refused(reason));
        if let Some(Identity { subaccount, .. }) = identity {
            let asked = request.map_or("", |request| &request.target.service);
            let known = self.role.table.borrow().has_service(subaccount, asked);
            self.shard.group(subaccount, if known { asked } else { "" }).refused(reason);
        }
    }

    /// Counts and records a request that gets no stream, whether anybody is told or not.
    pub(super) fn note_unserved(
        &self,
        reason: &'static str,
        identity: Option<&Identity>,
        request: Option<&ConnectRequest>,
    ) {
        self.count_refusal(reason, identity, request);
        self.shard.audit.record(|| Event::StreamRefused {
            peer: self.peer,
            tunnel: Some(self.tunnel),
            subaccount: identity.map(|identity| identity.subaccount.clone()).unwrap_or_default(),
            location: request.map(|request| request.location.clone()).unwrap_or_default(),
            serial: identity.map(|identity| identity.serial.clone()).unwrap_or_default(),
            service: request.map(|request| request.target.service.clone()).unwrap_or_default(),
            reason,
        });
    }

    /// Counts a refusal, records it and says it in the log.
    pub(super) fn note_refusal(
        &self,
        refusal: &Refusal,
        identity: Option<&Identity>,
        request: Option<&ConnectRequest>,
    ) {
        self.note_unserved(refusal.reason(), identity, request);
        let subaccount = identity.map_or("", |identity| &identity.subaccount);
        let service = request.map_or("", |request| &request.target.service);
        let location = request.map_or("", |request| &request.location);
        let mut repeats = self.role.repeats.borrow_mut();
        // One tenant's flood must not hide another's line.
        let kind = format!("{} {subaccount}", refusal.reason());
        match repeats.judge(&kind, Instant::now()) {
            Verdict::Suppress => self.shard.count(Count::LogLinesSuppressed),
            Verdict::Write { suppressed } => tracing::warn!(
                target: "causeway::refused",
                peer = %self.peer, subaccount, service, location, suppressed,
                tunnel = %self.tunnel,
                traceparent = request.and_then(|request| request.traceparent.as_deref()),
                status = refusal.status(), reason = refusal.reason(),
                "{}", refusal.body().trim_end()
            ),
        }
    }

    /// Says in the log that the tunnel ended by its peer's fault.
    pub(super) fn say_tunnel_ended(&self, reason: &'static str, identity: Option<&Identity>) {
        let subaccount = identity.map_or("", |identity| &identity.subaccount);
        let kind = format!("tunnel ended {reason} {subaccount}");
        match self.role.repeats.borrow_mut().judge(&kind, Instant::now()) {
            Verdict::Suppress => self.shard.count(Count::LogLinesSuppressed),
            Verdict::Write { suppressed } => tracing::warn!(
                peer = %self.peer, subaccount, reason, suppressed, tunnel = %self.tunnel,
                "tunnel ended"
            ),
        }
    }

    /// Leaves the span of a request that got no stream.
    pub(super) fn trace_refusal(
        &self,
        seed: Seed,
        asked_at: Instant,
        refusal: &Refusal,
        (request, identity): (&ConnectRequest, &Identity),
    ) {
        let span = Span::new(seed, "causeway.stream", asked_at, asked_at.elapsed())
            .with("causeway.subaccount", &*identity.subaccount)
            .with("causeway.location", &*request.location)
            .with("causeway.service", &*request.target.service)
            .with("network.peer.address", self.peer)
            .failed(refusal.reason());
        self.shard.traces.record(span);
    }

    /// Leaves the span of a service's dial.
    pub(super) fn trace_dial(
        &self,
        seed: Seed,
        (started, took): (Instant, Duration),
        dialled: &Result<(Socket, SocketAddr), DialError>,
    ) {
        let span = Span::new(seed, "causeway.dial", started, took);
        self.shard.traces.record(match dialled {
            Ok((_, target)) => span.with("causeway.dialled", *target),
            Err(error) => span.failed(error.to_string()),
        });
    }
}
