//! Opening a tunnel to the proxy: TCP, perhaps through the company's own HTTP proxy, then TLS.

use std::{
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use crate::{
    config::{Endpoint, OutboundProxy},
    engine::{SizeClass, Socket},
    protocol::http1::{self, Parsed},
    relay::{DialError, Inbound, Link, LinkError, Shard, connect_any, with_deadline},
    telemetry::{Count, Group, Metric, names::OTHER},
    tls::{ClientTls, TlsError},
};

/// A tunnel that is up and carries nothing yet.
pub(super) struct Tunnel {
    pub(super) link: Rc<Link>,
    pub(super) inbound: Inbound,
    /// Where it goes: the proxy, or the outbound proxy on the way to it.
    pub(super) address: SocketAddr,
}

/// Why a tunnel could not be opened.
#[derive(Debug, thiserror::Error)]
pub(super) enum TunnelError {
    #[error("{0}")]
    Dial(DialError),
    #[error("TLS with the proxy failed: {0}")]
    Tls(LinkError),
    #[error("{0}")]
    Material(TlsError),
    #[error("the outbound proxy answered {0}; check [outbound_proxy] and its credentials")]
    OutboundRefused(u16),
    #[error("the outbound proxy did not answer as one: {0}")]
    OutboundBroken(&'static str),
    #[error("the proxy does not speak HTTP/2; set mode = \"direct\" for this channel")]
    NotMultiplexed,
    #[error("HTTP/2 with the proxy failed: {0}")]
    Http2(String),
    #[error("this connector has no room for another tunnel")]
    Overloaded,
    #[error("no tunnel within {} s", .0.as_secs())]
    TimedOut(Duration),
}

impl TunnelError {
    /// The stable label for records, finer than that of [`TunnelError::result`].
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Dial(DialError::Unresolvable(_)) => "unresolvable",
            Self::Dial(DialError::Unreachable(..)) => "unreachable",
            Self::Dial(DialError::TimedOut) | Self::TimedOut(_) => "dial_timeout",
            Self::Dial(DialError::Overloaded | DialError::Exhausted(_)) | Self::Overloaded => {
                "overloaded"
            }
            Self::Dial(DialError::Abandoned) => "client_aborted",
            Self::Tls(error) => error.reason(),
            Self::Material(error) => error.reason(),
            Self::OutboundRefused(_) | Self::OutboundBroken(_) => "outbound_proxy",
            Self::NotMultiplexed | Self::Http2(_) => "http2",
        }
    }

    /// The stable label for counters: one of [`crate::telemetry::names::DIAL_RESULTS`].
    pub(super) fn result(&self) -> &'static str {
        match self {
            Self::Dial(error) => error.reason(),
            Self::Tls(_) | Self::Material(_) => "tls",
            Self::OutboundRefused(_) | Self::OutboundBroken(_) => "outbound_proxy",
            Self::TimedOut(_) => "timeout",
            Self::Overloaded => "overloaded",
            Self::NotMultiplexed | Self::Http2(_) => OTHER,
        }
    }

    /// Whether nothing answered in time.
    pub(super) fn is_timeout(&self) -> bool {
        matches!(self, Self::TimedOut(_) | Self::Dial(DialError::TimedOut))
    }
}

/// Opens one tunnel. `attempt` is told of each socket before it is connected; aborting that
/// socket ends the dial.
pub(super) async fn open_tunnel(
    (shard, group): (&Shard, &Group),
    (endpoint, outbound): (&Endpoint, Option<&OutboundProxy>),
    tls: &ClientTls,
    timeout: Duration,
    attempt: impl FnMut(&Socket) -> bool,
) -> Result<Tunnel, TunnelError> {
    let started = Instant::now();
    shard.count(Count::TunnelDials);
    let (host, port) = match outbound {
        Some(outbound) => (outbound.host.as_str(), outbound.port),
        None => (endpoint.host.as_str(), endpoint.port),
    };
    let (socket, address) =
        connect_any(shard, host, port, timeout, attempt).await.map_err(TunnelError::Dial)?;
    group.sample(Metric::Dial, started.elapsed());
    let left = timeout.saturating_sub(started.elapsed());
    let setting_up = set_up(shard, &socket, endpoint, outbound, tls);
    let (opened, timed_out) = with_deadline(&socket, left, setting_up).await;
    match opened {
        Ok((link, inbound)) => Ok(Tunnel { link, inbound, address }),
        Err(_) if timed_out => Err(TunnelError::TimedOut(timeout)),
        Err(error) => Err(error),
    }
}

async fn set_up(
    shard: &Shard,
    socket: &Socket,
    endpoint: &Endpoint,
    outbound: Option<&OutboundProxy>,
    tls: &ClientTls,
) -> Result<(Rc<Link>, Inbound), TunnelError> {
    if let Some(outbound) = outbound {
        pass_through(shard, socket, endpoint, outbound).await?;
    }
    let started = Instant::now();
    let session = tls.connect(&endpoint.host).map_err(TunnelError::Material)?;
    let link = Rc::new(Link::new(shard.name_tunnel(), socket.clone(), session));
    match link.handshake(&shard.pool).await {
        Ok(inbound) => {
            shard.sample(Metric::TlsHandshake, started.elapsed());
            shard.count(Count::HandshakesOk);
            Ok((link, inbound))
        }
        Err(error) => {
            shard.count(Count::HandshakesFailed(error.reason()));
            Err(TunnelError::Tls(error))
        }
    }
}

/// Asks the outbound proxy for a way through.
async fn pass_through(
    shard: &Shard,
    socket: &Socket,
    endpoint: &Endpoint,
    outbound: &OutboundProxy,
) -> Result<(), TunnelError> {
    let lost = |_| TunnelError::OutboundBroken("it closed the connection");
    let mut head = Vec::new();
    http1::write_proxy_connect(&endpoint.host, endpoint.port, outbound.basic(), &mut head)
        .map_err(|_| TunnelError::OutboundBroken("its credentials cannot be sent in a header"))?;
    let mut buffer = shard.pool.take(SizeClass::Small);
    let taken = head.len().min(buffer.spare_len());
    buffer.spare_mut()[..taken].copy_from_slice(&head[..taken]);
    buffer.fill(taken);
    let (sent, mut buffer) = socket.send_all(buffer).await;
    sent.map_err(lost)?;
    buffer.clear();
    loop {
        let (received, filled) = socket.recv_more(buffer).await;
        buffer = filled;
        if received.map_err(lost)? == 0 {
            return Err(TunnelError::OutboundBroken("it closed the connection"));
        }
        match http1::parse_answer(buffer.filled()) {
            Ok(Parsed::NeedMore) if buffer.spare_len() > 0 => {}
            Ok(Parsed::NeedMore) => {
                return Err(TunnelError::OutboundBroken("its answer is too long"));
            }
            Ok(Parsed::Done { value, .. }) if !(200..300).contains(&value.status) => {
                return Err(TunnelError::OutboundRefused(value.status));
            }
            Ok(Parsed::Done { consumed, .. }) if consumed == buffer.len() => return Ok(()),
            // In TLS the client speaks first: these bytes are not the proxy's.
            Ok(Parsed::Done { .. }) => {
                return Err(TunnelError::OutboundBroken("it sent bytes of its own"));
            }
            Err(_) => return Err(TunnelError::OutboundBroken("its answer is not HTTP")),
        }
    }
}
