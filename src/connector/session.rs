//! One client of a service channel, from its accept to its end.

use std::{net::SocketAddr, rc::Rc, sync::Arc, time::Instant};

use super::{
    channel::{Channel, Tunnels},
    client::{Client, SecureError},
    dial::{Tunnel, TunnelError},
    open_direct::Opened,
    open_multiplexed::OpenedStream,
    owner::Identity,
    role::ConnectorRole,
    status::Part,
};
use crate::{
    engine::{Buffer, Socket, turn_away},
    limits,
    relay::{
        DirectSource, Ends, Live, Outcome, PlainSink, PlainSource, Shard, Sink, Source, splice,
    },
    telemetry::{
        Count, Group, Metric, Party, TraceContext, TunnelId, Verdict, audit::Event, trace::Span,
    },
    tunnel::{Direction, Phase},
    worker::Accepted,
};

/// Why a client got no stream.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("{0}")]
    Tunnel(#[from] TunnelError),
    #[error("the proxy answered {status}{}", detail(.proxy_status))]
    Refused { status: u16, proxy_status: Option<String> },
    #[error("the tunnel ended before the proxy answered: {0}")]
    Lost(String),
    #[error("no tunnel is up")]
    NoTunnel,
    #[error("allowed_sources of the channel has no such address")]
    SourceNotAllowed,
    #[error("too many audit records wait to be written")]
    Unrecorded,
    #[error("{0}")]
    Unsecured(#[from] SecureError),
    #[error("the proxy's answer is not HTTP/1.1")]
    NotHttp,
    #[error("the service or location id cannot be sent in a request; correct the configuration")]
    Unsendable,
    #[error("the proxy did not answer within {} s", limits::CONNECT_ANSWER_TIMEOUT.as_secs())]
    TimedOut,
}

fn detail(proxy_status: &Option<String>) -> String {
    proxy_status.as_ref().map(|status| format!(" ({status})")).unwrap_or_default()
}

impl OpenError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Tunnel(_) | Self::NoTunnel => "tunnel",
            Self::Unrecorded | Self::Unsecured(SecureError::TooMany) => "overloaded",
            Self::Unsecured(_) => "local_tls",
            Self::SourceNotAllowed => "source_not_allowed",
            Self::Refused { .. } => "refused",
            Self::Lost(_) => "tunnel_lost",
            Self::NotHttp | Self::Unsendable => "malformed",
            Self::TimedOut => "answer_timeout",
        }
    }
}

/// Serves one accepted client. A client that gets no stream is reset: that is the one error a
/// plain TCP connection can show.
pub(super) async fn serve(
    shard: Rc<Shard>,
    role: Rc<ConnectorRole>,
    channel: Rc<Channel>,
    accepted: Accepted,
) {
    let Accepted { fd, peer, at: accepted_at, .. } = accepted;
    shard.sample(Metric::QueueWait, accepted_at.elapsed());
    let live = Rc::new(Live::new(role.settings().timeouts, Instant::now()));
    let group = channel.group(&shard);
    let Ok(key) = shard.admit(&live) else {
        shard.count(Count::Refused("overloaded"));
        group.refused("overloaded");
        return turn_away(fd);
    };
    let adopted = Socket::adopt(&shard.driver, fd);
    if let Err(error) = &adopted {
        shard.shed("socket", error);
    }
    if let Ok(client) = adopted {
        // A client that is gone already shows at the first use of its socket.
        let _ = client.send_at_once();
        live.set_plain(client.clone());
        live.set_peer(peer);
        live.set_aim(channel.aim());
        live.set_pace(channel.pace.clone());
        let shard = shard.clone();
        let trace = shard.traces.begin();
        let identity = channel.identity();
        let visit = Visit { shard, role, identity, channel, group, live, trace, client, peer };
        visit.run(accepted_at).await;
    }
    shard.dismiss(key);
}

/// One client and what is done for it.
pub(super) struct Visit {
    pub(super) shard: Rc<Shard>,
    pub(super) role: Rc<ConnectorRole>,
    /// On whose behalf.
    pub(super) identity: Arc<Identity>,
    pub(super) channel: Rc<Channel>,
    pub(super) group: Rc<Group>,
    pub(super) live: Rc<Live>,
    /// Told to the proxy, so that both logs tell of the same stream.
    pub(super) trace: TraceContext,
    pub(super) client: Socket,
    peer: SocketAddr,
}

