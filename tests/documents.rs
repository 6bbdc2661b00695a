//! The documents say what is so: commands, paths, tables and names in them are held against the
//! code, because nothing else would notice when one of the two changes.

// Helpers of tests may unwrap like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use causeway::{limits, protocol::Refusal, telemetry::Metric, tunnel::Ending};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every document of the repository, from its root.
fn documents() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> =
        ["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(PathBuf::from).to_vec();
    for directory in ["docs", "docs/decisions"] {
        for entry in fs::read_dir(root().join(directory)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".md") {
                found.push(Path::new(directory).join(name));
            }
        }
    }
    assert!(found.len() > 10, "only {} documents were found", found.len());
    found
}

/// The part of a document under one heading.
fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let start = text.find(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading:?}"));
    let body = &text[start + heading.len() + 2..];
    body.find("\n## ").map_or(body, |end| &body[..end])
}

/// The cells of every table row below the row that begins with `header`, without backticks.
fn rows(text: &str, header: &str) -> Vec<Vec<String>> {
    let mut lines = text.lines().skip_while(|line| !line.starts_with(header));
    assert!(lines.next().is_some(), "no table {header:?}");
    let cells = |line: &str| {
        let inside = line.trim_start_matches('|').trim_end_matches('|');
        inside.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    };
    let rows: Vec<Vec<String>> =
        lines.skip(1).take_while(|line| line.starts_with('|')).map(cells).collect();
    assert!(!rows.is_empty(), "the table {header:?} is empty");
    rows
}

/// What stands in backticks on one line.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn the_two_commands_of_the_readme_are_those_the_checks_run() {
    let readme = read("README.md");
    let quick_start = section(&readme, "## Quick start");
    let block = quick_start.split("```").nth(1).unwrap();
    let commands: Vec<&str> = block.lines().skip(1).collect();
    assert_eq!(commands, ["cargo run --release -- demo --once", "cargo test --workspace"]);
    let checks = read(".ci/run");
    for command in commands {
        assert!(checks.contains(command), ".ci/run does not run {command:?}");
    }
}

#[test]
fn every_path_a_document_names_exists() {
    const PLACES: [&str; 7] = ["src", "tests", "docs", "config", "loadtest", "benches", ".ci"];
    let mut seen = 0;
    for document in documents() {
        let text = read(document.to_str().unwrap());
        for name in quoted(&text) {
            let place = name.split('/').next().unwrap_or_default();
            let is_path = name.contains('/') && PLACES.contains(&place);
            let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
            if is_path && is_plain {
                seen += 1;
                assert!(root().join(name).exists(), "{}: there is no {name}", document.display());
            }
        }
    }
    assert!(seen > 50, "only {seen} paths were found");
}

#[test]
fn every_link_of_a_document_leads_somewhere() {
    let mut seen = 0;
    for document in documents() {
        let text = read(document.to_str().unwrap());
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if !link.contains("://") && !link.starts_with('#') {
                seen += 1;
                let file = link.split('#').next().unwrap();
                let target = root().join(&document).parent().unwrap().join(file);
                assert!(target.exists(), "{}: {link} leads nowhere", document.display());
            }
        }
    }
    assert!(seen > 5, "only {seen} links were found");
}

/// One of each kind. The match makes the compiler ask for a new one here.
fn refusals() -> Vec<Refusal> {
    let all = vec![
        Refusal::Malformed(""),
        Refusal::NoCertificate,
        Refusal::BadIdentity,
        Refusal::LocationNotAllowed,
        Refusal::SourceNotAllowed,
        Refusal::NoSuchMapping,
        Refusal::NotConnect,
        Refusal::WrongServerName,
        Refusal::TenantLimit(""),
        Refusal::TenantLimit("tunnels"),
        Refusal::TenantLimit("opens a second"),
        Refusal::ServiceRefused(String::new()),
        Refusal::ServiceUnreachable(String::new()),
        Refusal::Unresolvable,
        Refusal::DialTimeout,
        Refusal::Draining,
        Refusal::Overloaded(""),
    ];
    for refusal in &all {
        match refusal {
            Refusal::Malformed(_)
            | Refusal::NoCertificate
            | Refusal::BadIdentity
            | Refusal::LocationNotAllowed
            | Refusal::SourceNotAllowed
            | Refusal::NoSuchMapping
            | Refusal::NotConnect
            | Refusal::WrongServerName
            | Refusal::TenantLimit(_)
            | Refusal::ServiceRefused(_)
            | Refusal::ServiceUnreachable(_)
            | Refusal::Unresolvable
            | Refusal::DialTimeout
            | Refusal::Draining
            | Refusal::Overloaded(_) => {}
        }
    }
    all
}

