//! The program `helm`, and what it renders.

use std::{
    env,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

use crate::suite::{root, runs};

/// `$HELM`, that of `$PATH`, or the one `.ci/run` installs.
fn program() -> PathBuf {
    if let Some(named) = env::var_os("HELM") {
        return named.into();
    }
    if runs("helm", &["version"]) {
        return "helm".into();
    }
    home().join("helm")
}

/// Where servers and Helm are kept.
fn home() -> PathBuf {
    let cache = || {
        let cache = env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let own = || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache");
        cache.unwrap_or_else(own).join("causeway-kubernetes")
    };
    env::var_os("CAUSEWAY_KUBERNETES_HOME").map_or_else(cache, PathBuf::from)
}

/// Whether there is one.
pub fn found() -> bool {
    runs(program().to_str().unwrap(), &["version"])
}

/// The chart.
pub fn chart() -> PathBuf {
    root().join("config/helm/causeway")
}

/// Runs it, with nothing of the user's own.
pub fn helm(arguments: &[&str], kubeconfig: Option<&Path>) -> Output {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = Command::new(program());
    command.args(arguments).env_remove("KUBECONFIG").env("HELM_NAMESPACE", "tunnels");
    for variable in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
        command.env(variable, scratch.path());
    }
    match kubeconfig {
        Some(file) => command.env("KUBECONFIG", file),
        None => command.env("KUBECONFIG", scratch.path().join("none")),
    };
    command.output().unwrap()
}

/// What a run said that had to go well.
pub fn said(output: &Output) -> String {
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The values without which nothing is installed.
pub const LEAST: &str = "config.servers.businessDataTunnel.externalHost=cp.example.com,\
    config.subaccountId=sub-1,secretConfig.servers.businessDataTunnel.secretName=tunnel-tls";

/// Arguments for `values`, each a list as `--set` takes it, on top of [`LEAST`].
pub fn with<'v>(values: &[&'v str]) -> Vec<&'v str> {
    let mut arguments = vec!["--set", LEAST];
    for value in values {
        arguments.extend(["--set", value]);
    }
    arguments
}

/// Renders the chart as release `test` for a version of Kubernetes.
pub fn template(kube: &str, values: &[&str]) -> Output {
    let chart = chart();
    let mut arguments = vec!["template", "test", chart.to_str().unwrap(), "--kube-version", kube];
    arguments.extend(with(values));
    helm(&arguments, None)
}

/// The objects of a rendering that had to go well.
pub fn rendered(values: &[&str]) -> Vec<Value> {
    objects(&said(&template("1.33.0", values)))
}

/// The documents of a YAML text.
pub fn objects(text: &str) -> Vec<Value> {
    let all: Vec<Option<Value>> =
        serde_saphyr::from_multiple(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    all.into_iter().flatten().filter(|value| !value.is_null()).collect()
}

/// `Kind/name` of an object.
pub fn name(object: &Value) -> String {
    let text = |path| object.pointer(path).and_then(Value::as_str).unwrap_or("?");
    format!("{}/{}", text("/kind"), text("/metadata/name"))
}

/// The one object of a kind and name.
pub fn find<'o>(objects: &'o [Value], wanted: &str) -> &'o Value {
    let mut found = objects.iter().filter(|object| name(object) == wanted);
    let names = || objects.iter().map(name).collect::<Vec<_>>();
    let first = found.next().unwrap_or_else(|| panic!("no {wanted} in {:?}", names()));
    assert!(found.next().is_none(), "{wanted} twice in {:?}", names());
    first
}

/// What is at a path that must be there.
pub fn at<'o>(object: &'o Value, path: &str) -> &'o Value {
    object.pointer(path).unwrap_or_else(|| panic!("no {path} in {object:#}"))
}