impl Visit {
    async fn run(mut self, accepted_at: Instant) {
        if !self.channel.allows(self.peer.ip()) {
            return self.give_up(&OpenError::SourceNotAllowed, accepted_at);
        }
        if self.shard.audit.refuses() {
            return self.give_up(&OpenError::Unrecorded, accepted_at);
        }
        let client = match self.channel.config.tls {
            false => Client::Plain(self.client.clone()),
            true => match Box::pin(self.secure()).await {
                Ok(client) => client,
                Err(error) => return self.give_up(&error.into(), accepted_at),
            },
        };
        self.live.enter(Phase::Opening, Instant::now());
        loop {
            let channel = self.channel.clone();
            let error = match &channel.tunnels {
                Tunnels::Direct(warm) => match Box::pin(self.open_direct(warm)).await {
                    Ok(Opened { tunnel: Tunnel { link, inbound, address }, early }) => {
                        let _present = self.shard.tenant(&self.identity.owner.subaccount).tunnel(0);
                        let source = DirectSource { link: link.clone(), inbound };
                        let way = (link.id(), address);
                        let tunnel = (source, link);
                        return self.relay(client, tunnel, early, way, accepted_at).await;
                    }
                    Err(error) => error,
                },
                Tunnels::Multiplexed(fleet) => match Box::pin(self.open_multiplexed(fleet)).await {
                    Ok(OpenedStream { tunnel, source, sink }) => {
                        let way = (tunnel.tunnel().link().id(), tunnel.address());
                        let tunnel = (source, sink);
                        return self.relay(client, tunnel, None, way, accepted_at).await;
                    }
                    Err(error) => error,
                },
            };
            match channel.successor() {
                // The channel changed meanwhile, and nothing of the client's was sent yet.
                Some(successor) if self.live.failure().is_none() => {
                    self.identity = successor.identity();
                    self.channel = successor;
                }
                _ => return self.give_up(&error, accepted_at),
            }
        }
    }

    async fn relay(
        self,
        client: Client,
        tunnel: (impl Source, impl Sink),
        early: Option<Buffer>,
        way: (TunnelId, SocketAddr),
        accepted_at: Instant,
    ) {
        match client {
            Client::Plain(socket) => {
                let plain = (socket.clone(), socket);
                self.relay_plain(plain, tunnel, early, way, accepted_at).await;
            }
            Client::Secured(source) => {
                let link = source.link.clone();
                self.relay_plain((source, link), tunnel, early, way, accepted_at).await;
            }
        }
    }

    async fn relay_plain(
        self,
        (client, plain): (impl PlainSource, impl PlainSink),
        (source, sink): (impl Source, impl Sink),
        early: Option<Buffer>,
        (tunnel, target): (TunnelId, SocketAddr),
        accepted_at: Instant,
    ) {
        let established_at = Instant::now();
        let connect = established_at - accepted_at;
        self.group.sample(Metric::Connect, connect);
        self.live.enter(Phase::Relaying, established_at);
        self.live.set_target(target);
        let party = Party {
            subaccount: self.identity.owner.subaccount.clone(),
            location: self.identity.owner.location.clone(),
            serial: self.identity.tls.serial.to_string(),
            service: self.channel.config.endpoint.service.clone(),
            peer: self.peer,
            tunnel,
            traceparent: Some(self.trace.to_string()),
            span: self.shard.traces.first(self.trace),
            target,
            connect,
            dial: None,
        };
        let (shard, live, group) = (self.shard.clone(), self.live.clone(), self.group);
        let outcome = Outcome::new(shard, live, (party, &group), established_at);
        self.channel.status.stream_opened();
        let from_tunnel = Direction::Down;
        let meter = self.channel.status.meter(self.shard.index);
        let ends = Ends { tunnel: sink, plain, from_tunnel, established_at, group, meter };
        // Boxed, so that a relaying session does not carry the room of its earlier stages.
        let sources = (source, client);
        let ending = Box::pin(splice(&self.shard, &self.live, &ends, sources, early)).await;
        self.channel.status.stream_ended();
        outcome.ended(ending);
    }

    fn give_up(&self, error: &OpenError, accepted_at: Instant) {
        self.client.abort();
        if let Some(seed) = self.shard.traces.first(self.trace) {
            let span = Span::new(seed, "causeway.stream", accepted_at, accepted_at.elapsed())
                .with("causeway.service", &*self.channel.config.endpoint.service)
                .with("network.peer.address", self.peer)
                .failed(error.to_string());
            self.shard.traces.record(span);
        }
        self.report(error);
    }

    fn report(&self, error: &OpenError) {
        if matches!(error, OpenError::Unsecured(error) if error.reason() == "closed") {
            // Who connects and leaves (a look whether the port is open) has tried nothing.
            return;
        }
        self.shard.count(Count::Refused(error.reason()));
        self.group.refused(error.reason());
        if matches!(error, OpenError::TimedOut) {
            self.shard.tenant(&self.identity.owner.subaccount).opening_timed_out();
        }
        self.shard.audit.record(|| Event::StreamRefused {
            peer: self.peer,
            tunnel: None,
            subaccount: self.identity.owner.subaccount.clone(),
            location: self.identity.owner.location.clone(),
            serial: self.identity.tls.serial.to_string(),
            service: self.channel.config.endpoint.service.clone(),
            reason: error.reason(),
        });
        let news = match error {
            // The dial has said so itself.
            OpenError::Tunnel(_) | OpenError::NoTunnel => false,
            // Nothing is wrong with the channel.
            OpenError::SourceNotAllowed | OpenError::Unsecured(_) => true,
            _ => self.channel.status.set_problem(Part::Service, Some(error.to_string())),
        };
        if !news {
            return;
        }
        // Two errors in turns are news each time.
        let kind = format!("{} {}", error.reason(), self.channel.config.endpoint);
        match self.role.repeats.borrow_mut().judge(&kind, Instant::now()) {
            Verdict::Suppress => self.shard.count(Count::LogLinesSuppressed),
            Verdict::Write { suppressed } => tracing::warn!(
                target: "causeway::refused", suppressed,
                endpoint = %self.channel.config.endpoint, peer = %self.peer,
                traceparent = %self.trace, "{error}"
            ),
        }
    }
}
