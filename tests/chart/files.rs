//! Everything under `config/` is what it says it is.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    helm::{at, chart, objects},
    suite::{Suite, root},
};

pub fn add(suite: &mut Suite) {
    suite.plain("every_file_under_config_parses", everything_parses);
    suite.plain("the_chart_has_the_definition_of_config_crd", same_definition);
    suite.plain("every_value_is_in_the_schema_and_none_else", schema_and_values);
    suite.plain("the_schema_leaves_no_object_open_by_accident", strict);
    suite.plain("chart_and_program_have_one_version", versions);
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn below(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { below(&path, found) } else { found.push(path) }
    }
}

fn everything_parses() {
    let mut files = Vec::new();
    below(&root().join("config"), &mut files);
    let mut seen = [0; 4];
    for file in &files {
        let shown = file.display();
        let text = read(file);
        let end = file.extension().and_then(|end| end.to_str()).unwrap_or_default();
        let kind = match end {
            // Templates are YAML only once rendered, which the other tests do.
            "yaml" if file.parent().is_some_and(|folder| folder.ends_with("templates")) => 3,
            "yaml" => {
                assert!(!objects(&text).is_empty(), "{shown} is empty");
                0
            }
            "json" => {
                serde_json::from_str::<Value>(&text)
                    .unwrap_or_else(|error| panic!("{shown}: {error}"));
                1
            }
            "toml" => {
                toml::from_str::<toml::Table>(&text)
                    .unwrap_or_else(|error| panic!("{shown}: {error}"));
                2
            }
            "tpl" | "txt" => 3,
            _ if file.ends_with(".helmignore") || file.ends_with("Dockerfile") => 3,
            // Read by systemd-analyze, in the tests of the units.
            "service" | "sysusers" => 3,
            _ if text.starts_with("#!/bin/sh\n") => {
                let read = Command::new("sh").arg("-n").arg(file).output().unwrap();
                assert!(read.status.success(), "{shown}: {read:?}");
                3
            }
            _ => panic!("{shown}: nobody knows how to read it"),
        };
        seen[kind] += 1;
    }
    assert!(seen.iter().all(|count| *count > 0), "YAML, JSON, TOML, others: {seen:?}");
}

fn same_definition() {
    let original = read(&root().join("config/crd/servicemappings.yaml"));
    let copy = read(&chart().join("files/servicemappings.yaml"));
    assert!(
        original == copy,
        "run: cp config/crd/servicemappings.yaml config/helm/causeway/files/"
    );
}

/// Paths of all leaves of the default values; what is a map by itself is a leaf.
fn leaves(value: &Value, schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    match (value, schema.get("properties")) {
        (Value::Object(fields), Some(known)) if !known.as_object().unwrap().is_empty() => {
            for (name, field) in fields {
                let path = format!("{path}/{name}");
                let schema = known.get(name).unwrap_or_else(|| panic!("{path} has no schema"));
                leaves(field, schema, &path, found);
            }
        }
        _ => drop(found.insert(path.to_owned())),
    }
}

fn known(schema: &Value, path: &str, found: &mut BTreeSet<String>) {
    match schema.get("properties").and_then(Value::as_object) {
        Some(fields) => {
            for (name, field) in fields {
                known(field, &format!("{path}/{name}"), found);
            }
        }
        None => drop(found.insert(path.to_owned())),
    }
}

fn schema() -> Value {
    serde_json::from_str(&read(&chart().join("values.schema.json"))).unwrap()
}

fn schema_and_values() {
    let values = objects(&read(&chart().join("values.yaml"))).remove(0);
    let schema = schema();
    let (mut have, mut may) = (BTreeSet::new(), BTreeSet::new());
    leaves(&values, &schema, "", &mut have);
    known(&schema, "", &mut may);
    // Without defaults: Helm's own, and the limits that proxy.toml has defaults for.
    may.retain(|path| path != "/global" && !path.starts_with("/config/limits/"));
    have.remove("/config/limits");
    assert!(have.len() > 50, "{have:?}");
    assert_eq!(have, may);
}

fn strict() {
    /// Filled in by people in Kubernetes' own words, which the API server checks.
    const FREE: [&str; 11] = [
        "/global",
        "/deployment/resources/limits",
        "/deployment/resources/requests",
        "/deployment/nodeSelector",
        "/deployment/podAnnotations",
        "/deployment/podLabels",
        "/service/annotations",
        "/ingress/annotations",
        "/ingress/istio/gateway/selector",
        "/serviceAccount/annotations",
        "/serviceMonitor/labels",
    ];
    fn look(schema: &Value, path: &str, open: &mut Vec<String>) {
        let is_object = schema.get("type").is_some_and(|kind| kind == "object");
        if is_object && schema.get("additionalProperties") != Some(&Value::Bool(false)) {
            open.push(path.to_owned());
        }
        for (name, field) in
            schema.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            look(field, &format!("{path}/{name}"), open);
        }
    }
    let mut open = Vec::new();
    look(&schema(), "", &mut open);
    open.sort();
    let mut free = FREE.map(str::to_owned);
    free.sort();
    assert_eq!(open, free);
}

fn versions() {
    let chart = objects(&read(&chart().join("Chart.yaml"))).remove(0);
    for field in ["/version", "/appVersion"] {
        assert_eq!(at(&chart, field).as_str(), Some(env!("CARGO_PKG_VERSION")), "{field}");
    }
}
