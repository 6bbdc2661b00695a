//! The command line of `compare`, and its course.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use super::{
    cell::Bench,
    course,
    plan::{self, Block, QUICK_ROUNDS, ROUNDS},
    result::{Comparison, Listed},
};
use crate::{
    contestants::{Contestant, Setup, lineup, pin_this_thread},
    failure::{Failure, While as _},
    machine::{Machine, allow_many_files, allowed_cores},
    pki::Pki,
    profile, report,
    scenario::{BUILT_IN, Scenario},
};

/// Side by side: Causeway on each engine and in each mode, HAProxy, nginx, stunnel, and a plain
/// Rust relay, each with one worker on a core of its own.
#[derive(Debug, clap::Args)]
pub(crate) struct CompareArgs {
    /// The program under test.
    #[arg(long, value_name = "FILE", help = "The program under test [default: beside this one]")]
    causeway: Option<PathBuf>,
    /// A scenario by name or file; may be given several times. Default: all, or the quick ones.
    #[arg(long = "scenario", value_name = "NAME|FILE")]
    scenarios: Vec<String>,
    /// Only contestants whose name contains this; may be given several times.
    #[arg(long = "only", value_name = "TEXT")]
    only: Vec<String>,
    /// Rounds of each scenario [default: 5, quick 2].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
    /// Length of each measurement, instead of the scenario's own.
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// The whole chain: each contestant at both ends, its client side and its server side together
    /// on one core, with plain TCP into the one and out of the other.
    #[arg(long)]
    chain: bool,
    /// Within three minutes: fewer scenarios, fewer and shorter rounds, and of whole chains only a
    /// few. For finding errors.
    #[arg(long)]
    quick: bool,
    /// Where CPU time goes: one more measurement of everybody with `perf record` beside it, whose
    /// shares by cause are in the report. Data and folded stacks go here.
    #[arg(long, value_name = "DIR")]
    profile: Option<PathBuf>,
    /// Where the report goes: text, JSON and HTML [default: only the text, on standard output].
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
}

impl CompareArgs {
    /// Measures, reports; the exit code tells of errors of Causeway and of nothing else.
    pub(crate) fn run(&self) -> Result<ExitCode, Failure> {
        let causeway = self.program()?;
        let (everybody, taking_part) = self.contestants(&causeway)?;
        let rounds = match self.rounds {
            Some(rounds) => rounds as usize,
            None if self.quick => QUICK_ROUNDS,
            None => ROUNDS,
        };
        let blocks = self.blocks(rounds, &taking_part)?;
        let (profiles, profiles_skipped) = self.profiles()?;
        let mut comparison = Comparison {
            headline: String::new(),
            command: env::args().collect::<Vec<_>>().join(" "),
            machine: Machine::look(&causeway),
            contestant_core: None,
            generator_core: None,
            rounds,
            quick: self.quick,
            contestants: everybody,
            profiles_skipped,
            scenarios: Vec::new(),
            growth: Vec::new(),
            engines: Vec::new(),
        };
        allow_many_files();
        let cores = allowed_cores();
        if let [first, second, ..] = cores[..] {
            pin_this_thread(second)?;
            (comparison.contestant_core, comparison.generator_core) = (Some(first), Some(second));
        }
        let directory = tempfile::Builder::new().prefix("causeway-loadtest-").tempdir()?;
        let pki = Pki::make(directory.path())?;
        let bench = Bench {
            directory: directory.path(),
            pki: &pki,
            contestant_core: comparison.contestant_core,
        };
        comparison.conclude(course::measure_all(&bench, blocks, rounds, profiles));
        report::publish_comparison(&comparison, self.report.as_deref())?;
        Ok(if comparison.failed() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    fn program(&self) -> Result<PathBuf, Failure> {
        let beside = || -> Result<PathBuf, Failure> {
            let this = env::current_exe().during("finding this program")?;
            Ok(this.with_file_name("causeway"))
        };
        let program = self.causeway.clone().map_or_else(beside, Ok)?;
        program.canonicalize().map_err(|error| {
            Failure(format!(
                "{}: {error}; build it with `cargo build --release`, or give --causeway FILE",
                program.display()
            ))
        })
    }

    fn contestants(&self, causeway: &Path) -> Result<(Vec<Listed>, Vec<Contestant>), Failure> {
        let mut all = lineup(causeway)?;
        if !self.only.is_empty() {
            all.retain(|one| self.only.iter().any(|part| one.name.contains(part)));
        }
        if all.is_empty() {
            return Err(Failure("no contestant has a name like that; leave --only out".into()));
        }
        let listed = all.iter().map(|one| Listed {
            name: one.name.clone(),
            about: one.about.clone(),
            skipped: one.missing.clone(),
        });
        let listed = listed.collect();
        all.retain(|one| one.missing.is_none());
        Ok((listed, all))
    }

    /// Where profiles go, or why there are none although they were asked for.
    fn profiles(&self) -> Result<(Option<&Path>, Option<String>), Failure> {
        let Some(directory) = self.profile.as_deref() else { return Ok((None, None)) };
        if let Some(why) = profile::missing() {
            eprintln!("causeway-loadtest: no profiles: {why}");
            return Ok((None, Some(why)));
        }
        fs::create_dir_all(directory).during(directory.display())?;
        Ok((Some(directory), None))
    }

    fn blocks(&self, rounds: usize, contestants: &[Contestant]) -> Result<Vec<Block>, Failure> {
        let setup = if self.chain { Setup::Chain } else { Setup::Proxy };
        let mut blocks: Vec<Block> = self
            .scenarios()?
            .iter()
            .flat_map(|scenario| plan::blocks(scenario, setup, contestants))
            .collect();
        if self.quick {
            if !self.chain && self.scenarios.is_empty() {
                blocks.extend(plan::quick_chains(contestants)?);
            }
            plan::quicken(&mut blocks, rounds);
        }
        if let Some(seconds) = self.seconds {
            blocks.iter_mut().for_each(|block| block.scenario.seconds = seconds);
        }
        blocks.iter().try_for_each(|block| block.scenario.check())?;
        Ok(blocks)
    }

    fn scenarios(&self) -> Result<Vec<Scenario>, Failure> {
        let built_in = || BUILT_IN.iter().map(|(name, _)| Scenario::find(name));
        let named = || self.scenarios.iter().map(|name| Scenario::find(name));
        let all: Result<Vec<_>, _> =
            if self.scenarios.is_empty() { built_in().collect() } else { named().collect() };
        let mut all = all?;
        if self.quick {
            all.retain(|scenario| scenario.quick || !self.scenarios.is_empty());
        }
        Ok(all)
    }
}
