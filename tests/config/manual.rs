//! The annotated files under `config/`.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use causeway::config::{ConnectorConfig, ProxyConfig, TenancyConfig};
use causeway::mapping::{Tenancy, load_directory};

use crate::{connector, proxy};

/// A file of the manual with its commented-out keys put in force.
pub(crate) fn uncommented(text: &str) -> String {
    let key =
        |rest: &str| rest.starts_with(|first: char| first.is_ascii_lowercase() || first == '[');
    let line = |line: &str| match line.strip_prefix('#') {
        Some(rest) if key(rest) => format!("{rest}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// Reads a file of the manual; returns what it shows of itself to compare.
fn read_manual(file: &Path, text: &str) -> String {
    let base = file.parent().expect("a file has a directory");
    if file.ends_with("proxy.toml") {
        let config = ProxyConfig::parse(text, base).unwrap_or_else(|error| panic!("{error}"));
        format!("{:#?}", ProxyConfig { tenancy: TenancyConfig::Shared, ..config })
    } else {
        format!("{:#?}", ConnectorConfig::parse(text, base).unwrap_or_else(|e| panic!("{e}")))
    }
}

/// A text without the one of two sources of mappings that excludes the other.
pub(crate) fn with_one_source(text: &str, excluded: &str) -> String {
    let mut table = String::new();
    let mut keep = |line: &&str| {
        if line.starts_with('[') {
            table = (*line).to_owned();
        }
        let cluster = table.starts_with("[kubernetes") || line.starts_with("kubernetes =");
        let directory = table == "[mappings]" && line.starts_with("directory =");
        !(if excluded == "kubernetes" { cluster } else { directory })
    };
    let lines = text.lines().filter(|line| keep(line));
    lines.map(|line| format!("{line}\n")).collect()
}

/// A text without the tables that are examples as a whole.
fn without_tables(text: &str) -> String {
    let mut inside = false;
    let mut keep = |line: &&str| {
        inside = if line.starts_with('[') {
            let examples = [
                "[admin.tls]",
                "[admin.probes]",
                "[[limits.subaccount]]",
                "[local_tls]",
                "[management]",
            ];
            examples.contains(line)
        } else {
            inside
        };
        !inside
    };
    let lines = text.lines().filter(|line| keep(line));
    lines.map(|line| format!("{line}\n")).collect()
}

pub(crate) fn manual() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let files = fs::read_dir(directory).expect("config/").map(|entry| entry.expect("entry").path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "toml")).collect()
}

#[test]
fn every_file_of_the_manual_is_valid_and_shows_true_defaults() {
    let files = manual();
    assert!(files.len() >= 2, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let shown = read_manual(&file, &text);
        // Keys without a default are examples, and said to be.
        let whole = uncommented(&text);
        let defaults: String = without_tables(&with_one_source(&whole, "kubernetes"))
            .lines()
            .filter(|line| {
                let examples = [
                    "crl =",
                    "[outbound",
                    "url =",
                    "username =",
                    "password =",
                    "memory_bytes",
                    "otlp_endpoint =",
                    "token_file =",
                    "allowed_sources =",
                ];
                !examples.iter().any(|example| line.starts_with(example))
            })
            .map(|line| format!("{line}\n"))
            .collect();
        assert_eq!(read_manual(&file, &defaults), shown, "{}", file.display());
        read_manual(&file, &with_one_source(&whole, "directory"));
    }
}

#[test]
fn the_mappings_of_the_manual_are_valid() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/mappings");
    let shared = Tenancy::Shared;
    let loaded = load_directory(&directory, &shared).unwrap();
    assert_eq!(loaded.problems, []);
    assert!(!loaded.mappings.is_empty());
}

