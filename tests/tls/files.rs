//! A CA and the files of both sides in a directory of their own.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use causeway::tls::{
    Alpn, Authority, ClientFiles, ClientMaterial, Issued, Revoked, ServerFiles, ServerMaterial,
    Validity, load_client, load_server,
};
use tempfile::TempDir;

pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

pub(crate) fn valid_now() -> Validity {
    let now = SystemTime::now();
    Validity { not_before: now - DAY, not_after: now + DAY }
}

pub(crate) struct Files {
    pub(crate) dir: TempDir,
    pub(crate) authority: Authority,
}

impl Files {
    /// A CA, a server "proxy.test" / 127.0.0.1 and a connector of subaccount "acme".
    pub(crate) fn new() -> Self {
        let (authority, _) = Authority::create("Test CA", valid_now()).unwrap();
        let files = Self { dir: tempfile::tempdir().unwrap(), authority };
        files.write("ca.crt", files.authority.certificate_pem());
        let server =
            files.authority.issue_server(&["proxy.test", "127.0.0.1"], valid_now()).unwrap();
        files.write_pair("server", &server);
        let connector = files.authority.issue_connector("acme", None, valid_now()).unwrap();
        files.write_pair("connector", &connector);
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    pub(crate) fn write_pair(&self, name: &str, issued: &Issued) {
        self.write(&format!("{name}.crt"), &issued.certificate_pem);
        self.write(&format!("{name}.key"), &issued.private_key_pem);
    }

    pub(crate) fn revoke(&self, certificate: &str) {
        let pem = fs::read_to_string(self.path(certificate)).unwrap();
        let serial = self.authority.serial_of(&pem).unwrap();
        let revoked = BTreeMap::from([(serial, Revoked { since: SystemTime::now() })]);
        let list = self.authority.revocation_list(&revoked, 1, valid_now()).unwrap();
        self.write("ca.crl", &list);
    }

    pub(crate) fn server_files(&self) -> ServerFiles {
        let crl = self.path("ca.crl");
        ServerFiles {
            certificate: self.path("server.crt"),
            private_key: self.path("server.key"),
            client_ca: self.path("ca.crt"),
            crl: crl.exists().then_some(crl),
        }
    }

    pub(crate) fn client_files(&self) -> ClientFiles {
        ClientFiles {
            certificate: self.path("connector.crt"),
            private_key: self.path("connector.key"),
            ca: self.path("ca.crt"),
        }
    }

    pub(crate) fn server(&self) -> ServerMaterial {
        let alpn = [Alpn::H2, Alpn::Http1];
        load_server(&self.server_files(), &alpn, false, SystemTime::now()).unwrap()
    }

    pub(crate) fn client(&self) -> ClientMaterial {
        self.client_speaking(&[Alpn::H2])
    }

    pub(crate) fn client_speaking(&self, alpn: &[Alpn]) -> ClientMaterial {
        load_client(&self.client_files(), alpn, false, SystemTime::now()).unwrap()
    }
}
