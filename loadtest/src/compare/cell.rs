//! One measurement of one contestant.

use std::{path::Path, rc::Rc};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{
    contestants::{Contestant, Post, Setup, Team, Usage, own_cpu_seconds},
    failure::{Failure, While as _},
    generator::{Dialer, Observer, drive, on_one_thread},
    pki::Pki,
    profile::{Profile, Recording},
    record::{Interval, Measurement, Percentiles},
    scenario::Scenario,
    service::{self, Swallowed},
};

/// What one round of a scenario showed of a contestant.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Sample {
    pub(crate) seconds: f64,
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
    pub(crate) operations: u64,
    pub(crate) errors: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) first_error: Option<String>,
    /// CPU time of the contestant's processes during the measurement.
    pub(crate) cpu_seconds: f64,
    /// Resident memory of the contestant's processes at its end.
    pub(crate) resident_bytes: u64,
    /// CPU time of the generator and the service, which are one thread.
    pub(crate) generator_cpu_seconds: f64,
    pub(crate) latency: Option<Percentiles>,
}

/// Where measurements are made.
pub(super) struct Bench<'b> {
    pub(super) directory: &'b Path,
    pub(super) pki: &'b Pki,
    pub(super) contestant_core: Option<usize>,
}

/// What a measurement brought.
pub(super) type Outcome = Result<(Sample, Histogram<u64>), Failure>;

/// Reads /proc at both ends of a measurement.
struct Meters<'r> {
    team: &'r Team,
    first: (Usage, f64),
    last: (Usage, f64),
}

/// Lets perf take samples from one end of a measurement to the other.
struct Profiler {
    recording: Recording,
    done: Result<(), Failure>,
}

impl Meters<'_> {
    fn read(&self) -> (Usage, f64) {
        (self.team.usage(), own_cpu_seconds())
    }
}

impl Observer for Meters<'_> {
    fn begins(&mut self) {
        self.first = self.read();
    }

    fn ends(&mut self) {
        self.last = self.read();
    }

    fn passed(&mut self, _: &Interval) {}
}

impl Observer for Profiler {
    fn begins(&mut self) {
        self.done = self.recording.begin();
    }

    fn ends(&mut self) {
        if self.done.is_ok() {
            self.done = self.recording.end();
        }
    }

    fn passed(&mut self, _: &Interval) {}
}

impl Bench<'_> {
    /// Starts the contestant, runs the scenario, ends it.
    pub(super) fn measure(
        &self,
        contestant: &Contestant,
        scenario: &Scenario,
        setup: Setup,
    ) -> Outcome {
        on_one_thread(async {
            let mut stand = self.set_up(contestant, scenario, setup).await?;
            let zero = (Usage::default(), 0.0);
            let mut meters = Meters { team: &stand.team, first: zero, last: zero };
            let measurement =
                drive(scenario, stand.dialer, Some(stand.swallowed), &mut meters).await?;
            let (first, last) = (meters.first, meters.last);
            stand.team.check()?;
            Ok(sample(&measurement, first, last))
        })
    }

    /// The same, for where its CPU time goes; perf's files go to `directory`.
    pub(super) fn profile(
        &self,
        contestant: &Contestant,
        scenario: &Scenario,
        setup: Setup,
        directory: &Path,
    ) -> Result<Profile, Failure> {
        let chain = if setup == Setup::Chain { "chain-" } else { "" };
        let name = format!("{chain}{}-{}", scenario.name, contestant.name.replace(' ', "-"));
        on_one_thread(async {
            let mut stand = self.set_up(contestant, scenario, setup).await?;
            let recording = Recording::prepare(&stand.team.processes(), directory, &name)?;
            let mut profiler = Profiler { recording, done: Ok(()) };
            drive(scenario, stand.dialer, Some(stand.swallowed), &mut profiler).await?;
            profiler.done?;
            let profile = profiler.recording.read()?;
            stand.team.check()?;
            Ok(profile)
        })
    }

    async fn set_up(
        &self,
        contestant: &Contestant,
        scenario: &Scenario,
        setup: Setup,
    ) -> Result<Stand, Failure> {
        let (service, swallowed) = service::serve(service::ANY_PORT).await.during("service")?;
        let tunnels = scenario.tunnels;
        let posts = contestant.prepare(setup, tunnels, self.directory, service, self.pki)?;
        let team = Team::start(&posts, self.contestant_core)?;
        let target = contestant.target(&posts, service);
        let dialer = Dialer::prepare(target, tunnels, scenario.resume).await?;
        Ok(Stand { team, dialer, swallowed, _posts: posts })
    }
}

/// A contestant that runs, and what is around it.
struct Stand {
    team: Team,
    dialer: Dialer,
    swallowed: Rc<Swallowed>,
    /// They hold the ports.
    _posts: Vec<Post>,
}

fn sample(
    measurement: &Measurement,
    first: (Usage, f64),
    last: (Usage, f64),
) -> (Sample, Histogram<u64>) {
    let latency = measurement.latency();
    let sample = Sample {
        seconds: measurement.seconds,
        bytes_up: measurement.bytes_up,
        bytes_down: measurement.bytes_down,
        operations: measurement.operations,
        errors: measurement.errors,
        first_error: measurement.first_error.clone(),
        cpu_seconds: last.0.cpu_seconds - first.0.cpu_seconds,
        resident_bytes: last.0.resident_bytes,
        generator_cpu_seconds: last.1 - first.1,
        latency: Percentiles::of(&latency),
    };
    (sample, latency)
}

impl Sample {
    /// Bytes or operations, whichever the scenario is about.
    pub(super) fn work(&self, counts_bytes: bool) -> f64 {
        if counts_bytes { (self.bytes_up + self.bytes_down) as f64 } else { self.operations as f64 }
    }

    /// Work for each second that the contestant's CPU was busy.
    pub(super) fn work_per_cpu_second(&self, counts_bytes: bool) -> Option<f64> {
        (self.cpu_seconds > 0.0).then(|| self.work(counts_bytes) / self.cpu_seconds)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A second in which a thousand operations took half a second of CPU; all of its percentiles
    /// are the same.
    pub(crate) fn sample(latency_ms: f64) -> Sample {
        Sample {
            seconds: 1.0,
            bytes_up: 0,
            bytes_down: 0,
            operations: 1000,
            errors: 0,
            first_error: None,
            cpu_seconds: 0.5,
            resident_bytes: 1 << 20,
            generator_cpu_seconds: 0.5,
            latency: Some(Percentiles {
                count: 1000,
                mean_ms: latency_ms,
                p50_ms: latency_ms,
                p90_ms: latency_ms,
                p99_ms: latency_ms,
                p999_ms: latency_ms,
                max_ms: latency_ms,
            }),
        }
    }

    #[test]
    fn work_is_told_for_each_second_of_cpu() {
        assert_eq!(sample(1.0).work_per_cpu_second(false), Some(2000.0));
        let idle = Sample { cpu_seconds: 0.0, ..sample(1.0) };
        assert_eq!(idle.work_per_cpu_second(false), None);
    }
}
