//! What a proxy's configuration names: whom it serves and which certificates.

use std::time::SystemTime;

use crate::{
    config::{ProxyConfig, TenancyConfig},
    mapping::Tenancy,
    tls::{Alpn, MaterialError, ServerFiles, ServerMaterial, load_server},
};

/// Whom the proxy serves, in the words of the mappings.
#[must_use]
pub fn tenancy(config: &ProxyConfig) -> Tenancy {
    match &config.tenancy {
        TenancyConfig::Dedicated { subaccount } => {
            Tenancy::Dedicated { subaccount: subaccount.clone() }
        }
        TenancyConfig::Shared => Tenancy::Shared,
    }
}

/// The files of the tunnel listener's certificates.
pub(super) fn server_files(config: &ProxyConfig) -> ServerFiles {
    let tls = &config.tunnel.tls;
    ServerFiles {
        certificate: tls.certificate.clone(),
        private_key: tls.private_key.clone(),
        client_ca: tls.client_ca.clone(),
        crl: tls.crl.clone(),
    }
}

/// Reads and checks the tunnel listener's certificates.
///
/// # Errors
/// Which file is wrong, how, and what to do.
pub fn load_material(config: &ProxyConfig) -> Result<ServerMaterial, MaterialError> {
    let allow_tls12 = config.tunnel.tls.allow_tls12;
    load_server(&server_files(config), &[Alpn::H2, Alpn::Http1], allow_tls12, SystemTime::now())
}
