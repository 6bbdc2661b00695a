//! A proxy and its eyes in a cluster, which do not know each other.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::sync::oneshot;

use super::node::{Failure, Node};
use crate::{
    config::{KubernetesConfig, ProxyConfig},
    kubernetes::{self, RunningKubernetes},
    mapping::Snapshot,
    proxy::{self, RunningProxy},
    telemetry::{Counters, Fact, News},
    worker::Plan,
};

/// A running proxy, with what brings its mappings where that is a cluster.
pub struct ProxyNode {
    /// The proxy.
    pub proxy: Arc<RunningProxy>,
    /// Its eyes.
    pub kubernetes: Option<RunningKubernetes>,
}

/// Hands snapshots on to the proxy, and keeps the last one while there is none.
#[derive(Default)]
struct Handover {
    proxy: OnceLock<Arc<RunningProxy>>,
    waiting: Mutex<Option<Snapshot>>,
}

impl Handover {
    fn publish(&self, snapshot: Snapshot) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match self.proxy.get() {
            Some(proxy) => proxy.publish(snapshot),
            None => *waiting = Some(snapshot),
        }
    }

    fn first(&self) -> Option<Snapshot> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// From here on snapshots go to the proxy; one that came while it started goes first.
    fn connect(&self, proxy: &Arc<RunningProxy>) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(snapshot) = waiting.take() {
            proxy.publish(snapshot);
        }
        let _ = self.proxy.set(proxy.clone());
    }
}

/// Starts a proxy, after its mappings are known where a cluster has them.
///
/// # Errors
/// In words for whoever started it.
pub fn start(config: &ProxyConfig, plan: &Plan) -> Result<ProxyNode, Failure> {
    let Some(cluster) = config.mappings.kubernetes() else {
        let proxy = Arc::new(proxy::start(config, plan)?);
        return Ok(ProxyNode { proxy, kubernetes: None });
    };
    let handover = Arc::new(Handover::default());
    let kubernetes = kubernetes::start(settings(config, cluster, handover.clone()))?;
    if !kubernetes.wait_synced(kubernetes::FIRST_LIST) {
        let why = kubernetes.unready().unwrap_or_default();
        tracing::warn!(why, "the proxy listens without mappings and is not ready");
    }
    let first = handover.first().unwrap_or_default();
    let proxy = Arc::new(proxy::start_with(config, plan, Some(first))?);
    handover.connect(&proxy);
    Ok(ProxyNode { proxy, kubernetes: Some(kubernetes) })
}

fn settings(
    config: &ProxyConfig,
    cluster: &KubernetesConfig,
    handover: Arc<Handover>,
) -> kubernetes::Settings {
    let endpoints = config.clone();
    kubernetes::Settings {
        config: cluster.clone(),
        tenancy: proxy::tenancy(config),
        endpoint: Box::new(move |service| endpoints.endpoint(service).to_string()),
        publish: Box::new(move |snapshot| handover.publish(snapshot)),
    }
}

impl Node for ProxyNode {
    fn role(&self) -> &'static str {
        self.proxy.role()
    }

    fn unready(&self) -> Vec<String> {
        let cluster = self.kubernetes.as_ref().and_then(RunningKubernetes::unready);
        self.proxy.unready().into_iter().chain(cluster).collect()
    }

    fn look(&self) -> Option<oneshot::Receiver<()>> {
        self.proxy.look()
    }

    fn notes(&self) -> Vec<String> {
        self.kubernetes.as_ref().map_or_else(Vec::new, RunningKubernetes::notes)
    }

    fn take_news(&self) -> (Vec<(usize, News)>, Vec<String>) {
        self.proxy.take_news()
    }

    fn counters(&self) -> &[Arc<Counters>] {
        self.proxy.counters()
    }

    fn facts(&self) -> Vec<(Fact, u64)> {
        let mut facts = self.proxy.facts();
        facts.extend(self.kubernetes.iter().flat_map(RunningKubernetes::facts));
        facts
    }

    fn details(&self) -> serde_json::Value {
        let mut details = Node::details(&*self.proxy);
        if let Some(kubernetes) = &self.kubernetes {
            details["kubernetes"] = kubernetes.details();
        }
        details
    }

    fn silent(&self) -> Vec<usize> {
        Node::silent(&*self.proxy)
    }
}
