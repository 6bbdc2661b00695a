//! What the chart renders for every documented combination of values.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use causeway::tls::{Authority, Validity};
use serde_json::{Value, json};

use crate::{
    combinations::{
        ALL, ALONE, CERT_MANAGER, ISTIO, LEGACY, LIMITS, METRICS, MONITOR, NGINX, NODE_PORT,
        ON_NODES, REVOCATION, SCALING, SHARED, SIDECAR, WEBHOOK, each,
    },
    helm::{at, chart, find, helm, name, objects, rendered, said, template, with},
    pods::pod_of,
    suite::{Suite, root},
};

pub fn add(suite: &mut Suite) {
    suite.helm("the_chart_passes_lint", lint);
    suite.helm("every_combination_renders_sound_objects", sound);
    suite.helm("every_rendered_configuration_passes_check", checked);
    suite.helm("values_become_keys_of_the_configuration", keys);
    suite.helm("the_roles_hold_what_is_needed_and_nothing_more", roles);
    suite.helm("each_option_brings_its_objects", options);
    suite.helm("names_follow_release_and_suffix", names);
    suite.helm("budgets_and_scaling_follow_the_version", by_version);
    suite.helm("tls_passes_through_an_ingress", ingress);
}

fn lint() {
    let chart = chart();
    for values in ALL {
        let mut arguments = vec!["lint", chart.to_str().unwrap(), "--strict"];
        // Helm takes its oldest version for granted, and that of today has other APIs.
        arguments.extend(["--kube-version", "1.33.0"]);
        arguments.extend(with(values));
        said(&helm(&arguments, None));
    }
}

/// Objects stand in one namespace, have our labels, and refer to what is there.
fn sound() {
    each(|values, objects| {
        let names: BTreeSet<String> = objects.iter().map(name).collect();
        assert_eq!(names.len(), objects.len(), "{values:?}: {names:?}");
        let pod = pod_of(objects);
        let ports: Vec<&Value> = at(pod, "/spec/containers/0/ports")
            .as_array()
            .unwrap()
            .iter()
            .map(|port| at(port, "/name"))
            .collect();
        for object in objects {
            let of = name(object);
            assert_eq!(at(object, "/metadata/labels/app.kubernetes.io~1name"), "causeway", "{of}");
            let cluster_wide = ["Cluster", "Custom", "Validating"];
            let namespace = object.pointer("/metadata/namespace").and_then(Value::as_str);
            if cluster_wide.iter().any(|start| of.starts_with(start)) {
                assert_eq!(namespace, None, "{of}");
            } else if of.ends_with("-events") {
                assert_eq!(namespace, Some("default"), "{of}");
            } else {
                assert_eq!(namespace, Some("tunnels"), "{of}");
            }
            if of.starts_with("Service/") {
                let selector = at(object, "/spec/selector").as_object().unwrap();
                let labels = at(pod, "/metadata/labels");
                assert!(selector.iter().all(|(key, value)| labels.get(key) == Some(value)), "{of}");
                assert!(ports.contains(&at(object, "/spec/ports/0/targetPort")), "{of}");
            }
            if let Some(role) = object.pointer("/roleRef") {
                let kind = at(role, "/kind").as_str().unwrap();
                let role = at(role, "/name").as_str().unwrap();
                assert!(names.contains(&format!("{kind}/{role}")), "{of} has no {role}");
            }
        }
        let mounts = at(pod, "/spec/containers/0/volumeMounts").as_array().unwrap();
        let volumes = at(pod, "/spec/volumes").as_array().unwrap();
        assert_eq!(mounts.len(), volumes.len(), "{values:?}");
        assert!(mounts.iter().all(|mount| mount["readOnly"] == true), "{values:?}");
    });
}

/// Everything that a rendered configuration names, below `directory`.
fn furnish(directory: &Path) {
    let now = SystemTime::now();
    let validity = Validity { not_before: now, not_after: now + Duration::from_secs(86_400) };
    let (authority, ca) = Authority::create("CA", validity).unwrap();
    let server = authority.issue_server(&["cp.example.com"], validity).unwrap();
    for folder in ["config", "tls", "client-ca", "webhook"] {
        fs::create_dir(directory.join(folder)).unwrap();
    }
    for folder in ["tls", "webhook"] {
        fs::write(directory.join(folder).join("tls.crt"), &server.certificate_pem).unwrap();
        fs::write(directory.join(folder).join("tls.key"), &server.private_key_pem).unwrap();
    }
    fs::write(directory.join("client-ca/ca.crt"), &ca.certificate_pem).unwrap();
    let list = authority.revocation_list(&BTreeMap::new(), 1, validity).unwrap();
    fs::write(directory.join("client-ca/ca.crl"), list).unwrap();
}

