//! One client of a service channel, from its accept to its end.

use std::{net::SocketAddr, rc::Rc, time::Instant};

use super::{
    channel::{Channel, Tunnels},
    dial::{Tunnel, TunnelError},
    open_direct::Opened,
    open_multiplexed::OpenedStream,
    role::ConnectorRole,
    status::Part,
};
use crate::{
    engine::{Buffer, Socket},
    limits,
    relay::{DirectSource, Ends, Live, Outcome, Party, Shard, Sink, Source, splice},
    telemetry::{Count, Group, Metric},
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
    let live = Rc::new(Live::new(role.timeouts, Instant::now()));
    let group = channel.group(&shard, &role);
    let Some(key) = shard.admit(&live) else {
        shard.count(Count::Refused("overloaded"));
        group.refused("overloaded");
        return;
    };
    if let Ok(client) = Socket::adopt(&shard.driver, fd) {
        // A client that is gone already shows at the first use of its socket.
        let _ = client.send_at_once();
        live.set_plain(client.clone());
        live.set_peer(peer);
        live.set_aim(channel.aim.clone());
        live.enter(Phase::Opening, Instant::now());
        let shard = shard.clone();
        let visit = Visit { shard, role, channel, group, live, client, peer };
        visit.run(accepted_at).await;
    }
    shard.dismiss(key);
}

/// One client and what is done for it.
pub(super) struct Visit {
    pub(super) shard: Rc<Shard>,
    pub(super) role: Rc<ConnectorRole>,
    pub(super) channel: Rc<Channel>,
    pub(super) group: Rc<Group>,
    pub(super) live: Rc<Live>,
    client: Socket,
    peer: SocketAddr,
}

impl Visit {
    async fn run(self, accepted_at: Instant) {
        let channel = self.channel.clone();
        match &channel.tunnels {
            Tunnels::Direct(warm) => match Box::pin(self.open_direct(warm)).await {
                Ok(Opened { tunnel: Tunnel { link, inbound, address }, early }) => {
                    let _present = self.shard.tenant(&self.role.subaccount).tunnel(0);
                    let source = DirectSource { link: link.clone(), inbound };
                    self.relay((source, link), early, address, accepted_at).await;
                }
                Err(error) => self.give_up(&error),
            },
            Tunnels::Multiplexed(tunnels) => match Box::pin(self.open_multiplexed(tunnels)).await {
                Ok(OpenedStream { tunnel, source, sink }) => {
                    self.relay((source, sink), None, tunnel.address(), accepted_at).await;
                }
                Err(error) => self.give_up(&error),
            },
        }
    }

    async fn relay(
        self,
        (source, sink): (impl Source, impl Sink),
        early: Option<Buffer>,
        target: SocketAddr,
        accepted_at: Instant,
    ) {
        let established_at = Instant::now();
        self.group.sample(Metric::Connect, established_at - accepted_at);
        self.live.enter(Phase::Relaying, established_at);
        self.live.set_target(target);
        let party = Party {
            subaccount: self.role.subaccount.clone(),
            location: self.role.location.clone(),
            service: self.channel.config.endpoint.service.clone(),
            peer: self.peer,
            traceparent: None,
            target,
        };
        let (shard, live, group) = (self.shard.clone(), self.live.clone(), self.group);
        let outcome = Outcome::new(shard, live, (party, &group), established_at);
        self.channel.status.stream_opened();
        let plain = self.client;
        let from_tunnel = Direction::Down;
        let ends = Ends { tunnel: sink, plain, from_tunnel, established_at, group };
        // Boxed, so that a relaying session does not carry the room of its earlier stages.
        let ending = Box::pin(splice(&self.shard, &self.live, &ends, source, early)).await;
        self.channel.status.stream_ended();
        outcome.ended(ending);
    }

    fn give_up(&self, error: &OpenError) {
        self.client.abort();
        self.report(error);
    }

    fn report(&self, error: &OpenError) {
        self.shard.count(Count::Refused(error.reason()));
        self.group.refused(error.reason());
        if matches!(error, OpenError::TimedOut) {
            self.shard.tenant(&self.role.subaccount).opening_timed_out();
        }
        let news = match error {
            // The dial has said so itself.
            OpenError::Tunnel(_) | OpenError::NoTunnel => false,
            _ => self.channel.status.set_problem(Part::Service, Some(error.to_string())),
        };
        if news {
            tracing::warn!(
                target: "causeway::refused",
                endpoint = %self.channel.config.endpoint, peer = %self.peer, "{error}"
            );
        }
    }
}
