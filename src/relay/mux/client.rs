//! The connector's side of a multiplexed tunnel.

use std::{
    cell::{Cell, RefCell},
    future::poll_fn,
    net::SocketAddr,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::Instant,
};

use tokio::sync::Notify;

use super::{MuxSink, MuxSource, Payload, Tunnel, drive::drive, tunnel::Seat};
use crate::{
    engine::Buffer,
    limits,
    protocol::http2::{self, Guard, Io, Outgoing, Windows, Wire, client},
    relay::{Inbound, Link, Shard, TunnelSide},
    telemetry::Metric,
    tunnel::Vessel,
};

type Connection = client::Connection<Io<Buffer>, Payload>;

/// A tunnel that streams can be opened on.
#[derive(Clone)]
pub struct ClientTunnel(Rc<Inner>);

struct Inner {
    tunnel: Rc<Tunnel>,
    /// `None` once no more streams are to be opened: the session ends with the last one.
    requests: RefCell<Option<client::SendRequest<Payload>>>,
    streams_max: Cell<usize>,
    address: SocketAddr,
}

/// A stream the proxy agreed to, or its refusal.
pub enum Opened {
    /// The stream.
    Stream(MuxSource, MuxSink),
    /// The proxy said no: status and `proxy-status`.
    Refused(u16, Option<String>),
}

/// Why a stream could not be opened.
#[derive(Debug)]
pub enum OpenError {
    /// The proxy did nothing for the request: it may be sent again on another tunnel.
    Retry,
    /// The request may have had an effect, or cannot be sent at all.
    Failed(String),
}

impl ClientTunnel {
    /// Speaks HTTP/2 over `link` and runs the tunnel in the background until it ends. `ended` is
    /// called then; `room` is told whenever another stream may be opened, to one of those who wait
    /// for a stream that ended, and to all when the proxy has told that it takes more.
    ///
    /// # Errors
    /// When the peer does not speak HTTP/2.
    pub async fn start(
        shard: Rc<Shard>,
        link: Rc<Link>,
        inbound: Inbound,
        (windows, address): (Windows, SocketAddr),
        room: Rc<Notify>,
        ended: impl FnOnce() + 'static,
    ) -> Result<Self, http2::Error> {
        let now = Instant::now();
        let (wire, io) = Wire::new();
        let tunnel = Tunnel::new(link, wire, room, now);
        let (requests, connection) = http2::client_builder(windows).handshake(io).await?;
        let inner = Rc::new(Inner {
            tunnel: tunnel.clone(),
            requests: RefCell::new(Some(requests)),
            streams_max: Cell::new(limits::STREAMS_BEFORE_SETTINGS),
            address,
        });
        let weak = Rc::downgrade(&inner);
        tokio::task::spawn_local(async move {
            let session = run(&shard, &tunnel, connection, |streams_max| {
                if let Some(inner) = weak.upgrade()
                    && inner.streams_max.replace(streams_max) < streams_max
                {
                    inner.tunnel.room.notify_waiters();
                }
            });
            let guards = (Guard::for_server_bytes(now), Outgoing::of_connector());
            drive(&shard, &tunnel, inbound, guards, session).await;
            ended();
        });
        Ok(Self(inner))
    }

    /// The tunnel below.
    #[must_use]
    pub fn tunnel(&self) -> &Rc<Tunnel> {
        &self.0.tunnel
    }

    /// Where it goes: the proxy, or the outbound proxy on the way to it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.0.address
    }

    /// Opens no more streams; the tunnel ends when the last one has.
    pub fn retire(&self) {
        self.0.requests.borrow_mut().take();
    }

    /// Asks for a stream and waits for the answer.
    ///
    /// # Errors
    /// [`OpenError::Retry`] when another tunnel may be tried.
    pub async fn open(&self, request: http::Request<()>) -> Result<Opened, OpenError> {
        let requests = self.0.requests.borrow().clone().ok_or(OpenError::Retry)?;
        let seat = Seat::take(&self.0.tunnel);
        let mut requests = requests.ready().await.map_err(|error| open_error(&error))?;
        let (answer, sender) =
            requests.send_request(request, false).map_err(|error| open_error(&error))?;
        let answer = answer.await.map_err(|error| open_error(&error))?;
        if answer.status() != http::StatusCode::OK {
            let why = http2::proxy_status(answer.headers());
            return Ok(Opened::Refused(answer.status().as_u16(), why));
        }
        let (source, sink) = super::stream::halves(seat, answer.into_body(), sender);
        Ok(Opened::Stream(source, sink))
    }
}

impl TunnelSide for ClientTunnel {
    fn cut(&self) {
        TunnelSide::cut(&self.0.tunnel);
    }

    fn release_idle(&self) {
        TunnelSide::release_idle(&self.0.tunnel);
    }

    fn is_dead(&self, now: Instant) -> bool {
        TunnelSide::is_dead(&self.0.tunnel, now)
    }

    fn drain(&self) {
        self.retire();
    }

    fn streams(&self) -> Option<usize> {
        TunnelSide::streams(&self.0.tunnel)
    }

    fn bytes_in_flight(&self) -> usize {
        TunnelSide::bytes_in_flight(&self.0.tunnel)
    }
}

fn open_error(error: &http2::Error) -> OpenError {
    if http2::is_retryable(error) { OpenError::Retry } else { OpenError::Failed(error.to_string()) }
}

impl Vessel for ClientTunnel {
    fn bytes_in_flight(&self) -> usize {
        Tunnel::bytes_in_flight(&self.0.tunnel)
    }

    fn streams(&self) -> usize {
        Tunnel::streams(&self.0.tunnel)
    }

    fn streams_max(&self) -> usize {
        self.0.streams_max.get()
    }

    fn is_open(&self) -> bool {
        if self.is_closed() {
            return false;
        }
        // A session that received GOAWAY fails here.
        let mut cx = Context::from_waker(Waker::noop());
        match &mut *self.0.requests.borrow_mut() {
            Some(requests) => !matches!(requests.poll_ready(&mut cx), Poll::Ready(Err(_))),
            None => false,
        }
    }

    fn is_closed(&self) -> bool {
        self.0.tunnel.is_closed()
    }
}

async fn run(
    shard: &Shard,
    tunnel: &Tunnel,
    mut connection: Connection,
    mut limit: impl FnMut(usize),
) {
    let mut pinger = connection.ping_pong();
    poll_fn(|cx| {
        let orders = tunnel.orders(cx);
        if orders.end {
            return Poll::Ready(());
        }
        if let Some(window) = orders.window
            && connection.set_initial_window_size(window).is_err()
        {
            tunnel.window_refused(window);
        }
        let ended = Pin::new(&mut connection).poll(cx).is_ready();
        limit(connection.max_concurrent_send_streams());
        if let Some(pinger) = &mut pinger {
            tunnel.ping(pinger, orders.ping, cx, |took| shard.sample(Metric::TunnelRtt, took));
        }
        if ended { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}
