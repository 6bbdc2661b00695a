//! What files become.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use causeway::config::{
    Config, Endpoint, EngineChoice, LogFormat, Mode, Pin, Secret, TenancyConfig,
};
use causeway::limits;

use crate::{CONNECTOR, PROXY, connector, proxy};

#[test]
fn a_short_proxy_file_has_every_default() {
    let config = proxy(PROXY).unwrap();
    assert_eq!(config.tunnel.listen, "0.0.0.0:8042".parse::<SocketAddr>().unwrap());
    assert_eq!(config.tunnel.external_port, 443);
    assert!(config.tunnel.strict_sni && !config.tunnel.tls.allow_tls12);
    assert_eq!(config.tunnel.tls.certificate, Path::new("/base/server.crt"));
    assert_eq!(config.tunnel.tls.client_ca, Path::new("/etc/ca.crt"));
    assert_eq!(config.tunnel.tls.crl, None);
    assert_eq!(config.tenancy, TenancyConfig::Dedicated { subaccount: "alpha".to_owned() });
    assert_eq!(config.mappings.directory(), Some(Path::new("/base/mappings")));
    assert_eq!((config.workers.count, config.workers.engine), (0, EngineChoice::Auto));
    assert_eq!((config.workers.pin, &config.admin), (Pin::Auto, &None));
    assert_eq!(config.limits.dial_timeout, limits::DIAL_TIMEOUT);
    assert_eq!(config.limits.half_closed_timeout, limits::HALF_CLOSED_TIMEOUT);
    assert_eq!(config.limits.idle_timeout, None);
    assert_eq!(config.limits.drain_delay, Duration::ZERO);
    assert_eq!(config.limits.drain_deadline, limits::DRAIN_DEADLINE);
    assert_eq!(config.limits.quotas.of("any").streams_max, limits::STREAMS_PER_TENANT_MAX);
    assert_eq!(config.limits.streams_per_tunnel_max, limits::STREAMS_PER_TUNNEL);
    assert_eq!(config.limits.handshakes_per_second_max, limits::HANDSHAKES_PER_SECOND_MAX);
    let offender_handshakes = config.limits.offender_handshakes_per_second;
    assert_eq!(offender_handshakes, limits::OFFENDER_HANDSHAKES_PER_SECOND);
    assert_eq!((config.log.format, &*config.log.level), (LogFormat::Console, "info"));
    assert_eq!(config.endpoint("x").to_string(), "tcp://cp.example.com:443/x");
}

#[test]
fn a_short_connector_file_has_every_default() {
    let config = connector(CONNECTOR).unwrap();
    let own = config.own.as_ref().unwrap();
    assert_eq!((&*own.id, &*own.location), ("alpha", ""));
    assert_eq!(own.ca, Path::new("/base/ca.crt"));
    let [first, second] = &config.channels[..] else { panic!("{config:?}") };
    assert_eq!(first.endpoint.to_string(), "tcp://cp.example.com:443/echo");
    assert_eq!(first.local, "127.0.0.1:5001".parse::<SocketAddr>().unwrap());
    assert_eq!((first.connections, first.mode, first.enabled), (1, Mode::Multiplexed, true));
    assert_eq!(first.warm_connections, limits::WARM_CONNECTIONS);
    assert_eq!((&*second.endpoint.host, second.endpoint.port), ("::1", 8443));
    assert_eq!(config.limits.dial_timeout, limits::TUNNEL_DIAL_TIMEOUT);
    assert_eq!((config.outbound_proxy, config.admin), (None, None));
}

#[test]
fn units_choices_and_paths_are_applied() {
    let text = PROXY.replace("[tunnel]\n", "[tunnel]\nlisten = \"[::]:0\"\nstrict_sni = false\n");
    let text = format!(
        "{text}[limits]\nidle_timeout_seconds = 60\ndial_timeout_seconds = 3\n\
         drain_delay_seconds = 7\n[workers]\nengine = \"io_uring\"\npin = \"never\"\n\
         [log]\nformat = \"json\"\n\
         level = \"info,causeway::relay=debug\"\n[mappings]\ndirectory = \"../m\"\n"
    );
    let config = proxy(&text).unwrap();
    assert_eq!(config.limits.idle_timeout, Some(Duration::from_secs(60)));
    assert_eq!(config.limits.dial_timeout, Duration::from_secs(3));
    assert_eq!(config.limits.drain_delay, Duration::from_secs(7));
    assert_eq!((config.workers.engine, config.workers.pin), (EngineChoice::IoUring, Pin::Never));
    assert_eq!(config.mappings.directory(), Some(Path::new("/base/../m")));
    assert!(!config.tunnel.strict_sni);

    let proxied = "[outbound_proxy]\nurl = \"http://[fd00::1]:3128/\"\nusername = \"u\"\n\
                   password = \"hunter2\"\n";
    let config = connector(&format!("{CONNECTOR}{proxied}")).unwrap();
    let outbound = config.outbound_proxy.as_ref().unwrap();
    assert_eq!(outbound.authority(), "[fd00::1]:3128");
    assert_eq!(outbound.basic(), Some(("u", "hunter2")));
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(format!("{} {:?}", Secret::new("x"), Secret::new("x")), "*** ***");
}

