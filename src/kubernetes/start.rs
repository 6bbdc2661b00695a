//! The cluster's thread: one runtime, apart from the workers and from the admin server.

use std::{
    rc::Rc,
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use tokio::{
    runtime::{self, Runtime},
    sync::{mpsc, oneshot},
    task::LocalSet,
};

use super::{
    client::{self, Connection, StartError},
    cluster::Cluster,
    events,
    health::Health,
    lease, publish, reach, watch, webhook, writer,
};
use crate::{
    config::KubernetesConfig,
    limits,
    mapping::{Snapshot, Tenancy},
    telemetry::Fact,
};

/// Takes the mappings in force, each time they change. Called on the cluster's thread.
pub type Publish = Box<dyn Fn(Snapshot) + Send>;

/// What the proxy tells its eyes in the cluster.
pub struct Settings {
    /// How the cluster is reached.
    pub config: KubernetesConfig,
    /// Whom the proxy serves.
    pub tenancy: Tenancy,
    /// The endpoint of a service, for the status.
    pub endpoint: Box<dyn Fn(&str) -> String + Send>,
    /// Where the mappings go.
    pub publish: Publish,
}

/// The running thread; dropping it ends it.
pub struct RunningKubernetes {
    health: Arc<Health>,
    /// What the thread is told; gone to end it.
    orders: Option<mpsc::UnboundedSender<Order>>,
    thread: Option<JoinHandle<()>>,
}

enum Order {
    Resign(oneshot::Sender<()>),
}

/// Finds the cluster and starts to watch its mappings.
///
/// # Errors
/// When there is no cluster to ask; that its API does not answer is none.
pub fn start(settings: Settings) -> Result<RunningKubernetes, StartError> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("kubernetes-ask")
        .build()?;
    let connection = runtime.block_on(client::connect(&settings.config))?;
    let source = connection.source.clone();
    tracing::info!(
        target: "causeway::kubernetes", source, namespace = connection.namespace,
        lease = settings.config.lease_name, identity = connection.identity,
        "service mappings come from a cluster"
    );
    let webhook = settings.config.webhook.as_ref().map(webhook::listen).transpose()?;
    let health = Arc::new(Health::new(source));
    let (orders, taken) = mpsc::unbounded_channel();
    let thread = {
        let health = health.clone();
        thread::Builder::new()
            .name("kubernetes".to_owned())
            .spawn(move || run(runtime, settings, (connection, webhook), health, taken))?
    };
    Ok(RunningKubernetes { health, orders: Some(orders), thread: Some(thread) })
}

/// Name resolution and reading tokens from files; more queue up behind them.
const BLOCKING_THREADS: usize = 8;

fn run(
    runtime: Runtime,
    settings: Settings,
    (connection, webhook): (Connection, Option<webhook::Webhook>),
    health: Arc<Health>,
    mut orders: mpsc::UnboundedReceiver<Order>,
) {
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async move {
        let cluster = Rc::new(Cluster::new(settings, connection, health));
        let (tell, told) = events::channel();
        tokio::task::spawn_local(watch::follow(cluster.clone()));
        tokio::task::spawn_local(publish::publish(cluster.clone()));
        tokio::task::spawn_local(lease::hold(cluster.clone()));
        tokio::task::spawn_local(writer::write(cluster.clone(), tell));
        tokio::task::spawn_local(events::write(cluster.clone(), told));
        tokio::task::spawn_local(reach::dial(cluster.clone()));
        if let Some(webhook) = webhook {
            tokio::task::spawn_local(webhook::serve(cluster.clone(), webhook));
        }
        while let Some(Order::Resign(done)) = orders.recv().await {
            lease::resign(&cluster).await;
            // Nobody waits for it any more.
            let _ = done.send(());
        }
        lease::resign(&cluster).await;
    });
    // A name that does not resolve must not keep the process.
    runtime.shutdown_background();
}

impl RunningKubernetes {
    /// Waits until the mappings were listed once; says whether they were in time.
    pub fn wait_synced(&self, timeout: Duration) -> bool {
        self.health.wait_synced(timeout)
    }

    /// Gives the Lease back for good, so that another replica leads at once; the watch goes on.
    pub fn resign(&self) {
        let (done, wait) = oneshot::channel();
        if let Some(orders) = &self.orders
            && orders.send(Order::Resign(done)).is_ok()
        {
            // The thread answers after one request at most, or is gone.
            let _ = wait.blocking_recv();
        }
    }

    /// Why no connector should be sent here.
    pub fn unready(&self) -> Option<String> {
        self.health.unready()
    }

    /// What is wrong and no reason against connectors.
    pub fn notes(&self) -> Vec<String> {
        self.health.notes()
    }

    /// What an operator wants to know.
    pub fn details(&self) -> serde_json::Value {
        self.health.details()
    }

    /// Numbers for the metrics.
    pub fn facts(&self) -> Vec<(Fact, u64)> {
        self.health.facts()
    }
}

impl Drop for RunningKubernetes {
    fn drop(&mut self) {
        drop(self.orders.take());
        if let Some(thread) = self.thread.take() {
            // A panic over there has been printed over there.
            let _ = thread.join();
        }
    }
}

/// How long a proxy that starts waits for its mappings.
pub const FIRST_LIST: Duration = limits::KUBERNETES_FIRST_LIST;
