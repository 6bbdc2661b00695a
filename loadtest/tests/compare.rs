//! `causeway-loadtest compare` for a moment each: whole chains, added latency, open streams and
//! profiles. Errors are looked for; no figure is judged.

// Helpers of tests may unwrap like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

use serde_json::Value;
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_causeway-loadtest");

/// Head of a scenario that is over soon.
const SHORT: &str =
    "name = \"short\"\nabout = \"A moment.\"\nseconds = 0.5\nwarmup_seconds = 0.2\n";

/// The program under test: `CAUSEWAY_BINARY`, or the one that `cargo test --workspace` builds.
fn causeway() -> PathBuf {
    let beside = || Path::new(PROGRAM).with_file_name("causeway");
    let program = env::var_os("CAUSEWAY_BINARY").map_or_else(beside, PathBuf::from);
    assert!(program.is_file(), "{} is missing; run `cargo build`", program.display());
    program
}

/// Every comparison ties its contestant to the same core, so they are made one after the other.
static CORES: Mutex<()> = Mutex::new(());

/// What a comparison of `scenario` said; it must not fail.
fn compare(scenario: &str, arguments: &[&str]) -> (Value, TempDir) {
    // Another test's failure is none of this one's.
    let _alone = CORES.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("short.toml");
    fs::write(&file, format!("{SHORT}{scenario}")).unwrap();
    let output = Command::new(PROGRAM)
        .args(["compare", "--causeway"])
        .arg(causeway())
        .arg("--scenario")
        .arg(&file)
        .arg("--report")
        .arg(directory.path().join("report"))
        .args(arguments)
        .output()
        .unwrap();
    let words = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", words(&output.stdout), words(&output.stderr));
    let json = fs::read_to_string(directory.path().join("report/report.json")).unwrap();
    (serde_json::from_str(&json).unwrap(), directory)
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// Everybody who takes part was measured without an error; says aloud who does not.
fn all_without_errors(test: &str, comparison: &Value) {
    for listed in list(&comparison["contestants"]) {
        if let Some(why) = listed["skipped"].as_str() {
            eprintln!("SKIPPED: {test} with {}: {why}", listed["name"]);
        }
    }
    let mut seen = 0;
    for compared in list(&comparison["scenarios"]) {
        for entry in list(&compared["entries"]) {
            let name = &entry["contestant"];
            assert_eq!(list(&entry["errors"]), [] as [Value; 0], "{name}");
            for sample in list(&entry["samples"]) {
                let moved = ["operations", "bytes_up"].map(|key| sample[key].as_u64().unwrap());
                assert!(moved[0] + moved[1] > 0, "{name}");
            }
            seen += 1;
        }
    }
    assert!(seen > 0, "nobody was measured");
}

fn report(directory: &TempDir, name: &str) -> String {
    fs::read_to_string(directory.path().join("report").join(name)).unwrap()
}

#[test]
fn a_whole_chain_carries_bytes_and_messages_through_both_ends_of_everybody() {
    let only = ["--only", "causeway", "--only", "haproxy", "--only", "plain-rust"];
    for load in [
        "[[load]]\nkind = \"ping-pong\"\nstreams = 4\n",
        "[[load]]\nkind = \"bulk-up\"\nstreams = 4\n",
        "[[load]]\nkind = \"open-echo-close\"\nstreams = 4\n",
    ] {
        let arguments = [&["--chain", "--rounds", "1"], &only[..]].concat();
        let (comparison, directory) = compare(load, &arguments);
        all_without_errors("a whole chain", &comparison);
        let compared = &comparison["scenarios"][0];
        assert_eq!(compared["setup"], "chain");
        for entry in list(&compared["entries"]) {
            assert!(entry["resident_bytes"]["median"].as_f64().unwrap() > 0.0);
        }
        for engine in list(&comparison["engines"]) {
            assert!(engine["work"]["median"].as_f64().unwrap() > 0.0, "{engine}");
        }
        for file in ["report.txt", "report.html"] {
            assert!(report(&directory, file).contains("short, whole chain"), "{file}");
        }
    }
}

#[test]
fn latency_at_half_of_saturation_is_told_less_that_without_a_proxy() {
    let load = "[[load]]\nkind = \"ping-pong\"\nstreams = 4\nrate = \"half-saturation\"\n";
    let only = ["--only", "epoll", "--only", "haproxy"];
    for chain in [&["--chain"][..], &[]] {
        let arguments = [chain, &["--rounds", "2"], &only[..]].concat();
        let (comparison, directory) = compare(load, &arguments);
        all_without_errors("added latency", &comparison);
        let compared = &comparison["scenarios"][0];
        let names: Vec<_> =
            list(&compared["entries"]).iter().map(|entry| &entry["contestant"]).collect();
        assert_eq!(*names[names.len() - 1], "no proxy");
        let added = &compared["added_latency"];
        let rate = added["rate_per_second"].as_f64().unwrap();
        assert_eq!(compared["scenario"]["load"][0]["rate"].as_f64().unwrap(), rate);
        let entries = list(&added["entries"]);
        assert_eq!(entries.len(), names.len() - 1);
        for entry in entries {
            let saturation = entry["saturation"]["median"].as_f64().unwrap();
            assert!(saturation >= rate * 1.99, "{entry}");
            assert!(entry["p99_ms"]["median"].is_number(), "{entry}");
        }
        assert!(report(&directory, "report.txt").contains("added p99 ms"));
    }
}

#[test]
fn cpu_for_an_operation_is_told_by_the_number_of_open_streams() {
    let scenario = "open_streams = [2, 40]\n\
                    [[load]]\nkind = \"ping-pong\"\nstreams = 2\nactive = 2\n";
    let (comparison, directory) = compare(scenario, &["--rounds", "2", "--only", "epoll"]);
    all_without_errors("open streams", &comparison);
    let growth = list(&comparison["growth"]);
    assert_eq!(growth.len(), 2, "both modes");
    for contestant in growth {
        let streams: Vec<_> =
            list(&contestant["points"]).iter().map(|point| &point["streams"]).collect();
        assert_eq!(streams, [2, 40]);
        assert!(contestant["points"][1]["growth"]["median"].is_number(), "{contestant}");
    }
    assert!(report(&directory, "report.html").contains("by number of open streams"));
}

#[test]
fn a_profile_has_a_share_for_each_cause_or_is_named_as_skipped() {
    let load = "[[load]]\nkind = \"bulk-up\"\nstreams = 4\n";
    let profiles = tempfile::tempdir().unwrap();
    let directory = profiles.path().to_str().unwrap();
    let only = ["--only", "epoll multiplexed"];
    let arguments = [&["--rounds", "1", "--profile", directory], &only[..]].concat();
    let (comparison, _) = compare(load, &arguments);
    if let Some(why) = comparison["profiles_skipped"].as_str() {
        eprintln!("SKIPPED: profiles: {why}");
        let headline = comparison["headline"].as_str().unwrap();
        assert!(headline.contains("SKIPPED") && headline.contains(why), "{headline}");
        return;
    }
    let profile = &comparison["scenarios"][0]["entries"][0]["profile"];
    let shares = profile["shares"].as_object().unwrap();
    let sum: f64 = shares.values().map(|share| share.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-9, "{profile}");
    assert!(shares["kernel"].as_f64().unwrap() > 0.0, "{profile}");
    let folded = profiles.path().join("short-causeway-epoll-multiplexed.folded");
    let lines = fs::read_to_string(folded).unwrap().lines().count();
    assert!(lines > 0);
}
