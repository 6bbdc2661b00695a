//! What a run found, as text and as JSON.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::{
    comparison::table,
    number::{amount, digits},
};
use crate::{
    machine::Machine,
    record::{Interval, Measurement, Percentiles},
    scenario::Scenario,
};

/// A run and its circumstances.
pub(crate) struct RunReport {
    pub(crate) scenario: Scenario,
    pub(crate) command: String,
    pub(crate) machine: Machine,
    pub(crate) generator_cpu_seconds: f64,
    pub(crate) started: SystemTime,
    pub(crate) measurement: Measurement,
}

/// How many intervals a scenario has.
pub(crate) fn steps(scenario: &Scenario) -> usize {
    let step = crate::generator::interval_length(scenario);
    (scenario.seconds / step.as_secs_f64()).ceil() as usize
}

/// What an interval moved, each second.
pub(crate) fn rate(interval: &Interval) -> String {
    let seconds = interval.length.as_secs_f64();
    let bytes = (interval.bytes_up + interval.bytes_down) as f64 / seconds;
    let operations = interval.operations as f64 / seconds;
    format!("{}/s, {} operations/s", amount(bytes, true), amount(operations, false))
}

impl RunReport {
    /// Errors first, because they are what a figure is worth.
    pub(super) fn headline(&self) -> String {
        let measurement = &self.measurement;
        match (&measurement.first_error, measurement.errors) {
            (_, 0) => "no errors".to_owned(),
            (why, errors) => {
                let why = why.as_deref().unwrap_or("unknown");
                format!("ERRORS: {errors}, the first: {why}")
            }
        }
    }

    pub(super) fn circumstances(&self) -> String {
        let machine = &self.machine;
        format!(
            "{}, {} cores, {} GiB, kernel {}, load {} at the start; generator used {} s of CPU in \
             {} s\ncommand: {}",
            machine.cpu,
            machine.cores,
            machine.memory_gib,
            machine.kernel,
            machine.load,
            digits(self.generator_cpu_seconds),
            digits(self.measurement.seconds),
            self.command
        )
    }

    /// What was moved and how long it took, in rows of name and value.
    pub(super) fn rows(&self) -> Vec<[String; 2]> {
        let measurement = &self.measurement;
        let a_second = |count: u64, bytes: bool| {
            format!("{}/s", amount(count as f64 / measurement.seconds, bytes))
        };
        let mut rows = vec![
            ["bytes up".to_owned(), a_second(measurement.bytes_up, true)],
            ["bytes down".to_owned(), a_second(measurement.bytes_down, true)],
            ["operations".to_owned(), a_second(measurement.operations, false)],
            ["errors".to_owned(), measurement.errors.to_string()],
        ];
        if let Some(latency) = Percentiles::of(&measurement.latency()) {
            for (name, value) in [
                ("mean", latency.mean_ms),
                ("p50", latency.p50_ms),
                ("p90", latency.p90_ms),
                ("p99", latency.p99_ms),
                ("p99.9", latency.p999_ms),
                ("maximum", latency.max_ms),
            ] {
                rows.push([format!("latency {name}"), format!("{value:.3} ms")]);
            }
        }
        rows
    }

    pub(super) fn text(&self) -> String {
        format!(
            "{}: {}\n{}\n{}\n\n{}",
            self.scenario.name,
            self.scenario.about,
            self.headline(),
            self.circumstances(),
            table(&self.rows())
        )
    }

    pub(super) fn json(&self) -> Value {
        let measurement = &self.measurement;
        let intervals: Vec<Value> = measurement
            .intervals
            .iter()
            .map(|interval| {
                json!({
                    "start_s": interval.start.as_secs_f64(),
                    "seconds": interval.length.as_secs_f64(),
                    "bytes_up": interval.bytes_up,
                    "bytes_down": interval.bytes_down,
                    "operations": interval.operations,
                    "latency": Percentiles::of(&interval.latency),
                })
            })
            .collect();
        json!({
            "headline": self.headline(),
            "scenario": self.scenario,
            "command": self.command,
            "machine": self.machine,
            "generator_cpu_seconds": self.generator_cpu_seconds,
            "seconds": measurement.seconds,
            "bytes_up": measurement.bytes_up,
            "bytes_down": measurement.bytes_down,
            "operations": measurement.operations,
            "errors": measurement.errors,
            "first_error": measurement.first_error,
            "latency": Percentiles::of(&measurement.latency()),
            "intervals": intervals,
        })
    }
}
