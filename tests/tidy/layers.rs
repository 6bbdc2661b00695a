//! Which layer may know which, and which crate belongs to one layer alone.

use crate::source::{Finding, Source, words};

/// Each layer with all it may mention besides itself.
const ARROWS: [(&str, &[&str]); 16] = [
    ("limits", &[]),
    ("config", &["limits", "mapping"]),
    ("telemetry", &["limits"]),
    ("mapping", &["limits"]),
    ("engine", &["limits", "config", "mapping"]),
    ("tls", &["limits", "config", "mapping"]),
    ("protocol", &["limits", "config", "mapping"]),
    ("tunnel", &["limits", "config", "mapping"]),
    ("relay", BELOW_RELAY),
    ("worker", BELOW_WORKER),
    ("admin", &["limits", "config", "telemetry", "tls", "protocol", "worker"]),
    ("proxy", BELOW_ROLES),
    ("connector", BELOW_ROLES),
    ("kubernetes", BELOW_ROLES),
    ("management", BELOW_MANAGEMENT),
    ("cli", EVERYTHING),
];

const BELOW_RELAY: &[&str] =
    &["limits", "config", "telemetry", "mapping", "engine", "tls", "protocol", "tunnel"];
const BELOW_WORKER: &[&str] =
    &["limits", "config", "telemetry", "mapping", "engine", "tls", "protocol", "tunnel", "relay"];
const BELOW_ROLES: &[&str] = &[
    "limits",
    "config",
    "telemetry",
    "mapping",
    "engine",
    "tls",
    "protocol",
    "tunnel",
    "relay",
    "worker",
];
const BELOW_MANAGEMENT: &[&str] =
    &["limits", "config", "telemetry", "mapping", "tls", "worker", "admin", "connector"];
const EVERYTHING: &[&str] = &[
    "limits",
    "config",
    "telemetry",
    "mapping",
    "engine",
    "tls",
    "protocol",
    "tunnel",
    "relay",
    "worker",
    "admin",
    "proxy",
    "connector",
    "kubernetes",
    "management",
];

/// A layer mentions only itself and what lies below it.
pub(crate) fn arrows(source: &Source) -> Vec<Finding> {
    let Some(layer) = source.layer() else { return Vec::new() };
    let Some((_, below)) = ARROWS.iter().find(|(name, _)| *name == layer) else {
        return vec![source.finding(1, format!("layer {layer} is not in the table of arrows"))];
    };
    mentioned(source)
        .into_iter()
        .filter(|(_, name)| *name != layer && !below.contains(name))
        .map(|(offset, name)| {
            source.finding_at(offset, format!("{layer} must not know {name}: arrows point down"))
        })
        .collect()
}

/// Every layer named directly below the crate's root, with its place.
fn mentioned(source: &Source) -> Vec<(usize, &'static str)> {
    let mut found = Vec::new();
    for offset in words(&source.code, "crate") {
        names_after(&source.code, offset + "crate".len(), &mut found);
    }
    let depth = depth(&source.path);
    for offset in words(&source.code, "super") {
        let before = source.code[..offset].trim_end();
        if before.ends_with("super::") || before.ends_with("super ::") {
            continue;
        }
        let (mut supers, mut end) = (1, offset + "super".len());
        while let Some(next) = path_step(&source.code, end)
            && source.code[next..].starts_with("super")
        {
            supers += 1;
            end = next + "super".len();
        }
        if supers >= depth {
            names_after(&source.code, end, &mut found);
        }
    }
    found
}

/// How many `super` lead from a file's module to the root.
fn depth(path: &str) -> usize {
    let steps = path.split('/').count() - 1;
    if path.ends_with("/mod.rs") { steps - 1 } else { steps }
}

/// Layers that follow `::` at `end`, alone or as the first names of a group.
fn names_after(code: &str, end: usize, found: &mut Vec<(usize, &'static str)>) {
    let Some(start) = path_step(code, end) else { return };
    if !code[start..].starts_with('{') {
        found.extend(layer_at(code, start));
        return;
    }
    let (mut depth, mut expect_name) = (0, false);
    for (offset, character) in code[start..].char_indices() {
        match character {
            '{' => {
                depth += 1;
                expect_name = depth == 1;
            }
            '}' if depth == 1 => return,
            '}' => depth -= 1,
            ',' => expect_name = depth == 1,
            _ if character.is_whitespace() => {}
            _ if expect_name => {
                found.extend(layer_at(code, start + offset));
                expect_name = false;
            }
            _ => {}
        }
    }
}

/// The place after a `::` that follows `end`.
fn path_step(code: &str, end: usize) -> Option<usize> {
    let rest = code[end..].trim_start().strip_prefix("::")?.trim_start();
    Some(code.len() - rest.len())
}

fn layer_at(code: &str, start: usize) -> Option<(usize, &'static str)> {
    let named = |name: &&str| words(&code[start..], name).next() == Some(0);
    ARROWS.iter().map(|(name, _)| *name).find(named).map(|name| (start, name))
}

/// Crates, each with the one layer that may use it.
const TERRITORIES: [(&str, &str); 7] = [
    ("tokio_uring", "engine"),
    ("io_uring", "engine"),
    ("libc", "engine"),
    ("rustls", "tls"),
    ("rustls_pki_types", "tls"),
    ("kube", "kubernetes"),
    ("k8s_openapi", "kubernetes"),
];

/// A crate is used in its own layer only, and `unsafe` in the engine only.
pub(crate) fn territory(source: &Source) -> Vec<Finding> {
    if !source.path.starts_with("src/") {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for (name, owner) in TERRITORIES {
        if source.layer() != Some(owner) {
            let uses =
                words(&source.code, name).filter(|offset| is_use(&source.code, *offset, name));
            let rule = format!("{name} belongs to {owner}/ only");
            findings.extend(uses.map(|offset| source.finding_at(offset, &rule)));
        }
    }
    if source.layer() != Some("engine") {
        let uses = words(&source.code, "unsafe");
        findings.extend(uses.map(|at| source.finding_at(at, "unsafe belongs to engine/ only")));
    }
    findings
}

/// Whether a name stands for a crate here and not for something of ours.
fn is_use(code: &str, offset: usize, name: &str) -> bool {
    let before = code[..offset].trim_end();
    let ours = before.ends_with("::") && !before.trim_end_matches(':').trim_end().is_empty();
    let path = code[offset + name.len()..].trim_start().starts_with("::") && !ours;
    let last_word = before.trim_end_matches(['{', ' ']).rsplit(|c: char| c.is_whitespace()).next();
    path || last_word == Some("use")
}
