//! Is the tunnel alive, and how large should its streams' windows be? One PING serves both
//! questions. Pure: it is told what happened and when, and answers what to do.

use std::time::{Duration, Instant};

use crate::limits;

/// Between two PINGs that measure, so that a busy tunnel is not pinged all the time.
const MEASURE_INTERVAL: Duration = Duration::from_millis(100);

/// Payload since the last PING that makes a measurement worth one, in pieces of any size.
const MEASURE_BYTES: u64 = 64 * 1024;

/// The shortest round trip counts for this long, and at most twice as long: a way that became
/// longer is believed by then.
const SHORTEST_FOR: Duration = Duration::from_secs(300);

/// What a tick found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pulse {
    /// Nothing to do.
    Steady,
    /// The tunnel was silent: send a PING.
    Ping,
    /// The last PING was not answered in time: the tunnel is dead.
    Dead,
}

/// The vital signs of one tunnel.
///
/// Windows follow bandwidth × delay: whenever data arrives so fast that a third of a window would
/// come within one round trip, the window is what limits the sender, and it is doubled. A third
/// and not more, because credit comes back in portions of a third: of a sender held up by it, one
/// round trip may see one or two. The round trip is the shortest one of the last minutes: the one
/// just measured holds the queue that the window itself has filled, and a window that follows its
/// own queue grows to the end, only to delay what is small beside the bulk.
///
/// They never shrink: a stream whose sender has used more than the smaller window, while what its
/// reader let go of is not credited yet, would wait for ever (`tests/simulation` shows it). The
/// tunnel's window is what bounds memory.
#[derive(Debug)]
pub struct Vitals {
    last_received: Instant,
    ping_sent: Option<Instant>,
    last_ping: Option<Instant>,
    /// Payload that arrived since the last PING was sent.
    bytes_since_ping: u64,
    window_bytes: u32,
    round_trip: Option<Duration>,
    shortest: Shortest,
}

/// The shortest round trip, of this period and of the one before.
#[derive(Debug)]
struct Shortest {
    since: Instant,
    now: Duration,
    before: Duration,
}

impl Shortest {
    fn of(&mut self, round_trip: Duration, now: Instant) -> Duration {
        if now.saturating_duration_since(self.since) >= SHORTEST_FOR {
            *self = Self { since: now, now: Duration::MAX, before: self.now };
        }
        self.now = self.now.min(round_trip);
        self.now.min(self.before)
    }
}

