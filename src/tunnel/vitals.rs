//! Is the tunnel alive, and how large should its streams' windows be? One PING serves both
//! questions. Pure: it is told what happened and when, and answers what to do.

use std::time::{Duration, Instant};

use crate::limits;

/// Between two PINGs that measure, so that a busy tunnel is not pinged all the time.
const MEASURE_INTERVAL: Duration = Duration::from_millis(100);

/// Payload since the last PING that makes a measurement worth one, in pieces of any size.
const MEASURE_BYTES: u64 = 64 * 1024;

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
/// Windows follow bandwidth × delay: whenever a third of a window arrives within one round
/// trip, the window is what limits the sender, and it is doubled. A third and not more, because
/// credit comes back in portions of a third: of a sender held up by it, one round trip may see
/// one or two.
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
        }
    }

    /// Bytes arrived, of whatever frames. Says whether a PING should measure the round trip now.
    pub fn received(&mut self, bytes: usize, now: Instant) -> bool {
        self.last_received = now;
        self.bytes_since_ping += bytes as u64;
        let rested = self
            .last_ping
            .is_none_or(|last| now.saturating_duration_since(last) >= MEASURE_INTERVAL);
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
        self.round_trip = Some(now.saturating_duration_since(sent));
        let limited = self.bytes_since_ping * 3 >= u64::from(self.window_bytes);
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
        let now = Instant::now();
        let mut vitals = Vitals::new(now);
        assert!(!vitals.received(100, now), "small messages need no measurement");
        assert!(vitals.received(64 * 1024, now));
        vitals.pinged(now);
        vitals.received(64 * 1024, now);
        assert_eq!(vitals.ponged(now + Duration::from_micros(50)), None);
    }
}
