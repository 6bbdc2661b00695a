//! The clusters tests run against, and the list of tests.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use libtest_mimic::Trial;

use crate::{api::Api, support::HeldPort};

/// What kind of cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The full API server of Kubernetes 1.20: RBAC, Leases, events; no validation rules.
    Full,
    /// Custom resources of Kubernetes 1.36: validation rules; no core API, no RBAC.
    Crds,
    /// Whatever `KUBECONFIG` names.
    Real,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Crds => "crds",
            Self::Real => "cluster",
        }
    }

    /// Whether it has more than custom resources.
    pub fn has_core(self) -> bool {
        self != Self::Crds
    }
}

/// A cluster that runs.
pub struct Cluster {
    pub kind: Kind,
    pub kubeconfig: PathBuf,
    pub api: Api,
    own: Option<Own>,
}

/// One of our own, which tests may stop.
struct Own {
    directory: tempfile::TempDir,
    ports: [HeldPort; 3],
}

/// Where the repository is.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn servers(arguments: &[&str]) -> Result<(), String> {
    let script = root().join("tests/kubernetes/servers.sh");
    let mut command = Command::new(script);
    // Longer than any run; they end by themselves if we do not.
    command.args(arguments).env("CAUSEWAY_KUBERNETES_LIMIT", "3600");
    let output = command.output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("servers.sh {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

impl Cluster {
    fn start(kind: Kind) -> Self {
        if kind == Kind::Real {
            let kubeconfig = PathBuf::from(std::env::var_os("KUBECONFIG").expect("KUBECONFIG"));
            let api = Api::new(&kubeconfig);
            api.prepare(kind);
            return Self { kind, kubeconfig, api, own: None };
        }
        let ports = [(); 3].map(|()| HeldPort::new());
        let own = Own { directory: tempfile::tempdir().unwrap(), ports };
        let kubeconfig = own.directory.path().join("kubeconfig");
        own.up(kind);
        let api = Api::new(&kubeconfig);
        api.prepare(kind);
        Self { kind, kubeconfig, api, own: Some(own) }
    }

    /// A file of the certificates of one of our own clusters.
    pub fn pki(&self, name: &str) -> PathBuf {
        let own = self.own.as_ref().expect("a cluster of our own");
        own.directory.path().join("pki").join(name)
    }

    /// The port of the API server of one of our own clusters.
    pub fn port(&self) -> u16 {
        self.own.as_ref().expect("a cluster of our own").ports[0].address.port()
    }

    /// Stops the API server.
    pub fn stop_api(&self) {
        let own = self.own.as_ref().expect("a cluster of our own");
        servers(&["down", own.directory.path().to_str().unwrap(), "apiserver"]).unwrap();
    }

    /// Starts it again.
    pub fn start_api(&self) {
        self.own.as_ref().expect("a cluster of our own").up(self.kind);
    }
}

impl Own {
    fn up(&self, kind: Kind) {
        let [api, etcd, peer] =
            [0, 1, 2].map(|index: usize| self.ports[index].address.port().to_string());
        let directory = self.directory.path().to_str().unwrap();
        servers(&["up", kind.name(), directory, &api, &etcd, &peer]).unwrap();
    }
}

static RUNNING: Mutex<Vec<Arc<Cluster>>> = Mutex::new(Vec::new());

fn running(kind: Kind) -> Arc<Cluster> {
    let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = running.iter().find(|cluster| cluster.kind == kind) {
        return found.clone();
    }
    let cluster = Arc::new(Cluster::start(kind));
    running.push(cluster.clone());
    cluster
}

/// Stops every cluster of ours.
pub fn stop_all() {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

impl Drop for Own {
    fn drop(&mut self) {
        if let Err(why) = servers(&["down", self.directory.path().to_str().unwrap()]) {
            eprintln!("{why}");
        }
    }
}

/// Collects tests.
pub struct Suite {
    trials: Vec<Trial>,
    kinds: Vec<(Kind, bool)>,
}

impl Suite {
    /// Finds out which clusters there are.
    pub fn new() -> Self {
        if std::env::var("CAUSEWAY_TEST_CLUSTER").is_ok_and(|value| value == "1") {
            return Self { trials: Vec::new(), kinds: vec![(Kind::Real, true)] };
        }
        let kinds = [Kind::Full, Kind::Crds].map(|kind| {
            let built = servers(&["built", kind.name()]).is_ok();
            if !built {
                eprintln!(
                    "SKIPPED: every test against the API server {:?}, they are not counted as \
                     passed: it is not built; run tests/kubernetes/servers.sh build",
                    kind.name()
                );
            }
            (kind, built)
        });
        Self { trials: Vec::new(), kinds: kinds.to_vec() }
    }

    /// Adds a test for every cluster.
    pub fn every(&mut self, name: &str, test: fn(&Cluster)) {
        self.add(name, test, |_| true);
    }

    /// Adds a test for those with a core API.
    pub fn with_core(&mut self, name: &str, test: fn(&Cluster)) {
        self.add(name, test, Kind::has_core);
    }

    /// Adds a test for our own, whose certificates it needs or which it stops.
    pub fn own(&mut self, name: &str, test: fn(&Cluster)) {
        self.add(name, test, |kind| kind != Kind::Real);
    }

    /// Adds a test for one kind.
    pub fn only(&mut self, kind: Kind, name: &str, test: fn(&Cluster)) {
        for (known, runs) in self.kinds.clone() {
            if known == kind {
                self.trial(known, runs, name, test);
            }
        }
    }

    fn add(&mut self, name: &str, test: fn(&Cluster), fits: fn(Kind) -> bool) {
        for (kind, runs) in self.kinds.clone() {
            if fits(kind) {
                self.trial(kind, runs, name, test);
            }
        }
    }

    fn trial(&mut self, kind: Kind, runs: bool, name: &str, test: fn(&Cluster)) {
        let trial = Trial::test(format!("{name}::{}", kind.name()), move || {
            let cluster = running(kind);
            cluster.api.clean();
            test(&cluster);
            cluster.api.clean();
            Ok(())
        });
        self.trials.push(trial.with_ignored_flag(!runs));
    }

    pub fn into_trials(self) -> Vec<Trial> {
        assert!(!self.trials.is_empty(), "the suite has no tests");
        self.trials
    }
}

/// A temporary directory for the whole run.
pub fn scratch() -> &'static Path {
    static SCRATCH: OnceLock<tempfile::TempDir> = OnceLock::new();
    SCRATCH.get_or_init(|| tempfile::tempdir().unwrap()).path()
}
