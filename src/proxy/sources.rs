//! What a proxy's configuration names: whom it serves and which certificates.

use std::time::SystemTime;

use super::role::Settings;
use crate::{
    config::{ProxyConfig, TenancyConfig},
    mapping::{Quota, Tenancy},
    tls::{Alpn, MaterialError, ServerFiles, ServerMaterial, load_server},
    tunnel::Timeouts,
    worker::memory_share,
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

/// What a subaccount may use, in the words of the mappings.
pub(super) fn quotas(config: &ProxyConfig) -> impl Fn(&str) -> Quota {
    let quotas = &config.limits.quotas;
    move |subaccount| {
        let quota = quotas.of(subaccount);
        Quota {
            streams_max: quota.streams_max,
            tunnels_max: quota.tunnels_max,
            opens_per_second_max: quota.opens_per_second_max,
            bytes_per_second_max: quota.bytes_per_second_max,
        }
    }
}

/// What each of `workers` workers needs to know.
pub(super) fn settings(config: &ProxyConfig, workers: usize) -> Settings {
    let limits = &config.limits;
    let strict = config.tunnel.strict_sni
        && config.tunnel.external_host.parse::<std::net::IpAddr>().is_err();
    Settings {
        // An address cannot be sent as SNI (RFC 6066 §3), so there is nothing to hold it against.
        server_names: if strict { vec![config.tunnel.external_host.clone()] } else { Vec::new() },
        listen: config.tunnel.listen.ip(),
        timeouts: Timeouts { idle: limits.idle_timeout, half_closed: limits.half_closed_timeout },
        dial_timeout: limits.dial_timeout,
        streams_per_tunnel_max: limits.streams_per_tunnel_max,
        strangers_per_second: limits.handshakes_per_second_max,
        offenders_per_second: limits.offender_handshakes_per_second,
        memory_bytes_max: memory_share(limits.memory_bytes_max, workers),
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
