//! When the operations of an open loop are due, and waiting for it more exactly than a millisecond.

use std::{
    io,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use tokio::io::unix::AsyncFd;

/// The times at which one of several streams has something to do; together they keep a fixed rate.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    rate: f64,
    streams: usize,
    stream: usize,
}

impl Schedule {
    /// Of stream number `stream` out of `streams`, which have `rate` operations a second together.
    pub(super) fn new(rate: f64, streams: usize, stream: usize) -> Self {
        Self { rate, streams, stream }
    }

    /// How long after the start its operation number `turn` is due. It depends on nothing that
    /// happened before: whoever is late catches up, and the delay is part of the latency.
    pub(super) fn due(&self, turn: u64) -> Duration {
        let position = turn as f64 * self.streams as f64 + self.stream as f64;
        Duration::from_secs_f64(position / self.rate)
    }
}

/// Waits for moments. tokio's own timers are exact to a millisecond, longer than many a latency.
pub(super) struct Alarm(AsyncFd<OwnedFd>);

impl Alarm {
    #[expect(
        deprecated,
        reason = "its fault is of types that lose their descriptor; OwnedFd is none"
    )]
    pub(super) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        Ok(Self(AsyncFd::new(timerfd_create(TimerfdClockId::Monotonic, flags)?)?))
    }

    /// Returns at once where `moment` is over.
    pub(super) async fn wait_until(&self, moment: Instant) -> io::Result<()> {
        let wait = moment.saturating_duration_since(Instant::now());
        if wait.is_zero() {
            return Ok(());
        }
        let zero = Timespec { tv_sec: 0, tv_nsec: 0 };
        let once = Itimerspec {
            it_interval: zero,
            it_value: Timespec {
                tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: wait.subsec_nanos().into(),
            },
        };
        timerfd_settime(self.0.get_ref(), TimerfdTimerFlags::empty(), &once)?;
        loop {
            let mut ready = self.0.readable().await?;
            let mut expirations = [0; 8];
            let read =
                ready.try_io(|timer| Ok(rustix::io::read(timer.get_ref(), &mut expirations)?));
            match read {
                Ok(done) => return done.map(|_| ()),
                Err(_would_block) => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_share_a_rate_evenly() {
        let mut due: Vec<Duration> = (0..4)
            .flat_map(|stream| (0..5).map(move |turn| Schedule::new(10.0, 4, stream).due(turn)))
            .collect();
        due.sort();
        let even: Vec<Duration> =
            (0..20).map(|turn| Duration::from_secs_f64(f64::from(turn) / 10.0)).collect();
        assert_eq!(due, even);
    }

    #[test]
    fn an_alarm_is_not_early() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let alarm = Alarm::new().unwrap();
            let moment = Instant::now() + Duration::from_micros(300);
            alarm.wait_until(moment).await.unwrap();
            assert!(Instant::now() >= moment);
            alarm.wait_until(moment).await.unwrap();
        });
    }
}
