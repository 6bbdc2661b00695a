//! What is said of files that are wrong.

use causeway::config::ConfigError;

use crate::{CONNECTOR, PROXY, connector, proxy};

/// What is added to or replaced in a good file; the place, key and part of the message it gives.
type Case =
    (&'static str, &'static str, Option<(usize, usize)>, Option<&'static str>, &'static str);

#[rustfmt::skip]
const BAD_PROXY: &[Case] = &[
    ("external_host = \"cp.example.com\"\n", "", Some((1, 2)), Some("tunnel.external_host"),
     "add `external_host = \"cp.example.com\"` to [tunnel]"),
    ("cp.example.com", "https://cp", Some((2, 1)), Some("tunnel.external_host"), "without scheme"),
    ("external_host", "extrenal_host", Some((2, 1)), Some("tunnel.extrenal_host"),
     "did you mean `external_host`?"),
    ("[tenancy]", "[tennancy]", Some((7, 2)), Some("tennancy"), "did you mean `tenancy`?"),
    ("[tenancy]", "[tenancy", Some((7, 9)), None, "expected"),
    ("[tenancy]", "[tunnel]", Some((7, 2)), Some("tunnel"), "a second time"),
    ("subaccount_id = \"alpha\"\n", "", Some((7, 2)), Some("tenancy.subaccount_id"), "is missing"),
    ("\"alpha\"", "\"\"", Some((8, 1)), Some("tenancy.subaccount_id"), "is empty"),
    ("\"alpha\"", "7", Some((8, 17)), Some("tenancy.subaccount_id"), "integer `7`"),
    ("subaccount_id = \"alpha\"", "mode = \"multi\"", Some((8, 1)), Some("tenancy.mode"),
     "write \"dedicated\" or \"shared\""),
    ("client_ca = \"/etc/ca.crt\"\n", "", Some((3, 9)), Some("tunnel.tls.client_ca"), "is missing"),
    ("/etc/ca.crt", "", Some((6, 1)), Some("tunnel.tls.client_ca"), "is empty"),
    ("[tunnel]\n", "[tunnel]\nlisten = \"8042\"\n", Some((2, 1)), Some("tunnel.listen"),
     "not an IP address and port"),
    ("[tunnel]\n", "[tunnel]\nexternal_port = 0\n", Some((2, 1)), Some("tunnel.external_port"),
     "from 1 to 65535"),
    ("[tunnel]\n", "[tunnel]\nstrict_sni = \"yes\"\n", Some((2, 14)), Some("tunnel.strict_sni"),
     "expected a boolean"),
    ("[tenancy]", "[limits]\ndial_timeout_seconds = 0\n[tenancy]", Some((8, 1)),
     Some("limits.dial_timeout_seconds"), "from 1 to"),
    ("[tenancy]", "[limits]\ndial_timeout_seconds = 1.5\n[tenancy]", Some((8, 24)),
     Some("limits.dial_timeout_seconds"), "a whole number"),
    ("[tenancy]", "[limits]\nidle_timeout_seconds = -1\n[tenancy]", Some((8, 1)),
     Some("limits.idle_timeout_seconds"), "from 0 to"),
    ("[tenancy]", "[workers]\nengine = \"uring\"\n[tenancy]", Some((8, 1)),
     Some("workers.engine"), "\"io_uring\""),
    ("[tenancy]", "[log]\nlevel = \"loud\"\n[tenancy]", Some((8, 1)), Some("log.level"), "debug"),
    ("[tenancy]", "[admin]\nlisten = \"0.0.0.0:8042\"\n[tenancy]", Some((8, 1)),
     Some("admin.listen"), "also tunnel.listen"),
    ("[tenancy]", "[admin]\nlisten = \"0.0.0.0:9494\"\n[tenancy]", Some((8, 1)),
     Some("admin.listen"), "add [admin.tls] with certificate and private_key, and token_file"),
    ("[tenancy]", "[admin]\nlisten = \"[::]:9494\"\ntoken_file = \"t\"\n[tenancy]", Some((8, 1)),
     Some("admin.listen"), "add [admin.tls] with certificate and private_key, or listen on"),
    ("[tenancy]", "[admin]\ntoken_file = \"t\"\n[tenancy]", Some((7, 2)),
     Some("admin.listen"), "is missing"),
    ("[tenancy]", "[admin.tls]\ncertificate = \"a\"\n[tenancy]", Some((7, 8)),
     Some("admin.tls.private_key"), "add `private_key"),
    ("[tenancy]", "[admin.probes]\nlisten = \"0.0.0.0:8042\"\n[tenancy]", Some((7, 2)),
     Some("admin.listen"), "also tunnel.listen"),
    ("[tenancy]", "[mappings]\nkubernetes = true\ndirectory = \"m\"\n[tenancy]", Some((9, 1)),
     Some("mappings.directory"), "second source"),
    ("[tenancy]", "[kubernetes]\nnamespace = \"x\"\n[tenancy]", Some((7, 2)), Some("kubernetes"),
     "add that or remove this"),
    ("[tenancy]", "[mappings]\nkubernetes = true\n[kubernetes]\nlease_name = \"A\"\n[tenancy]",
     Some((10, 1)), Some("kubernetes.lease_name"), "not a Kubernetes name"),
    ("[tenancy]", "[mappings]\nkubernetes = true\n[kubernetes.webhook]\n[tenancy]",
     Some((9, 13)), Some("kubernetes.webhook.certificate"), "add `certificate"),
    ("[tunnel]\n", "workers = 5\n[tunnel]\n", Some((1, 11)), Some("workers"), "a table"),
];

