//! Moving the bytes of one stream between its tunnel and its plain end, both ways at once, until
//! both directions are over, with the endings of the wire protocol:
//!
//! ```text
//!   tunnel: direct           multiplexed            plain end
//!   close_notify             END_STREAM    ◀────▶   FIN             each direction on its own
//!   TCP end without it       RST_STREAM    ─────▶   RST             after all that came before
//!   TCP end without it       RST_STREAM    ◀─────   RST or timeout  after all that came before
//! ```
//!
//! Where the plain end is a client that speaks TLS, it finishes its direction with `close_notify`
//! and so do we, before our FIN; a FIN of its own without one counts as its RST.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Cut, Live, Meter, PlainSink, PlainSource, Shard, Sink, Source, drain::abort_when_delivered,
};
use crate::{
    engine::Buffer,
    limits,
    mapping::Pace,
    telemetry::{Count, Group, Metric},
    tunnel::{Direction, Ending, Phase, Stream, Stride},
};

/// The two ends of a stream and who sits behind them.
pub struct Ends<S, P> {
    /// Towards the far end.
    pub tunnel: S,
    /// The plain end: the client on a connector, the service on a proxy.
    pub plain: P,
    /// The direction of what comes out of the tunnel: up on a proxy, down on a connector.
    pub from_tunnel: Direction,
    /// When the stream was established, for the first-byte latency.
    pub established_at: Instant,
    /// Where its figures go.
    pub group: Rc<Group>,
    /// Whose bytes are counted apart: those of a channel.
    pub meter: Option<Arc<Meter>>,
}

impl<S, P> Ends<S, P> {
    fn to_tunnel(&self) -> Direction {
        match self.from_tunnel {
            Direction::Up => Direction::Down,
            Direction::Down => Direction::Up,
        }
    }

    fn plain_aborted(&self) -> Ending {
        match self.from_tunnel {
            Direction::Up => Ending::ServiceAborted,
            Direction::Down => Ending::ClientAborted,
        }
    }

    fn far_aborted(&self) -> Ending {
        match self.from_tunnel {
            Direction::Up => Ending::ClientAborted,
            Direction::Down => Ending::ServiceAborted,
        }
    }

    fn cut(&self, cut: &Cut) -> Ending {
        match cut {
            Cut::Aborted => self.far_aborted(),
            Cut::Lost => Ending::TunnelLost,
        }
    }
}

/// Relays what the tunnel and the plain end send until both directions are over. `early` is what
/// followed the head.
pub async fn splice<S: Sink, P: PlainSink>(
    shard: &Shard,
    live: &Live,
    ends: &Ends<S, P>,
    (source, plain): (impl Source, impl PlainSource),
    early: Option<Buffer>,
) -> Ending {
    let relay = Relay { shard, live, ends, pace: live.pace() };
    tokio::join!(relay.tunnel_to_plain(source, early), relay.plain_to_tunnel(plain));
    let ending = live.stream().ending();
    if !ending.is_clean() {
        abort_when_delivered(ends.plain.socket()).await;
    }
    ending
}

enum Broken {
    Tunnel(Cut),
    Plain,
}

struct Relay<'a, S, P> {
    shard: &'a Shard,
    live: &'a Live,
    ends: &'a Ends<S, P>,
    /// How fast they may go, where that may be bounded.
    pace: Option<Arc<Pace>>,
}

