//! The systemd units: systemd itself finds nothing wrong with them, and the program runs under the
//! filter of system calls that they ask for, on either engine.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use causeway::engine::preflight;
use serde_json::json;

use crate::{
    seccomp::{can_filter, under_profile},
    suite::{Suite, root, runs},
};

const UNITS: [&str; 2] = ["causeway-proxy.service", "causeway-connector.service"];

/// What `systemd-analyze security` may find at most, in tenths: 0 is nothing, 100 everything.
const EXPOSURE_MAX: &str = "20";

pub fn add(suite: &mut Suite) {
    let there = runs("systemd-analyze", &["--version"]);
    if !there {
        eprintln!("SKIPPED: the systemd units, not counted as passed: no systemd-analyze");
    }
    suite.plain("the_units_wait_for_a_drain_and_follow_the_program", settings);
    suite.when(there, "systemd_finds_nothing_wrong_with_the_units", verify);
    suite.when(there, "the_units_give_away_little", security);
    let filters = there && can_filter();
    let uring = preflight::choose(preflight::Wanted::IoUring, 1).is_ok();
    suite.when(filters && uring, "the_demo_runs_on_io_uring_under_the_units_filter", || {
        demo("io_uring");
    });
    suite.when(filters, "the_demo_runs_on_epoll_under_the_units_filter", || demo("epoll"));
    suite.when(filters, "a_call_outside_the_units_filter_fails", outside);
}

fn unit(name: &str) -> String {
    fs::read_to_string(root().join("config/systemd").join(name)).unwrap()
}

/// All values of a key, in their order.
fn values<'u>(unit: &'u str, key: &str) -> Vec<&'u str> {
    let value = |line: &'u str| line.strip_prefix(key)?.strip_prefix('=');
    unit.lines().filter_map(value).collect()
}

fn settings() {
    for (name, role) in UNITS.into_iter().zip(["proxy", "connector"]) {
        let unit = unit(name);
        let one = |key: &str| match values(&unit, key)[..] {
            [value] => value.to_owned(),
            ref found => panic!("{name}: {key} is there {} times", found.len()),
        };
        assert_eq!(
            one("ExecStart"),
            format!("/usr/bin/causeway {role} --config /etc/causeway/{role}.toml")
        );
        assert_eq!(one("Type"), "notify");
        assert!(
            one("TimeoutStopSec").parse::<u64>().unwrap()
                > causeway::limits::DRAIN_DEADLINE.as_secs()
        );
        // Half of it must be time enough for every worker to answer.
        let watchdog: u64 = one("WatchdogSec").parse().unwrap();
        assert!(watchdog / 2 > 2 * causeway::limits::WORKER_ANSWER_TIMEOUT.as_secs());
    }
}

/// The units with a program that is there.
fn with_program(directory: &Path) -> Vec<PathBuf> {
    let program = env!("CARGO_BIN_EXE_causeway");
    let write = |name: &str| {
        let file = directory.join(name);
        fs::write(&file, unit(name).replace("/usr/bin/causeway", program)).unwrap();
        file
    };
    UNITS.map(write).to_vec()
}

fn verify() {
    let directory = tempfile::tempdir().unwrap();
    let units = with_program(directory.path());
    let mut command = Command::new("systemd-analyze");
    let output = command.args(["verify", "--man=no"]).args(units).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

fn security() {
    let directory = tempfile::tempdir().unwrap();
    for unit in with_program(directory.path()) {
        let mut command = Command::new("systemd-analyze");
        command.args(["security", "--offline=true", &format!("--threshold={EXPOSURE_MAX}")]);
        let output = command.arg(unit).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

/// Every set of calls that systemd knows by a name.
fn sets() -> BTreeMap<String, Vec<String>> {
    let output = Command::new("systemd-analyze").arg("syscall-filter").output().unwrap();
    assert!(output.status.success());
    let mut sets: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut set = String::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if line.starts_with('@') {
            set = line.to_owned();
        } else if line.starts_with(' ') && !line.trim().starts_with('#') {
            sets.entry(set.clone()).or_default().push(line.trim().to_owned());
        }
    }
    assert!(sets.contains_key("@system-service"), "{:?}", sets.keys());
    sets
}

fn expand(sets: &BTreeMap<String, Vec<String>>, word: &str, calls: &mut BTreeSet<String>) {
    match sets.get(word) {
        Some(members) => members.iter().for_each(|member| expand(sets, member, calls)),
        None if word.starts_with('@') => panic!("systemd knows no {word}"),
        None => drop(calls.insert(word.to_owned())),
    }
}

/// The calls that a unit allows, put together as systemd does (systemd.exec(5)).
fn allowed(unit: &str) -> BTreeSet<String> {
    let sets = sets();
    // What every filter allows, so that a program can be started and end.
    let mut allowed = BTreeSet::new();
    expand(&sets, "@default", &mut allowed);
    for line in values(unit, "SystemCallFilter") {
        let (line, denies) = match line.strip_prefix('~') {
            Some(rest) => (rest, true),
            None => (line, false),
        };
        let mut calls = BTreeSet::new();
        line.split_whitespace().for_each(|word| expand(&sets, word, &mut calls));
        match denies {
            true => allowed.retain(|call| !calls.contains(call)),
            false => allowed.extend(calls),
        }
    }
    allowed
}

/// The program of the first unit under its filter; both units have the same.
fn under_filter(arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path();
    let [calls, others] = UNITS.map(|name| allowed(&unit(name)));
    assert_eq!(calls, others);
    // The program that loads the filter needs this one to start the program that is tried.
    let names: Vec<_> = calls.into_iter().chain(["execve".to_owned()]).collect();
    let profile = json!({
        "defaultErrnoRet": 1,
        "syscalls": [{ "names": names, "action": "SCMP_ACT_ALLOW" }],
    });
    fs::write(directory.join("filter.json"), profile.to_string()).unwrap();
    let mut command = under_profile(&directory.join("filter.json"), &[], arguments);
    command.output().unwrap()
}

fn demo(engine: &str) {
    let causeway = env!("CARGO_BIN_EXE_causeway");
    let arguments = [causeway, "demo", "--once", "--port", "0", "--engine", engine];
    let output = under_filter(&arguments);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
}

/// Giving a file to its owner is nothing that anybody minds, but the call for it is denied.
fn outside() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let owner = file.as_file().metadata().unwrap().uid().to_string();
    let path = file.path().display().to_string();
    let give = ["/usr/bin/chown", &owner, &path];
    assert!(Command::new(give[0]).args(&give[1..]).status().unwrap().success());
    let output = under_filter(&give);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("not permitted"), "{error}");
}
