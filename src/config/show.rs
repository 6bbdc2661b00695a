//! The effective configuration as JSON, in the tables and keys of the files, with every default
//! filled in and every secret masked. Each struct is taken apart whole, so that the compiler asks
//! for a key that is new.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::{
    AdminConfig, AuditConfig, AuditSink, ChannelConfig, ChannelType, ConnectorConfig,
    ConnectorLimits, KubernetesConfig, ListenerTls, LogConfig, LogFormat, MappingsConfig, Mode,
    OutboundProxy, Pin, ProbesConfig, ProxyConfig, ProxyLimits, QuotaConfig, TenancyConfig,
    TracesConfig, TunnelConfig, TunnelTls, WebhookConfig, WorkersConfig,
};

impl ProxyConfig {
    /// The configuration as its file would say it in full.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self {
            tunnel: of,
            tenancy: whom,
            mappings,
            workers: crew,
            limits,
            admin: at,
            log: says,
            audit: recorded,
            traces,
            file: _,
        } = self;
        let (directory, cluster) = match mappings {
            MappingsConfig::Directory(directory) => (Some(path(directory)), None),
            MappingsConfig::Kubernetes(cluster) => (None, Some(kubernetes(cluster))),
        };
        json!({
            "tunnel": tunnel(of),
            "tenancy": tenancy(whom),
            "mappings": { "directory": directory, "kubernetes": cluster.is_some() },
            "kubernetes": cluster,
            "workers": workers(crew),
            "limits": proxy_limits(limits),
            "admin": at.as_ref().map(admin),
            "log": log(says),
            "audit": audit(recorded),
            "tracing": traces.as_ref().map(tracing),
        })
    }
}

impl ConnectorConfig {
    /// The configuration as its file would say it in full.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let Self {
            own,
            allow_tls12,
            channels,
            local_tls,
            management,
            outbound_proxy: way,
            workers: crew,
            limits:
                ConnectorLimits {
                    dial_timeout,
                    half_closed_timeout,
                    idle_timeout,
                    drain_delay,
                    drain_deadline,
                    memory_bytes_max,
                },
            admin: at,
            log: says,
            audit: recorded,
            traces,
            file: _,
        } = self;
        json!({
            "subaccount": own.as_ref().map(|own| {
                json!({ "id": own.id, "location_id": own.location })
            }),
            "tls": {
                "certificate": own.as_ref().map(|own| path(&own.certificate)),
                "private_key": own.as_ref().map(|own| path(&own.private_key)),
                "ca": own.as_ref().map(|own| path(&own.ca)),
                "allow_tls12": allow_tls12,
            },
            "management": management.as_ref().map(|directory| {
                json!({ "directory": path(directory) })
            }),
            "channel": channels.iter().map(channel).collect::<Vec<_>>(),
            "local_tls": local_tls.as_ref().map(listener_tls),
            "outbound_proxy": way.as_ref().map(outbound_proxy),
            "workers": workers(crew),
            "limits": {
                "dial_timeout_seconds": seconds(*dial_timeout),
                "half_closed_timeout_seconds": seconds(*half_closed_timeout),
                "idle_timeout_seconds": seconds(idle_timeout.unwrap_or_default()),
                "drain_delay_seconds": seconds(*drain_delay),
                "drain_deadline_seconds": seconds(*drain_deadline),
                "memory_bytes_max": memory_bytes_max,
            },
            "admin": at.as_ref().map(admin),
            "log": log(says),
            "audit": audit(recorded),
            "tracing": traces.as_ref().map(tracing),
        })
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

fn seconds(time: Duration) -> u64 {
    time.as_secs()
}

fn tunnel(tunnel: &TunnelConfig) -> Value {
    let TunnelConfig { listen, external_host, external_port, strict_sni, tls } = tunnel;
    let TunnelTls { certificate, private_key, client_ca, crl, allow_tls12 } = tls;
    json!({
        "listen": listen.to_string(),
        "external_host": external_host,
        "external_port": external_port,
        "strict_sni": strict_sni,
        "tls": {
            "certificate": path(certificate),
            "private_key": path(private_key),
            "client_ca": path(client_ca),
            "crl": crl.as_deref().map(path),
            "allow_tls12": allow_tls12,
        },
    })
}

fn tenancy(tenancy: &TenancyConfig) -> Value {
    match tenancy {
        TenancyConfig::Dedicated { subaccount } => {
            json!({ "mode": "dedicated", "subaccount_id": subaccount })
        }
        TenancyConfig::Shared => json!({ "mode": "shared", "subaccount_id": null }),
    }
}

fn kubernetes(cluster: &KubernetesConfig) -> Value {
    let KubernetesConfig { kubeconfig, namespace, lease_name, identity, webhook } = cluster;
    json!({
        "kubeconfig": kubeconfig.as_deref().map(path),
        "namespace": namespace,
        "lease_name": lease_name,
        "identity": identity,
        "webhook": webhook.as_ref().map(|WebhookConfig { listen, certificate, private_key }| json!({
            "listen": listen.to_string(),
            "certificate": path(certificate),
            "private_key": path(private_key),
        })),
    })
}

