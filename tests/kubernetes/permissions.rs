//! The role of `role.yaml` is enough, and without any of its verbs the proxy says which.

use std::{fs, path::PathBuf};

use kube::api::{Api as Objects, ApiResource, DynamicObject, GroupVersionKind, PostParams};
use serde_json::json;

use crate::{
    api::{NAMESPACE, spec},
    cluster::{Cluster, Suite, root, scratch},
    installation::Installation,
    support::{DEADLINE, Service, wait_until},
};

pub fn add(suite: &mut Suite) {
    suite.with_core("the_role_is_enough_and_events_are_written", enough);
    suite.with_core("a_verb_that_is_missing_is_named", missing);
}

/// The rules of the role, with one verb of one resource taken out.
fn apply_role(cluster: &Cluster, without: Option<(&str, &str)>) {
    let mut text = fs::read_to_string(root().join("tests/kubernetes/role.yaml")).unwrap();
    if let Some((resource, verb)) = without {
        let (before, after) = text.split_once(&format!("resources: [{resource}]\n")).unwrap();
        let (verbs, rest) = after.split_once('\n').unwrap();
        assert!(verbs.contains(verb), "{verbs}");
        let kept = verbs.replacen(verb, "deletecollection", 1);
        text = format!("{before}resources: [{resource}]\n{kept}\n{rest}");
    }
    text = text.replace("NAMESPACE", NAMESPACE).replace("SUBJECT", "causeway");
    // Names of tests: a real cluster may have an installation.
    text = text.replace("name: causeway", "name: causeway-test");
    text = text.replace("name: causeway-test\n    namespace", "name: causeway\n    namespace");
    let path = scratch().join("role.yaml");
    fs::write(&path, text).unwrap();
    cluster.api.kubectl(&format!("apply -f {}", path.display()));
}

/// A kubeconfig of the service account that the role is bound to.
fn account(cluster: &Cluster) -> PathBuf {
    let api = &cluster.api;
    let make = "create serviceaccount causeway --dry-run=client -o yaml";
    api.kubectl(&format!("{make} -n {NAMESPACE} | kubectl apply -f -"));
    let kind = GroupVersionKind::gvk("", "v1", "ServiceAccount");
    let resource = ApiResource::from_gvk_with_plural(&kind, "serviceaccounts");
    let accounts: Objects<DynamicObject> =
        Objects::namespaced_with(api.client.clone(), NAMESPACE, &resource);
    let request = json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": { "audiences": [], "expirationSeconds": 3600 },
    });
    let how = PostParams::default();
    let asked = accounts.create_subresource("token", "causeway", &how, &request);
    let answer: serde_json::Value = api.block(asked).unwrap();
    let token = answer["status"]["token"].as_str().unwrap();
    let path = scratch().join("account.kubeconfig");
    let minified = api.kubectl("config view --minify --flatten -o json");
    let mut config: serde_json::Value = serde_json::from_str(&minified).unwrap();
    config["users"][0]["user"] = json!({ "token": token });
    fs::write(&path, config.to_string()).unwrap();
    path
}

fn enough(cluster: &Cluster) {
    let (api, service) = (&cluster.api, Service::echo());
    apply_role(cluster, None);
    let installation = Installation::with_kubeconfig(&account(cluster));
    let proxy = installation.leader("one");
    api.create("older", &spec("same", service.address));
    api.wait_condition("older", "Ready", "True Ready");
    // The status of its rival is written after a second, so that one is younger.
    std::thread::sleep(std::time::Duration::from_millis(1100)); // pace: of the API's clock
    api.create("rival", &spec("same", service.address));
    api.wait_condition("rival", "Accepted", "False Conflict");
    installation.wait_answer(&proxy, "same", 200);
    wait_until("events are written", DEADLINE, || {
        let told = |name: &str, reason: &str| api.event_reasons(name).iter().any(|r| r == reason);
        told("older", "Accepted") && told("older", "BackendReachable") && told("rival", "Conflict")
    });
    let described = api.kubectl("describe servicemapping rival");
    assert!(described.contains("Conflict"), "{described}");
    assert_eq!(proxy.details()["problems"], json!({}), "nothing more was needed");
    let (code, _, notes) = proxy.readiness();
    assert_eq!((code, notes), (200, Vec::new()));
}

fn missing(cluster: &Cluster) {
    let service = Service::echo();
    let kubeconfig = account(cluster);
    for (resource, verb) in [
        ("servicemappings", "list"),
        ("servicemappings", "watch"),
        ("servicemappings/status", "patch"),
        ("leases", "create"),
        ("leases", "update"),
        ("leases", "get"),
        ("events", "create"),
    ] {
        apply_role(cluster, Some((resource, verb)));
        let installation = Installation::with_kubeconfig(&kubeconfig);
        cluster.api.clean();
        cluster.api.create("someone", &spec("someone", service.address));
        let mut proxy = installation.proxy("one");
        let named = format!("`{verb}` on `{resource}`");
        proxy.wait_problem(&named);
        proxy.process.line(&named);
        let (code, reasons, _) = proxy.readiness();
        let blind = resource == "servicemappings" && verb == "list";
        assert_eq!(code == 200, !blind, "{resource} {verb}: {reasons:?}");
        assert!(!blind || reasons[0].contains(&named), "{reasons:?}");
        apply_role(cluster, None);
        wait_until("the proxy goes on once it may", DEADLINE * 3, || {
            // An event is written only when something happens.
            resource == "events" || proxy.details()["problems"] == json!({})
        });
    }
}
