//! Those who guess passwords have to wait, longer each time: by account, and by the address they
//! come from, so that neither one account is guessed from everywhere nor all from one place.

use std::{
    collections::HashMap,
    net::IpAddr,
    time::{Duration, Instant},
};

use crate::limits::{LOCKOUT_FIRST, LOCKOUT_MAX, LOCKOUTS_MAX, WRONG_PASSWORDS_FREE};

/// Whose wrong passwords are counted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Who {
    Account(String),
    Address(IpAddr),
}

#[derive(Clone, Copy, Debug)]
struct Record {
    wrong: u32,
    last: Instant,
}

impl Record {
    fn until(self) -> Instant {
        let beyond = self.wrong.saturating_sub(WRONG_PASSWORDS_FREE);
        let wait = match beyond {
            0 => Duration::ZERO,
            _ => LOCKOUT_FIRST.saturating_mul(1 << (beyond - 1).min(20)).min(LOCKOUT_MAX),
        };
        self.last + wait
    }

    /// What was long ago counts no more.
    fn is_over(self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) > 2 * LOCKOUT_MAX
    }
}

/// How long somebody still has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait(pub Duration);

/// Wrong passwords of late.
#[derive(Debug, Default)]
pub struct Lockout {
    records: HashMap<Who, Record>,
}

impl Lockout {
    /// Whether a password may be tried now, right or wrong.
    ///
    /// # Errors
    /// How long not.
    pub fn check(&self, account: &str, from: IpAddr, now: Instant) -> Result<(), Wait> {
        let until = keys(account, from)
            .iter()
            .filter_map(|who| self.records.get(who).map(|record| record.until()))
            .max();
        match until.map(|until| until.saturating_duration_since(now)) {
            Some(wait) if !wait.is_zero() => Err(Wait(wait)),
            _ => Ok(()),
        }
    }

    /// A password was wrong.
    pub fn wrong(&mut self, account: &str, from: IpAddr, now: Instant) {
        for who in keys(account, from) {
            self.make_room(now);
            let record = self.records.entry(who).or_insert(Record { wrong: 0, last: now });
            if record.is_over(now) {
                record.wrong = 0;
            }
            record.wrong = record.wrong.saturating_add(1);
            record.last = now;
        }
    }

    /// A password was right: the account is not guessed at any more. The address is not forgiven
    /// what it tried of others.
    pub fn right(&mut self, account: &str) {
        self.records.remove(&Who::Account(account.to_owned()));
    }

    fn make_room(&mut self, now: Instant) {
        if self.records.len() < LOCKOUTS_MAX {
            return;
        }
        self.records.retain(|_, record| !record.is_over(now));
        while self.records.len() >= LOCKOUTS_MAX {
            // Who guesses on must not make room for itself: the longest quiet one goes.
            let quiet = self.records.iter().min_by_key(|(_, record)| record.last);
            let Some(quiet) = quiet.map(|(who, _)| who.clone()) else { return };
            self.records.remove(&quiet);
        }
    }
}

/// A whole /64 is one place: whoever has one address of it has all.
fn keys(account: &str, from: IpAddr) -> [Who; 2] {
    let place = match from.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::from([a, b, c, d, 0, 0, 0, 0])
        }
        v4 => v4,
    };
    [Who::Account(account.to_owned()), Who::Address(place)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_few_are_free_and_then_each_wait_is_twice_the_last() {
        let (mut lockout, mut now) = (Lockout::default(), Instant::now());
        for _ in 0..WRONG_PASSWORDS_FREE {
            assert_eq!(lockout.check("ada", ip("192.0.2.1"), now), Ok(()));
            lockout.wrong("ada", ip("192.0.2.1"), now);
        }
        assert_eq!(lockout.check("ada", ip("192.0.2.1"), now), Ok(()));
        let mut wait = LOCKOUT_FIRST;
        for _ in 0..15 {
            lockout.wrong("ada", ip("192.0.2.1"), now);
            assert_eq!(lockout.check("ada", ip("192.0.2.1"), now), Err(Wait(wait)));
            now += wait;
            assert_eq!(lockout.check("ada", ip("192.0.2.1"), now), Ok(()));
            wait = (2 * wait).min(LOCKOUT_MAX);
        }
    }

    #[test]
    fn an_account_is_guarded_from_everywhere_and_all_accounts_from_one_place() {
        let (mut lockout, now) = (Lockout::default(), Instant::now());
        for last in 0..10 {
            lockout.wrong("ada", ip(&format!("192.0.2.{last}")), now);
        }
        assert!(lockout.check("ada", ip("198.51.100.1"), now).is_err());
        assert!(lockout.check("bob", ip("192.0.2.1"), now).is_ok());
        for name in 0..10 {
            lockout.wrong(&format!("user{name}"), ip(&format!("2001:db8::{name}")), now);
        }
        assert!(lockout.check("carl", ip("2001:db8::ffff"), now).is_err());
        assert!(lockout.check("carl", ip("2001:db8:0:1::1"), now).is_ok());
        lockout.right("ada");
        assert!(lockout.check("ada", ip("198.51.100.1"), now).is_ok());
    }

    #[test]
    fn the_table_is_bounded_and_keeps_who_guesses_now() {
        let (mut lockout, start) = (Lockout::default(), Instant::now());
        let guess = |lockout: &mut Lockout, now| {
            (0..10).for_each(|_| lockout.wrong("ada", ip("192.0.2.1"), now));
        };
        guess(&mut lockout, start);
        for other in 0..2 * LOCKOUTS_MAX {
            let now = start + Duration::from_millis(other as u64);
            lockout.wrong(&format!("user{other}"), ip("192.0.2.2"), now);
            if other % 1000 == 0 {
                guess(&mut lockout, now);
            }
            assert!(lockout.records.len() <= LOCKOUTS_MAX);
        }
        let now = start + Duration::from_millis(2 * LOCKOUTS_MAX as u64);
        assert!(lockout.check("ada", ip("192.0.2.1"), now).is_err());
    }
}
