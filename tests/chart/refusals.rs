//! Wrong values are refused, in words that name the value.

use crate::{helm::template, suite::Suite};

pub fn add(suite: &mut Suite) {
    suite.helm("the_schema_refuses_wrong_values_by_name", by_schema);
    suite.helm("values_that_need_each_other_are_asked_for", by_checks);
    suite.helm("values_of_the_incumbent_without_a_meaning_here_are_refused", foreign);
}

/// Asserts that the values are refused with every one of the words.
fn refused(values: &[&str], words: &[&str]) {
    let output = template("1.33.0", values);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{values:?} are taken");
    for word in words {
        assert!(error.contains(word), "{values:?}: no {word:?} in\n{error}");
    }
}

fn by_schema() {
    let tunnel = "config.servers.businessDataTunnel";
    let cases: &[(&str, &[&str])] = &[
        ("config.tenantMode=both", &["config.tenantMode", "\"dedicated\", \"shared\""]),
        ("config.serviceChannels.enabled=false", &["config.serviceChannels.enabled", "true"]),
        ("config.highAvailabilityMode=on", &["config.highAvailabilityMode"]),
        ("config.servers.businessDataTunnel.externalPort=0", &[tunnel, "externalPort"]),
        ("config.servers.businessDataTunnel.externalPort=70000", &["externalPort", "65535"]),
        ("config.servers.businessDataTunnel.port=443", &["businessDataTunnel.port", "1024"]),
        ("config.servers.businessDataTunnel.port=http", &["businessDataTunnel.port", "integer"]),
        ("config.servers.businessDataTunnel.externalHost=https://cp", &["externalHost"]),
        ("config.logging.format=xml", &["config.logging.format", "\"console\", \"json\""]),
        ("config.limits.idle_timeout=3", &["config.limits", "idle_timeout"]),
        ("config.limits.drain_deadline_seconds=3", &["config.limits", "drain_deadline_seconds"]),
        ("config.workers.engine=uring", &["config.workers.engine", "\"io_uring\""]),
        ("deployment.kind=StatefulSet", &["deployment.kind", "\"Deployment\", \"DaemonSet\""]),
        ("deployment.replicaCount=0", &["deployment.replicaCount"]),
        ("deployment.image.digest=latest", &["deployment.image.digest"]),
        ("deployment.podDisruptionBudget.minAvailable=half", &["minAvailable"]),
        ("deployment.seccomp.type=runtime/default", &["deployment.seccomp.type"]),
        ("deployment.seccomp.localhostProfile=/etc/causeway.json", &["localhostProfile"]),
        ("deployment.drain.deadlineSeconds=0", &["deployment.drain.deadlineSeconds"]),
        ("service.type=ExternalName", &["service.type"]),
        ("ingress.className=traefik", &["ingress.className"]),
        ("kubernetes.webhook.failurePolicy=Maybe", &["kubernetes.webhook.failurePolicy"]),
        ("replicaCount=3", &["replicaCount", "not allowed"]),
        ("deployment.replicas=3", &["deployment", "replicas", "not allowed"]),
    ];
    for (value, words) in cases {
        refused(&[value], words);
    }
}

fn by_checks() {
    let cases: &[(&[&str], &str)] = &[
        (&["config.servers.businessDataTunnel.externalHost="], "externalHost is missing"),
        (&["config.subaccountId="], "config.subaccountId is missing"),
        (
            &["secretConfig.servers.businessDataTunnel.secretName="],
            "secretConfig.servers.businessDataTunnel.secretName is missing",
        ),
        (&["certManager.enabled=true"], "exclude each other"),
        (
            &["certManager.enabled=true,secretConfig.servers.businessDataTunnel.secretName="],
            "certManager.issuerRef.name is missing",
        ),
        (
            &["certManager.enabled=true,secretConfig.servers.businessDataTunnel.secretName=,\
              certManager.issuerRef.name=i"],
            "clientCa.secretName is missing",
        ),
        (&["kubernetes.webhook.enabled=true"], "secretName and caBundle, or certManager"),
        (
            &["kubernetes.webhook.enabled=true,kubernetes.webhook.secretName=s"],
            "secretName and caBundle",
        ),
        (
            &["deployment.kind=DaemonSet,deployment.autoscaling.horizontal.enabled=true"],
            "is for a Deployment",
        ),
        (
            &["deployment.autoscaling.horizontal.enabled=true,deployment.replicaCount=4"],
            "maxReplicaCount must exceed deployment.replicaCount",
        ),
        (
            &["deployment.autoscaling.horizontal.enabled=true,\
              deployment.autoscaling.horizontal.metrics.cpuAverageUtilization=0,\
              deployment.autoscaling.horizontal.metrics.memoryAverageUtilization=0"],
            "at least one of the two",
        ),
        (&["serviceMonitor.enabled=true"], "needs config.metrics.prometheus.enabled"),
        (&["config.metrics.prometheus.port=8042"], "must differ"),
        (&["config.admin.port=9494"], "must differ"),
    ];
    for (values, words) in cases {
        refused(values, &[words]);
    }
}

/// Silence would leave whoever moves here to find out that they have no effect.
fn foreign() {
    for value in [
        "config.jvm.memory.maxHeapSize=512m",
        "config.multiRegionMode.enabled=true",
        "config.servers.proxy.http.enabled=true",
        "config.servers.businessDataTunnel.enableTls=true",
        "config.subaccountSubdomain=x",
        "deployment.restartWatcher.enabled=true",
        "deployment.autoscaling.vertical.enabled=true",
        "secretConfig.integration.connectivityService.secretName=key",
        "ingress.tls.secretName=tls",
        "transparent-proxy.enabled=true",
    ] {
        let name = value.split(['.', '=']).find(|part| !KNOWN.contains(part)).unwrap();
        refused(&[value], &[name, "not allowed"]);
    }
}

/// Parts of those that mean something here.
const KNOWN: [&str; 8] = [
    "config",
    "servers",
    "businessDataTunnel",
    "deployment",
    "autoscaling",
    "secretConfig",
    "ingress",
    "kubernetes",
];
