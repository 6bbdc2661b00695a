//! Wakers that are looked at: a task that was not woken is not polled, so a lost wake-up hangs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

/// Remembers that it was rung.
#[derive(Default)]
pub(crate) struct Alarm(AtomicBool);

impl Alarm {
    /// One that has been rung: every task is polled once to begin with.
    pub(crate) fn rung() -> Arc<Self> {
        Arc::new(Self(AtomicBool::new(true)))
    }

    pub(crate) fn ring(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was rung since the last time this was asked.
    pub(crate) fn answer(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    pub(crate) fn is_rung(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

/// The alarm as the crates below want it.
pub(crate) fn waker(alarm: &Arc<Alarm>) -> Waker {
    Waker::from(alarm.clone())
}
