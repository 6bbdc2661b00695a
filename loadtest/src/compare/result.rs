//! What a comparison found, as it is reported and written as JSON.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{cell::Sample, spread::Spread};
use crate::{
    contestants::Contestant,
    failure::Failure,
    machine::Machine,
    record::{Percentiles, histogram},
    scenario::Scenario,
};

/// A whole comparison.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    /// What anybody must know before a figure: errors, who is missing, or that all is well.
    pub(crate) headline: String,
    pub(crate) command: String,
    pub(crate) machine: Machine,
    pub(crate) contestant_core: Option<usize>,
    pub(crate) generator_core: Option<usize>,
    pub(crate) rounds: usize,
    pub(crate) quick: bool,
    pub(crate) contestants: Vec<Listed>,
    pub(crate) scenarios: Vec<Compared>,
}

/// Who takes part, and who does not.
#[derive(Debug, Serialize)]
pub(crate) struct Listed {
    pub(crate) name: String,
    pub(crate) about: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) skipped: Option<String>,
}

/// One scenario with everybody who took part.
#[derive(Debug, Serialize)]
pub(crate) struct Compared {
    pub(crate) scenario: Scenario,
    pub(crate) entries: Vec<Entry>,
    pub(crate) ratios: Vec<Ratio>,
}

/// One contestant in one scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) contestant: String,
    pub(crate) ours: bool,
    /// Bytes or operations a second.
    pub(crate) throughput: Option<Spread>,
    /// Bytes or operations for each second that its CPU was busy.
    pub(crate) per_cpu_second: Option<Spread>,
    /// Of all rounds together.
    pub(crate) latency: Option<Percentiles>,
    pub(crate) resident_bytes: Option<Spread>,
    /// How much of its core it used.
    pub(crate) cpu_share: Option<Spread>,
    /// How much of its core the generator used; near 1 it was the generator that held things up.
    pub(crate) generator_cpu_share: Option<Spread>,
    pub(crate) errors: Vec<String>,
    /// Round by round; null where it failed.
    pub(crate) samples: Vec<Option<Sample>>,
    #[serde(skip)]
    pub(crate) histogram: Histogram<u64>,
}

/// Work per CPU-second of ours over that of another.
#[derive(Debug, Serialize)]
pub(crate) struct Ratio {
    pub(crate) ours: String,
    pub(crate) other: String,
    pub(crate) ratio: Spread,
}

impl Entry {
    pub(super) fn new(contestant: &Contestant) -> Self {
        Self {
            contestant: contestant.name.clone(),
            ours: contestant.ours,
            throughput: None,
            per_cpu_second: None,
            latency: None,
            resident_bytes: None,
            cpu_share: None,
            generator_cpu_share: None,
            errors: Vec::new(),
            samples: Vec::new(),
            histogram: histogram(),
        }
    }

    /// Takes up the next round.
    pub(super) fn add(&mut self, outcome: Result<(Sample, Histogram<u64>), Failure>) {
        let round = self.samples.len() + 1;
        match outcome {
            Ok((sample, latency)) => {
                if sample.errors > 0 {
                    let (errors, first) = (sample.errors, sample.first_error.as_deref());
                    let first = first.unwrap_or("unknown");
                    self.errors.push(format!("round {round}: {errors} errors, first: {first}"));
                }
                self.histogram.add(latency).expect("all histograms have the same bounds");
                self.samples.push(Some(sample));
            }
            Err(Failure(why)) => {
                self.errors.push(format!("round {round}: {why}"));
                self.samples.push(None);
            }
        }
    }

    fn sum_up(&mut self, counts_bytes: bool) {
        let spread = |value: &dyn Fn(&Sample) -> Option<f64>| {
            Spread::of(self.samples.iter().flatten().filter_map(value))
        };
        let resident = |sample: &Sample| Some(sample.resident_bytes as f64);
        self.resident_bytes = spread(&resident);
        self.throughput = spread(&|sample| Some(sample.work(counts_bytes) / sample.seconds));
        self.per_cpu_second = spread(&|sample| sample.work_per_cpu_second(counts_bytes));
        self.cpu_share = spread(&|sample| Some(sample.cpu_seconds / sample.seconds));
        self.generator_cpu_share =
            spread(&|sample| Some(sample.generator_cpu_seconds / sample.seconds));
        self.latency = Percentiles::of(&self.histogram);
    }

    fn efficiencies(&self, counts_bytes: bool) -> Vec<Option<f64>> {
        let efficiency =
            |sample: &Option<Sample>| sample.as_ref()?.work_per_cpu_second(counts_bytes);
        self.samples.iter().map(efficiency).collect()
    }
}

impl Compared {
    pub(super) fn new(scenario: Scenario, entries: Vec<Entry>) -> Self {
        let mut compared = Self { scenario, entries, ratios: Vec::new() };
        compared.sum_up();
        compared
    }

    fn sum_up(&mut self) {
        let counts_bytes = self.scenario.counts_bytes();
        for entry in &mut self.entries {
            entry.sum_up(counts_bytes);
        }
        for ours in self.entries.iter().filter(|entry| entry.ours) {
            for other in self.entries.iter().filter(|entry| entry.contestant != ours.contestant) {
                let ratio = Spread::of_ratios(
                    &ours.efficiencies(counts_bytes),
                    &other.efficiencies(counts_bytes),
                );
                self.ratios.extend(ratio.map(|ratio| Ratio {
                    ours: ours.contestant.clone(),
                    other: other.contestant.clone(),
                    ratio,
                }));
            }
        }
    }
}

impl Comparison {
    /// Whether something of Causeway or the harness failed; timing never does.
    pub(crate) fn failed(&self) -> bool {
        let mut entries = self.scenarios.iter().flat_map(|compared| &compared.entries);
        entries.any(|entry| entry.ours && !entry.errors.is_empty())
    }

    /// The sentence above everything else.
    pub(super) fn judge(&mut self) {
        let skipped: Vec<String> = self
            .contestants
            .iter()
            .filter_map(|listed| Some(format!("{} ({})", listed.name, listed.skipped.as_ref()?)))
            .collect();
        let mut faulty: Vec<String> = Vec::new();
        for compared in &self.scenarios {
            for entry in compared.entries.iter().filter(|entry| !entry.errors.is_empty()) {
                faulty.push(format!("{} in {}", entry.contestant, compared.scenario.name));
            }
        }
        let mut parts = Vec::new();
        if !faulty.is_empty() {
            parts.push(format!("ERRORS: {}", faulty.join(", ")));
        }
        if !skipped.is_empty() {
            parts.push(format!("SKIPPED: {}", skipped.join(", ")));
        }
        if parts.is_empty() {
            parts.push("everybody took part, no errors".to_owned());
        }
        if self.quick {
            parts.push("quick: short and few rounds, good for finding errors only".to_owned());
        }
        self.headline = parts.join("; ");
    }
}