impl<S: Sink, P: PlainSink> Relay<'_, S, P> {
    /// Tunnel → plain end.
    async fn tunnel_to_plain(&self, mut source: impl Source, early: Option<Buffer>) {
        match self.pump_to_plain(&mut source, early).await {
            Ok(()) => self.finished_by_tunnel(source).await,
            Err(Broken::Tunnel(cut)) => {
                self.live.stream().fail(self.ends.cut(&cut));
                self.ends.tunnel.cut();
                abort_when_delivered(self.ends.plain.socket()).await;
            }
            Err(Broken::Plain) => {
                self.live.stream().fail(self.ends.plain_aborted());
                self.live.enter(Phase::Lingering, Instant::now());
                if self.stream().pipe(self.ends.to_tunnel()).is_finished() {
                    return self.ends.tunnel.abort().await;
                }
                // What the plain end sent before it broke still goes out by `plain_to_tunnel`,
                // which then aborts our side; here the far end's side is read to its end.
                let _ = source.discard_rest(&self.shard.pool).await;
            }
        }
    }

    async fn pump_to_plain(
        &self,
        source: &mut impl Source,
        early: Option<Buffer>,
    ) -> Result<(), Broken> {
        let direction = self.ends.from_tunnel;
        if let Some(early) = early {
            let bytes = early.len();
            self.stream().pipe_mut(direction).moved(bytes, Instant::now());
            self.send_plain(early).await?;
            self.metered(direction, bytes);
        }
        loop {
            let stride = self.paced(self.stream().pipe(direction).stride());
            let chunk = source.next(&self.shard.pool, stride).await.map_err(Broken::Tunnel)?;
            if !chunk.plain.is_empty() {
                let bytes = chunk.plain.len();
                self.received(direction, bytes, chunk.received_at);
                self.send_plain(chunk.plain).await?;
                self.keep_pace(bytes).await;
                source.taken(bytes);
                self.forwarded(direction, bytes, chunk.received_at);
            }
            if chunk.closed {
                return Ok(());
            }
        }
    }

    async fn send_plain(&self, plain: Buffer) -> Result<(), Broken> {
        let sent = self.ends.plain.send(&self.shard.pool, plain).await;
        self.note_stall(self.ends.plain.socket().take_stall());
        sent.map_err(|_| Broken::Plain)
    }

    /// The far end finished its direction: pass the FIN on, and watch the tunnel until the other
    /// direction is over too, so that its loss is noticed while only we would send.
    async fn finished_by_tunnel(&self, mut source: impl Source) {
        let passed_on = self.ends.plain.finish(&self.shard.pool).await.is_ok();
        let other_is_over = {
            let mut stream = self.stream();
            if !passed_on {
                stream.fail(self.ends.plain_aborted());
            }
            stream.pipe_mut(self.ends.from_tunnel).finish(Instant::now());
            stream.pipe(self.ends.to_tunnel()).is_finished()
        };
        if other_is_over {
            return self.ends.tunnel.close();
        }
        let watched = source.discard_rest(&self.shard.pool).await;
        if let Err(cut) = watched
            && !self.stream().is_over()
        {
            self.live.stream().fail(self.ends.cut(&cut));
            // Ends `plain_to_tunnel`, which may wait for a plain end that has nothing to say.
            abort_when_delivered(self.ends.plain.socket()).await;
        }
    }

    /// Plain end → tunnel.
    async fn plain_to_tunnel(&self, source: impl PlainSource) {
        let outcome = match self.pump_to_tunnel(source).await {
            // An end of data seen after a failure is the failure's echo, not a clean end.
            Ok(()) if self.stream().has_failed() => Err(Broken::Plain),
            Ok(()) => self.finished_by_plain().await,
            Err(broken) => Err(broken),
        };
        match outcome {
            Ok(()) => {}
            Err(Broken::Plain) => {
                self.live.stream().fail(self.ends.plain_aborted());
                self.live.enter(Phase::Lingering, Instant::now());
                self.ends.tunnel.abort().await;
            }
            Err(Broken::Tunnel(cut)) => {
                // `tunnel_to_plain` delivers what the tunnel still brought, within the linger time.
                self.live.stream().fail(self.ends.cut(&cut));
                self.live.enter(Phase::Lingering, Instant::now());
                self.ends.tunnel.cut();
            }
        }
    }

    async fn pump_to_tunnel(&self, mut source: impl PlainSource) -> Result<(), Broken> {
        let direction = self.ends.to_tunnel();
        let bytes_max = |class| self.ends.tunnel.chunk_bytes(class);
        loop {
            let stride = self.paced(self.stream().pipe(direction).stride());
            let received = source.next(&self.shard.pool, stride, bytes_max).await;
            let plain = received.map_err(|_| Broken::Plain)?;
            if plain.is_empty() {
                return Ok(());
            }
            let received_at = Instant::now();
            let bytes = plain.len();
            self.received(direction, bytes, received_at);
            let forwarded = self.ends.tunnel.forward(&self.shard.pool, plain).await;
            self.note_stall(self.ends.tunnel.take_stall());
            forwarded.map_err(Broken::Tunnel)?;
            self.forwarded(direction, bytes, received_at);
            self.keep_pace(bytes).await;
        }
    }

    /// The plain end finished its direction: say so.
    async fn finished_by_plain(&self) -> Result<(), Broken> {
        self.ends.tunnel.finish(&self.shard.pool).await.map_err(Broken::Tunnel)?;
        let mut stream = self.stream();
        stream.pipe_mut(self.ends.to_tunnel()).finish(Instant::now());
        self.live.plain_is_unread(self.ends.plain_aborted());
        if stream.pipe(self.ends.from_tunnel).is_finished() {
            // Ends the watch of `finished_by_tunnel`.
            self.ends.tunnel.close();
        }
        Ok(())
    }

    /// How much to take at once: of paced bytes little, so that they flow and do not come in gusts.
    fn paced(&self, stride: Stride) -> Stride {
        match self.pace.as_ref().and_then(|pace| pace.per_second()) {
            Some(pace) if pace < limits::BUFFER_LARGE_BYTES as u64 * 16 => Stride::Small,
            _ => stride,
        }
    }

    /// Waits until more may be moved, after `bytes` were. Whoever waits receives
    /// nothing and returns no credit: that is what holds the sender back.
    async fn keep_pace(&self, bytes: usize) {
        let Some(pace) = &self.pace else { return };
        let mut left = pace.moved(bytes, Instant::now());
        while !left.is_zero() && !self.stream().has_failed() {
            let nap = left.min(limits::PACE_NAP_MAX);
            tokio::time::sleep(nap).await;
            left -= nap;
        }
    }

    fn stream(&self) -> std::cell::RefMut<'_, Stream> {
        self.live.stream()
    }

    /// Notes a chunk that arrived; the first from the service also gives the first-byte latency,
    /// counted from the established stream.
    fn received(&self, direction: Direction, bytes: usize, at: Instant) {
        let mut stream = self.stream();
        let pipe = stream.pipe_mut(direction);
        if direction == Direction::Down && pipe.moved_bytes() == 0 {
            let waited = at.saturating_duration_since(self.ends.established_at);
            self.ends.group.sample(Metric::FirstByte, waited);
            self.live.set_first_byte(waited);
        }
        pipe.moved(bytes, at);
    }

    fn forwarded(&self, direction: Direction, bytes: usize, received_at: Instant) {
        let (metric, count) = match direction {
            Direction::Up => (Metric::ForwardUp, Count::BytesUp),
            Direction::Down => (Metric::ForwardDown, Count::BytesDown),
        };
        self.ends.group.forwarded(metric, bytes, received_at.elapsed());
        self.shard.counters.add(count, bytes as u64);
        self.metered(direction, bytes);
    }

    fn metered(&self, direction: Direction, bytes: usize) {
        if let Some(meter) = &self.ends.meter {
            meter.forwarded(direction, bytes);
        }
    }

    fn note_stall(&self, stall: Option<Duration>) {
        if let Some(stall) = stall {
            self.ends.group.sample(Metric::WriteStall, stall);
        }
    }
}
