//! What is counted: one worker's counters and gauges, written by that worker alone and read by
//! anyone at any time.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use crate::telemetry::{
    Openings,
    names::{HANDSHAKE_FAILURES, REFUSAL_REASONS, SHED_CAUSES, STREAM_ENDINGS, position},
};

/// Something that happened. The labels come from the tables in [`crate::telemetry::names`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// A connection accepted by this worker's listener.
    Accepted,
    /// A connection turned away at accept: a limit of the worker.
    AcceptShed,
    /// A connection given to another worker.
    HandedOver,
    /// A TLS handshake that finished.
    HandshakesOk,
    /// A TLS handshake that did not, with the reason.
    HandshakesFailed(&'static str),
    /// A CONNECT refused, with the reason.
    Refused(&'static str),
    /// Something turned away for want of a resource, with which.
    Shed(&'static str),
    /// A stream opened.
    StreamsOpened,
    /// A stream that came to an end, with the ending.
    StreamsEnded(&'static str),
    /// Bytes from client to service.
    BytesUp,
    /// Bytes from service to client.
    BytesDown,
    /// A health check answered.
    Healthchecks,
    /// A buffer given smaller than asked for because of the pool's budget.
    BuffersShrunk,
    /// A log line suppressed because many like it came before.
    LogLinesSuppressed,
    /// A tunnel dialled by a connector.
    TunnelDials,
    /// A dial of a tunnel that failed.
    TunnelDialsFailed,
    /// A connection taken over from another worker.
    Adopted,
}

/// Counters without a label, in the order of their slots.
pub(crate) const PLAIN: [(Count, &str, &str); 13] = [
    (Count::Accepted, "connections_accepted", "Connections accepted."),
    (Count::AcceptShed, "connections_shed", "Connections closed at accept: a limit of the worker."),
    (Count::HandedOver, "connections_handed_over", "Connections given to another worker."),
    (Count::HandshakesOk, "tls_handshakes", "TLS handshakes finished."),
    (Count::StreamsOpened, "streams_opened", "Streams opened."),
    (Count::BytesUp, "bytes_up", "Bytes from clients to services."),
    (Count::BytesDown, "bytes_down", "Bytes from services to clients."),
    (Count::Healthchecks, "healthchecks", "Health checks answered."),
    (Count::BuffersShrunk, "buffers_shrunk", "Buffers given smaller because of the budget."),
    (Count::LogLinesSuppressed, "log_lines_suppressed", "Repeated log lines left out."),
    (Count::TunnelDials, "tunnel_dials", "Tunnels dialled."),
    (Count::TunnelDialsFailed, "tunnel_dials_failed", "Dials of tunnels that failed."),
    (Count::Adopted, "connections_adopted", "Connections taken over from another worker."),
];

/// Those that are shown for each worker as well: how evenly connections are spread.
pub(crate) const BY_WORKER: [Count; 3] = [Count::Accepted, Count::HandedOver, Count::Adopted];

/// First slot of each labelled counter; the tables lie behind the plain ones.
pub(crate) const HANDSHAKES_FAILED_SLOT: usize = PLAIN.len();
pub(crate) const REFUSED_SLOT: usize = HANDSHAKES_FAILED_SLOT + HANDSHAKE_FAILURES.len();
pub(crate) const STREAMS_ENDED_SLOT: usize = REFUSED_SLOT + REFUSAL_REASONS.len();
pub(crate) const SHED_SLOT: usize = STREAMS_ENDED_SLOT + STREAM_ENDINGS.len();
pub(crate) const SLOTS: usize = SHED_SLOT + SHED_CAUSES.len();

impl Count {
    fn slot(self) -> usize {
        match self {
            Self::Accepted => 0,
            Self::AcceptShed => 1,
            Self::HandedOver => 2,
            Self::HandshakesOk => 3,
            Self::StreamsOpened => 4,
            Self::BytesUp => 5,
            Self::BytesDown => 6,
            Self::Healthchecks => 7,
            Self::BuffersShrunk => 8,
            Self::LogLinesSuppressed => 9,
            Self::TunnelDials => 10,
            Self::TunnelDialsFailed => 11,
            Self::Adopted => 12,
            Self::HandshakesFailed(reason) => {
                HANDSHAKES_FAILED_SLOT + position(&HANDSHAKE_FAILURES, reason)
            }
            Self::Refused(reason) => REFUSED_SLOT + position(&REFUSAL_REASONS, reason),
            Self::StreamsEnded(ending) => STREAMS_ENDED_SLOT + position(&STREAM_ENDINGS, ending),
            Self::Shed(cause) => SHED_SLOT + position(&SHED_CAUSES, cause),
        }
    }
}

/// Something that is so many right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gauge {
    /// Connections, from accept to close.
    Sessions,
    /// Streams open.
    Streams,
    /// Streams of sessions that are draining.
    StreamsDraining,
    /// Connections that have not finished their TLS handshake.
    Handshakes,
    /// Dials of services in flight.
    Dials,
    /// Bytes of buffers in use.
    BufferBytes,
    /// Bytes charged to the budget of memory.
    MemoryBytes,
    /// Bytes of that budget; 0 is none.
    MemoryBytesMax,
    /// Tunnels up: connections with a certificate we accept, or to a proxy.
    Tunnels,
    /// Bytes that tunnels may be sent ahead.
    CreditBytes,
    /// Bytes of buffers registered with the ring.
    RegisteredBytes,
    /// Processor time of the worker's thread since its start, in nanoseconds.
    BusyNanos,
    /// Share of the last seconds that its thread ran, in millionths.
    BusyMillionths,
}

/// A gauge as Prometheus is told of it.
pub(crate) struct Shown {
    pub(crate) gauge: Gauge,
    pub(crate) name: &'static str,
    pub(crate) kind: &'static str,
    /// What the number is divided by.
    pub(crate) divisor: f64,
    pub(crate) help: &'static str,
}

const fn gauge(gauge: Gauge, name: &'static str, help: &'static str) -> Shown {
    Shown { gauge, name, kind: "gauge", divisor: 1.0, help }
}

impl Gauge {
    /// Every gauge, in the order of their slots.
    pub(crate) const ALL: [Shown; 13] = [
        gauge(Self::Sessions, "sessions", "Connections, from accept to close."),
        gauge(Self::Streams, "streams", "Streams open."),
        gauge(Self::StreamsDraining, "streams_draining", "Streams of sessions that are draining."),
        gauge(Self::Handshakes, "handshakes_in_flight", "TLS handshakes not finished."),
        gauge(Self::Dials, "dials_in_flight", "Dials of services not finished."),
        gauge(Self::BufferBytes, "buffer_bytes", "Bytes of buffers in use."),
        gauge(Self::MemoryBytes, "memory_bytes", "Bytes charged to the budget of memory."),
        gauge(Self::MemoryBytesMax, "memory_bytes_max", "Budget of memory; 0 is none."),
        gauge(Self::Tunnels, "tunnels", "Tunnels up."),
        gauge(Self::CreditBytes, "credit_bytes", "Bytes that tunnels may be sent ahead."),
        gauge(
            Self::RegisteredBytes,
            "registered_buffer_bytes",
            "Bytes of buffers registered with the ring.",
        ),
        Shown {
            gauge: Self::BusyNanos,
            name: "worker_busy_seconds_total",
            kind: "counter",
            divisor: 1e9,
            help: "Processor time of the worker's thread.",
        },
        Shown {
            gauge: Self::BusyMillionths,
            name: "worker_busy_ratio",
            kind: "gauge",
            divisor: 1e6,
            help: "Share of the last seconds that the worker's thread ran.",
        },
    ];
}

/// One worker's counters and gauges, to be shared by an `Arc`. Aligned so that two workers' never
/// lie in one cache line (128: processors fetch lines in pairs).
#[repr(align(128))]
pub struct Counters {
    counts: [AtomicU64; SLOTS],
    gauges: [AtomicU64; Gauge::ALL.len()],
    openings: Arc<Openings>,
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}

impl Counters {
    /// All zero.
    pub fn new() -> Self {
        Self::beside(&Arc::default())
    }

    /// All zero; how tunnels open is noted in one place with the other workers.
    pub fn beside(openings: &Arc<Openings>) -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; SLOTS],
            gauges: [const { AtomicU64::new(0) }; Gauge::ALL.len()],
            openings: openings.clone(),
        }
    }

    /// How the last tunnels opened.
    pub fn openings(&self) -> &Arc<Openings> {
        &self.openings
    }

    /// Counts `n` more.
    pub fn add(&self, count: Count, n: u64) {
        self.counts[count.slot()].fetch_add(n, Relaxed);
    }

    /// Says how many there are now.
    pub fn set(&self, gauge: Gauge, value: u64) {
        self.gauges[gauge as usize].store(value, Relaxed);
    }

    /// How often something was counted so far.
    pub fn count(&self, count: Count) -> u64 {
        self.counts[count.slot()].load(Relaxed)
    }

    /// How many there are.
    pub fn gauge(&self, gauge: Gauge) -> u64 {
        self.gauges[gauge as usize].load(Relaxed)
    }

    pub(crate) fn read_counts(&self) -> [u64; SLOTS] {
        std::array::from_fn(|slot| self.counts[slot].load(Relaxed))
    }

    pub(crate) fn read_gauges(&self) -> [u64; Gauge::ALL.len()] {
        std::array::from_fn(|slot| self.gauges[slot].load(Relaxed))
    }
}