/// Asks the reader itself which keys it knows, by writing one that it does not, and looks for
/// each in the manual.
#[test]
fn the_manual_knows_every_key() {
    for file in manual() {
        let text = uncommented(&fs::read_to_string(&file).unwrap());
        let written: toml::Table = text.parse().unwrap();
        let mut documented = BTreeSet::new();
        collect("", &toml::Value::Table(written), &mut documented);
        let is_proxy = file.ends_with("proxy.toml");
        let refuse = |text: &str| {
            let error = if is_proxy { proxy(text).err() } else { connector(text).err() };
            error.unwrap().to_string()
        };
        let mut known = BTreeSet::new();
        probe("", &refuse, &mut known);
        assert!(known.len() > 20, "{known:?}");
        assert_eq!(documented, known, "{}", file.display());
    }
}

/// What operators are shown has the keys of the file, all of them, with the values of the file.
#[test]
fn the_effective_configuration_shows_every_key_and_no_secret() {
    for file in manual() {
        let text = uncommented(&fs::read_to_string(&file).unwrap());
        // The keys of an audit's file count where it has one.
        let text = text.replace("sink = \"stdout\"", "sink = \"file\"");
        let base = file.parent().unwrap();
        let is_proxy = file.ends_with("proxy.toml");
        let mut missing: BTreeSet<String> = BTreeSet::new();
        for excluded in ["directory", "kubernetes"] {
            let text = with_one_source(&text, excluded);
            let shown = if is_proxy {
                ProxyConfig::parse(&text, base).unwrap().to_json()
            } else {
                ConnectorConfig::parse(&text, base).unwrap().to_json()
            };
            let mut written = BTreeSet::new();
            let table: toml::Table = text.parse().unwrap();
            collect("", &toml::Value::Table(table), &mut written);
            let known = |key: &String| {
                let pointer = key.replace('.', "/").replace("/channel/", "/channel/0/");
                let pointer = pointer.replace("/limits/subaccount/", "/limits/subaccount/0/");
                shown.pointer(&pointer).is_some_and(|value| !value.is_null())
            };
            // The one of "dedicated"; the manual is "shared".
            written.remove(".tenancy.subaccount_id");
            missing.extend(written.into_iter().filter(|key| !known(key)));
            assert!(!shown.to_string().contains("secret"), "{shown}");
        }
        assert!(missing.is_empty(), "{}: {missing:?}", file.display());
    }
}

fn collect(path: &str, value: &toml::Value, keys: &mut BTreeSet<String>) {
    match value {
        toml::Value::Table(table) => table.iter().for_each(|(key, value)| {
            collect(&format!("{path}.{key}"), value, keys);
        }),
        toml::Value::Array(items) => items.iter().for_each(|item| collect(path, item, keys)),
        _ => drop(keys.insert(path.to_owned())),
    }
}

/// `path` is a table, with a dot before each of its parts; an array's item is written in line.
fn probe(path: &str, refuse: &dyn Fn(&str) -> String, keys: &mut BTreeSet<String>) {
    let parts: Vec<_> = path.split('.').skip(1).collect();
    // The last part may be an array, in tables or at the top.
    let nested = |is_array: bool| {
        let last = parts.len().saturating_sub(1);
        let open = |at: usize| if is_array && at == last { "[{" } else { "{" };
        let close = |at: usize| if is_array && at == last { "}]" } else { "}" };
        let parts = || parts.iter().enumerate();
        let opened: String = parts().map(|(at, part)| format!("{part} = {}", open(at))).collect();
        let closed: String = parts().rev().map(|(at, _)| close(at)).collect();
        format!("{opened}\"?\" = 1{closed}\n")
    };
    let answers = [refuse(&nested(false)), refuse(&nested(true))];
    let Some(list) = answers.iter().find_map(|answer| answer.split_once("(keys here: ")) else {
        keys.insert(path.to_owned());
        return;
    };
    for key in list.1.trim_end_matches(')').split(", ") {
        probe(&format!("{path}.{}", key.trim_matches('`')), refuse, keys);
    }
}
