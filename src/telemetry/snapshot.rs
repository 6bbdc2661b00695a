//! All workers' counters at one moment, with the facts that belong to the process.

use std::ops::Deref;

use crate::telemetry::counters::{Count, Counters, Gauge, SLOTS};

/// A number that belongs to the process and not to a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fact {
    /// When the process started, in seconds since 1970.
    StartTime,
    /// Service mappings in force.
    Mappings,
    /// Problems found in the mapping files that are in force.
    MappingProblems,
    /// Reloads of configuration, mappings or certificates that took effect.
    Reloads,
    /// Reloads that were refused; the old state stays in force.
    ReloadsFailed,
    /// Whether the configuration in force is another than that in its file, 1 or 0.
    ConfigurationDiffers,
    /// When our own certificate ends, in seconds since 1970.
    CertificateNotAfter,
    /// When the first of the trusted certificate authorities ends, in seconds since 1970.
    AuthorityNotAfter,
    /// Whether the API of the cluster keeps our mappings up to date, 1 or 0.
    KubernetesConnected,
    /// Whether this replica writes the status of the mappings, 1 or 0.
    KubernetesLeads,
    /// Full lists of the mappings asked of the API.
    KubernetesLists,
    /// Statuses written.
    KubernetesStatusWrites,
    /// Statuses that could not be written.
    KubernetesStatusWritesFailed,
    /// Events written.
    KubernetesEvents,
    /// Events left out, because they were too many or could not be written.
    KubernetesEventsDropped,
    /// Audit records written.
    AuditRecords,
    /// Audit records lost: the queue was full.
    AuditRecordsLost,
    /// Audit records left out because many like them came before.
    AuditRecordsRepeated,
    /// Attempts to write audit records that failed.
    AuditWritesFailed,
    /// Whether the last attempt to write audit records failed, 1 or 0.
    AuditFailing,
    /// Spans that a collector took.
    SpansSent,
    /// Spans lost: the queue was full, or no collector took them.
    SpansLost,
    /// Bytes of buffers beyond which each worker gives small ones.
    BufferBytesMax,
    /// Bytes that the tunnels of each worker may be sent ahead together.
    CreditBytesMax,
    /// Rings of the process.
    Rings,
    /// Operations given to the rings.
    RingSubmissions,
    /// Completions the rings have brought.
    RingCompletions,
    /// Completions the kernel holds back because a ring is full.
    RingOverflow,
    /// Buffers registered with the rings.
    RingBuffers,
}

impl Fact {
    /// Every fact with its name, its Prometheus type and its help, in the order of their slots.
    pub(crate) const ALL: [(Self, &'static str, &'static str, &'static str); 29] = [
        (Self::StartTime, "start_time_seconds", "gauge", "Start of the process, Unix time."),
        (Self::Mappings, "mappings", "gauge", "Service mappings in force."),
        (Self::MappingProblems, "mapping_problems", "gauge", "Problems in the mapping files."),
        (Self::Reloads, "reloads_total", "counter", "Reloads that took effect."),
        (Self::ReloadsFailed, "reloads_failed_total", "counter", "Reloads that were refused."),
        (
            Self::ConfigurationDiffers,
            "configuration_differs",
            "gauge",
            "Whether the configuration in force is another than that in its file.",
        ),
        (
            Self::CertificateNotAfter,
            "certificate_not_after_seconds",
            "gauge",
            "End of our own certificate, Unix time.",
        ),
        (
            Self::AuthorityNotAfter,
            "authority_not_after_seconds",
            "gauge",
            "End of the first trusted certificate authority to end, Unix time.",
        ),
        (
            Self::KubernetesConnected,
            "kubernetes_connected",
            "gauge",
            "Whether the API of the cluster keeps the mappings up to date.",
        ),
        (
            Self::KubernetesLeads,
            "kubernetes_leads",
            "gauge",
            "Whether this replica writes the status of the mappings.",
        ),
        (Self::KubernetesLists, "kubernetes_lists_total", "counter", "Full lists of mappings."),
        (
            Self::KubernetesStatusWrites,
            "kubernetes_status_writes_total",
            "counter",
            "Statuses of mappings written.",
        ),
        (
            Self::KubernetesStatusWritesFailed,
            "kubernetes_status_writes_failed_total",
            "counter",
            "Statuses of mappings that could not be written.",
        ),
        (Self::KubernetesEvents, "kubernetes_events_total", "counter", "Events written."),
        (
            Self::KubernetesEventsDropped,
            "kubernetes_events_dropped_total",
            "counter",
            "Events left out: too many, or refused.",
        ),
        (Self::AuditRecords, "audit_records_total", "counter", "Audit records written."),
        (
            Self::AuditRecordsLost,
            "audit_records_lost_total",
            "counter",
            "Audit records lost: the queue was full.",
        ),
        (
            Self::AuditRecordsRepeated,
            "audit_records_repeated_total",
            "counter",
            "Audit records left out: many like them came before.",
        ),
        (
            Self::AuditWritesFailed,
            "audit_writes_failed_total",
            "counter",
            "Attempts to write audit records that failed.",
        ),
        (
            Self::AuditFailing,
            "audit_failing",
            "gauge",
            "Whether the last attempt to write audit records failed.",
        ),
        (Self::SpansSent, "spans_sent_total", "counter", "Spans that a collector took."),
        (
            Self::SpansLost,
            "spans_lost_total",
            "counter",
            "Spans lost: the queue was full, or no collector took them.",
        ),
        (
            Self::BufferBytesMax,
            "buffer_bytes_max",
            "gauge",
            "Bytes of buffers beyond which each worker gives small ones.",
        ),
        (
            Self::CreditBytesMax,
            "credit_bytes_max",
            "gauge",
            "Bytes that the tunnels of each worker may be sent ahead together.",
        ),
        (Self::Rings, "rings", "gauge", "Rings of the process."),
        (
            Self::RingSubmissions,
            "ring_submissions_total",
            "counter",
            "Operations given to the rings.",
        ),
        (
            Self::RingCompletions,
            "ring_completions_total",
            "counter",
            "Completions the rings have brought.",
        ),
        (
            Self::RingOverflow,
            "ring_completions_overflowed",
            "gauge",
            "Completions that the kernel holds back because a ring is full.",
        ),
        (Self::RingBuffers, "ring_buffers", "gauge", "Buffers registered with the rings."),
    ];
}

/// A gauge of each of several things that the configuration names, with labels that it gives.
#[derive(Clone, Debug)]
pub struct Several {
    /// Behind `causeway_`.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// The labels of each thing, and its number.
    pub values: Vec<(Vec<(&'static str, String)>, u64)>,
}

/// All workers' counters at one moment.
#[derive(Clone, Debug)]
pub struct CountersSnapshot {
    /// Sums over all workers.
    pub(crate) counts: [u64; SLOTS],
    /// Worker by worker.
    pub(crate) counts_of: Vec<[u64; SLOTS]>,
    /// Whether the last tunnels opened.
    pub(crate) tunnels_open: bool,
    /// Worker by worker, because an uneven load is what one wants to see.
    pub(crate) gauges: Vec<[u64; Gauge::ALL.len()]>,
    /// None: not known, so not shown.
    pub(crate) facts: [Option<u64>; Fact::ALL.len()],
    /// Labels of the build information.
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) several: Vec<Several>,
}

impl CountersSnapshot {
    /// Reads the counters of all workers, whatever holds them (`&[Arc<Counters>]`).
    pub fn of(workers: &[impl Deref<Target = Counters>]) -> Self {
        let mut counts = [0; SLOTS];
        let counts_of: Vec<_> = workers.iter().map(|worker| worker.read_counts()).collect();
        for worker in &counts_of {
            for (sum, count) in counts.iter_mut().zip(worker) {
                *sum += count;
            }
        }
        Self {
            counts,
            counts_of,
            tunnels_open: workers.iter().all(|worker| worker.openings().are_healthy()),
            gauges: workers.iter().map(|worker| worker.read_gauges()).collect(),
            facts: [None; Fact::ALL.len()],
            labels: Vec::new(),
            several: Vec::new(),
        }
    }

    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, fact: Fact, value: u64) -> Self {
        self.facts[fact as usize] = Some(value);
        self
    }

