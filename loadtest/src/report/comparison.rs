//! A comparison as text.

use super::{
    number::{amount, digits},
    tables,
};
use crate::{
    compare::{Compared, Comparison, Entry},
    contestants::Setup,
};

/// All of it.
pub(super) fn text(comparison: &Comparison) -> String {
    let mut out = format!("{}\n\n{}", comparison.headline, circumstances(comparison));
    for compared in &comparison.scenarios {
        out += &scenario(compared);
    }
    for (title, rows) in tables::across_scenarios(comparison) {
        out += &format!("\n== {title}\n{}", table(&rows));
    }
    out
}

/// What is different where both sides are the contestant's.
const CHAINS: &str = "\
whole chains: both processes of a contestant on its core, CPU and memory of both together;
sessions are resumed as each does by itself; Causeway's processes agree on X25519MLKEM768
";

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
         {} rounds, taken in turns\n",
        comparison.rounds
    );
    if comparison.has_chains() {
        out += CHAINS;
    }
    out.push('\n');
    for listed in &comparison.contestants {
        let skipped = listed.skipped.as_ref().map(|why| format!(" SKIPPED: {why}"));
        out += &format!("  {:28} {}{}\n", listed.name, listed.about, skipped.unwrap_or_default());
    }
    out
}

fn scenario(compared: &Compared) -> String {
    let scenario = &compared.scenario;
    let chain = if compared.setup == Setup::Chain { ", whole chain" } else { "" };
    let seconds = digits(scenario.seconds);
    let mut out = format!("\n== {}{chain} ({seconds} s): {}\n", scenario.name, scenario.about);
    out += &table(&tables::figures(compared));
    for error in errors(compared) {
        out += &format!("{error}\n");
    }
    for (title, rows) in tables::of_scenario(compared) {
        out += &format!("\n{title}\n{}", table(&rows));
    }
    out
}

/// The rate that was found out, in words.
pub(super) fn rate_words(compared: &Compared) -> Option<String> {
    let added = compared.added_latency.as_ref()?;
    Some(format!(
        "added latency, everybody at {} a second, half of the slowest closed loop of HAProxy and \
         Causeway; latency less that without a proxy",
        amount(added.rate_per_second, false)
    ))
}

/// What went wrong, a sentence each.
pub(super) fn errors(compared: &Compared) -> Vec<String> {
    let of = |entry: &Entry| {
        let name = entry.contestant.clone();
        entry.errors.clone().into_iter().map(move |error| format!("ERRORS of {name}: {error}"))
    };
    compared.entries.iter().flat_map(of).collect()
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
