//! Runs a scenario: opens its streams, warms up, measures, and lets everything go.

use std::{
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::task::{JoinSet, LocalSet};

use super::{
    dialer::Dialer,
    load::{Stage, play},
    rotating::Waiting,
};
use crate::{
    failure::Failure,
    record::{Counts, Interval, Measurement, Meter, merged},
    scenario::Scenario,
    service::Swallowed,
};

/// For opening all streams of a scenario; a target that needs longer is reported.
const OPENING_TIMEOUT: Duration = Duration::from_secs(60);
/// Length of the intervals in the log; a shorter measurement has at least ten.
const INTERVAL_MAX: Duration = Duration::from_secs(1);

/// Length of the intervals of a scenario; the last may be shorter.
pub(crate) fn interval_length(scenario: &Scenario) -> Duration {
    INTERVAL_MAX.min(scenario.length() / 10)
}

/// Told while a scenario runs, on its thread.
pub(crate) trait Observer {
    /// The measurement begins now.
    fn begins(&mut self);
    /// The measurement ends now; streams are still open.
    fn ends(&mut self);
    /// An interval is over.
    fn passed(&mut self, interval: &Interval);
}

/// Runs a future with its local tasks on this thread; they are all gone when it returns.
pub(crate) fn on_one_thread<T>(
    future: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    LocalSet::new().block_on(&runtime, future)
}

/// Runs `scenario`. With `swallowed` the service is ours, and uploads count where they arrive.
pub(crate) async fn drive(
    scenario: &Scenario,
    dialer: Dialer,
    swallowed: Option<Rc<Swallowed>>,
    observer: &mut dyn Observer,
) -> Result<Measurement, Failure> {
    let stage = Rc::new(Stage::new(dialer));
    let mut meters = Vec::new();
    let mut tasks = JoinSet::new();
    for load in &scenario.load {
        let (meter, waiting) = (Rc::new(Meter::new()), Waiting::default());
        for stream in 0..load.streams {
            let (stage, load, meter) = (Rc::clone(&stage), load.clone(), Rc::clone(&meter));
            tasks.spawn_local(play(stage, load, stream, waiting.clone(), meter));
        }
        meters.push(meter);
    }
    open_all(&stage, scenario, &meters).await?;
    stage.begin();
    tokio::time::sleep(scenario.warmup()).await;
    let watch = Watch { meters: &meters, swallowed: swallowed.as_deref() };
    let measurement = watch.measure(scenario, observer).await;
    Ok(measurement)
}

async fn open_all(stage: &Stage, scenario: &Scenario, meters: &[Rc<Meter>]) -> Result<(), Failure> {
    let streams: usize = scenario.load.iter().map(|load| load.streams).sum();
    let first_error = || meters.iter().find_map(|meter| meter.first_error());
    let failed = async {
        while first_error().is_none() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = stage.all_ready(streams) => Ok(()),
        () = failed => {
            let why = first_error().unwrap_or_default();
            Err(Failure(format!("a stream could not be opened: {why}")))
        }
        () = tokio::time::sleep(OPENING_TIMEOUT) => Err(Failure(format!(
            "the {streams} streams of {} were not open after {} s",
            scenario.name,
            OPENING_TIMEOUT.as_secs()
        ))),
    }
}

/// Reads what the loads count.
struct Watch<'w> {
    meters: &'w [Rc<Meter>],
    swallowed: Option<&'w Swallowed>,
}

impl Watch<'_> {
    fn counts(&self) -> Counts {
        let mut counts = Counts::sum(self.meters.iter().map(Rc::as_ref));
        if let Some(swallowed) = self.swallowed {
            counts.bytes_up = swallowed.bytes();
        }
        counts
    }

    async fn measure(&self, scenario: &Scenario, observer: &mut dyn Observer) -> Measurement {
        let step = interval_length(scenario);
        for meter in self.meters {
            drop(meter.take_latency());
        }
        let per_load: Vec<Counts> = self.meters.iter().map(|meter| meter.counts()).collect();
        let (start, first) = (Instant::now(), self.counts());
        observer.begins();
        let mut intervals: Vec<Interval> = Vec::new();
        let (mut since, mut last) = (Duration::ZERO, first);
        while since < scenario.length() {
            let until = (since + step).min(scenario.length());
            tokio::time::sleep_until((start + until).into()).await;
            let (now, counts) = (start.elapsed(), self.counts());
            let latencies: Vec<_> = self.meters.iter().map(|meter| meter.take_latency()).collect();
            let grown = counts.since(last);
            intervals.push(Interval {
                start: since,
                length: now - since,
                bytes_up: grown.bytes_up,
                bytes_down: grown.bytes_down,
                operations: grown.operations,
                latency: merged(&latencies),
            });
            observer.passed(&intervals[intervals.len() - 1]);
            (since, last) = (now, counts);
        }
        observer.ends();
        let (seconds, grown) = (start.elapsed().as_secs_f64(), self.counts().since(first));
        let (still, why) = self.standing_still(scenario, &per_load);
        Measurement {
            seconds,
            bytes_up: grown.bytes_up,
            bytes_down: grown.bytes_down,
            operations: grown.operations,
            // Errors of the warm-up count as well: a stream that broke then is missing now.
            errors: self.counts().errors + still,
            first_error: self.meters.iter().find_map(|meter| meter.first_error()).or(why),
            intervals,
        }
    }

    /// Loads that did nothing at all: a target that stands still is no slow target.
    fn standing_still(&self, scenario: &Scenario, before: &[Counts]) -> (u64, Option<String>) {
        let mut still = (0, None);
        for ((load, meter), before) in scenario.load.iter().zip(self.meters).zip(before) {
            let grown = meter.counts().since(*before);
            let moved = grown.bytes_up + grown.bytes_down + grown.operations;
            if (load.kind.is_bulk() || load.kind.has_operations()) && moved == 0 {
                still.0 += 1;
                still.1 = Some(format!("{:?} did nothing during the measurement", load.kind));
            }
        }
        still
    }
}