#[test]
fn the_table_of_answers_is_the_code() {
    let told: BTreeSet<[String; 4]> = rows(&read("docs/protocol.md"), "| status | reason |")
        .into_iter()
        .map(|cells| [cells[0].clone(), cells[1].clone(), cells[2].clone(), cells[3].clone()])
        .collect();
    let known: BTreeSet<[String; 4]> = refusals()
        .into_iter()
        .map(|refusal| {
            let status = refusal.proxy_status();
            let error = status.split("error=").nth(1).and_then(|rest| rest.split(';').next());
            let retry = refusal.retry_after_s().map(|seconds| format!("{seconds} s"));
            [
                refusal.status().to_string(),
                refusal.reason().to_owned(),
                error.unwrap().to_owned(),
                retry.unwrap_or_default(),
            ]
        })
        .collect();
    assert_eq!(told, known);
}

/// One of each. The match makes the compiler ask for a new one here.
fn endings() -> [Ending; 11] {
    let all = [
        Ending::Clean,
        Ending::ClientAborted,
        Ending::ServiceAborted,
        Ending::TunnelLost,
        Ending::IdleTimeout,
        Ending::HalfClosedTimeout,
        Ending::MappingRemoved,
        Ending::CertificateRevoked,
        Ending::Drained,
        Ending::PhaseTimeout,
        Ending::Killed,
    ];
    for ending in all {
        match ending {
            Ending::Clean
            | Ending::ClientAborted
            | Ending::ServiceAborted
            | Ending::TunnelLost
            | Ending::IdleTimeout
            | Ending::HalfClosedTimeout
            | Ending::MappingRemoved
            | Ending::CertificateRevoked
            | Ending::Drained
            | Ending::PhaseTimeout
            | Ending::Killed => {}
        }
    }
    all
}

#[test]
fn the_tables_of_endings_and_latencies_are_the_code() {
    let first = |rows: Vec<Vec<String>>| -> BTreeSet<String> {
        rows.into_iter().map(|cells| cells[0].clone()).collect()
    };
    let known: BTreeSet<String> = endings().map(|ending| ending.reason().to_owned()).into();
    assert_eq!(first(rows(&read("docs/protocol.md"), "| ending | when |")), known);
    let known: BTreeSet<String> = Metric::ALL.map(|metric| metric.name().to_owned()).into();
    assert_eq!(first(rows(&read("README.md"), "| latency |")), known);
}

fn span(time: Duration) -> String {
    if time.subsec_millis() == 0 {
        format!("{} s", time.as_secs())
    } else {
        format!("{} ms", time.as_millis())
    }
}

