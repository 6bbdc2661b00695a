//! The course of a comparison: every turn of the plan, and what it brings to whom.

use std::path::Path;

use super::{
    added::half_saturation,
    cell::Bench,
    entry::Entry,
    plan::{self, Block, Purpose, Turn},
    result::Compared,
};
use crate::{failure::Failure, report::Progress};

/// A block while it is measured.
struct Scene {
    block: Block,
    entries: Vec<Entry>,
    /// What everybody is offered, once it has been found out.
    rate: Option<f64>,
}

/// Measures all blocks; with `profiles`, a directory, perf looks on at the end of each.
pub(super) fn measure_all(
    bench: &Bench<'_>,
    blocks: Vec<Block>,
    rounds: usize,
    profiles: Option<&Path>,
) -> Vec<Compared> {
    let turns = plan::turns(&blocks, rounds, profiles.is_some());
    let progress = Progress::start(turns.len(), plan::seconds(&blocks, &turns));
    let mut scenes: Vec<Scene> = blocks.into_iter().map(Scene::new).collect();
    for turn in turns {
        let scene = &mut scenes[turn.block];
        progress.says(&scene.words(turn));
        scene.take(bench, turn, profiles);
        progress.one_more();
    }
    progress.end();
    scenes.into_iter().map(Scene::end).collect()
}

impl Scene {
    fn new(block: Block) -> Self {
        let entries = block.contestants.iter().map(Entry::new).collect();
        Self { block, entries, rate: None }
    }

    fn words(&self, turn: Turn) -> String {
        let (scenario, contestant) =
            (&self.block.scenario.name, &self.block.contestants[turn.contestant].name);
        match turn.purpose {
            Purpose::Calibration => format!("{scenario}, {contestant}, calibration"),
            Purpose::Round(round) => format!("{scenario}, {contestant}, round {}", round + 1),
            Purpose::Profile => format!("{scenario}, {contestant}, profile"),
        }
    }

    fn take(&mut self, bench: &Bench<'_>, turn: Turn, profiles: Option<&Path>) {
        let settled = match turn.purpose {
            Purpose::Calibration => Ok(()),
            Purpose::Round(_) | Purpose::Profile => self.settle_rate(),
        };
        let Block { scenario, setup, contestants, .. } = &self.block;
        let (contestant, entry) =
            (&contestants[turn.contestant], &mut self.entries[turn.contestant]);
        match (turn.purpose, profiles) {
            (Purpose::Calibration, _) => {
                let closed_loop = plan::calibration(scenario);
                entry.calibrate(bench.measure(contestant, &closed_loop, *setup));
            }
            (Purpose::Round(_), _) => {
                let measure = |()| bench.measure(contestant, scenario, *setup);
                entry.add(settled.and_then(measure));
            }
            (Purpose::Profile, Some(directory)) if !contestant.is_nobody() => {
                let profile = |()| bench.profile(contestant, scenario, *setup, directory);
                entry.profiled(settled.and_then(profile));
            }
            (Purpose::Profile, _) => {}
        }
    }

    /// Finds out a relative rate, now that all calibrations are done.
    fn settle_rate(&mut self) -> Result<(), Failure> {
        if self.block.scenario.is_relative() {
            let rate = half_saturation(&self.entries)
                .ok_or_else(|| Failure("nobody's saturation could be measured".to_owned()))?;
            self.block.scenario.settle_rate(rate);
            self.rate = Some(rate);
        }
        Ok(())
    }

    fn end(self) -> Compared {
        let Block { scenario, setup, family, .. } = self.block;
        Compared::new(scenario, setup, family, self.entries, self.rate)
    }
}