fn checked() {
    let directory = tempfile::tempdir().unwrap();
    furnish(directory.path());
    let file = directory.path().join("config/proxy.toml");
    let mut seen = 0;
    each(|values, objects| {
        let map = objects.iter().find(|object| object["kind"] == "ConfigMap").unwrap();
        let text = at(map, "/data/proxy.toml").as_str().unwrap();
        let here = format!("{}/", directory.path().display());
        fs::write(&file, text.replace("/etc/causeway/", &here)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_causeway"));
        let output = command.args(["check", "--config"]).arg(&file).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{values:?}\n{error}\n{text}");
        seen += 1;
    });
    assert!(seen > 50);
}

/// The rendered proxy.toml.
fn configuration(values: &[&str]) -> toml::Table {
    let objects = rendered(values);
    let map = objects.iter().find(|object| object["kind"] == "ConfigMap").unwrap();
    toml::from_str(at(map, "/data/proxy.toml").as_str().unwrap()).unwrap()
}

fn keys() {
    let config = configuration(&[]);
    assert_eq!(config["tunnel"]["listen"].as_str(), Some("0.0.0.0:8042"));
    assert_eq!(config["tunnel"]["external_host"].as_str(), Some("cp.example.com"));
    assert_eq!(config["tunnel"]["external_port"].as_integer(), Some(443));
    assert_eq!(config["tunnel"]["strict_sni"].as_bool(), Some(true));
    assert_eq!(config["tenancy"]["subaccount_id"].as_str(), Some("sub-1"));
    assert_eq!(config["kubernetes"]["lease_name"].as_str(), Some("test-causeway"));
    assert_eq!(config["kubernetes"]["namespace"].as_str(), Some("tunnels"));
    assert!(!config["kubernetes"].as_table().unwrap().contains_key("webhook"));
    admin();
    let config = configuration(&[
        SHARED,
        LIMITS,
        LEGACY,
        "config.servers.businessDataTunnel.strictSniEnabled=false",
        "config.servers.businessDataTunnel.externalPort=8443",
        "config.logging.level=info\\,causeway::relay=debug",
        "config.workers.count=3",
        "deployment.drain.delaySeconds=0",
    ]);
    assert_eq!(config["tunnel"]["listen"].as_str(), Some("0.0.0.0:9042"));
    assert_eq!(config["tunnel"]["external_port"].as_integer(), Some(8443));
    assert_eq!(config["tunnel"]["strict_sni"].as_bool(), Some(false));
    assert_eq!(config["tenancy"].as_table().unwrap().len(), 1, "shared and nothing else");
    assert_eq!(config["limits"]["streams_per_subaccount_max"].as_integer(), Some(100_000));
    assert_eq!(config["limits"]["drain_delay_seconds"].as_integer(), Some(0));
    assert_eq!(config["log"]["format"].as_str(), Some("json"));
    assert_eq!(config["log"]["level"].as_str(), Some("info,causeway::relay=debug"));
    assert_eq!(config["workers"]["count"].as_integer(), Some(3));
    let config = configuration(&[WEBHOOK, REVOCATION]);
    assert_eq!(config["kubernetes"]["webhook"]["listen"].as_str(), Some("0.0.0.0:9443"));
    assert_eq!(config["tunnel"]["tls"]["crl"].as_str(), Some("/etc/causeway/client-ca/ca.crl"));
}

/// The API is on loopback or nowhere; everybody else gets health, and metrics if wanted.
fn admin() {
    let listens = |config: &toml::Table, path: &[&str]| {
        let found = path.iter().try_fold(&config["admin"], |value, key| value.get(key));
        found.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let on_nodes = [ON_NODES, METRICS];
    for (values, api, probes, metrics) in [
        (&[][..], Some("127.0.0.1:9495"), "0.0.0.0:9494", "false"),
        (&[METRICS], Some("127.0.0.1:9495"), "0.0.0.0:9494", "true"),
        (&["config.admin.enabled=false"], None, "0.0.0.0:9494", "false"),
        (&[ON_NODES], None, "127.0.0.1:9494", "false"),
        (&on_nodes, None, "0.0.0.0:9494", "true"),
    ] {
        let config = configuration(values);
        assert_eq!(listens(&config, &["listen"]).as_deref(), api, "{values:?}");
        assert_eq!(listens(&config, &["probes", "listen"]).as_deref(), Some(probes), "{values:?}");
        assert_eq!(
            listens(&config, &["probes", "metrics"]).as_deref(),
            Some(metrics),
            "{values:?}"
        );
    }
}

/// Group, resource and verb of every rule; whether it holds in the cluster or in a namespace.
fn rights(objects: &[Value]) -> BTreeSet<(bool, String)> {
    let mut found = BTreeSet::new();
    for role in objects.iter().filter(|object| object.get("rules").is_some()) {
        let wide = role["kind"] == "ClusterRole";
        for rule in at(role, "/rules").as_array().unwrap() {
            for verb in at(rule, "/verbs").as_array().unwrap() {
                let (group, resource) = (at(rule, "/apiGroups/0"), at(rule, "/resources/0"));
                found.insert((wide, format!("{group} {resource} {verb}")));
            }
        }
    }
    assert!(found.len() > 5, "{found:?}");
    found
}

fn rule(group: &str, resource: &str, verbs: &[&str]) -> Value {
    json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs })
}