#[test]
fn the_table_of_limits_is_the_code() {
    let bytes = |bytes: usize| format!("{bytes} bytes");
    let known = BTreeSet::from([
        ("HANDSHAKE_TIMEOUT", span(limits::HANDSHAKE_TIMEOUT)),
        ("FIRST_BYTE_TIMEOUT", span(limits::FIRST_BYTE_TIMEOUT)),
        ("HEAD_TIMEOUT", span(limits::HEAD_TIMEOUT)),
        ("HEAD_BYTES_MAX", bytes(limits::HEAD_BYTES_MAX)),
        ("HEAD_FIELDS_MAX", limits::HEAD_FIELDS_MAX.to_string()),
        ("NAME_BYTES_MAX", bytes(limits::NAME_BYTES_MAX)),
        ("DIAL_TIMEOUT", span(limits::DIAL_TIMEOUT)),
        ("DIAL_ADDRESSES_MAX", limits::DIAL_ADDRESSES_MAX.to_string()),
        ("HALF_CLOSED_TIMEOUT", span(limits::HALF_CLOSED_TIMEOUT)),
        ("LINGER_TIMEOUT", span(limits::LINGER_TIMEOUT)),
        ("TCP_USER_TIMEOUT", span(limits::TCP_USER_TIMEOUT)),
        ("TCP_USER_TIMEOUT_STREAM", span(limits::TCP_USER_TIMEOUT_STREAM)),
        ("TCP_KEEPALIVE_IDLE", span(limits::TCP_KEEPALIVE_IDLE)),
        ("DRAIN_DEADLINE", span(limits::DRAIN_DEADLINE)),
        ("STREAMS_PER_TENANT_MAX", limits::STREAMS_PER_TENANT_MAX.to_string()),
        ("HANDSHAKES_PER_WORKER_MAX", limits::HANDSHAKES_PER_WORKER_MAX.to_string()),
        ("HANDSHAKES_PER_SECOND_MAX", limits::HANDSHAKES_PER_SECOND_MAX.to_string()),
        ("OFFENDER_HANDSHAKES_PER_SECOND", limits::OFFENDER_HANDSHAKES_PER_SECOND.to_string()),
        ("OFFENCE_MEMORY", span(limits::OFFENCE_MEMORY)),
        ("HELD_TIME_MAX", span(limits::HELD_TIME_MAX)),
        ("HELD_PER_WORKER_MAX", limits::HELD_PER_WORKER_MAX.to_string()),
        ("WINDOW_UPDATES_MAX", limits::WINDOW_UPDATES_MAX.to_string()),
        ("DIALS_PER_TENANT_MAX", limits::DIALS_PER_TENANT_MAX.to_string()),
        ("DIALS_PER_WORKER_MAX", limits::DIALS_PER_WORKER_MAX.to_string()),
        ("SESSIONS_PER_WORKER_MAX", limits::SESSIONS_PER_WORKER_MAX.to_string()),
        ("TUNNEL_DIAL_TIMEOUT", span(limits::TUNNEL_DIAL_TIMEOUT)),
        ("CONNECT_ANSWER_TIMEOUT", span(limits::CONNECT_ANSWER_TIMEOUT)),
        ("WARM_AGE_MAX", span(limits::WARM_AGE_MAX)),
        ("WARM_CONNECTIONS", limits::WARM_CONNECTIONS.to_string()),
        ("BACKOFF_MIN", span(limits::BACKOFF_MIN)),
        ("BACKOFF_MAX", span(limits::BACKOFF_MAX)),
    ]);
    let table = rows(&read("docs/protocol.md"), "| what | value | constant |");
    let told: BTreeSet<(&str, String)> =
        table.iter().map(|cells| (cells[2].as_str(), cells[1].clone())).collect();
    assert_eq!(told, known);
}

#[test]
fn every_dependency_has_its_line_and_no_line_is_left_over() {
    let decision = read("docs/decisions/0001-dependencies.md");
    for (manifest, header) in
        [("Cargo.toml", "| crate |"), ("loadtest/Cargo.toml", "| crate, harness |")]
    {
        let table: toml::Table = read(manifest).parse().unwrap();
        let mut used = BTreeSet::new();
        for kind in ["dependencies", "dev-dependencies"] {
            let listed = table.get(kind).and_then(|listed| listed.as_table());
            used.extend(listed.into_iter().flat_map(|listed| listed.keys().cloned()));
        }
        let told: BTreeSet<String> =
            rows(&decision, header).into_iter().map(|cells| cells[0].clone()).collect();
        assert_eq!(told, used, "{manifest}");
    }
}

#[test]
fn the_resource_in_config_is_the_one_the_program_prints() {
    let printed = causeway::kubernetes::definition();
    assert_eq!(read("config/crd/servicemappings.yaml"), printed, "run causeway crd");
}

#[test]
fn the_changelog_has_a_place_for_what_is_not_released() {
    let changelog = read("CHANGELOG.md");
    assert!(section(&changelog, "## [Unreleased]").contains("### Added"));
}

#[test]
fn no_document_is_left_unfinished() {
    for document in documents() {
        let text = read(document.to_str().unwrap());
        for word in [concat!("TO", "DO"), concat!("FIX", "ME")] {
            assert!(!text.contains(word), "{}: {word}", document.display());
        }
    }
}
