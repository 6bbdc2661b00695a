//! Traces as those see them who have something to tell.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

use crossbeam_channel::{Sender, bounded};

use super::{Seed, Span, SpanKind, TraceContext, export::Exporter};
use crate::{limits, telemetry::Fact};

/// How traces are sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The role of the process.
    pub role: &'static str,
    /// Host of the collector.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Path of its traces.
    pub path: String,
    /// The share of the streams that begin a trace here and are recorded, 0 to 1.
    pub sample_ratio: f64,
}

/// Takes spans from any thread and never waits. Clones are the same one; the default takes none.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
struct Inner {
    spans: Sender<Span>,
    sample_ratio: f64,
    tally: Arc<Tally>,
}

/// What is counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Spans a collector took.
    pub(super) sent: AtomicU64,
    /// Spans lost: no room in the queue, or no collector that took them.
    pub(super) lost: AtomicU64,
}

/// The thread that sends spans. Dropping it sends what there is and ends it.
#[derive(Debug)]
pub struct TraceThread {
    end: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for TraceThread {
    fn drop(&mut self) {
        self.end.take();
        if let Some(thread) = self.thread.take() {
            // A panic over there has been printed over there.
            let _ = thread.join();
        }
    }
}

impl Traces {
    /// Begins to send spans.
    ///
    /// # Errors
    /// When no thread can be made.
    pub fn start(settings: Settings) -> io::Result<(Self, TraceThread)> {
        let (spans, inbox) = bounded(limits::TRACE_QUEUE_SPANS);
        let (end, ended) = bounded(0);
        let tally = Arc::new(Tally::default());
        let inner = Inner { spans, sample_ratio: settings.sample_ratio, tally: tally.clone() };
        let exporter = Exporter::new(settings, tally);
        let thread = thread::Builder::new()
            .name("traces".to_owned())
            .spawn(move || exporter.run(&inbox, &ended))?;
        Ok((
            Self { inner: Some(Arc::new(inner)) },
            TraceThread { end: Some(end), thread: Some(thread) },
        ))
    }

    /// The trace of a stream that begins here. It has one also where nothing is recorded: by it
    /// the log lines of both roles are found.
    #[must_use]
    pub fn begin(&self) -> TraceContext {
        TraceContext::begin(self.samples())
    }

    /// The span of somebody who was asked, perhaps as part of a trace; nothing where that is not
    /// recorded. Whoever began the trace has decided that.
    #[must_use]
    pub fn asked(&self, traceparent: Option<&str>) -> Option<Seed> {
        self.inner.as_ref()?;
        let kind = SpanKind::Server;
        let seed = match traceparent.and_then(TraceContext::parse) {
            Some(parent) => Seed { context: parent.child(), parent: Some(parent.span), kind },
            None => Seed { context: self.begin(), parent: None, kind },
        };
        seed.context.sampled.then_some(seed)
    }

    /// The first span of a trace that began here; nothing where it is not recorded.
    #[must_use]
    pub fn first(&self, context: TraceContext) -> Option<Seed> {
        let recorded = context.sampled && self.inner.is_some();
        recorded.then_some(Seed { context, parent: None, kind: SpanKind::Client })
    }

    /// Leaves a span to be sent; one that has no room is counted.
    pub fn record(&self, span: Span) {
        if let Some(inner) = &self.inner
            && inner.spans.try_send(span).is_err()
        {
            inner.tally.lost.fetch_add(1, Relaxed);
        }
    }

    /// What is counted; nothing where nothing is sent.
    #[must_use]
    pub fn facts(&self) -> Vec<(Fact, u64)> {
        let Some(inner) = &self.inner else {
            return Vec::new();
        };
        let tally = &inner.tally;
        vec![
            (Fact::SpansSent, tally.sent.load(Relaxed)),
            (Fact::SpansLost, tally.lost.load(Relaxed)),
        ]
    }

    fn samples(&self) -> bool {
        self.inner.as_ref().is_some_and(|inner| fastrand::f64() < inner.sample_ratio)
    }
}
