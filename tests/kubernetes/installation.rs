//! Proxies under test: the real binary as a process, with a cluster as its source of mappings.

use std::{
    fs,
    io::Write,
    net::SocketAddr,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use causeway::engine::Kind as Engine;
use serde_json::Value;

use crate::{
    api::NAMESPACE,
    cluster::Cluster,
    support::{
        ClientFiles, DEADLINE, HOST, Process, TlsStream, World, connect_head, expect_established,
        get, tls_connect, wait_until,
    },
};

/// Certificates of one test, and how its proxies are configured.
pub struct Installation {
    pub world: World,
    pub client: ClientFiles,
    pub kubeconfig: String,
    /// Of this test alone, so that none waits for another's Lease to run out.
    pub lease: String,
    /// TOML appended to each configuration.
    pub more: String,
}

impl Installation {
    pub fn new(cluster: &Cluster) -> Self {
        Self::with_kubeconfig(&cluster.kubeconfig)
    }

    pub fn with_kubeconfig(kubeconfig: &Path) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let world = World::new(Engine::Epoll);
        let client = world.client("a", None);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let lease = format!("test-{}-{count}", std::process::id());
        let kubeconfig = kubeconfig.display().to_string();
        Self { world, client, kubeconfig, lease, more: String::new() }
    }

    /// Writes the configuration of a replica.
    pub fn config(&self, identity: &str) -> String {
        let text = format!(
            "[tunnel]\nlisten = \"127.0.0.1:0\"\nexternal_host = \"{HOST}\"\n[tunnel.tls]\n\
             certificate = \"server.crt\"\nprivate_key = \"server.key\"\nclient_ca = \"ca.crt\"\n\
             [tenancy]\nmode = \"shared\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [workers]\ncount = 1\n[mappings]\nkubernetes = true\n[kubernetes]\nkubeconfig = {:?}\n\
             namespace = \"{NAMESPACE}\"\nlease_name = \"{}\"\nidentity = \"{identity}\"\n{}",
            self.kubeconfig, self.lease, self.more
        );
        let path = self.world.path(&format!("{identity}.toml"));
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Starts a replica and waits until it serves.
    pub fn proxy(&self, identity: &str) -> Proxy {
        let mut process = Process::causeway(&["proxy", "--config", &self.config(identity)]);
        let admin = process.address("admin server listens", "address");
        let tunnel = process.address("proxy serves", "address");
        Proxy { process, tunnel, admin }
    }

    /// Starts a replica that leads.
    pub fn leader(&self, identity: &str) -> Proxy {
        let proxy = self.proxy(identity);
        proxy.wait_fact("leads", 1);
        proxy
    }

    /// Asks a proxy for a service; the status of its answer.
    pub fn ask(&self, proxy: &Proxy, service: &str) -> u16 {
        let (status, _stream) = self.open(proxy, service);
        status
    }

    /// Asks a proxy for a service; what follows a 200 is its stream.
    pub fn open(&self, proxy: &Proxy, service: &str) -> (u16, TlsStream) {
        let ca = self.world.path("ca.crt");
        let mut tls = tls_connect(proxy.tunnel, HOST, &ca, Some(&self.client));
        tls.write_all(&connect_head(service)).unwrap();
        let head = read_head(&mut tls);
        (head[9..12].parse().unwrap(), tls)
    }

    /// Opens a stream that must be had.
    pub fn stream(&self, proxy: &Proxy, service: &str) -> TlsStream {
        let ca = self.world.path("ca.crt");
        let mut tls = tls_connect(proxy.tunnel, HOST, &ca, Some(&self.client));
        tls.write_all(&connect_head(service)).unwrap();
        expect_established(&mut tls);
        tls
    }

    /// Asks until the answer is `status`; says how long that took.
    pub fn wait_answer(&self, proxy: &Proxy, service: &str, status: u16) -> Duration {
        let what = format!("CONNECT {service} is answered {status}");
        wait_until(&what, DEADLINE, || self.ask(proxy, service) == status)
    }
}

fn read_head(tls: &mut TlsStream) -> String {
    use std::io::Read;
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        tls.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

/// A replica that runs; killed when dropped.
pub struct Proxy {
    pub process: Process,
    pub tunnel: SocketAddr,
    pub admin: SocketAddr,
}

impl Proxy {
    /// The value of a metric; 0 where it is not shown.
    pub fn metric(&self, name: &str) -> u64 {
        let (_, text) = get(self.admin, "/metrics");
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.map_or(0, |value| value.parse().unwrap())
    }

    /// A metric of the cluster's side.
    pub fn fact(&self, name: &str) -> u64 {
        self.metric(&format!("causeway_kubernetes_{name}"))
    }

    /// Waits for a metric of the cluster's side; longer than a Lease holds.
    pub fn wait_fact(&self, name: &str, value: u64) -> Duration {
        let what = format!("kubernetes_{name} is {value}");
        wait_until(&what, DEADLINE * 2, || self.fact(name) == value)
    }

    /// Readiness: status code, reasons, notes; without the one that there are no events at all,
    /// which is so on a server of custom resources alone.
    pub fn readiness(&self) -> (u16, Vec<String>, Vec<String>) {
        let (code, body) = get(self.admin, "/readyz");
        let answer: Value = serde_json::from_str(&body).unwrap();
        let list =
            |key: &str| -> Vec<String> { serde_json::from_value(answer[key].clone()).unwrap() };
        let mut notes = list("notes");
        notes.retain(|note| !(note.contains(" 404 ") && note.contains("create events")));
        (code, list("reasons"), notes)
    }

    /// What `/status` says of the cluster.
    pub fn details(&self) -> Value {
        let (_, body) = get(self.admin, "/status");
        serde_json::from_str::<Value>(&body).unwrap()["details"]["kubernetes"].clone()
    }

    /// Waits for a problem that holds `text`.
    pub fn wait_problem(&self, text: &str) {
        let what = format!("a problem with {text:?}, not {}", self.details());
        let told = || self.details()["problems"].to_string().contains(text);
        wait_until(&what, DEADLINE * 2, told);
    }
}
