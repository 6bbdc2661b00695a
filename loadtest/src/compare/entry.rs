//! One contestant in one scenario: its rounds, and what they say together.

use hdrhistogram::Histogram;
use serde::Serialize;

use super::{
    cell::{Outcome, Sample},
    spread::Spread,
};
use crate::{
    contestants::Contestant,
    failure::Failure,
    profile::Profile,
    record::{Percentiles, histogram},
};

/// One contestant in one scenario.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    pub(crate) contestant: String,
    pub(crate) ours: bool,
    /// Engine and mode of Causeway's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) engine: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mode: Option<&'static str>,
    #[serde(skip)]
    pub(crate) is_nobody: bool,
    #[serde(skip)]
    pub(crate) is_haproxy: bool,
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
    /// Operations a second in a closed loop, where a rate was to be found out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) calibrations: Vec<f64>,
    /// Where its CPU time goes, if that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) profile: Option<Profile>,
    #[serde(skip)]
    pub(crate) histogram: Histogram<u64>,
}

impl Entry {
    pub(super) fn new(contestant: &Contestant) -> Self {
        let (engine, mode) = contestant.engine_and_mode().unzip();
        Self {
            contestant: contestant.name.clone(),
            ours: contestant.ours,
            engine,
            mode,
            is_nobody: contestant.is_nobody(),
            is_haproxy: contestant.is_haproxy(),
            throughput: None,
            per_cpu_second: None,
            latency: None,
            resident_bytes: None,
            cpu_share: None,
            generator_cpu_share: None,
            errors: Vec::new(),
            samples: Vec::new(),
            calibrations: Vec::new(),
            profile: None,
            histogram: histogram(),
        }
    }

    /// Takes up the next round.
    pub(super) fn add(&mut self, outcome: Outcome) {
        let round = self.samples.len() + 1;
        match outcome {
            Ok((sample, latency)) => {
                self.note_errors(&format!("round {round}"), &sample);
                self.histogram.add(latency).expect("all histograms have the same bounds");
                self.samples.push(Some(sample));
            }
            Err(Failure(why)) => {
                self.errors.push(format!("round {round}: {why}"));
                self.samples.push(None);
            }
        }
    }

    /// Takes up a closed loop that tells what it can do at most.
    pub(super) fn calibrate(&mut self, outcome: Outcome) {
        match outcome {
            Ok((sample, _)) => {
                self.note_errors("calibration", &sample);
                self.calibrations.push(sample.operations as f64 / sample.seconds);
            }
            Err(Failure(why)) => self.errors.push(format!("calibration: {why}")),
        }
    }

    /// Takes up where its CPU time went.
    pub(super) fn profiled(&mut self, outcome: Result<Profile, Failure>) {
        match outcome {
            Ok(profile) => self.profile = Some(profile),
            Err(Failure(why)) => self.errors.push(format!("profile: {why}")),
        }
    }

    fn note_errors(&mut self, when: &str, sample: &Sample) {
        if sample.errors > 0 {
            let first = sample.first_error.as_deref().unwrap_or("unknown");
            self.errors.push(format!("{when}: {} errors, first: {first}", sample.errors));
        }
    }

    pub(super) fn sum_up(&mut self, counts_bytes: bool) {
        let samples = &self.samples;
        let spread = |value: &dyn Fn(&Sample) -> Option<f64>| {
            Spread::of(samples.iter().flatten().filter_map(value))
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

    /// A value of each round; none where the round failed or has no such value.
    pub(super) fn each_round(&self, value: impl Fn(&Sample) -> Option<f64>) -> Vec<Option<f64>> {
        self.samples.iter().map(|sample| value(sample.as_ref()?)).collect()
    }
}
