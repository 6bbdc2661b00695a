//! One request of one peer, whatever tunnel it came by: dialling its service, relaying its
//! stream, refusing it.

use std::{
    io,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use super::{
    authorise::{Caller, admit},
    role::ProxyRole,
};
use crate::{
    engine::{Buffer, SizeClass, Socket},
    mapping::Mapping,
    protocol::{ConnectRequest, ProxyHeader, Refusal},
    relay::{DialError, Ends, Live, Outcome, Shard, Sink, Source, connect_any, splice},
    telemetry::{Group, Metric, Party, TunnelId, trace::Seed},
    tls::Identity,
    tunnel::{Direction, Phase},
    worker::Worker,
};

/// One request of one peer.
pub(super) struct Visit {
    pub(super) worker: Rc<Worker>,
    pub(super) role: Rc<ProxyRole>,
    pub(super) shard: Rc<Shard>,
    pub(super) live: Rc<Live>,
    /// The session of its tunnel: in mode `direct` the same. None where it is only asked what would
    /// happen: then nothing is sent.
    pub(super) carrier: Option<Rc<Live>>,
    pub(super) peer: SocketAddr,
    pub(super) tunnel: TunnelId,
}

/// A service that answered, when it was asked for, and how long its dial took.
pub(super) struct Dialled {
    plain: Socket,
    target: SocketAddr,
    asked_at: Instant,
    took: Duration,
    group: Rc<Group>,
    span: Option<Seed>,
}

impl Dialled {
    /// The address that answered.
    pub(super) fn target(&self) -> SocketAddr {
        self.target
    }
}

impl Visit {
    /// Authorises the request and dials its service. `Err(None)` when the session was ended
    /// meanwhile and nobody waits for an answer.
    pub(super) async fn dial(
        &self,
        request: &ConnectRequest,
        identity: &Identity,
    ) -> Result<Dialled, Option<Refusal>> {
        let asked_at = Instant::now();
        let span = self.shard.traces.asked(request.traceparent.as_deref());
        let outcome = self.authorised_dial(request, identity, span).await;
        if let (Err(refusal), Some(seed)) = (&outcome, span) {
            self.trace_refusal(seed, asked_at, refusal, (request, identity));
        }
        match outcome {
            Ok((plain, target, took, group)) => {
                Ok(Dialled { plain, target, asked_at, took, group, span })
            }
            Err(refusal) => match self.live.failure() {
                None => Err(Some(refusal)),
                Some(ending) => {
                    self.note_unserved(ending.reason(), Some(identity), Some(request));
                    Err(None)
                }
            },
        }
    }

    async fn authorised_dial(
        &self,
        request: &ConnectRequest,
        identity: &Identity,
        span: Option<Seed>,
    ) -> Result<(Socket, SocketAddr, Duration, Rc<Group>), Refusal> {
        let caller = Caller { identity, source: self.peer.ip() };
        let (grant, _place) = admit(&self.role, &self.shard, caller, request)?;
        let mapping = grant.mapping.clone();
        let group = self.shard.group(&mapping.subaccount, &mapping.service);
        self.live.set_grant(grant);
        self.live.enter(Phase::Dialling, Instant::now());
        let started = Instant::now();
        let (host, port) = (&mapping.address.host, mapping.address.port);
        let timeout = self.role.settings().dial_timeout;
        let dialled = connect_any(&self.shard, host, port, timeout, |socket| {
            self.live.set_plain(socket.clone());
            self.live.failure().is_none()
        })
        .await;
        let took = started.elapsed();
        if let Some(seed) = span {
            self.trace_dial(seed.part(), (started, took), &dialled);
        }
        group.dialled(dialled.as_ref().map_or_else(DialError::reason, |_| "ok"));
        let (plain, target) = match dialled {
            Ok(dialled) => dialled,
            Err(error) => {
                if matches!(error, DialError::TimedOut) {
                    self.shard.tenant(&mapping.subaccount).opening_timed_out();
                }
                return Err(refusal_of(error));
            }
        };
        group.sample(Metric::Dial, took);
        if mapping.proxy_header
            && let Some(carrier) = &self.carrier
        {
            let told = self.introduce(carrier, &plain, &mapping, (request, identity)).await;
            told.map_err(|error| Refusal::ServiceUnreachable(error.to_string()))?;
        }
        Ok((plain, target, took, group))
    }

    /// Tells the service who is there, before anything else.
    async fn introduce(
        &self,
        carrier: &Live,
        plain: &Socket,
        mapping: &Mapping,
        (request, identity): (&ConnectRequest, &Identity),
    ) -> io::Result<()> {
        let local = carrier.with_link(|link| link.socket().local_addr());
        let header = ProxyHeader {
            source: self.peer,
            destination: local.unwrap_or_else(|| Err(io::ErrorKind::NotConnected.into()))?,
            service: &mapping.service,
            subaccount: &identity.subaccount,
            location: &request.location,
            serial: &identity.serial,
        };
        let bytes = header.bytes();
        let mut buffer = self.shard.pool.take(SizeClass::Small);
        buffer.spare_mut()[..bytes.len()].copy_from_slice(&bytes);
        buffer.fill(bytes.len());
        plain.send_all(buffer).await.0
    }

    /// Relays an established stream to its end and accounts for it.
    pub(super) async fn relay(
        &self,
        dialled: Dialled,
        (request, identity): (&ConnectRequest, &Identity),
        (source, sink): (impl Source, impl Sink),
        early: Option<Buffer>,
    ) {
        let established_at = Instant::now();
        let Dialled { plain, target, asked_at, took, group, span } = dialled;
        let connect = established_at - asked_at;
        group.sample(Metric::Connect, connect);
        self.live.enter(Phase::Relaying, established_at);
        self.live.set_target(target);
        let party = Party {
            subaccount: identity.subaccount.clone(),
            location: request.location.clone(),
            serial: identity.serial.clone(),
            service: request.target.service.clone(),
            peer: self.peer,
            tunnel: self.tunnel,
            traceparent: request.traceparent.clone(),
            span,
            target,
            connect,
            dial: Some(took),
        };
        let (shard, live) = (self.shard.clone(), self.live.clone());
        let outcome = Outcome::new(shard, live, (party, &group), established_at);
        let from_tunnel = Direction::Up;
        let sources = (source, plain.clone());
        let ends = Ends { tunnel: sink, plain, from_tunnel, established_at, group, meter: None };
        // Boxed, so that a relaying session does not carry the room of its earlier stages.
        let ending = Box::pin(splice(&self.shard, &self.live, &ends, sources, early)).await;
        outcome.ended(ending);
    }
}

fn refusal_of(error: DialError) -> Refusal {
    match error {
        DialError::Unresolvable(_) => Refusal::Unresolvable,
        DialError::Unreachable(_, why) if why.kind() == io::ErrorKind::ConnectionRefused => {
            Refusal::ServiceRefused(why.to_string())
        }
        DialError::Unreachable(_, why) => Refusal::ServiceUnreachable(why.to_string()),
        DialError::TimedOut => Refusal::DialTimeout,
        DialError::Overloaded => Refusal::Overloaded("dials"),
        DialError::Exhausted("enomem" | "enobufs") => Refusal::Overloaded("kernel memory"),
        DialError::Exhausted(_) => Refusal::Overloaded("descriptors"),
        DialError::Abandoned => Refusal::Draining,
    }
}