fn proxy_limits(limits: &ProxyLimits) -> Value {
    let ProxyLimits {
        dial_timeout,
        half_closed_timeout,
        idle_timeout,
        drain_delay,
        drain_deadline,
        quotas,
        memory_bytes_max,
        streams_per_tunnel_max,
        handshakes_per_second_max,
        offender_handshakes_per_second,
    } = limits;
    let QuotaConfig { streams_max, tunnels_max, opens_per_second_max, bytes_per_second_max } =
        &quotas.default;
    json!({
        "dial_timeout_seconds": seconds(*dial_timeout),
        "half_closed_timeout_seconds": seconds(*half_closed_timeout),
        "idle_timeout_seconds": seconds(idle_timeout.unwrap_or_default()),
        "drain_delay_seconds": seconds(*drain_delay),
        "drain_deadline_seconds": seconds(*drain_deadline),
        "streams_per_subaccount_max": streams_max,
        "tunnels_per_subaccount_max": tunnels_max,
        "opens_per_second_per_subaccount_max": opens_per_second_max,
        "bytes_per_second_per_subaccount_max": bytes_per_second_max,
        "subaccount": quotas.subaccounts.iter().map(quota).collect::<Vec<_>>(),
        "memory_bytes_max": memory_bytes_max,
        "streams_per_tunnel_max": streams_per_tunnel_max,
        "handshakes_per_second_max": handshakes_per_second_max,
        "offender_handshakes_per_second": offender_handshakes_per_second,
    })
}

fn quota((subaccount, quota): (&String, &QuotaConfig)) -> Value {
    let QuotaConfig { streams_max, tunnels_max, opens_per_second_max, bytes_per_second_max } =
        quota;
    json!({
        "id": subaccount,
        "streams_max": streams_max,
        "tunnels_max": tunnels_max,
        "opens_per_second_max": opens_per_second_max,
        "bytes_per_second_max": bytes_per_second_max,
    })
}

fn workers(workers: &WorkersConfig) -> Value {
    let WorkersConfig { count, engine, pin } = workers;
    let pin = match pin {
        Pin::Auto => "auto",
        Pin::Always => "always",
        Pin::Never => "never",
    };
    json!({ "count": count, "engine": engine.to_string(), "pin": pin })
}

fn channel(channel: &ChannelConfig) -> Value {
    let ChannelConfig {
        endpoint,
        service_type,
        local,
        connections,
        mode,
        warm_connections,
        allowed_sources,
        bytes_per_second_max,
        tls,
        enabled,
    } = channel;
    let kind = match service_type {
        ChannelType::Tcp => "TCP",
        ChannelType::Rfc => "RFC",
    };
    let mode = match mode {
        Mode::Multiplexed => "multiplexed",
        Mode::Direct => "direct",
    };
    json!({
        "endpoint": endpoint.to_string(),
        "type": kind,
        "local_address": local.ip().to_string(),
        "local_port": local.port(),
        "connections": connections,
        "mode": mode,
        "warm_connections": warm_connections,
        "allowed_sources": allowed_sources.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "bytes_per_second_max": bytes_per_second_max,
        "tls": tls,
        "enabled": enabled,
    })
}

fn outbound_proxy(proxy: &OutboundProxy) -> Value {
    let OutboundProxy { host: _, port: _, username, password } = proxy;
    json!({
        "url": format!("http://{}", proxy.authority()),
        "username": username,
        // Shows stars.
        "password": password.as_ref().map(ToString::to_string),
    })
}

fn admin(admin: &AdminConfig) -> Value {
    let AdminConfig { listen, tls, token_file, accounts: _, open_metrics, probes } = admin;
    json!({
        "listen": listen.map(|listen| listen.to_string()),
        "token_file": token_file.as_deref().map(path),
        "open_metrics": open_metrics,
        "tls": tls.as_ref().map(listener_tls),
        "probes": probes.as_ref().map(|ProbesConfig { listen, metrics }| json!({
            "listen": listen.to_string(),
            "metrics": metrics,
        })),
    })
}

fn listener_tls(tls: &ListenerTls) -> Value {
    let ListenerTls { certificate, private_key, client_ca } = tls;
    json!({
        "certificate": path(certificate),
        "private_key": path(private_key),
        "client_ca": client_ca.as_deref().map(path),
    })
}

fn log(log: &LogConfig) -> Value {
    let LogConfig { format, level } = log;
    let format = match format {
        LogFormat::Console => "console",
        LogFormat::Json => "json",
    };
    json!({ "format": format, "level": level })
}

fn audit(audit: &AuditConfig) -> Value {
    let AuditConfig { sink, queue_events, required } = audit;
    let (sink, file, rotate_bytes, keep_files) = match sink {
        AuditSink::Stdout => ("stdout", None, None, None),
        AuditSink::Off => ("off", None, None, None),
        AuditSink::File { path: file, rotate_bytes, keep_files } => {
            ("file", Some(path(file)), Some(rotate_bytes), Some(keep_files))
        }
    };
    json!({
        "sink": sink,
        "file": file,
        "rotate_bytes": rotate_bytes,
        "keep_files": keep_files,
        "queue_events": queue_events,
        "required": required,
    })
}

fn tracing(traces: &TracesConfig) -> Value {
    let TracesConfig { host, port, path, sample_ratio } = traces;
    json!({
        "otlp_endpoint": format!("http://{host}:{port}{path}"),
        "sample_ratio": sample_ratio,
    })
}
