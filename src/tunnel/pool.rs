//! The warm connections of one channel: how many to open, which to hand out, which are too old.

use std::{collections::VecDeque, time::Instant};

use crate::limits;

/// Warm connections of one channel on one worker.
#[derive(Debug)]
pub struct WarmPool<T> {
    wanted: usize,
    dialling: usize,
    /// Oldest first.
    ready: VecDeque<(Instant, T)>,
}

impl<T> WarmPool<T> {
    /// A pool that wants `wanted` connections ready.
    pub fn new(wanted: usize) -> Self {
        Self { wanted, dialling: 0, ready: VecDeque::new() }
    }

    /// How many dials should be started now. The caller starts them and says so with
    /// [`WarmPool::dial_started`].
    pub fn missing(&self) -> usize {
        self.wanted.saturating_sub(self.ready.len() + self.dialling)
    }

    /// A dial for this pool began.
    pub fn dial_started(&mut self) {
        self.dialling += 1;
    }

    /// A dial for this pool ended, with a connection or without.
    pub fn dial_ended(&mut self, connection: Option<T>, now: Instant) {
        debug_assert!(self.dialling > 0, "a dial ends once");
        self.dialling = self.dialling.saturating_sub(1);
        if let Some(connection) = connection {
            self.ready.push_back((now, connection));
        }
    }

    /// The youngest connection: the one least likely to be stale.
    pub fn take(&mut self, now: Instant) -> Option<T> {
        let (born, connection) = self.ready.pop_back()?;
        let age = now.saturating_duration_since(born);
        (age < limits::WARM_AGE_MAX).then_some(connection)
    }

    /// Connections that grew too old, to be closed by the caller.
    pub fn expired(&mut self, now: Instant) -> Vec<T> {
        let old = self
            .ready
            .iter()
            .take_while(|(born, _)| now.saturating_duration_since(*born) >= limits::WARM_AGE_MAX)
            .count();
        self.ready.drain(..old).map(|(_, connection)| connection).collect()
    }

    /// Takes out every connection that `is_bad` says is.
    pub fn discard(&mut self, mut is_bad: impl FnMut(&T) -> bool) -> usize {
        let before = self.ready.len();
        self.ready.retain(|(_, connection)| !is_bad(connection));
        before - self.ready.len()
    }

    /// Connections ready to be handed out.
    pub fn ready(&self) -> usize {
        self.ready.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn counts_dials_under_way_as_present() {
        let now = Instant::now();
        let mut pool = WarmPool::new(2);
        assert_eq!(pool.missing(), 2);
        pool.dial_started();
        pool.dial_started();
        assert_eq!(pool.missing(), 0);
        pool.dial_ended(Some("a"), now);
        pool.dial_ended(None, now);
        assert_eq!((pool.missing(), pool.ready()), (1, 1));
    }

    #[test]
    fn hands_out_the_youngest_and_never_an_old_one() {
        let now = Instant::now();
        let mut pool = WarmPool::new(2);
        for (name, age) in [("old", 0), ("young", 30)] {
            pool.dial_started();
            pool.dial_ended(Some(name), now + Duration::from_secs(age));
        }
        let later = now + limits::WARM_AGE_MAX + Duration::from_secs(1);
        assert_eq!(pool.expired(later), ["old"]);
        assert_eq!(pool.take(later), Some("young"));
        assert_eq!(pool.take(later), None);
    }
}
