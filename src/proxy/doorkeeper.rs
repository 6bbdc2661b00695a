//! How often one source address may begin a TLS handshake that comes to nothing: the one thing that
//! costs a proxy much before it knows who asks. Whoever shows a certificate that we accept does not
//! count: many connectors stand behind one NAT or load balancer, and in mode `direct` every stream
//! is a handshake.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    time::{Duration, Instant},
};

use crate::{
    limits::{self, Rate},
    protocol::http2::Bucket,
};

/// The budgets of the addresses that connect to one worker.
#[derive(Debug)]
pub(super) struct Doorkeeper {
    rate: Rate,
    /// At most [`limits::SOURCES_PER_WORKER_MAX`]; one that is not known has a full budget.
    sources: HashMap<IpAddr, Bucket>,
    /// What all addresses share that find no place in the table.
    overflow: Bucket,
    swept_at: Instant,
}

/// Between two looks for addresses that can be forgotten: each goes over the whole table.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

impl Doorkeeper {
    /// Lets `per_second` through for each address, and [`limits::HANDSHAKE_BURST_SECONDS`] times
    /// as many at once.
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        let burst = per_second.saturating_mul(limits::HANDSHAKE_BURST_SECONDS);
        let rate = Rate { burst, per_second };
        let overflow = Bucket::new(rate, now);
        Self { rate, sources: HashMap::new(), overflow, swept_at: now }
    }

    /// Whether another connection from `source` may begin its handshake.
    pub(super) fn admits(&mut self, source: IpAddr, now: Instant) -> bool {
        let source = holder_of(source);
        if let Some(bucket) = self.sources.get_mut(&source) {
            return bucket.take(now);
        }
        if self.sources.len() >= limits::SOURCES_PER_WORKER_MAX {
            self.sweep(now);
        }
        if self.sources.len() >= limits::SOURCES_PER_WORKER_MAX {
            return self.overflow.take(now);
        }
        self.sources.entry(source).or_insert_with(|| Bucket::new(self.rate, now)).take(now)
    }

    /// A connection from `source` that was admitted has shown who it is.
    pub(super) fn knows(&mut self, source: IpAddr) {
        match self.sources.get_mut(&holder_of(source)) {
            Some(bucket) => bucket.put_back(),
            None => self.overflow.put_back(),
        }
    }

    /// Forgets the addresses whose budget is full again: they are like unknown ones.
    fn sweep(&mut self, now: Instant) {
        if now.saturating_duration_since(self.swept_at) >= SWEEP_INTERVAL {
            self.swept_at = now;
            self.sources.retain(|_, bucket| !bucket.is_full(now));
        }
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
    const BURST: u32 = PER_SECOND * limits::HANDSHAKE_BURST_SECONDS;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn admitted(keeper: &mut Doorkeeper, source: &str, now: Instant) -> u32 {
        (0..10 * BURST).map(|_| u32::from(keeper.admits(address(source), now))).sum()
    }

    #[test]
    fn each_address_has_its_burst_and_then_its_rate() {
        let now = Instant::now();
        let mut keeper = Doorkeeper::new(PER_SECOND, now);
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
        let mut keeper = Doorkeeper::new(PER_SECOND, now);
        for _ in 0..10 * BURST {
            assert!(keeper.admits(address("192.0.2.1"), now));
            keeper.knows(address("192.0.2.1"));
        }
        assert_eq!(admitted(&mut keeper, "192.0.2.1", now), BURST, "and not more than before");
    }

    #[test]
    fn spellings_of_one_address_and_addresses_of_one_network_share_a_budget() {
        let now = Instant::now();
        let mut keeper = Doorkeeper::new(PER_SECOND, now);
        assert_eq!(admitted(&mut keeper, "192.0.2.1", now), BURST);
        assert_eq!(admitted(&mut keeper, "::ffff:192.0.2.1", now), 0);
        assert_eq!(admitted(&mut keeper, "2001:db8::1", now), BURST);
        assert_eq!(admitted(&mut keeper, "2001:db8::dead:beef:1:1", now), 0);
        assert_eq!(admitted(&mut keeper, "2001:db8:0:1::1", now), BURST);
    }

    #[test]
    fn the_table_is_bounded_and_forgets_who_has_a_full_budget() {
        let now = Instant::now();
        let mut keeper = Doorkeeper::new(PER_SECOND, now);
        let full = u32::try_from(limits::SOURCES_PER_WORKER_MAX).unwrap();
        for number in 0..full {
            assert!(keeper.admits(IpAddr::V4(number.into()), now));
        }
        // The next ones share what one of them has.
        let more = (full..full + 2 * BURST).map(|number| IpAddr::V4(number.into()));
        assert_eq!(more.filter(|source| keeper.admits(*source, now)).count(), BURST as usize);
        assert_eq!(keeper.sources.len(), limits::SOURCES_PER_WORKER_MAX);
        let later = now + Duration::from_secs(2);
        assert_eq!(admitted(&mut keeper, "192.0.2.1", later), BURST);
        assert_eq!(keeper.sources.len(), 1, "the others are forgotten");
    }
}