#[rustfmt::skip]
const BAD_CONNECTOR: &[Case] = &[
    ("id = \"alpha\"\n", "", Some((1, 2)), Some("subaccount.id"), "is missing"),
    ("id = \"alpha\"", "id = \"alpha\"\nlocation_id = \"ä\"", Some((3, 1)),
     Some("subaccount.location_id"), "ASCII"),
    ("cp.example.com/echo", "cp.example.com", Some((8, 1)), Some("channel[0].endpoint"),
     "names no service"),
    ("[::1]:8443/other", "[::1]:0/other", Some((11, 1)), Some("channel[1].endpoint"),
     "no valid host and port"),
    ("local_port = 5002", "local_port = 70000", Some((12, 1)), Some("channel[1].local_port"),
     "from 0 to 65535"),
    ("local_port = 5002\n", "", Some((10, 1)), Some("channel[1].local_port"), "to [channel]"),
    ("local_port = 5002", "local_port = 5001", Some((12, 1)), Some("channel[1].local_port"),
     "already taken by channel[0]"),
    ("local_port = 5002", "local_port = 5001\nlocal_address = \"0.0.0.0\"", Some((12, 1)),
     Some("channel[1].local_port"), "already taken by channel[0]"),
    ("[tls]", "[admin]\nlisten = \"127.0.0.1:5001\"\n[tls]", Some((11, 1)),
     Some("channel[0].local_port"), "already taken by admin.listen"),
    ("local_port = 5002", "local_port = 5002\nlocal_address = \"localhost\"", Some((13, 1)),
     Some("channel[1].local_address"), "not an IP address"),
    ("local_port = 5001", "local_port = 5001\nmode = \"http3\"", Some((10, 1)),
     Some("channel[0].mode"), "write \"direct\" or \"multiplexed\""),
    ("local_port = 5001", "local_port = 5001\nconnections = 0", Some((10, 1)),
     Some("channel[0].connections"), "from 1 to 256"),
    ("local_port = 5001", "local_port = 5001\nwarm_connections = 257", Some((10, 1)),
     Some("channel[0].warm_connections"), "from 0 to 256"),
    ("local_port = 5001", "local_port = 5001\ntls = true", Some((10, 1)), Some("channel[0].tls"),
     "add [local_tls]"),
    ("local_port = 5001", "local_prt = 5001", Some((9, 1)), Some("channel[0].local_prt"),
     "did you mean `local_port`?"),
    ("[tls]", "[outbound_proxy]\nurl = \"https://p:1\"\n[tls]", Some((4, 1)),
     Some("outbound_proxy.url"), "no http:// URL"),
    ("[tls]", "[outbound_proxy]\nurl = \"http://p\"\n[tls]", Some((4, 1)),
     Some("outbound_proxy.url"), "no valid host and port"),
    ("[tls]", "[outbound_proxy]\nurl = \"http://p:1\"\nusername = \"u\"\n[tls]", Some((5, 1)),
     Some("outbound_proxy.username"), "stands alone"),
    ("[tls]", "[management]\ndirectory = \"state\"\n[tls]", None, Some("admin.listen"),
     "[management] is served there"),
    ("[tls]", "[management]\n[admin]\nlisten = \"127.0.0.1:1\"\n[tls]", Some((3, 2)),
     Some("management.directory"), "is missing"),
    ("[subaccount]\nid = \"alpha\"\n", "[management]\ndirectory = \"s\"\n[admin]\nlisten = \
     \"127.0.0.1:1\"\n", None, Some("subaccount.id"), "is missing"),
];

#[test]
fn a_wrong_file_names_place_key_and_remedy() {
    for (from, to, place, key, message) in BAD_PROXY {
        check(PROXY, from, to, |text| proxy(text).err(), (*place, *key, message));
    }
    for (from, to, place, key, message) in BAD_CONNECTOR {
        check(CONNECTOR, from, to, |text| connector(text).err(), (*place, *key, message));
    }
}

fn check(
    good: &str,
    from: &str,
    to: &str,
    read: impl Fn(&str) -> Option<ConfigError>,
    wanted: (Option<(usize, usize)>, Option<&str>, &str),
) {
    let text = good.replacen(from, to, 1);
    assert_ne!(text, good, "{from} is not in the file");
    let error = read(&text).unwrap_or_else(|| panic!("accepted:\n{text}"));
    let hit = error.faults.iter().any(|fault| {
        (fault.place, fault.key.as_deref()) == (wanted.0, wanted.1)
            && fault.message.contains(wanted.2)
    });
    assert!(hit, "want {wanted:?}, got {error:#?}\n{text}");
}

#[test]
fn every_fault_of_a_file_is_reported_at_once() {
    let text = PROXY.replace("cp.example.com", "a b").replace("\"alpha\"", "\"\"");
    let error = proxy(&text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "/base/proxy.toml:2:1: tunnel.external_host: \"a b\" is not a host name or IP address; \
         write it without scheme and port\n\
         /base/proxy.toml:8:1: tenancy.subaccount_id: is empty; give it a value"
    );
}

#[test]
fn no_message_shows_a_password() {
    for value in ["\"hunter2", "hunter2", "20230815", "2.5", "true", "\"\"\"hunter2", "['hunter2']"]
    {
        let text =
            format!("{CONNECTOR}[outbound_proxy]\nurl = \"http://p:1\"\npassword = {value}\n");
        let error = connector(&text).unwrap_err();
        let shown = format!("{error} {error:?}");
        for secret in ["hunter2", "20230815", "2.5"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
    let url = "[outbound_proxy]\nurl = \"http://u:hunter2@p:1\"\n";
    let error = connector(&format!("{CONNECTOR}{url}")).unwrap_err().to_string();
    assert!(error.contains("holds credentials") && !error.contains("hunter2"), "{error}");
}
