//! A comparison as text.

use super::number::{amount, digits, spread};
use crate::compare::{Compared, Comparison, Entry};

/// All of it.
pub(super) fn text(comparison: &Comparison) -> String {
    let mut out = format!("{}\n\n{}", comparison.headline, circumstances(comparison));
    for compared in &comparison.scenarios {
        out += &scenario(compared);
    }
    out
}

/// Machine, method, and who took part.
pub(super) fn circumstances(comparison: &Comparison) -> String {
    let mut out = String::new();
    let machine = &comparison.machine;
    out += &format!(
        "{}, {} cores, {} GiB, kernel {}, load {} at the start\ncommit {}, command: {}\n",
        machine.cpu,
        machine.cores,
        machine.memory_gib,
        machine.kernel,
        machine.load,
        machine.commit,
        comparison.command
    );
    out += &match (comparison.contestant_core, comparison.generator_core) {
        (Some(contestant), Some(generator)) => format!(
            "contestant on core {contestant}, generator and service together on core {generator}\n"
        ),
        _ => "only one core: contestant and generator share it, throughput says little\n".into(),
    };
    out += &format!(
        "TLS 1.3, TLS_AES_128_GCM_SHA256, X25519, ECDSA P-256, client certificates; loopback; \
         {} rounds, taken in turns\n\n",
        comparison.rounds
    );
    for listed in &comparison.contestants {
        let skipped = listed.skipped.as_ref().map(|why| format!(" SKIPPED: {why}"));
        out += &format!("  {:28} {}{}\n", listed.name, listed.about, skipped.unwrap_or_default());
    }
    out
}

fn scenario(compared: &Compared) -> String {
    let scenario = &compared.scenario;
    let mut out =
        format!("\n== {} ({} s): {}\n", scenario.name, digits(scenario.seconds), scenario.about);
    out += &table(&rows(compared));
    for error in errors(compared) {
        out += &format!("{error}\n");
    }
    let ratios = ratio_rows(compared);
    if ratios.len() > 1 {
        out += &format!("\n{}", table(&ratios));
    }
    out
}

/// What went wrong, a sentence each.
pub(super) fn errors(compared: &Compared) -> Vec<String> {
    let of = |entry: &Entry| {
        let name = entry.contestant.clone();
        entry.errors.clone().into_iter().map(move |error| format!("ERRORS of {name}: {error}"))
    };
    compared.entries.iter().flat_map(of).collect()
}

/// The figures of a scenario, a row each; the first is the head.
pub(super) fn rows(compared: &Compared) -> Vec<[String; 9]> {
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
    let mut rows = vec![header.map(str::to_owned)];
    let bytes = compared.scenario.counts_bytes();
    rows.extend(compared.entries.iter().map(|entry| row(entry, bytes)));
    rows
}

fn row(entry: &Entry, bytes: bool) -> [String; 9] {
    let median = |spread: Option<crate::compare::Spread>, show: &dyn Fn(f64) -> String| {
        spread.map_or_else(|| "-".to_owned(), |spread| show(spread.median))
    };
    let latency = |pick: &dyn Fn(&crate::record::Percentiles) -> f64| {
        entry.latency.as_ref().map_or_else(|| "-".to_owned(), |latency| digits(pick(latency)))
    };
    let percent = |share: f64| format!("{:.0} %", share * 100.0);
    [
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
pub(super) fn ratio_rows(compared: &Compared) -> Vec<Vec<String>> {
    let ours = || compared.entries.iter().filter(|entry| entry.ours).map(|entry| &entry.contestant);
    let mut header = vec!["work per CPU-second over that of".to_owned()];
    header.extend(ours().cloned());
    let mut rows = vec![header];
    if compared.ratios.is_empty() {
        return rows;
    }
    for other in &compared.entries {
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

/// Columns as wide as what is in them; the first to the left, the others to the right.
pub(super) fn table<R: AsRef<[String]>>(rows: &[R]) -> String {
    let columns = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.as_ref().get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for row in rows {
        for (column, cell) in row.as_ref().iter().enumerate() {
            let width = widths[column];
            out += &match column {
                0 => format!("{cell:width$}"),
                _ => format!("  {cell:>width$}"),
            };
        }
        out.truncate(out.trim_end().len());
        out.push('\n');
    }
    out
}
