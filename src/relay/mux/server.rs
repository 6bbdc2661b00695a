//! The proxy's side of a multiplexed tunnel.

use std::{
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll},
    time::Instant,
};

use super::{
    MuxSink, MuxSource, Payload, Tunnel,
    drive::{drive, let_others_in},
    tunnel::Seat,
};
use crate::{
    engine::Buffer,
    limits,
    protocol::{
        Refusal, Request,
        http2::{self, Asked, Guard, Io, Outgoing, Reason, RecvStream, Windows, Wire, server},
    },
    relay::{Inbound, Link, Shard},
    telemetry::Metric,
    tunnel::Key,
};

type Connection = server::Connection<Io<Buffer>, Payload>;

/// A stream a peer asked for, not yet answered.
pub struct Arrival {
    /// What it asks for, or why that cannot be.
    pub request: Result<Request, Refusal>,
    /// When it came.
    pub arrived_at: Instant,
    seat: Seat,
    body: RecvStream,
    answer: server::SendResponse<Payload>,
}

impl Arrival {
    fn new(
        tunnel: &Rc<Tunnel>,
        asked: Asked<RecvStream>,
        answer: server::SendResponse<Payload>,
    ) -> Self {
        let request = http2::parse_request(&asked);
        let (seat, body) = (Seat::take(tunnel), asked.into_body());
        Self { request, arrived_at: Instant::now(), seat, body, answer }
    }

    /// Whether the peer gave the stream up while it was not answered.
    pub fn is_gone(&mut self) -> bool {
        let mut cx = Context::from_waker(std::task::Waker::noop());
        self.answer.poll_reset(&mut cx).is_ready()
    }

    /// The session of the tunnel it came by.
    #[must_use]
    pub fn carrier(&self) -> Option<Key> {
        self.seat.tunnel().key()
    }

    /// Says yes; `None` when nobody waits for that any more.
    #[must_use]
    pub fn establish(mut self) -> Option<(MuxSource, MuxSink)> {
        let sender = self.answer.send_response(http2::answer_established(), false).ok()?;
        Some(super::stream::halves(self.seat, self.body, sender))
    }

    /// Says no.
    pub fn refuse(mut self, refusal: &Refusal) {
        // A peer that is gone needs no answer.
        let _ = self.answer.send_response(http2::answer_refusal(refusal), true);
    }

    /// Says that we are well.
    pub fn healthy(mut self) {
        let _ = self.answer.send_response(http2::answer_healthy(), true);
    }
}

/// Serves one multiplexed tunnel to its end. `up` is told of it once the peer has spoken HTTP/2,
/// `arrived` of every stream.
pub async fn serve(
    shard: &Shard,
    link: Rc<Link>,
    inbound: Inbound,
    (windows, streams_max): (Windows, u32),
    up: impl FnOnce(&Rc<Tunnel>),
    arrived: impl FnMut(Arrival),
) -> Rc<Tunnel> {
    let now = Instant::now();
    let (wire, io) = Wire::new();
    let tunnel = Tunnel::new(link, wire, Rc::default(), now);
    let builder = http2::server_builder(windows, streams_max);
    let session = async {
        // Failing here, the crate has said why to the peer, as far as that is possible.
        match builder.handshake(io).await {
            Ok(connection) => {
                up(&tunnel);
                accept(shard, &tunnel, connection, arrived).await;
            }
            Err(error) => tunnel.failed(&error),
        }
    };
    let guards = (Guard::for_client_bytes(now), Outgoing::of_proxy(now));
    drive(shard, &tunnel, inbound, guards, session).await;
    tunnel
}

async fn accept(
    shard: &Shard,
    tunnel: &Rc<Tunnel>,
    mut connection: Connection,
    mut arrived: impl FnMut(Arrival),
) {
    let mut pinger = connection.ping_pong();
    let mut arrivals = 0;
    while let Some((asked, answer)) = poll_fn(|cx| {
        let orders = tunnel.orders(cx);
        if orders.drain {
            // GOAWAY twice: with the largest stream id now, with the last one after a PING.
            connection.graceful_shutdown();
        }
        if orders.end {
            connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
        }
        if let Some(window) = orders.window
            && connection.set_initial_window_size(window).is_err()
        {
            tunnel.window_refused(window);
        }
        let accepted = connection.poll_accept(cx);
        if let Some(pinger) = &mut pinger {
            tunnel.ping(pinger, orders.ping, cx, |took| shard.sample(Metric::TunnelRtt, took));
        }
        match accepted {
            Poll::Ready(Some(Ok(stream))) => Poll::Ready(Some(stream)),
            Poll::Ready(Some(Err(error))) => {
                tunnel.failed(&error);
                Poll::Ready(None)
            }
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
    {
        arrived(Arrival::new(tunnel, asked, answer));
        arrivals += 1;
        if arrivals == limits::ARRIVALS_PER_TURN {
            arrivals = 0;
            let_others_in().await;
        }
    }
}
