//! Where a proxy's mappings come from: a directory of files, or the API of a cluster.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::document::Document;
use super::raw;

/// Where the mappings are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MappingsConfig {
    /// In the files of a directory.
    Directory(PathBuf),
    /// In a cluster, as its `ServiceMapping` objects.
    Kubernetes(KubernetesConfig),
}

impl MappingsConfig {
    /// The directory, if they are in one.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Directory(directory) => Some(directory),
            Self::Kubernetes(_) => None,
        }
    }

    /// How the cluster is reached, if they are in one.
    #[must_use]
    pub fn kubernetes(&self) -> Option<&KubernetesConfig> {
        match self {
            Self::Directory(_) => None,
            Self::Kubernetes(kubernetes) => Some(kubernetes),
        }
    }
}

/// How a cluster's API is reached and what the proxy is there. What is not given is found in the
/// environment of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesConfig {
    /// A kubeconfig file instead of what the environment offers.
    pub kubeconfig: Option<PathBuf>,
    /// The namespace of the Lease.
    pub namespace: Option<String>,
    /// The Lease's name.
    pub lease_name: String,
    /// Who this replica is among those that want the Lease.
    pub identity: Option<String>,
    /// The admission webhook, if it is on.
    pub webhook: Option<WebhookConfig>,
}

/// The admission webhook's listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookConfig {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its certificate chain.
    pub certificate: PathBuf,
    /// Its private key.
    pub private_key: PathBuf,
}

pub(super) fn mappings(
    document: &mut Document<'_>,
    mappings: &raw::Mappings,
    kubernetes: Option<&raw::Kubernetes>,
) -> Option<MappingsConfig> {
    if mappings.kubernetes == Some(true) {
        if mappings.directory.is_some() {
            document.fault(
                "mappings.directory",
                "is a second source beside `kubernetes = true`; keep one of the two",
            );
            return None;
        }
        let default = raw::Kubernetes::default();
        return self::kubernetes(document, kubernetes.unwrap_or(&default))
            .map(MappingsConfig::Kubernetes);
    }
    if kubernetes.is_some() {
        document.fault(
            "kubernetes",
            "has no effect without `kubernetes = true` in [mappings]; add that or remove this",
        );
        return None;
    }
    let directory = mappings.directory.as_deref().unwrap_or_else(|| Path::new("mappings"));
    document.file("mappings.directory", Some(directory), "").map(MappingsConfig::Directory)
}

fn kubernetes(document: &mut Document<'_>, raw: &raw::Kubernetes) -> Option<KubernetesConfig> {
    // A path that is wrong is a fault of the document, which then has no value.
    let kubeconfig = document.optional_file("kubernetes.kubeconfig", raw.kubeconfig.as_deref());
    let lease_name = raw.lease_name.as_deref().unwrap_or("causeway");
    let lease_name = name(document, "kubernetes.lease_name", lease_name);
    let namespace = match &raw.namespace {
        Some(namespace) => Some(name(document, "kubernetes.namespace", namespace)?),
        None => None,
    };
    let identity = match &raw.identity {
        Some(identity) => Some(document.id("kubernetes.identity", identity, false)?),
        None => None,
    };
    let webhook = match &raw.webhook {
        Some(raw) => Some(webhook(document, raw)?),
        None => None,
    };
    Some(KubernetesConfig { kubeconfig, namespace, lease_name: lease_name?, identity, webhook })
}

fn webhook(document: &mut Document<'_>, raw: &raw::Webhook) -> Option<WebhookConfig> {
    let listen = raw.listen.as_deref().unwrap_or("0.0.0.0:9443");
    let listen = document.socket("kubernetes.webhook.listen", listen);
    let mut file =
        |key, value: &Option<PathBuf>, example| document.file(key, value.as_deref(), example);
    let certificate = file("kubernetes.webhook.certificate", &raw.certificate, "\"tls.crt\"");
    let private_key = file("kubernetes.webhook.private_key", &raw.private_key, "\"tls.key\"");
    Some(WebhookConfig { listen: listen?, certificate: certificate?, private_key: private_key? })
}

/// A name of an object in a cluster: a DNS subdomain of RFC 1123.
fn name(document: &mut Document<'_>, key: &str, name: &str) -> Option<String> {
    let label = |label: &str| {
        let inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !label.is_empty()
            && label.bytes().all(inside)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() <= 253 && name.split('.').all(label) {
        return Some(name.to_owned());
    }
    document.fault(
        key,
        format!(
            "{name:?} is not a Kubernetes name; use lower-case letters, digits, `-` and `.`, \
             beginning and ending with a letter or digit"
        ),
    );
    None
}
