//! The chart on a real API server: what an install creates, an upgrade changes, an uninstall
//! removes and keeps.

use std::{collections::BTreeSet, path::Path, process::Command, sync::OnceLock};

use serde_json::Value;

use crate::{
    combinations::{ALL, ALONE, LEGACY, NGINX, URING},
    helm::{at, chart, find, helm, name, objects, said, with},
    servers::Server,
    suite::{Suite, runs},
};

pub fn add(suite: &mut Suite) {
    let there = Server::built("full") && has_kubectl();
    suite.helm_and(there, "install_upgrade_and_uninstall_do_as_they_say", life);
    suite.helm_and(there, "the_notes_say_the_next_three_commands", notes);
    suite.helm_and(there, "every_combination_is_what_the_server_takes", dry);
}

fn has_kubectl() -> bool {
    static FOUND: OnceLock<bool> = OnceLock::new();
    *FOUND.get_or_init(|| {
        let found = runs("kubectl", &["version", "--client"]);
        if !found {
            eprintln!("SKIPPED: the chart on an API server, not counted as passed: no kubectl");
        }
        found
    })
}

fn kubectl(kubeconfig: &Path, arguments: &[&str]) -> String {
    let scratch = tempfile::tempdir().unwrap();
    let mut command = Command::new("kubectl");
    command.arg("--cache-dir").arg(scratch.path()).args(arguments);
    let output = command.env("KUBECONFIG", kubeconfig).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "kubectl {arguments:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}

const KINDS: &str = "deployments,daemonsets,services,configmaps,secrets,serviceaccounts,roles,\
    rolebindings,clusterroles,clusterrolebindings,poddisruptionbudgets,\
    horizontalpodautoscalers,ingresses,validatingwebhookconfigurations,\
    customresourcedefinitions";

/// `Kind/name` of everything that Helm put there, its own notes aside.
fn present(kubeconfig: &Path) -> BTreeSet<String> {
    let arguments = ["get", KINDS, "-A", "-o", "json", "-l", "app.kubernetes.io/managed-by=Helm"];
    let list: Value = serde_json::from_str(&kubectl(kubeconfig, &arguments)).unwrap();
    at(&list, "/items").as_array().unwrap().iter().map(name).collect()
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

const DEFINITION: &str = "CustomResourceDefinition/servicemappings.connectivityproxy.sap.com";

const MAPPING: &str = r#"{"apiVersion": "connectivityproxy.sap.com/v1", "kind": "ServiceMapping",
    "metadata": {"name": "sm"}, "spec": {"type": "TCP", "subaccountId": "sub-1",
    "serviceId": "echoserver.test", "internalAddress": "echoserver.default:80"}}"#;

/// What the chart creates without any value of its own.
const FIRST: &[&str] = &[
    "ClusterRole/tunnels-causeway",
    "ClusterRoleBinding/tunnels-causeway",
    "ConfigMap/causeway",
    DEFINITION,
    "Deployment/causeway",
    "PodDisruptionBudget/causeway",
    "Role/causeway",
    "Role/tunnels-causeway-events",
    "RoleBinding/causeway",
    "RoleBinding/tunnels-causeway-events",
    "Service/causeway-tunnel",
    "ServiceAccount/causeway",
];

/// Values that ask for more, and what more there is then.
const MORE_VALUES: &[&str] = &[
    "config.metrics.prometheus.enabled=true,ingress.className=nginx",
    "deployment.autoscaling.horizontal.enabled=true,config.logging.format=json",
    "kubernetes.webhook.enabled=true,kubernetes.webhook.secretName=smv",
    "kubernetes.webhook.caBundle=Y2E=",
];
const MORE: &[&str] = &[
    "HorizontalPodAutoscaler/causeway",
    "Ingress/causeway-tunnel",
    "Service/causeway-prometheus-metrics",
    "Service/causeway-smv",
    "ValidatingWebhookConfiguration/tunnels-causeway-smv",
];

fn life() {
    let server = Server::start("full");
    let kubeconfig = &server.kubeconfig();
    let chart = chart();
    let run = |verb: &str, more: &[&str], values: &[&str]| {
        let mut arguments = vec![verb, "causeway"];
        if verb != "uninstall" {
            arguments.push(chart.to_str().unwrap());
            arguments.extend(with(values));
        }
        arguments.extend(more);
        said(&helm(&arguments, Some(kubeconfig)))
    };
    run("install", &["--create-namespace"], &[]);
    let first = set(FIRST);
    assert_eq!(present(kubeconfig), first);
    let checksum = || {
        let get = ["get", "deployment", "causeway", "-n", "tunnels", "-o", "json"];
        let deployment: Value = serde_json::from_str(&kubectl(kubeconfig, &get)).unwrap();
        let annotations = at(&deployment, "/spec/template/metadata/annotations");
        annotations["causeway/config"].as_str().unwrap().to_owned()
    };
    let before = checksum();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), MAPPING).unwrap();
    kubectl(kubeconfig, &["apply", "-f", file.path().to_str().unwrap()]);

    run("upgrade", &[], MORE_VALUES);
    let mut second = first.clone();
    second.extend(set(MORE));
    assert_eq!(present(kubeconfig), second);
    assert_ne!(checksum(), before, "the pods are rolled");

    run("upgrade", &[], &["deployment.kind=DaemonSet"]);
    let mut third = first.clone();
    third.remove("Deployment/causeway");
    third.remove("PodDisruptionBudget/causeway");
    third.insert("DaemonSet/causeway".to_owned());
    assert_eq!(present(kubeconfig), third);

    let farewell = run("uninstall", &[], &[]);
    assert!(farewell.contains("kept due to the resource policy"), "{farewell}");
    assert!(farewell.contains("servicemappings.connectivityproxy.sap.com"), "{farewell}");
    assert_eq!(present(kubeconfig), set(&[DEFINITION]));
    kubectl(kubeconfig, &["get", "servicemapping", "sm"]);

    // The same release finds its definition again.
    run("install", &[], &[]);
    assert_eq!(present(kubeconfig), first);
    run("uninstall", &[], &[]);
    kubectl(kubeconfig, &["delete", "crd", "servicemappings.connectivityproxy.sap.com"]);
    assert_eq!(present(kubeconfig), set(&[]));
}

