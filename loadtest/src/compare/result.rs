//! What a comparison found, as it is reported and written as JSON.

use serde::Serialize;

use super::{
    added::AddedLatency, engines::EngineRatio, entry::Entry, growth::Growth, spread::Spread,
};
use crate::{contestants::Setup, machine::Machine, scenario::Scenario};

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
    /// Why profiles that were asked for are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) profiles_skipped: Option<String>,
    pub(crate) scenarios: Vec<Compared>,
    /// What open streams cost, contestant by contestant.
    pub(crate) growth: Vec<Growth>,
    /// Which engine does more for a CPU-second, scenario by scenario.
    pub(crate) engines: Vec<EngineRatio>,
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
    pub(crate) setup: Setup,
    /// The scenario that this one is a variant of.
    pub(crate) family: String,
    pub(crate) entries: Vec<Entry>,
    pub(crate) ratios: Vec<Ratio>,
    /// Where the scenario's rate was found out first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) added_latency: Option<AddedLatency>,
}

/// Work per CPU-second of ours over that of another.
#[derive(Debug, Serialize)]
pub(crate) struct Ratio {
    pub(crate) ours: String,
    pub(crate) other: String,
    pub(crate) ratio: Spread,
}

impl Compared {
    /// With `rate`, that is what everybody was offered after it had been found out.
    pub(super) fn new(
        scenario: Scenario,
        setup: Setup,
        family: String,
        mut entries: Vec<Entry>,
        rate: Option<f64>,
    ) -> Self {
        let counts_bytes = scenario.counts_bytes();
        for entry in &mut entries {
            entry.sum_up(counts_bytes);
        }
        let ratios = ratios(&entries, counts_bytes);
        let added_latency = rate.map(|rate| AddedLatency::new(rate, &entries));
        Self { scenario, setup, family, entries, ratios, added_latency }
    }

    /// Its name in tables and sentences.
    pub(crate) fn title(&self) -> String {
        match self.setup {
            Setup::Proxy => self.scenario.name.clone(),
            Setup::Chain => format!("{}, whole chain", self.scenario.name),
        }
    }
}

fn ratios(entries: &[Entry], counts_bytes: bool) -> Vec<Ratio> {
    let efficiencies =
        |entry: &Entry| entry.each_round(|sample| sample.work_per_cpu_second(counts_bytes));
    let mut all = Vec::new();
    for ours in entries.iter().filter(|entry| entry.ours) {
        for other in entries.iter().filter(|entry| entry.contestant != ours.contestant) {
            let ratio = Spread::of_ratios(&efficiencies(ours), &efficiencies(other));
            all.extend(ratio.map(|ratio| Ratio {
                ours: ours.contestant.clone(),
                other: other.contestant.clone(),
                ratio,
            }));
        }
    }
    all
}

impl Comparison {
    /// Whether something of Causeway or the harness failed; timing never does.
    pub(crate) fn failed(&self) -> bool {
        let mut entries = self.scenarios.iter().flat_map(|compared| &compared.entries);
        entries.any(|entry| (entry.ours || entry.is_nobody) && !entry.errors.is_empty())
    }

    /// Whether some of it was measured with both sides of each contestant.
    pub(crate) fn has_chains(&self) -> bool {
        self.scenarios.iter().any(|compared| compared.setup == Setup::Chain)
    }

    /// Takes up what was measured, and says what that means as a whole.
    pub(super) fn conclude(&mut self, scenarios: Vec<Compared>) {
        self.growth = Growth::of(&scenarios);
        self.engines = EngineRatio::of(&scenarios);
        self.scenarios = scenarios;
        self.headline = self.judge();
    }

    /// The sentence above everything else.
    fn judge(&self) -> String {
        let mut skipped: Vec<String> = self
            .contestants
            .iter()
            .filter_map(|listed| Some(format!("{} ({})", listed.name, listed.skipped.as_ref()?)))
            .collect();
        skipped.extend(self.profiles_skipped.iter().map(|why| format!("profiles ({why})")));
        let mut faulty: Vec<String> = Vec::new();
        for compared in &self.scenarios {
            for entry in compared.entries.iter().filter(|entry| !entry.errors.is_empty()) {
                faulty.push(format!("{} in {}", entry.contestant, compared.title()));
            }
        }
        let mut parts = Vec::new();
        if !faulty.is_empty() {
            parts.push(format!("ERRORS: {}", faulty.join("; ")));
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
        parts.join("; ")
    }
}
