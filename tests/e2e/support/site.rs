//! An installation as an administrator makes it: certificates by `causeway pki`, the annotated
//! configuration files with only ports, names and paths replaced.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use causeway::engine::Kind;

use super::Process;

const SUBACCOUNT: &str = "11111111-2222-3333-4444-555555555555";

/// The directory with everything in it.
pub struct Site {
    directory: tempfile::TempDir,
    kind: Kind,
    json: bool,
}

impl Site {
    /// Certificates, and the mapping of the example for `service`.
    pub fn new(kind: Kind, service: SocketAddr, json: bool) -> Self {
        let site = Self { directory: tempfile::tempdir().unwrap(), kind, json };
        let dir = site.path("").display().to_string();
        for arguments in [
            &["pki", "init", "--dir", &dir][..],
            &["pki", "server", "--dir", &dir, "--host", "localhost"],
            &["pki", "connector", "--dir", &dir, "--subaccount", SUBACCOUNT],
        ] {
            let (status, said) = Process::causeway(arguments).end();
            assert!(status.success(), "{arguments:?}: {said}");
        }
        fs::create_dir(site.path("mappings")).unwrap();
        let inside = "echoserver.default.svc.cluster.local:8080";
        site.adapt("mappings/echoserver.yaml", &[(inside, &service.to_string())]);
        site
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Copies a file of `config/` with replacements, each of which must find something.
    pub fn adapt(&self, name: &str, replacements: &[(&str, &str)]) -> PathBuf {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config").join(name);
        let mut text = fs::read_to_string(example).unwrap();
        for (from, to) in replacements {
            assert!(text.contains(from), "{name} has no {from:?}");
            text = text.replace(from, to);
        }
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    fn common(&self) -> [(&str, String); 2] {
        let format = if self.json { "json" } else { "console" };
        [
            ("#engine = \"auto\"", format!("engine = \"{}\"", self.kind)),
            ("#format = \"console\"", format!("format = \"{format}\"")),
        ]
    }

    /// Writes proxy.toml, listening on `listen`.
    pub fn proxy_toml(&self, listen: &str) -> PathBuf {
        let listen = format!("listen = \"{listen}\"");
        let [engine, format] = self.common();
        self.adapt(
            "proxy.toml",
            &[
                ("listen = \"0.0.0.0:8042\"", &listen),
                ("\"cp.example.com\"", "\"localhost\""),
                ("127.0.0.1:9494", "127.0.0.1:0"),
                (engine.0, &engine.1),
                (format.0, &format.1),
            ],
        )
    }

    /// Writes connector.toml for a proxy on `port`.
    pub fn connector_toml(&self, port: u16) -> PathBuf {
        self.connector_toml_in("multiplexed", port)
    }

    /// The same with its channel in another mode.
    fn connector_toml_in(&self, mode: &str, port: u16) -> PathBuf {
        let endpoint = format!("tcp://localhost:{port}/echoserver");
        let [engine, format] = self.common();
        self.adapt(
            "connector.toml",
            &[
                ("tcp://cp.example.com:443/echoserver", &endpoint),
                ("local_port = 5001", "local_port = 0"),
                ("#mode = \"multiplexed\"", &format!("mode = \"{mode}\"")),
                ("127.0.0.1:8443", "127.0.0.1:0"),
                (engine.0, &engine.1),
                (format.0, &format.1),
            ],
        )
    }

    /// Starts both roles and says where they listen.
    pub fn start(&self) -> Running {
        self.start_with(&self.proxy_toml("127.0.0.1:0"))
    }

    /// The same with the channel in a mode.
    pub fn start_in(&self, mode: &str) -> Running {
        self.start_all(&self.proxy_toml("127.0.0.1:0"), mode)
    }

    /// The same with a proxy configured by the test.
    pub fn start_with(&self, proxy_toml: &Path) -> Running {
        self.start_all(proxy_toml, "multiplexed")
    }

    fn start_all(&self, proxy_toml: &Path, mode: &str) -> Running {
        let config = proxy_toml.display().to_string();
        let mut proxy = Process::causeway(&["proxy", "--config", &config]);
        let tunnel = proxy.address("proxy serves", "address");
        let proxy_admin = proxy.address("admin server listens", "address");
        let config = self.connector_toml_in(mode, tunnel.port()).display().to_string();
        let mut connector = Process::causeway(&["connector", "--config", &config]);
        let connector_admin = connector.address("admin server listens", "address");
        let channel = connector.address("channel listens", "local");
        connector.line("connector serves");
        Running { proxy, proxy_admin, connector, connector_admin, channel }
    }
}

/// Both roles as processes.
pub struct Running {
    pub proxy: Process,
    pub proxy_admin: SocketAddr,
    pub connector: Process,
    pub connector_admin: SocketAddr,
    pub channel: SocketAddr,
}
