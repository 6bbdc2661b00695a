//! A CA, certificates, mappings, a proxy and its connectors: what one test lives in.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use causeway::{
    config::{ConnectorConfig, ProxyConfig},
    connector::{self, RunningConnector},
    engine::Kind,
    proxy::{self, RunningProxy},
    telemetry::Records,
    tls::{Authority, Issued, Validity},
    worker::Plan,
};

use super::ClientFiles;

/// The name of the proxy in its certificate, its configuration and the endpoints.
pub const HOST: &str = "localhost";

/// One test's world. Everything ends when it is dropped.
pub struct World {
    pub kind: Kind,
    directory: tempfile::TempDir,
    pub authority: Authority,
    proxy: Option<RunningProxy>,
}

impl World {
    /// A CA, the proxy's certificate and an empty mapping directory; nothing runs yet.
    pub fn new(kind: Kind) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (authority, issued) = Authority::create("test CA", valid_now()).unwrap();
        fs::write(directory.path().join("ca.crt"), issued.certificate_pem).unwrap();
        fs::write(directory.path().join("ca.key"), issued.private_key_pem).unwrap();
        fs::create_dir(directory.path().join("mappings")).unwrap();
        let world = Self { kind, directory, authority, proxy: None };
        let server = world.authority.issue_server(&[HOST, "127.0.0.1"], valid_now()).unwrap();
        world.write_pair("server", &server);
        world
    }

    /// A world with a running proxy that maps `services` of subaccount `a` for the default
    /// location.
    pub fn with_services(kind: Kind, services: &[(&str, SocketAddr)]) -> Self {
        let mut world = Self::new(kind);
        for (service, address) in services {
            world.map("a", service, &address.to_string(), None);
        }
        world.start_proxy("");
        world
    }

    /// The path of one of the world's files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn base(&self) -> &Path {
        self.directory.path()
    }

    /// Writes `name.crt` and `name.key`.
    pub fn write_pair(&self, name: &str, issued: &Issued) -> ClientFiles {
        let (certificate, private_key) =
            (self.path(&format!("{name}.crt")), self.path(&format!("{name}.key")));
        fs::write(&certificate, &issued.certificate_pem).unwrap();
        fs::write(&private_key, &issued.private_key_pem).unwrap();
        ClientFiles { certificate, private_key }
    }

    /// Issues and writes the certificate of a subaccount's connector.
    pub fn client(&self, subaccount: &str, location: Option<&str>) -> ClientFiles {
        let issued = self.authority.issue_connector(subaccount, location, valid_now()).unwrap();
        let name = format!("client-{subaccount}-{}", location.unwrap_or("any"));
        self.write_pair(&name, &issued)
    }

    /// Writes a mapping file named after subaccount and service.
    pub fn map(&self, subaccount: &str, service: &str, address: &str, locations: Option<&[&str]>) {
        let mut text = format!(
            "apiVersion: connectivityproxy.sap.com/v1\nkind: ServiceMapping\nmetadata:\n  \
             name: {subaccount}-{service}\nspec:\n  type: TCP\n  subaccountId: {subaccount}\n  \
             serviceId: {service}\n  internalAddress: \"{address}\"\n"
        );
        if let Some(locations) = locations {
            text.push_str(&format!("  locationIds: {locations:?}\n"));
        }
        fs::write(self.mapping_file(subaccount, service), text).unwrap();
    }

    /// Deletes a mapping file.
    pub fn unmap(&self, subaccount: &str, service: &str) {
        fs::remove_file(self.mapping_file(subaccount, service)).unwrap();
    }

    fn mapping_file(&self, subaccount: &str, service: &str) -> PathBuf {
        self.path(&format!("mappings/{subaccount}-{service}.yaml"))
    }

    /// Starts the proxy; `more` is TOML appended to its configuration.
    pub fn start_proxy(&mut self, more: &str) {
        self.start_proxy_with(&self.proxy_config(more));
    }

    /// Starts the proxy on an address of the test's choice.
    pub fn start_proxy_on(&mut self, listen: SocketAddr, more: &str) {
        let mut config = self.proxy_config(more);
        config.tunnel.listen = listen;
        self.start_proxy_with(&config);
    }

    /// The configuration `start_proxy` uses, to be changed by the test.
    pub fn proxy_config(&self, more: &str) -> ProxyConfig {
        ProxyConfig::parse(&(self.proxy_toml("127.0.0.1:0") + more), self.base()).unwrap()
    }

    /// A proxy's configuration for this world, as text.
    pub fn proxy_toml(&self, listen: &str) -> String {
        format!(
            "[tunnel]\nlisten = \"{listen}\"\nexternal_host = \"{HOST}\"\n[tunnel.tls]\n\
             certificate = \"server.crt\"\nprivate_key = \"server.key\"\nclient_ca = \"ca.crt\"\n\
             [tenancy]\nmode = \"shared\"\n[mappings]\ndirectory = \"mappings\"\n"
        )
    }

    /// Starts the proxy with a configuration of the test's own.
    pub fn start_proxy_with(&mut self, config: &ProxyConfig) {
        self.proxy = Some(proxy::start(config, &self.plan("proxy")).unwrap());
    }

    /// Starts the proxy with one worker, for what each of them knows by itself.
    pub fn start_proxy_of_one(&mut self, more: &str) {
        let plan = Plan { cores: vec![None], ..self.plan("proxy") };
        self.proxy = Some(proxy::start(&self.proxy_config(more), &plan).unwrap());
    }

    /// Two workers, not pinned: several tests run side by side.
    pub fn plan(&self, role: &'static str) -> Plan {
        Plan { role, kind: self.kind, cores: vec![None; 2], records: Records::default() }
    }

    pub fn proxy(&self) -> &RunningProxy {
        self.proxy.as_ref().expect("the test started the proxy")
    }

    /// Ends the proxy, aborting what is left after `deadline`.
    pub fn stop_proxy(&mut self, deadline: Duration) -> usize {
        let proxy = self.proxy.take().expect("the test started the proxy");
        proxy.drain(Some(deadline))
    }

    pub fn proxy_address(&self) -> SocketAddr {
        self.proxy().address()
    }

    /// Starts a connector of subaccount `a` with one channel per service, and says where they
    /// listen.
    pub fn connector(&self, services: &[&str]) -> (RunningConnector, Vec<SocketAddr>) {
        let files = self.client("a", None);
        self.connector_with("a", "", &files, self.proxy_address().port(), services, "")
    }

    /// Starts a connector; `more` is TOML appended to its configuration.
    pub fn connector_with(
        &self,
        subaccount: &str,
        location: &str,
        files: &ClientFiles,
        proxy_port: u16,
        services: &[&str],
        more: &str,
    ) -> (RunningConnector, Vec<SocketAddr>) {
        let mut text = connector_head(subaccount, location, files);
        for service in services {
            text.push_str(&format!(
                "[[channel]]\nendpoint = \"tcp://{HOST}:{proxy_port}/{service}\"\n\
                 local_port = 0\nmode = \"{}\"\n",
                super::mode()
            ));
        }
        text.push_str(more);
        let running = self.connector_from(&text).unwrap();
        let addresses = running.channels().iter().map(|channel| channel.address.unwrap()).collect();
        (running, addresses)
    }

    /// Starts a connector with a configuration of the test's own.
    pub fn connector_from(&self, text: &str) -> Result<RunningConnector, connector::StartError> {
        let config = ConnectorConfig::parse(text, self.base()).unwrap();
        connector::start(&config, &self.plan("connector"))
    }
}

/// The part of a connector's configuration that says who it is.
pub fn connector_head(subaccount: &str, location: &str, files: &ClientFiles) -> String {
    format!(
        "[subaccount]\nid = \"{subaccount}\"\nlocation_id = \"{location}\"\n[tls]\n\
         certificate = {:?}\nprivate_key = {:?}\nca = \"ca.crt\"\n",
        files.certificate, files.private_key
    )
}

/// From five minutes ago for a day.
pub fn valid_now() -> Validity {
    let now = SystemTime::now();
    Validity {
        not_before: now - Duration::from_secs(300),
        not_after: now + Duration::from_secs(24 * 3600),
    }
}