fn roles() {
    let objects = rendered(&[]);
    assert_eq!(
        at(find(&objects, "ClusterRole/tunnels-test-causeway"), "/rules"),
        &json!([
            rule("connectivityproxy.sap.com", "servicemappings", &["get", "list", "watch"]),
            rule("connectivityproxy.sap.com", "servicemappings/status", &["patch"]),
        ])
    );
    assert_eq!(
        at(find(&objects, "Role/tunnels-test-causeway-events"), "/rules"),
        &json!([rule("events.k8s.io", "events", &["create"])])
    );
    let mut named = rule("coordination.k8s.io", "leases", &["get", "update"]);
    named["resourceNames"] = json!(["test-causeway"]);
    assert_eq!(
        at(find(&objects, "Role/test-causeway"), "/rules"),
        &json!([rule("coordination.k8s.io", "leases", &["create"]), named])
    );
    // Tests run a proxy on API servers under that file's rules and no others.
    let file = fs::read_to_string(root().join("tests/kubernetes/role.yaml")).unwrap();
    assert_eq!(rights(&objects), rights(&crate::helm::objects(&file)));
    let bound = objects.iter().filter(|object| object.pointer("/subjects").is_some());
    let account = json!([
        {"kind": "ServiceAccount", "name": "test-causeway", "namespace": "tunnels"}
    ]);
    assert_eq!(bound.map(|binding| assert_eq!(binding["subjects"], account)).count(), 3);
}

/// What an option adds to the objects of the default, and what it takes away.
fn difference(values: &[&str]) -> (Vec<String>, Vec<String>) {
    let names = |values| rendered(values).iter().map(name).collect::<BTreeSet<String>>();
    let (default, changed) = (names(&[]), names(values));
    let of = |one: &BTreeSet<String>, other| one.difference(other).cloned().collect();
    (of(&changed, &default), of(&default, &changed))
}

fn options() {
    let default: BTreeSet<String> = rendered(&[]).iter().map(name).collect();
    let expected = [
        "ClusterRole/tunnels-test-causeway",
        "ClusterRoleBinding/tunnels-test-causeway",
        "ConfigMap/test-causeway",
        "CustomResourceDefinition/servicemappings.connectivityproxy.sap.com",
        "Deployment/test-causeway",
        "PodDisruptionBudget/test-causeway",
        "Role/test-causeway",
        "Role/tunnels-test-causeway-events",
        "RoleBinding/test-causeway",
        "RoleBinding/tunnels-test-causeway-events",
        "Service/test-causeway-tunnel",
        "ServiceAccount/test-causeway",
    ];
    assert_eq!(default, expected.map(str::to_owned).into());
    let adds: [(&[&str], &[&str]); 8] = [
        (&[METRICS], &["Service/test-causeway-prometheus-metrics"]),
        (
            &[METRICS, MONITOR],
            &["Service/test-causeway-prometheus-metrics", "ServiceMonitor/test-causeway"],
        ),
        (&[CERT_MANAGER], &["Certificate/test-causeway-tunnel"]),
        (
            &[WEBHOOK],
            &[
                "Service/test-causeway-smv",
                "ValidatingWebhookConfiguration/tunnels-test-causeway-smv",
            ],
        ),
        (&[SCALING], &["HorizontalPodAutoscaler/test-causeway"]),
        (
            &[ISTIO],
            &[
                "DestinationRule/test-causeway-tunnel",
                "Gateway/test-causeway-tunnel",
                "VirtualService/test-causeway-tunnel",
            ],
        ),
        (&[NGINX], &["Ingress/test-causeway-tunnel"]),
        (&[NODE_PORT], &[]),
    ];
    for (values, added) in adds {
        let added: Vec<String> = added.iter().map(|&name| name.to_owned()).collect();
        assert_eq!(difference(values), (added, Vec::new()), "{values:?}");
    }
    let (added, removed) = difference(&[ON_NODES]);
    assert_eq!(added, ["DaemonSet/test-causeway"]);
    assert_eq!(removed, ["Deployment/test-causeway", "PodDisruptionBudget/test-causeway"]);
    let (added, removed) = difference(&[ALONE]);
    assert_eq!((added.len(), removed.len()), (0, 9), "{removed:?}");
    let (added, _) = difference(&[CERT_MANAGER, "kubernetes.webhook.enabled=true"]);
    assert!(added.contains(&"Certificate/test-causeway-smv".to_owned()), "{added:?}");
    assert!(added.contains(&"Issuer/test-causeway-smv".to_owned()), "{added:?}");
}

