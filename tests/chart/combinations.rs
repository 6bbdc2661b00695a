//! The combinations of values that the documents speak of.

use serde_json::Value;

use crate::helm::{objects, said, template};

pub const CERT_MANAGER: &str = "certManager.enabled=true,certManager.issuerRef.name=issuer,\
    secretConfig.servers.businessDataTunnel.secretName=,\
    secretConfig.servers.businessDataTunnel.clientCa.secretName=connectors";
pub const WEBHOOK: &str = "kubernetes.webhook.enabled=true,kubernetes.webhook.secretName=smv,\
    kubernetes.webhook.caBundle=Y2E=";
pub const SHARED: &str = "config.tenantMode=shared,config.subaccountId=";
pub const METRICS: &str = "config.metrics.prometheus.enabled=true";
pub const MONITOR: &str = "serviceMonitor.enabled=true,serviceMonitor.labels.release=prometheus";
pub const ON_NODES: &str = "deployment.kind=DaemonSet,deployment.nodeSelector.tunnels=yes,\
    deployment.tolerations[0].operator=Exists";
pub const SCALING: &str = "deployment.autoscaling.horizontal.enabled=true,\
    deployment.autoscaling.horizontal.metrics.memoryAverageUtilization=0";
pub const ISTIO: &str = "ingress.className=istio";
pub const SIDECAR: &str = "ingress.className=istio,ingress.istio.sidecar=true";
pub const NGINX: &str = "ingress.className=nginx,ingress.annotations.team=a";
pub const URING: &str = "deployment.seccomp.type=Localhost,config.workers.engine=io_uring";
pub const NODE_PORT: &str = "service.type=NodePort,service.nodePort=30042";
pub const ALONE: &str = "rbac.create=false,serviceAccount.create=false,crd.install=false,\
    deployment.replicaCount=1,deployment.affinity.podAntiAffinity.topologyKey=";
pub const REVOCATION: &str = "\
    secretConfig.servers.businessDataTunnel.clientCa.secretName=connectors,\
    secretConfig.servers.businessDataTunnel.clientCa.crlKey=ca.crl";
pub const LIMITS: &str = "config.limits.idle_timeout_seconds=3600,\
    config.limits.streams_per_subaccount_max=100000,config.limits.dial_timeout_seconds=5";
pub const IMAGE: &str = "deployment.image.registry=registry.example.com,\
    deployment.image.pullSecret=pull,deployment.image.tag=1.2.3";
pub const LEGACY: &str = "config.highAvailabilityMode=path,config.serviceChannels.enabled=true,\
    config.logging.format=json,config.servers.businessDataTunnel.port=9042";
pub const SPREAD: &str = "deployment.topologySpreadConstraints[0].maxSkew=1,\
    deployment.topologySpreadConstraints[0].topologyKey=kubernetes.io/hostname,\
    deployment.topologySpreadConstraints[0].whenUnsatisfiable=ScheduleAnyway,\
    deployment.priorityClassName=high";

/// The combinations that the documents speak of; each option is in one at least.
pub const ALL: [&[&str]; 19] = [
    &[],
    &[SHARED],
    &[METRICS],
    &[METRICS, MONITOR],
    &[CERT_MANAGER],
    &[CERT_MANAGER, "kubernetes.webhook.enabled=true"],
    &[WEBHOOK],
    &[ON_NODES],
    &[ON_NODES, METRICS, URING],
    &[SCALING, SPREAD],
    &[ISTIO],
    &[SIDECAR, WEBHOOK, METRICS],
    &[NGINX],
    &[NODE_PORT],
    &[ALONE],
    &[REVOCATION, LIMITS],
    &[IMAGE, LEGACY],
    &[URING, SHARED, SCALING, METRICS, MONITOR],
    &["chart.nameSuffix=blue", "kubernetes.leaseName=lease"],
];

/// Renders every combination for an old, a middle-aged and a new cluster.
pub fn each(mut look: impl FnMut(&[&str], &[Value])) {
    for values in ALL {
        for kube in ["1.20.2", "1.27.0", "1.36.0"] {
            look(values, &objects(&said(&template(kube, values))));
        }
    }
}
