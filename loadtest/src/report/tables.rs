//! The tables of a comparison, as rows of cells; the first row of each is its head.

use super::{
    comparison::rate_words,
    number::{amount, digits, percent, signed_percent, spread},
};
use crate::{
    compare::{Compared, Comparison, Entry, Spread},
    contestants::Setup,
    profile::Cause,
    record::Percentiles,
};

/// What stands above a table, and its rows.
pub(super) type Titled = (String, Vec<Vec<String>>);

/// The figures of a scenario, a row each; the first is the head.
pub(super) fn figures(compared: &Compared) -> Vec<Vec<String>> {
    let header = [
        "contestant",
        "per CPU-second (min..max)",
        "per second",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "RSS MiB",
        "CPU",
        "gen. CPU",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let bytes = compared.scenario.counts_bytes();
    rows.extend(compared.entries.iter().map(|entry| row(entry, bytes)));
    rows
}

fn row(entry: &Entry, bytes: bool) -> Vec<String> {
    let median = |spread: Option<Spread>, show: &dyn Fn(f64) -> String| {
        spread.map_or_else(|| "-".to_owned(), |spread| show(spread.median))
    };
    let latency = |pick: &dyn Fn(&Percentiles) -> f64| {
        entry.latency.as_ref().map_or_else(|| "-".to_owned(), |latency| digits(pick(latency)))
    };
    vec![
        entry.contestant.clone(),
        spread(entry.per_cpu_second, |value| amount(value, bytes)),
        median(entry.throughput, &|value| amount(value, bytes)),
        latency(&|latency| latency.p50_ms),
        latency(&|latency| latency.p99_ms),
        latency(&|latency| latency.p999_ms),
        median(entry.resident_bytes, &|bytes| digits(bytes / f64::from(1 << 20))),
        median(entry.cpu_share, &percent),
        median(entry.generator_cpu_share, &percent),
    ]
}

/// Work per CPU-second of ours, one a column, over that of everybody; the first row is the head.
fn ratios(compared: &Compared) -> Vec<Vec<String>> {
    let ours = || compared.entries.iter().filter(|entry| entry.ours).map(|entry| &entry.contestant);
    let mut header = vec!["over that of".to_owned()];
    header.extend(ours().cloned());
    let mut rows = vec![header];
    if compared.ratios.is_empty() {
        return rows;
    }
    for other in compared.entries.iter().filter(|entry| !entry.is_nobody) {
        let mut row = vec![other.contestant.clone()];
        row.extend(ours().map(|name| {
            let same = |ours: &String, theirs: &String| ours == name && *theirs == other.contestant;
            let found = compared.ratios.iter().find(|ratio| same(&ratio.ours, &ratio.other));
            spread(found.map(|ratio| ratio.ratio), digits)
        }));
        rows.push(row);
    }
    rows
}

/// What else there is to say of a scenario.
pub(super) fn of_scenario(compared: &Compared) -> Vec<Titled> {
    let ratios = ("work per CPU-second, ours over that of others".to_owned(), ratios(compared));
    let added = (rate_words(compared).unwrap_or_default(), added_latency(compared));
    let profile = ("share of CPU time by cause, one measurement".to_owned(), profiles(compared));
    filled([ratios, added, profile])
}

/// What several scenarios say together.
pub(super) fn across_scenarios(comparison: &Comparison) -> Vec<Titled> {
    let growth = "CPU time for an operation by number of open streams, growth over the fewest";
    let engines = "io_uring over epoll: more work per CPU-second is better, less p99 is better";
    filled([
        (growth.to_owned(), growth_rows(comparison)),
        (engines.to_owned(), engine_rows(comparison)),
    ])
}

/// Those that are more than a head.
fn filled<const N: usize>(tables: [Titled; N]) -> Vec<Titled> {
    tables.into_iter().filter(|(_, rows)| rows.len() > 1).collect()
}

fn head<const N: usize>(names: [&str; N]) -> Vec<Vec<String>> {
    vec![names.map(str::to_owned).to_vec()]
}

fn added_latency(compared: &Compared) -> Vec<Vec<String>> {
    let mut rows = head([
        "contestant",
        "closed loop per second",
        "kept up",
        "added p50 ms (min..max)",
        "added p99 ms (min..max)",
        "p50 over HAProxy's",
        "p99 over HAProxy's",
    ]);
    let added = compared.added_latency.iter().flat_map(|added| &added.entries);
    rows.extend(added.map(|one| {
        vec![
            one.contestant.clone(),
            spread(one.saturation, |value| amount(value, false)),
            spread(one.kept_up, percent),
            spread(one.p50_ms, milliseconds),
            spread(one.p99_ms, milliseconds),
            spread(one.p50_over_haproxy, digits),
            spread(one.p99_over_haproxy, digits),
        ]
    }));
    rows
}

fn milliseconds(value: f64) -> String {
    format!("{value:.3}")
}

fn profiles(compared: &Compared) -> Vec<Vec<String>> {
    let mut header = vec!["contestant".to_owned(), "samples".to_owned()];
    header.extend(Cause::ALL.map(|cause| cause.name().to_owned()));
    let mut rows = vec![header];
    for entry in &compared.entries {
        let Some(profile) = &entry.profile else { continue };
        let mut row = vec![entry.contestant.clone(), profile.samples.to_string()];
        let share = |cause: Cause| profile.shares.get(&cause).copied().unwrap_or(0.0);
        row.extend(Cause::ALL.map(|cause| percent(share(cause))));
        rows.push(row);
    }
    rows
}

fn growth_rows(comparison: &Comparison) -> Vec<Vec<String>> {
    let mut rows =
        head(["scenario, contestant", "open streams", "CPU µs (min..max)", "growth (min..max)"]);
    for growth in &comparison.growth {
        let name = place(&growth.scenario, growth.setup);
        rows.extend(growth.points.iter().map(|point| {
            vec![
                format!("{name}, {}", growth.contestant),
                point.streams.to_string(),
                spread(point.cpu_us, digits),
                spread(point.growth, signed_percent),
            ]
        }));
    }
    rows
}

fn engine_rows(comparison: &Comparison) -> Vec<Vec<String>> {
    let mut rows = head([
        "scenario, mode",
        "work per CPU-second (min..max)",
        "p99 (min..max)",
        "more work in every round",
    ]);
    rows.extend(comparison.engines.iter().map(|ratio| {
        vec![
            format!("{}, {}", place(&ratio.scenario, ratio.setup), ratio.mode),
            spread(ratio.work, digits),
            spread(ratio.p99, digits),
            ratio.wins.to_owned(),
        ]
    }));
    rows
}

fn place(scenario: &str, setup: Setup) -> String {
    match setup {
        Setup::Proxy => scenario.to_owned(),
        Setup::Chain => format!("{scenario}, whole chain"),
    }
}
