//! The files of the demo: the same certificates, mappings and configurations an administrator
//! would write, in a directory that goes away with the process.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::super::node::Failure;
use crate::{
    config::{ConnectorConfig, EngineChoice, ProxyConfig},
    tls::{Authority, Validity},
};

/// The demo's tenant.
pub(super) const SUBACCOUNT: &str = "demo";
/// The demo's service.
pub(super) const SERVICE: &str = "echoserver";
/// The name the proxy is reached by.
const HOST: &str = "localhost";

/// The directory and what it is filled with.
pub(super) struct Files {
    directory: tempfile::TempDir,
}

impl Files {
    /// Makes the directory, a CA, and the certificates of both sides.
    pub(super) fn make() -> Result<Self, Failure> {
        let files =
            Self { directory: tempfile::Builder::new().prefix("causeway-demo-").tempdir()? };
        let now = SystemTime::now();
        let validity = Validity {
            not_before: now - Duration::from_secs(300),
            not_after: now + Duration::from_secs(45 * 24 * 3600),
        };
        let (authority, issued) = Authority::create("Causeway demo CA", validity)?;
        fs::write(files.path("ca.crt"), issued.certificate_pem)?;
        let server = authority.issue_server(&[HOST, "127.0.0.1"], validity)?;
        let connector = authority.issue_connector(SUBACCOUNT, None, validity)?;
        for (name, issued) in [("server", server), ("connector", connector)] {
            fs::write(files.path(&format!("{name}.crt")), issued.certificate_pem)?;
            fs::write(files.path(&format!("{name}.key")), issued.private_key_pem)?;
        }
        fs::create_dir(files.path("mappings"))?;
        Ok(files)
    }

    /// The path of one of the files.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn base(&self) -> &Path {
        self.directory.path()
    }

    /// Writes the mapping of the echo service and reads the proxy's configuration.
    pub(super) fn proxy(
        &self,
        service: SocketAddr,
        engine: EngineChoice,
    ) -> Result<ProxyConfig, Failure> {
        let mapping = format!(
            "apiVersion: connectivityproxy.sap.com/v1\nkind: ServiceMapping\n\
             metadata:\n  name: sm\nspec:\n  type: TCP\n  \
             subaccountId: {SUBACCOUNT}\n  serviceId: {SERVICE}\n  \
             internalAddress: {service}\n"
        );
        fs::write(self.path("mappings/echoserver.yaml"), mapping)?;
        let text = format!(
            "[tunnel]\nlisten = \"127.0.0.1:0\"\nexternal_host = \"{HOST}\"\n\
             [tunnel.tls]\ncertificate = \"server.crt\"\nprivate_key = \"server.key\"\n\
             client_ca = \"ca.crt\"\n[tenancy]\nmode = \"shared\"\n[mappings]\n\
             directory = \"mappings\"\n"
        );
        let mut config = ProxyConfig::parse(&text, self.base())?;
        config.workers.engine = engine;
        Ok(config)
    }

    /// The connector's configuration for a proxy on `port`, with its channel on `local_port`.
    pub(super) fn connector(
        &self,
        port: u16,
        local_port: u16,
        engine: EngineChoice,
    ) -> Result<ConnectorConfig, Failure> {
        let text = format!(
            "[subaccount]\nid = \"{SUBACCOUNT}\"\n[tls]\ncertificate = \"connector.crt\"\n\
             private_key = \"connector.key\"\nca = \"ca.crt\"\n[[channel]]\n\
             endpoint = \"tcp://{HOST}:{port}/{SERVICE}\"\nlocal_port = {local_port}\n"
        );
        let mut config = ConnectorConfig::parse(&text, self.base())?;
        config.workers.engine = engine;
        Ok(config)
    }
}
