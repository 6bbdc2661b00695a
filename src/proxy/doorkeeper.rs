//! When a connection from a source address may begin its TLS handshake: the one thing that costs a
//! proxy much before it knows who asks.
//!
//! Handshakes that come to nothing are bounded. Whoever shows a certificate that we accept does not
//! count: many connectors stand behind one NAT or load balancer, and in mode `direct` every stream
//! is a handshake. A peer whose tunnel ended by its own fault is likely to come back for more, so
//! for a while the connections of its address take turns.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use crate::{
    limits::{self, Rate},
    protocol::http2::Bucket,
};

/// The label of a connection closed because of too many strangers.
pub(super) const HANDSHAKE_RATE: &str = "handshake_rate";
/// The label of a connection closed because its turn is too far off.
pub(super) const OFFENDER_RATE: &str = "offender_rate";

/// What one worker knows of the addresses that connect to it.
#[derive(Debug)]
pub(super) struct Doorkeeper {
    rate: Rate,
    /// From one turn of an offender to the next; `None` when they need not wait.
    interval: Option<Duration>,
    /// At most [`limits::SOURCES_PER_WORKER_MAX`]; one that is not known is like a new one.
    sources: HashMap<IpAddr, Source>,
    /// What all addresses share that find no place in the table.
    overflow: Source,
    swept_at: Instant,
}

#[derive(Debug)]
struct Source {
    /// Handshakes that may come to nothing.
    strangers: Bucket,
    offender: Option<Pace>,
}

/// The turns of an offender.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// An offender until then.
    until: Instant,
    /// Nobody's yet; it may have passed.
    next_turn: Instant,
}

/// Between two looks for addresses that can be forgotten: each goes over the whole table.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

impl Doorkeeper {
    /// Lets `strangers_per_second` through for each address, [`limits::HANDSHAKE_BURST_SECONDS`]
    /// times as many at once, and `offenders_per_second` of each that has offended; 0 of these is
    /// as many as there are.
    pub(super) fn new(strangers_per_second: u32, offenders_per_second: u32, now: Instant) -> Self {
        let burst = strangers_per_second.saturating_mul(limits::HANDSHAKE_BURST_SECONDS);
        let rate = Rate { burst, per_second: strangers_per_second };
        Self {
            rate,
            interval: Duration::from_secs(1).checked_div(offenders_per_second),
            sources: HashMap::new(),
            overflow: Source::new(rate, now),
            swept_at: now,
        }
    }

    /// When another connection from `source` may begin its handshake, which is now for nearly
    /// everybody.
    ///
    /// # Errors
    /// The label to count it by: it is to be closed.
    pub(super) fn admits(&mut self, source: IpAddr, now: Instant) -> Result<Instant, &'static str> {
        let interval = self.interval;
        let source = self.source(source, now);
        let turn = source.turn(now);
        if turn.saturating_duration_since(now) > limits::HELD_TIME_MAX {
            return Err(OFFENDER_RATE);
        }
        if !source.strangers.take(now) {
            return Err(HANDSHAKE_RATE);
        }
        if let (Some(pace), Some(interval)) = (&mut source.offender, interval) {
            pace.next_turn = turn + interval;
        }
        Ok(turn)
    }

    /// A connection from `source` that was admitted has shown who it is.
    pub(super) fn knows(&mut self, source: IpAddr) {
        let source = self.sources.get_mut(&holder_of(source)).unwrap_or(&mut self.overflow);
        source.strangers.put_back();
    }

    /// A tunnel from `source` ended by its peer's fault.
    pub(super) fn offended(&mut self, source: IpAddr, now: Instant) {
        let Some(interval) = self.interval else { return };
        let source = self.source(source, now);
        let next_turn = source.turn(now).max(now + interval);
        source.offender = Some(Pace { until: now + limits::OFFENCE_MEMORY, next_turn });
    }

    fn source(&mut self, source: IpAddr, now: Instant) -> &mut Source {
        let holder = holder_of(source);
        let is_full = |sources: &HashMap<_, _>| sources.len() >= limits::SOURCES_PER_WORKER_MAX;
        if is_full(&self.sources) && !self.sources.contains_key(&holder) {
            self.sweep(now);
            if is_full(&self.sources) {
                return &mut self.overflow;
            }
        }
        self.sources.entry(holder).or_insert_with(|| Source::new(self.rate, now))
    }

    /// Forgets the addresses that are like unknown ones again.
    fn sweep(&mut self, now: Instant) {
        if now.saturating_duration_since(self.swept_at) >= SWEEP_INTERVAL {
            self.swept_at = now;
            self.sources.retain(|_, source| !source.is_as_new(now));
        }
    }
}

