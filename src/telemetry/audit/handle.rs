//! The audit as those see it who have something to record.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{SystemTime, UNIX_EPOCH},
};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

use super::{Event, line::Origin, sink::Sink, writer::Writer};
use crate::telemetry::Fact;

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Standard output.
    Stdout,
    /// A file that is appended to.
    File {
        /// Its path.
        path: PathBuf,
        /// Begun anew after so many bytes; 0 never.
        rotate_bytes: u64,
        /// Predecessors kept.
        keep_files: usize,
    },
}

/// How a process records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The role of the process.
    pub role: &'static str,
    /// Where records go.
    pub target: Target,
    /// Events that may wait to be written.
    pub queue_events: usize,
    /// Whether nothing new is allowed that could not be recorded.
    pub required: bool,
}

/// Takes events from any thread and never waits. Clones are the same one; the default records
/// nothing.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
struct Inner {
    events: Sender<(SystemTime, Event)>,
    orders: Sender<Order>,
    tally: Arc<Tally>,
    required: bool,
}

/// What the thread is told besides events.
#[derive(Clone, Copy, Debug)]
pub(super) enum Order {
    /// Open the file anew.
    Reopen,
    /// Write what there is and end.
    End,
}

/// What is counted, by those who record and by the thread that writes.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Records written.
    pub(super) written: AtomicU64,
    /// Events lost since the start.
    pub(super) lost: AtomicU64,
    /// Events left out as repetitions.
    pub(super) repeated: AtomicU64,
    /// Attempts to write that failed.
    pub(super) failures: AtomicU64,
    /// Whether the last attempt to write failed.
    pub(super) failing: AtomicBool,
    /// Events lost that no gap record has told of, and when the first and last of them were, in
    /// milliseconds since 1970.
    untold: AtomicU64,
    from_ms: AtomicU64,
    to_ms: AtomicU64,
}

impl Tally {
    fn lose(&self, at: SystemTime) {
        let now = millis(at);
        self.lost.fetch_add(1, Relaxed);
        let _ = self.from_ms.compare_exchange(0, now, Relaxed, Relaxed);
        self.to_ms.fetch_max(now, Relaxed);
        self.untold.fetch_add(1, Relaxed);
    }

    /// What is missing since the last call: how many events, and from when to when.
    pub(super) fn take_gap(&self) -> Option<(u64, SystemTime, SystemTime)> {
        let missing = self.untold.swap(0, Relaxed);
        if missing == 0 {
            return None;
        }
        let time =
            |ms: &AtomicU64| UNIX_EPOCH + std::time::Duration::from_millis(ms.swap(0, Relaxed));
        Some((missing, time(&self.from_ms), time(&self.to_ms)))
    }
}

fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The thread that writes. Dropping it writes what there is and ends it.
#[derive(Debug)]
pub struct AuditThread {
    audit: Audit,
    thread: Option<JoinHandle<()>>,
}

impl Drop for AuditThread {
    fn drop(&mut self) {
        self.audit.record(|| Event::Stopped);
        if let Some(inner) = &self.audit.inner {
            // An order that must arrive; the thread takes them at every turn.
            let _ = inner.orders.send(Order::End);
        }
        if let Some(thread) = self.thread.take() {
            // A panic over there has been printed over there.
            let _ = thread.join();
        }
    }
}

impl Audit {
    /// Begins to record.
    ///
    /// # Errors
    /// When the file cannot be opened or no thread can be made.
    pub fn start(settings: Settings) -> io::Result<(Self, AuditThread)> {
        let sink = Sink::open(&settings.target)?;
        let (events, inbox) = bounded(settings.queue_events);
        let (orders, ordered) = bounded(ORDERS_MAX);
        let tally = Arc::new(Tally::default());
        let origin = Origin { role: settings.role, run: format!("{:08x}", fastrand::u32(..)) };
        let writer = Writer::new(origin, sink, tally.clone());
        let inner = Inner { events, orders, tally, required: settings.required };
        let audit = Self { inner: Some(Arc::new(inner)) };
        audit.record(|| Event::Started);
        let thread = spawn(writer, inbox, ordered)?;
        Ok((audit.clone(), AuditThread { audit, thread: Some(thread) }))
    }

    /// Whether anything is recorded.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.inner.is_some()
    }

    /// Leaves an event to be written; one that has no room is counted. `event` is only made where
    /// there is somebody to record it.
    pub fn record(&self, event: impl FnOnce() -> Event) {
        let Some(inner) = &self.inner else {
            return;
        };
        let now = SystemTime::now();
        match inner.events.try_send((now, event())) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => inner.tally.lose(now),
        }
    }

    /// Whether nothing new should be allowed: records are demanded and too many of them wait. Half
    /// of the queue is kept for what is under way already.
    #[must_use]
    pub fn refuses(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| {
            let waiting = inner.events.len();
            inner.required && waiting >= inner.events.capacity().unwrap_or(usize::MAX) / 2
        })
    }

    /// Opens the file anew: whoever renamed it wants it closed. A new file under the name is also
    /// noticed without being told.
    pub fn reopen(&self) {
        self.order(Order::Reopen);
    }

    /// What is counted; nothing where nothing is recorded.
    #[must_use]
    pub fn facts(&self) -> Vec<(Fact, u64)> {
        let Some(inner) = &self.inner else {
            return Vec::new();
        };
        let tally = &inner.tally;
        vec![
            (Fact::AuditRecords, tally.written.load(Relaxed)),
            (Fact::AuditRecordsLost, tally.lost.load(Relaxed)),
            (Fact::AuditRecordsRepeated, tally.repeated.load(Relaxed)),
            (Fact::AuditWritesFailed, tally.failures.load(Relaxed)),
            (Fact::AuditFailing, u64::from(tally.failing.load(Relaxed))),
        ]
    }

    fn order(&self, order: Order) {
        if let Some(inner) = &self.inner {
            // Whoever finds it full finds an order that is still to be carried out.
            let _ = inner.orders.try_send(order);
        }
    }
}

/// Orders that wait. One more than are ever useful: reopening twice is reopening.
const ORDERS_MAX: usize = 16;

fn spawn(
    writer: Writer,
    inbox: Receiver<(SystemTime, Event)>,
    ordered: Receiver<Order>,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("audit".to_owned()).spawn(move || writer.run(&inbox, &ordered))
}
