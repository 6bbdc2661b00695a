//! The pages of a run and of a comparison.

use super::{
    comparison, html,
    number::amount,
    plot::{self, Line, Ticks},
    run::RunReport,
    tables::{self, Titled},
};
use crate::{
    compare::{Compared, Comparison},
    record::Interval,
};

/// Ticks on the axis of a throughput.
const THROUGHPUT_TICKS: u32 = 4;
/// Ticks on the axis of time.
const TIME_TICKS: u32 = 8;

/// A run: table, throughput over time, latency over percentile.
pub(super) fn run(report: &RunReport) -> String {
    let mut rows = vec![["what".to_owned(), "value".to_owned()]];
    rows.extend(report.rows());
    let latency = report.measurement.latency();
    let body = format!(
        "<p>{}</p>\n{}<pre>{}</pre>\n{}<h2>Throughput</h2>\n{}<h2>Latency</h2>\n{}",
        html::escape(&report.scenario.about),
        html::headline(&report.headline()),
        html::escape(&report.circumstances()),
        html::table(&rows),
        throughput(report),
        match plot::percentiles(&[(report.scenario.name.clone(), &latency)]) {
            plot if plot.is_empty() => "<p>This scenario has no operations.</p>\n".to_owned(),
            plot => plot,
        }
    );
    html::page(&format!("causeway-loadtest: {}", report.scenario.name), &body)
}

fn throughput(report: &RunReport) -> String {
    let bytes = report.scenario.counts_bytes();
    let line = |name: &str, count: &dyn Fn(&Interval) -> u64| Line {
        name: name.to_owned(),
        points: report.measurement.intervals.iter().map(|one| point(one, count(one))).collect(),
    };
    let drawn = if bytes {
        vec![line("up", &|one| one.bytes_up), line("down", &|one| one.bytes_down)]
    } else {
        vec![line("operations", &|one| one.operations)]
    };
    let values = drawn.iter().flat_map(|line| line.points.iter().map(|point| point.1));
    let highest = values.fold(f64::MIN_POSITIVE, f64::max);
    let step = |ticks: u32, tick: u32| f64::from(tick) / f64::from(ticks);
    let up: Ticks = (0..=THROUGHPUT_TICKS)
        .map(|tick| highest * 1.1 * step(THROUGHPUT_TICKS, tick))
        .map(|value| (value, format!("{}/s", amount(value, bytes))))
        .collect();
    let across: Ticks = (0..=TIME_TICKS)
        .map(|tick| report.measurement.seconds * step(TIME_TICKS, tick))
        .map(|value| (value, format!("{value:.1} s")))
        .collect();
    plot::lines("throughput over time", &drawn, &across, &up)
}

fn point(interval: &Interval, count: u64) -> (f64, f64) {
    let seconds = interval.length.as_secs_f64();
    (interval.start.as_secs_f64() + seconds, count as f64 / seconds)
}

/// A comparison: its words, then plots and tables scenario by scenario.
pub(super) fn compare(comparison: &Comparison) -> String {
    let mut body = html::headline(&comparison.headline);
    body += &format!("<pre>{}</pre>\n", html::escape(&comparison::circumstances(comparison)));
    for compared in &comparison.scenarios {
        body += &scenario(compared);
    }
    body += &tables::across_scenarios(comparison).iter().map(titled).collect::<String>();
    html::page("causeway-loadtest: side by side", &body)
}

fn scenario(compared: &Compared) -> String {
    let bytes = compared.scenario.counts_bytes();
    let show = |value: f64| amount(value, bytes);
    let bars = |pick: &dyn Fn(&crate::compare::Entry) -> Option<crate::compare::Spread>| {
        let entries = compared.entries.iter();
        entries.map(|entry| (entry.contestant.clone(), pick(entry))).collect::<Vec<_>>()
    };
    let histograms: Vec<_> =
        compared.entries.iter().map(|one| (one.contestant.clone(), &one.histogram)).collect();
    let latency = plot::percentiles(&histograms);
    let latency = if latency.is_empty() { latency } else { format!("<h3>Latency</h3>{latency}") };
    let errors: String =
        comparison::errors(compared).iter().map(|error| html::headline(error)).collect();
    let more: String = tables::of_scenario(compared).iter().map(titled).collect();
    format!(
        "<h2>{}</h2>\n<p>{}</p>\n{errors}<h3>Work per CPU-second</h3>\n{}\
         <h3>Work per second</h3>\n{}{latency}<h3>Figures</h3>\n{}{more}",
        html::escape(&compared.title()),
        html::escape(&compared.scenario.about),
        plot::bars("work per CPU-second", &bars(&|entry| entry.per_cpu_second), show),
        plot::bars("work per second", &bars(&|entry| entry.throughput), show),
        html::table(&tables::figures(compared)),
    )
}

fn titled((title, rows): &Titled) -> String {
    format!("<h3>{}</h3>\n{}", html::escape(&capitalised(title)), html::table(rows))
}

/// Titles are parts of sentences elsewhere.
fn capitalised(title: &str) -> String {
    let mut characters = title.chars();
    let first: String = characters.next().into_iter().flat_map(char::to_uppercase).collect();
    first + characters.as_str()
}