#[test]
fn disabled_and_automatic_ports_do_not_collide() {
    let disabled = CONNECTOR.replace("local_port = 5002", "local_port = 5001\nenabled = false");
    assert!(!connector(&disabled).unwrap().channels[1].enabled);
    let automatic = CONNECTOR.replace("5001", "0").replace("5002", "0");
    assert_eq!(connector(&automatic).unwrap().channels[1].local.port(), 0);
    let elsewhere =
        CONNECTOR.replace("local_port = 5002", "local_port = 5001\nlocal_address = \"127.0.0.2\"");
    connector(&elsewhere).unwrap();
}

#[test]
fn endpoints_are_read_as_they_are_pasted() {
    let cases = [
        ("tcp://cp.example.com:443/svc", "tcp://cp.example.com:443/svc"),
        ("cp.example.com/svc", "tcp://cp.example.com:443/svc"),
        ("cp.example.com:8443/svc", "tcp://cp.example.com:8443/svc"),
        ("rfc://10.0.0.1:1/svc.v1", "tcp://10.0.0.1:1/svc.v1"),
        ("https://[fd00::1]/svc", "tcp://[fd00::1]:443/svc"),
    ];
    for (text, shown) in cases {
        assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), shown);
    }
    let wrong = [
        "",
        "/",
        "tcp://",
        "host",
        "host/",
        "/svc",
        ":443/svc",
        "host:/svc",
        "host:0/svc",
        "host:65536/svc",
        "host:+1/svc",
        "fd00::1/svc",
        "[fd00::1/svc",
        "[host]/svc",
        "ho st/svc",
        "host/a/b",
        "host/a b",
        "host/a?b",
        "1tcp://host/svc",
        "256.1.1.1/svc",
        "-h/svc",
    ];
    for text in wrong {
        let error = text.parse::<Endpoint>().expect_err(text).to_string();
        assert!(error.contains("write an endpoint like `tcp://"), "{error}");
    }
}

#[test]
fn a_files_role_is_told_by_its_tables() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("any.toml");
    let load = |text: &str| {
        fs::write(&file, text).unwrap();
        Config::load(&file)
    };
    let Ok(Config::Proxy(config)) = load(PROXY) else { panic!("not a proxy") };
    assert_eq!(config.tunnel.tls.certificate, directory.path().join("server.crt"));
    assert!(matches!(load(CONNECTOR), Ok(Config::Connector(_))));
    let both = load(&format!("{PROXY}{CONNECTOR}")).unwrap_err().to_string();
    assert!(both.contains("one file for each"), "{both}");
    let neither = load("[log]\n").unwrap_err().to_string();
    assert!(neither.contains("neither"), "{neither}");
    let missing = Config::load(&directory.path().join("no.toml")).unwrap_err().to_string();
    assert!(missing.contains("no.toml: cannot be read"), "{missing}");
}

#[test]
fn with_a_management_the_file_need_not_name_a_subaccount() {
    let managed = "[management]\ndirectory = \"state\"\n[admin]\nlisten = \"0.0.0.0:8443\"\n";
    let config = connector(managed).unwrap();
    assert!(config.own.is_none() && config.channels.is_empty());
    assert_eq!(config.management.as_deref(), Some(Path::new("/base/state")));
    // Everybody may reach it: there are accounts, and passwords are not sent in the clear.
    let admin = config.admin.unwrap();
    assert!(admin.is_guarded());
    assert_eq!(admin.tls.unwrap().certificate, Path::new("/base/state/ui.crt"));
    let clients = format!("{managed}[admin.tls]\nclient_ca = \"operators.crt\"\n");
    let tls = connector(&clients).unwrap().admin.unwrap().tls.unwrap();
    assert_eq!(tls.certificate, Path::new("/base/state/ui.crt"));
    assert_eq!(tls.client_ca.as_deref(), Some(Path::new("/base/operators.crt")));
    let both = connector(&format!("{managed}{CONNECTOR}")).unwrap();
    assert_eq!((both.own.is_some(), both.channels.len()), (true, 2));
}