/// Server-side, the objects whose kinds this server has; it knows Kubernetes' own by heart.
fn dry() {
    let server = Server::start("full");
    let kubeconfig = &server.kubeconfig();
    let chart = chart();
    kubectl(kubeconfig, &["create", "namespace", "tunnels"]);
    for values in ALL {
        let mut arguments = vec!["template", "test", chart.to_str().unwrap(), "--validate"];
        arguments.extend(with(values));
        let foreign = values.iter().any(|value| {
            ["certManager", "serviceMonitor", "istio"].iter().any(|kind| value.contains(kind))
        });
        if foreign {
            continue;
        }
        let text = said(&helm(&arguments, Some(kubeconfig)));
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), &text).unwrap();
        let apply =
            ["apply", "--dry-run=server", "-o", "name", "-f", file.path().to_str().unwrap()];
        let taken = kubectl(kubeconfig, &apply);
        let rendered = objects(&text);
        assert_eq!(taken.lines().count(), rendered.len(), "{values:?}: {taken}");
        if values.is_empty() {
            // This server is older than the APIs that Helm takes for granted by itself.
            let budget = find(&rendered, "PodDisruptionBudget/test-causeway");
            assert_eq!(at(budget, "/apiVersion"), "policy/v1beta1");
        }
    }
}

fn notes() {
    // Helm renders its notes only where it could install.
    let server = Server::start("full");
    let chart = chart();
    let notes = |values: &[&str]| {
        let mut arguments = vec!["install", "causeway", chart.to_str().unwrap()];
        arguments.push("--dry-run=server");
        arguments.extend(with(values));
        said(&helm(&arguments, Some(&server.kubeconfig())))
    };
    let text = notes(&[]);
    for command in [
        "kubectl -n tunnels rollout status deployment/causeway",
        "kubectl apply -f - <<END",
        "kubectl get servicemappings.connectivityproxy.sap.com sm -ojsonpath={.status.endpoint}",
    ] {
        assert!(text.lines().any(|line| line == command), "{command} is not in\n{text}");
    }
    assert!(text.contains("on epoll"), "{text}");
    assert!(!text.contains("highAvailabilityMode"), "{text}");
    assert!(!notes(&[URING]).contains("on epoll"));
    assert!(notes(&[LEGACY]).contains("config.highAvailabilityMode \"path\" has no effect"));
    assert!(notes(&[ALONE]).contains("One replica"));
    assert!(notes(&[NGINX]).contains("--enable-ssl-passthrough"));
}