impl Vitals {
    /// A tunnel that came up just now.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            last_received: now,
            ping_sent: None,
            last_ping: None,
            bytes_since_ping: 0,
            window_bytes: limits::STREAM_WINDOW_BYTES_MIN,
            round_trip: None,
            shortest: Shortest { since: now, now: Duration::MAX, before: Duration::MAX },
        }
    }

    /// Bytes arrived, of whatever frames. Says whether a PING should measure the round trip now:
    /// at the first sign of the peer, while nothing else is on the way, and beside bulk.
    pub fn received(&mut self, bytes: usize, now: Instant) -> bool {
        self.last_received = now;
        self.bytes_since_ping += bytes as u64;
        let rested = self
            .last_ping
            .is_none_or(|last| now.saturating_duration_since(last) >= MEASURE_INTERVAL);
        if self.last_ping.is_none() {
            return true;
        }
        self.ping_sent.is_none()
            && rested
            && self.window_bytes < limits::STREAM_WINDOW_BYTES_MAX
            && self.bytes_since_ping >= MEASURE_BYTES
    }

    /// A PING was sent.
    pub fn pinged(&mut self, now: Instant) {
        self.ping_sent = Some(now);
        self.last_ping = Some(now);
        self.bytes_since_ping = 0;
    }

    /// The PING was answered. Says which stream window to announce, if another one than now.
    pub fn ponged(&mut self, now: Instant) -> Option<u32> {
        let sent = self.ping_sent.take()?;
        let round_trip = now.saturating_duration_since(sent);
        self.round_trip = Some(round_trip);
        let shortest = self.shortest.of(round_trip, now);
        let share = shortest.as_secs_f64() / round_trip.as_secs_f64().max(f64::MIN_POSITIVE);
        let in_one_round_trip = self.bytes_since_ping as f64 * share;
        let limited = in_one_round_trip * 3.0 >= f64::from(self.window_bytes);
        let doubled = self.window_bytes.saturating_mul(2).min(limits::STREAM_WINDOW_BYTES_MAX);
        if limited && doubled > self.window_bytes {
            self.window_bytes = doubled;
            return Some(doubled);
        }
        None
    }

    /// Time passed.
    #[must_use]
    pub fn tick(&self, now: Instant) -> Pulse {
        let silent = now.saturating_duration_since(self.last_received);
        match self.ping_sent {
            Some(sent) if now.saturating_duration_since(sent) >= limits::PING_TIMEOUT => {
                Pulse::Dead
            }
            None if silent >= limits::PING_AFTER => Pulse::Ping,
            _ => Pulse::Steady,
        }
    }

    /// The last measured round trip.
    #[must_use]
    pub fn round_trip(&self) -> Option<Duration> {
        self.round_trip
    }

    /// The stream window announced last.
    #[must_use]
    pub fn window_bytes(&self) -> u32 {
        self.window_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_tunnel_is_pinged_and_declared_dead_when_no_answer_comes() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut vitals = Vitals::new(start);
        assert_eq!(vitals.tick(at(9)), Pulse::Steady);
        assert_eq!(vitals.tick(at(10)), Pulse::Ping);
        vitals.pinged(at(10));
        assert_eq!(vitals.tick(at(29)), Pulse::Steady);
        assert_eq!(vitals.tick(at(30)), Pulse::Dead);
        vitals.ponged(at(30));
        vitals.received(17, at(30));
        assert_eq!(vitals.tick(at(31)), Pulse::Steady);
    }

    /// 1 Gb/s over 100 ms: the window must reach what the link holds, without any setting.
    #[test]
    fn the_window_grows_to_bandwidth_times_delay_and_stays_there_while_idle() {
        let mut now = Instant::now();
        let mut vitals = Vitals::new(now);
        let round_trip = Duration::from_millis(100);
        let link_bytes = 12_500_000_u32;
        let mut round_trips = 0;
        while vitals.window_bytes() < limits::STREAM_WINDOW_BYTES_MAX {
            let in_flight = vitals.window_bytes().min(link_bytes) as usize;
            assert!(vitals.received(in_flight, now), "a limited tunnel is measured");
            vitals.pinged(now);
            now += round_trip;
            vitals.received(in_flight, now);
            vitals.ponged(now);
            round_trips += 1;
            assert!(round_trips < 20, "the window does not grow");
        }
        assert_eq!(round_trips, 5);
        now += Duration::from_secs(3600);
        assert_eq!(vitals.tick(now), Pulse::Ping);
        assert_eq!(vitals.window_bytes(), limits::STREAM_WINDOW_BYTES_MAX);
    }

    #[test]
    fn a_window_that_does_not_limit_is_left_alone() {
        let mut now = Instant::now();
        let mut vitals = Vitals::new(now);
        assert!(vitals.received(100, now), "the first sign of the peer");
        vitals.pinged(now);
        now += Duration::from_micros(50);
        assert_eq!(vitals.ponged(now), None);
        now += MEASURE_INTERVAL;
        assert!(!vitals.received(100, now), "small messages need no measurement");
        assert!(vitals.received(64 * 1024, now));
        vitals.pinged(now);
        vitals.received(64 * 1024, now);
        assert_eq!(vitals.ponged(now + Duration::from_micros(50)), None);
    }

    /// A link of 50 µs whose reader is slower than its sender: the window's bytes stand in
    /// queues, and the measured round trip is the time they wait there.
    #[test]
    fn a_window_does_not_follow_the_queue_it_filled_itself() {
        let mut now = Instant::now();
        let mut vitals = Vitals::new(now);
        assert!(vitals.received(24, now));
        vitals.pinged(now);
        now += Duration::from_micros(50);
        assert_eq!(vitals.ponged(now), None);
        for _ in 0..10 {
            now += MEASURE_INTERVAL;
            assert!(vitals.received(64 * 1024, now));
            vitals.pinged(now);
            vitals.received(vitals.window_bytes() as usize, now);
            now += Duration::from_millis(5);
            assert_eq!(vitals.ponged(now), None);
        }
        assert_eq!(vitals.window_bytes(), limits::STREAM_WINDOW_BYTES_MIN);
    }

    #[test]
    fn a_way_that_became_longer_is_believed_in_time() {
        let mut now = Instant::now();
        let mut vitals = Vitals::new(now);
        vitals.pinged(now);
        now += Duration::from_millis(1);
        vitals.ponged(now);
        let changed = now;
        while vitals.window_bytes() == limits::STREAM_WINDOW_BYTES_MIN {
            now += Duration::from_secs(10);
            vitals.pinged(now);
            vitals.received(vitals.window_bytes() as usize, now);
            now += Duration::from_millis(100);
            vitals.ponged(now);
            assert!(now - changed < SHORTEST_FOR * 2 + Duration::from_secs(20));
        }
    }
}