impl Source {
    fn new(rate: Rate, now: Instant) -> Self {
        Self { strangers: Bucket::new(rate, now), offender: None }
    }

    /// When its next connection may begin.
    fn turn(&self, now: Instant) -> Instant {
        match &self.offender {
            Some(pace) if now < pace.until => pace.next_turn.max(now),
            _ => now,
        }
    }

    fn is_as_new(&mut self, now: Instant) -> bool {
        self.strangers.is_full(now) && self.offender.is_none_or(|pace| now >= pace.until)
    }
}

/// Whoever has one address of an IPv6 network of 64 bits has all of them (RFC 4291 §2.5.1).
fn holder_of(source: IpAddr) -> IpAddr {
    match source.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from(network))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PER_SECOND: u32 = 10;
    const TURNS_PER_SECOND: u32 = 5;
    const BURST: u32 = PER_SECOND * limits::HANDSHAKE_BURST_SECONDS;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn keeper(now: Instant) -> Doorkeeper {
        Doorkeeper::new(PER_SECOND, TURNS_PER_SECOND, now)
    }

    fn admitted(keeper: &mut Doorkeeper, source: &str, now: Instant) -> u32 {
        (0..10 * BURST).map(|_| u32::from(keeper.admits(address(source), now).is_ok())).sum()
    }

    #[test]
    fn each_address_has_its_burst_and_then_its_rate() {
        let now = Instant::now();
        let mut keeper = keeper(now);
        assert_eq!(admitted(&mut keeper, "192.0.2.1", now), BURST);
        assert_eq!(admitted(&mut keeper, "192.0.2.2", now), BURST);
        let later = now + Duration::from_secs(1);
        assert_eq!(admitted(&mut keeper, "192.0.2.1", later), PER_SECOND);
        let much_later = now + Duration::from_secs(3600);
        assert_eq!(admitted(&mut keeper, "192.0.2.1", much_later), BURST);
    }

    #[test]
    fn those_who_show_who_they_are_do_not_count() {
        let now = Instant::now();
        let mut keeper = keeper(now);
        for _ in 0..10 * BURST {
            assert_eq!(keeper.admits(address("192.0.2.1"), now), Ok(now));
            keeper.knows(address("192.0.2.1"));
        }
        assert_eq!(admitted(&mut keeper, "192.0.2.1", now), BURST, "and not more than before");
    }

    #[test]
    fn spellings_of_one_address_and_addresses_of_one_network_share_a_budget() {
        let now = Instant::now();
        let mut keeper = keeper(now);
        assert_eq!(admitted(&mut keeper, "192.0.2.1", now), BURST);
        assert_eq!(admitted(&mut keeper, "::ffff:192.0.2.1", now), 0);
        assert_eq!(admitted(&mut keeper, "2001:db8::1", now), BURST);
        assert_eq!(admitted(&mut keeper, "2001:db8::dead:beef:1:1", now), 0);
        assert_eq!(admitted(&mut keeper, "2001:db8:0:1::1", now), BURST);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_who_has_a_full_budget() {
        let now = Instant::now();
        let mut keeper = keeper(now);
        let full = u32::try_from(limits::SOURCES_PER_WORKER_MAX).unwrap();
        for number in 0..full {
            assert_eq!(keeper.admits(IpAddr::V4(number.into()), now), Ok(now));
        }
        // The next ones share what one of them has.
        let more = (full..full + 2 * BURST).map(|number| IpAddr::V4(number.into()));
        assert_eq!(
            more.filter(|source| keeper.admits(*source, now).is_ok()).count(),
            BURST as usize
        );
        assert_eq!(keeper.sources.len(), limits::SOURCES_PER_WORKER_MAX);
        let later = now + Duration::from_secs(2);
        assert_eq!(admitted(&mut keeper, "192.0.2.1", later), BURST);
        assert_eq!(keeper.sources.len(), 1, "the others are forgotten");
    }

    /// How long the next connections of an address wait, until one is closed.
    fn waits(keeper: &mut Doorkeeper, source: &str, now: Instant) -> Vec<Duration> {
        let mut waits = Vec::new();
        loop {
            match keeper.admits(address(source), now) {
                Ok(turn) => waits.push(turn - now),
                Err(reason) => {
                    assert_eq!(reason, OFFENDER_RATE);
                    return waits;
                }
            }
            // Whoever waits has a certificate.
            keeper.knows(address(source));
        }
    }

    #[test]
    fn connections_of_an_offender_take_turns_and_those_too_far_off_are_closed() {
        let now = Instant::now();
        let mut keeper = keeper(now);
        keeper.offended(address("192.0.2.1"), now);
        let interval = Duration::from_secs(1) / TURNS_PER_SECOND;
        let turns = limits::HELD_TIME_MAX.as_millis() / interval.as_millis();
        let expected: Vec<Duration> = (1..=turns as u32).map(|turn| turn * interval).collect();
        assert_eq!(waits(&mut keeper, "192.0.2.1", now), expected);
        assert_eq!(keeper.admits(address("192.0.2.2"), now), Ok(now), "another one");
        // A turn later there is a place for one more; offending again brings no turn forward.
        keeper.offended(address("192.0.2.1"), now + interval);
        assert_eq!(waits(&mut keeper, "192.0.2.1", now + interval), [limits::HELD_TIME_MAX]);
        // Turns that nobody took are not kept.
        let later = now + limits::HELD_TIME_MAX + 10 * interval;
        assert_eq!(waits(&mut keeper, "192.0.2.1", later)[..2], [Duration::ZERO, interval]);
    }

    #[test]
    fn an_offence_is_forgotten_after_a_while_without_another() {
        let now = Instant::now();
        let mut keeper = keeper(now);
        keeper.offended(address("2001:db8::1"), now);
        let again = now + limits::OFFENCE_MEMORY / 2;
        keeper.offended(address("2001:db8::2"), again);
        let almost = again + limits::OFFENCE_MEMORY - Duration::from_millis(1);
        assert!(waits(&mut keeper, "2001:db8::3", almost).len() > 1);
        let after = again + limits::OFFENCE_MEMORY;
        for _ in 0..BURST {
            assert_eq!(keeper.admits(address("2001:db8::4"), after), Ok(after));
        }
    }

    #[test]
    fn with_a_pace_of_zero_nobody_waits() {
        let now = Instant::now();
        let mut keeper = Doorkeeper::new(PER_SECOND, 0, now);
        keeper.offended(address("192.0.2.1"), now);
        for _ in 0..BURST {
            assert_eq!(keeper.admits(address("192.0.2.1"), now), Ok(now));
        }
    }

    #[test]
    fn offenders_stay_in_the_table_while_they_are_and_beyond_its_bound_share_their_turns() {
        let now = Instant::now();
        let mut keeper = keeper(now);
        let full = u32::try_from(limits::SOURCES_PER_WORKER_MAX).unwrap();
        for number in 0..full {
            keeper.offended(IpAddr::V4(number.into()), now);
        }
        let more = (full..full + 10).map(|number| IpAddr::V4(number.into()));
        more.for_each(|source| keeper.offended(source, now));
        let later = now + Duration::from_secs(2);
        assert!(waits(&mut keeper, "192.0.2.1", later).len() > 1, "no place, so it waits, too");
        assert_eq!(keeper.sources.len(), limits::SOURCES_PER_WORKER_MAX);
        let after = now + limits::OFFENCE_MEMORY;
        assert_eq!(keeper.admits(address("192.0.2.1"), after), Ok(after));
        assert_eq!(keeper.sources.len(), 1, "the others are forgotten");
    }
}