fn names() {
    let chart = chart();
    for (release, suffix, wanted) in [
        ("causeway", "", "causeway"),
        ("cp", "", "cp-causeway"),
        ("causeway", "blue", "causeway-blue"),
        ("my-causeway", "-b", "my-causeway-b"),
    ] {
        let suffix = format!("chart.nameSuffix={suffix}");
        let mut arguments = vec!["template", release, chart.to_str().unwrap()];
        arguments.extend(with(&[&suffix]));
        let objects = objects(&said(&helm(&arguments, None)));
        find(&objects, &format!("Deployment/{wanted}"));
        find(&objects, &format!("Service/{wanted}-tunnel"));
    }
}

fn by_version() {
    let of = |kube, values: &[&str]| objects(&said(&template(kube, values)));
    let old = of("1.25.0", &[SCALING]);
    let new = of("1.27.0", &[SCALING]);
    let policy = "/spec/unhealthyPodEvictionPolicy";
    assert!(find(&old, "PodDisruptionBudget/test-causeway").pointer(policy).is_none());
    assert_eq!(at(find(&new, "PodDisruptionBudget/test-causeway"), policy), "IfHealthyBudget");
    let scaler = find(&new, "HorizontalPodAutoscaler/test-causeway");
    assert_eq!(at(scaler, "/spec/metrics").as_array().unwrap().len(), 1, "memory is left out");
    // Who scales and who rolls out would otherwise set the same number in turns.
    assert!(find(&new, "Deployment/test-causeway").pointer("/spec/replicas").is_none());
}

fn ingress() {
    let objects = rendered(&[ISTIO]);
    let gateway = at(find(&objects, "Gateway/test-causeway-tunnel"), "/spec/servers/0");
    assert_eq!(at(gateway, "/tls/mode"), "PASSTHROUGH");
    assert_eq!(at(gateway, "/port/protocol"), "TLS");
    let route = at(find(&objects, "VirtualService/test-causeway-tunnel"), "/spec/tls/0");
    assert_eq!(at(route, "/match/0/sniHosts"), &json!(["cp.example.com"]));
    let service = find(&objects, "Service/test-causeway-tunnel");
    assert_eq!(at(service, "/spec/type"), "ClusterIP");
    let port = at(service, "/spec/ports/0/port");
    assert_eq!(at(route, "/route/0/destination/port/number"), port);
    let labels = at(pod_of(&objects), "/metadata/labels");
    assert_eq!(labels["sidecar.istio.io/inject"], "false");
    let objects = rendered(&[SIDECAR, WEBHOOK]);
    let metadata = at(pod_of(&objects), "/metadata");
    assert_eq!(metadata["labels"]["sidecar.istio.io/inject"], "true");
    let excluded = &metadata["annotations"]["traffic.sidecar.istio.io/excludeInboundPorts"];
    assert_eq!(excluded, "8042,9494,9443");
    let objects = rendered(&[NGINX]);
    let ingress = find(&objects, "Ingress/test-causeway-tunnel");
    let passthrough = "/metadata/annotations/nginx.ingress.kubernetes.io~1ssl-passthrough";
    assert_eq!(at(ingress, passthrough), "true");
    assert_eq!(at(ingress, "/spec/rules/0/host"), "cp.example.com");
    let service = find(&objects, "Service/test-causeway-tunnel");
    let backend = at(ingress, "/spec/rules/0/http/paths/0/backend/service/port/number");
    assert_eq!(backend, at(service, "/spec/ports/0/port"));
    let service = rendered(&[]);
    let service = find(&service, "Service/test-causeway-tunnel");
    assert_eq!(at(service, "/spec/type"), "LoadBalancer");
    assert_eq!(at(service, "/spec/ports/0/port"), 443);
}
