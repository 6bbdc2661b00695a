//! One request of one peer, whatever tunnel it came by: dialling its service, relaying its
//! stream, refusing it.

use std::{io, net::SocketAddr, rc::Rc, time::Instant};

use super::{authorise::admit, role::ProxyRole};
use crate::{
    engine::{Buffer, Socket},
    protocol::{ConnectRequest, Refusal},
    relay::{DialError, Ends, Live, Outcome, Party, Shard, Sink, Source, connect_any, splice},
    telemetry::{Count, Group, Metric, Verdict},
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
    pub(super) peer: SocketAddr,
}

/// A service that answered, and when it was asked for.
pub(super) struct Dialled {
    plain: Socket,
    target: SocketAddr,
    asked_at: Instant,
    group: Rc<Group>,
}

impl Dialled {
    /// The address that answered.
    pub(super) fn target(&self) -> SocketAddr {
        self.target
    }
}

impl Visit {
    /// Counts a refusal and says it in the log.
    pub(super) fn note_refusal(&self, refusal: &Refusal, subaccount: &str, service: &str) {
        self.count_refusal(refusal.reason(), subaccount, service);
        let mut repeats = self.role.repeats.borrow_mut();
        // One tenant's flood must not hide another's line.
        let kind = format!("{} {subaccount}", refusal.reason());
        match repeats.judge(&kind, Instant::now()) {
            Verdict::Suppress => self.shard.count(Count::LogLinesSuppressed),
            Verdict::Write { suppressed } => tracing::warn!(
                target: "causeway::refused",
                peer = %self.peer, subaccount, service, suppressed,
                status = refusal.status(), reason = refusal.reason(),
                "{}", refusal.body().trim_end()
            ),
        }
    }

    /// Counts a refusal, also with its subaccount where that is known, and with the service where
    /// it is one of that subaccount's: what else a peer may call a service must not become a name
    /// of ours.
    pub(super) fn count_refusal(&self, reason: &'static str, subaccount: &str, service: &str) {
        self.shard.count(Count::Refused(reason));
        if !subaccount.is_empty() {
            let known = self.role.table.borrow().has_service(subaccount, service);
            self.shard.group(subaccount, if known { service } else { "" }).refused(reason);
        }
    }

    /// Authorises the request and dials its service. `Err(None)` when the session was ended
    /// meanwhile and nobody waits for an answer.
    pub(super) async fn dial(
        &self,
        request: &ConnectRequest,
        identity: &Identity,
    ) -> Result<Dialled, Option<Refusal>> {
        let asked_at = Instant::now();
        match self.authorised_dial(request, identity).await {
            Ok((plain, target, group)) => Ok(Dialled { plain, target, asked_at, group }),
            Err(refusal) => match self.live.failure() {
                None => Err(Some(refusal)),
                Some(ending) => {
                    let service = &request.target.service;
                    self.count_refusal(ending.reason(), &identity.subaccount, service);
                    Err(None)
                }
            },
        }
    }

    async fn authorised_dial(
        &self,
        request: &ConnectRequest,
        identity: &Identity,
    ) -> Result<(Socket, SocketAddr, Rc<Group>), Refusal> {
        let (grant, _place) = admit(&self.role, identity, request)?;
        let settings = &self.role.settings;
        let mapping = grant.mapping.clone();
        let group = self.shard.group(&mapping.subaccount, &mapping.service);
        self.live.set_grant(grant);
        self.live.enter(Phase::Dialling, Instant::now());
        let started = Instant::now();
        let (host, port) = (&mapping.address.host, mapping.address.port);
        let dialled = connect_any(&self.shard, host, port, settings.dial_timeout, |socket| {
            self.live.set_plain(socket.clone());
            self.live.failure().is_none()
        })
        .await;
        match dialled {
            Ok((plain, target)) => {
                group.dialled("ok");
                group.sample(Metric::Dial, started.elapsed());
                Ok((plain, target, group))
            }
            Err(error) => {
                group.dialled(error.reason());
                if matches!(error, DialError::TimedOut) {
                    self.shard.tenant(&mapping.subaccount).opening_timed_out();
                }
                Err(refusal_of(error))
            }
        }
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
        let Dialled { plain, target, asked_at, group } = dialled;
        group.sample(Metric::Connect, established_at - asked_at);
        self.live.enter(Phase::Relaying, established_at);
        self.live.set_target(target);
        let party = Party {
            subaccount: identity.subaccount.clone(),
            location: request.location.clone(),
            service: request.target.service.clone(),
            peer: self.peer,
            traceparent: request.traceparent.clone(),
            target,
        };
        let (shard, live) = (self.shard.clone(), self.live.clone());
        let outcome = Outcome::new(shard, live, (party, &group), established_at);
        let from_tunnel = Direction::Up;
        let ends = Ends { tunnel: sink, plain, from_tunnel, established_at, group };
        // Boxed, so that a relaying session does not carry the room of its earlier stages.
        let ending = Box::pin(splice(&self.shard, &self.live, &ends, source, early)).await;
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
        DialError::Abandoned => Refusal::Draining,
    }
}
