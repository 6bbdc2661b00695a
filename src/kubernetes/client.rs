//! How the API is reached and who we are there.

use std::path::Path;

use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};

use crate::{config::KubernetesConfig, limits};

/// Why the cluster cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The kubeconfig that was named cannot be used.
    #[error("{0} cannot be used: {1}; check [kubernetes] kubeconfig")]
    Kubeconfig(String, String),
    /// Neither a pod's service account nor a kubeconfig was found.
    #[error(
        "no cluster was found: {0}; run inside of one, set $KUBECONFIG, or name a file with \
         [kubernetes] kubeconfig"
    )]
    NoCluster(String),
    /// The credentials or the CA cannot be used.
    #[error("the cluster's API cannot be asked: {0}; check the kubeconfig or the service account")]
    Client(String),
    /// The webhook's certificate cannot be used.
    #[error("the webhook: {0}")]
    Webhook(String),
    /// A thread or a runtime cannot be made.
    #[error("cannot start: {0}")]
    System(#[from] std::io::Error),
}

/// A way to the API.
pub(super) struct Connection {
    pub(super) client: Client,
    /// Of the Lease.
    pub(super) namespace: String,
    pub(super) identity: String,
    /// Where all of it comes from, for the log.
    pub(super) source: String,
}

/// Finds the cluster. Asks it nothing yet.
pub(super) async fn connect(config: &KubernetesConfig) -> Result<Connection, StartError> {
    let (mut found, source) = match &config.kubeconfig {
        Some(file) => from_file(file).await?,
        None => from_environment().await?,
    };
    found.connect_timeout = Some(limits::KUBERNETES_CONNECT_TIMEOUT);
    // A failed request is ours to repeat: the pause and the log line are one thing.
    found.default_retry = false;
    let namespace = config.namespace.clone().unwrap_or_else(|| found.default_namespace.clone());
    let source = format!("{source}, {}", found.cluster_url);
    let client = Client::try_from(found).map_err(|error| StartError::Client(error.to_string()))?;
    let identity = config.identity.clone().unwrap_or_else(identity);
    Ok(Connection { client, namespace, identity, source })
}

async fn from_file(file: &Path) -> Result<(Config, String), StartError> {
    let wrong = |error: &dyn std::fmt::Display| {
        StartError::Kubeconfig(file.display().to_string(), error.to_string())
    };
    let kubeconfig = Kubeconfig::read_from(file).map_err(|error| wrong(&error))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await;
    Ok((config.map_err(|error| wrong(&error))?, format!("kubeconfig {}", file.display())))
}

/// A pod's service account first: a kubeconfig that happens to lie in an image is not meant.
async fn from_environment() -> Result<(Config, String), StartError> {
    let inside = match Config::incluster() {
        Ok(config) => return Ok((config, "the pod's service account".to_owned())),
        Err(error) => error,
    };
    match Config::from_kubeconfig(&KubeConfigOptions::default()).await {
        Ok(config) => {
            let variable = std::env::var_os("KUBECONFIG").is_some();
            let source =
                if variable { "kubeconfig $KUBECONFIG" } else { "kubeconfig ~/.kube/config" };
            Ok((config, source.to_owned()))
        }
        Err(outside) => Err(StartError::NoCluster(format!("{inside}; {outside}"))),
    }
}

/// The pod's name; elsewhere the host's with an end that tells two processes apart.
fn identity() -> String {
    if let Some(pod) = std::env::var("POD_NAME").ok().filter(|pod| !pod.is_empty()) {
        return pod;
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = if host.trim().is_empty() { "causeway" } else { host.trim() };
    format!("{host}-{:08x}", fastrand::u32(..))
}