impl Count {
    pub(crate) fn read(self, counts: &[u64; SLOTS]) -> u64 {
        counts[self.slot()]
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = PLAIN.iter().map(|(count, name, _)| (name, self.count(*count)));
        formatter.debug_map().entries(counts).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_counter_has_a_slot_of_its_own() {
        let mut slots: Vec<usize> = PLAIN.iter().map(|(count, ..)| count.slot()).collect();
        assert_eq!(slots, (0..PLAIN.len()).collect::<Vec<_>>());
        slots.extend(HANDSHAKE_FAILURES.map(|label| Count::HandshakesFailed(label).slot()));
        slots.extend(REFUSAL_REASONS.map(|label| Count::Refused(label).slot()));
        slots.extend(STREAM_ENDINGS.map(|label| Count::StreamsEnded(label).slot()));
        slots.extend(SHED_CAUSES.map(|label| Count::Shed(label).slot()));
        assert_eq!(slots, (0..SLOTS).collect::<Vec<_>>());
        for (slot, shown) in Gauge::ALL.into_iter().enumerate() {
            assert_eq!(shown.gauge as usize, slot);
        }
    }

    #[test]
    fn an_unknown_label_is_counted_as_other() {
        let counters = Counters::new();
        counters.add(Count::Refused("something new"), 2);
        assert_eq!(counters.count(Count::Refused("other")), 2);
    }

    #[test]
    fn two_workers_counters_share_no_cache_line() {
        assert_eq!(align_of::<Counters>(), 128);
        assert_eq!(size_of::<Counters>() % 128, 0);
    }
}