    /// Adds gauges of things that the configuration names.
    #[must_use]
    pub fn with_several(mut self, several: impl IntoIterator<Item = Several>) -> Self {
        self.several.extend(several);
        self
    }

    /// Adds a label to the build information: the role, the engine that was chosen.
    #[must_use]
    pub fn labelled(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((name, value.into()));
        self
    }

    /// Sum of a counter over all workers.
    pub fn count(&self, count: Count) -> u64 {
        count.read(&self.counts)
    }

    /// How uneven the workers' load is: the busiest one's share of time by the mean of all; 1 is
    /// even, and so is doing nothing.
    pub fn skew(&self) -> f64 {
        let busy = self.gauges.iter().map(|worker| worker[Gauge::BusyMillionths as usize]);
        let (most, sum) = busy.fold((0, 0), |(most, sum), one| (most.max(one), sum + one));
        if sum == 0 { 1.0 } else { most as f64 * self.gauges.len() as f64 / sum as f64 }
    }

    /// Sum of a gauge over all workers.
    pub fn gauge(&self, gauge: Gauge) -> u64 {
        self.gauges.iter().map(|worker| worker[gauge as usize]).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_snapshot_adds_up_the_workers() {
        let workers = [Arc::new(Counters::new()), Arc::new(Counters::new())];
        workers[0].add(Count::BytesUp, 5);
        workers[1].add(Count::BytesUp, 7);
        workers[0].add(Count::Refused("draining"), 1);
        workers[0].set(Gauge::Streams, 3);
        workers[1].set(Gauge::Streams, 4);
        let snapshot = CountersSnapshot::of(&workers);
        assert_eq!(snapshot.count(Count::BytesUp), 12);
        assert_eq!(snapshot.count(Count::Refused("draining")), 1);
        assert_eq!(snapshot.gauge(Gauge::Streams), 7);
    }

    #[test]
    fn skew_is_the_busiest_worker_by_the_mean() {
        let workers = [Arc::new(Counters::new()), Arc::new(Counters::new())];
        assert_eq!(CountersSnapshot::of(&workers).skew(), 1.0);
        for (busy, skew) in [([300_000, 300_000], 1.0), ([600_000, 200_000], 1.5), ([9, 0], 2.0)] {
            workers[0].set(Gauge::BusyMillionths, busy[0]);
            workers[1].set(Gauge::BusyMillionths, busy[1]);
            assert_eq!(CountersSnapshot::of(&workers).skew(), skew, "{busy:?}");
        }
    }

    #[test]
    fn a_fact_is_found_at_its_own_position() {
        for (slot, (fact, ..)) in Fact::ALL.into_iter().enumerate() {
            assert_eq!(fact as usize, slot);
        }
    }
}
