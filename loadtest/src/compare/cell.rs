//! One measurement of one contestant.

use std::path::Path;

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::{
    contestants::{Contestant, Place, Running, Usage, own_cpu_seconds},
    failure::{Failure, While as _},
    generator::{Dialer, Observer, drive, on_one_thread},
    pki::Pki,
    record::{Interval, Measurement, Percentiles},
    scenario::Scenario,
    service,
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
    /// CPU time of the contestant during the measurement.
    pub(crate) cpu_seconds: f64,
    /// Resident memory of the contestant at its end.
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

/// Reads /proc at both ends of a measurement.
struct Meters<'r> {
    running: &'r Running,
    first: (Usage, f64),
    last: (Usage, f64),
}

impl Meters<'_> {
    fn read(&self) -> (Usage, f64) {
        (self.running.usage(), own_cpu_seconds())
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

impl Bench<'_> {
    /// Starts the contestant, runs the scenario, ends it.
    pub(super) fn measure(
        &self,
        contestant: &Contestant,
        scenario: &Scenario,
    ) -> Result<(Sample, Histogram<u64>), Failure> {
        on_one_thread(async {
            let (address, swallowed) = service::serve(service::ANY_PORT).await.during("service")?;
            let name = contestant.name.replace(' ', "-");
            let place = Place::make(self.directory, &name, address, self.pki)?;
            let launch = contestant.configure(&place)?;
            let mut running = Running::start(&launch, &place, self.contestant_core)?;
            let target = contestant.target(&place);
            let dialer = Dialer::prepare(target, scenario.tunnels, scenario.resume).await?;
            let zero = (Usage::default(), 0.0);
            let mut meters = Meters { running: &running, first: zero, last: zero };
            let measurement = drive(scenario, dialer, Some(swallowed), &mut meters).await?;
            let (first, last) = (meters.first, meters.last);
            running.check()?;
            Ok(sample(&measurement, first, last))
        })
    }
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
