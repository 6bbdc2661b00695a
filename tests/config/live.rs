//! What of a changed file is in force at once, what waits for a restart and what changes nothing.

// Helpers of tests may unwrap like the tests themselves.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::{Path, PathBuf};

use causeway::config::{
    Change, ConnectorConfig, LiveConfig, ProxyConfig, QuotaConfig, Reloadable, changes,
};

use crate::manual::{manual, uncommented, with_one_source};
use crate::{CONNECTOR, PROXY, connector, proxy};

/// Another value for every key of the manual.
const OTHER: [(&str, &str); 83] = [
    ("tunnel.listen", "\"0.0.0.0:9042\""),
    ("tunnel.external_host", "\"other.example.com\""),
    ("tunnel.external_port", "444"),
    ("tunnel.strict_sni", "false"),
    ("tunnel.tls.certificate", "\"other\""),
    ("tunnel.tls.private_key", "\"other\""),
    ("tunnel.tls.client_ca", "\"other\""),
    ("tunnel.tls.crl", "\"other\""),
    ("tunnel.tls.allow_tls12", "true"),
    ("tenancy.mode", "\"dedicated\""),
    ("tenancy.subaccount_id", "\"other\""),
    ("mappings.directory", "\"other\""),
    ("mappings.kubernetes", "false"),
    ("kubernetes.kubeconfig", "\"other\""),
    ("kubernetes.namespace", "\"other\""),
    ("kubernetes.lease_name", "\"other\""),
    ("kubernetes.identity", "\"other\""),
    ("kubernetes.webhook.listen", "\"0.0.0.0:9444\""),
    ("kubernetes.webhook.certificate", "\"other\""),
    ("kubernetes.webhook.private_key", "\"other\""),
    ("workers.count", "7"),
    ("workers.engine", "\"epoll\""),
    ("workers.pin", "\"never\""),
    ("limits.dial_timeout_seconds", "77"),
    ("limits.half_closed_timeout_seconds", "77"),
    ("limits.idle_timeout_seconds", "77"),
    ("limits.drain_delay_seconds", "77"),
    ("limits.drain_deadline_seconds", "77"),
    ("limits.streams_per_subaccount_max", "77"),
    ("limits.streams_per_tunnel_max", "77"),
    ("limits.handshakes_per_second_max", "77"),
    ("limits.offender_handshakes_per_second", "77"),
    ("limits.tunnels_per_subaccount_max", "77"),
    ("limits.opens_per_second_per_subaccount_max", "77"),
    ("limits.bytes_per_second_per_subaccount_max", "77777"),
    ("limits.memory_bytes_max", "77777777"),
    ("limits.subaccount.id", "\"other\""),
    ("limits.subaccount.streams_max", "77"),
    ("limits.subaccount.tunnels_max", "77"),
    ("limits.subaccount.opens_per_second_max", "77"),
    ("limits.subaccount.bytes_per_second_max", "77777"),
    ("management.directory", "\"other\""),
    ("admin.listen", "\"127.0.0.1:77\""),
    ("admin.token_file", "\"other\""),
    ("admin.open_metrics", "true"),
    ("admin.tls.certificate", "\"other\""),
    ("admin.tls.private_key", "\"other\""),
    ("admin.tls.client_ca", "\"other\""),
    ("admin.probes.listen", "\"127.0.0.1:78\""),
    ("admin.probes.metrics", "true"),
    ("log.format", "\"json\""),
    ("log.level", "\"debug\""),
    ("audit.sink", "\"off\""),
    ("audit.file", "\"other\""),
    ("audit.rotate_bytes", "77"),
    ("audit.keep_files", "77"),
    ("audit.queue_events", "77"),
    ("audit.required", "true"),
    ("tracing.otlp_endpoint", "\"http://other.example.com:4318\""),
    ("tracing.sample_ratio", "0.77"),
    ("subaccount.id", "\"other\""),
    ("subaccount.location_id", "\"other\""),
    ("tls.certificate", "\"other\""),
    ("tls.private_key", "\"other\""),
    ("tls.ca", "\"other\""),
    ("tls.allow_tls12", "true"),
    ("channel.endpoint", "\"tcp://other.example.com:443/other\""),
    ("channel.type", "\"RFC\""),
    ("channel.local_address", "\"0.0.0.0\""),
    ("channel.local_port", "5077"),
    ("channel.connections", "77"),
    ("channel.mode", "\"direct\""),
    ("channel.warm_connections", "77"),
    ("channel.allowed_sources", "[\"192.0.2.0/24\"]"),
    ("channel.bytes_per_second_max", "77777"),
    ("channel.tls", "true"),
    ("channel.enabled", "false"),
    ("local_tls.certificate", "\"other\""),
    ("local_tls.private_key", "\"other\""),
    ("local_tls.client_ca", "\"other\""),
    ("outbound_proxy.url", "\"http://other.example.com:3128\""),
    ("outbound_proxy.username", "\"other\""),
    ("outbound_proxy.password", "\"other\""),
];

/// One key of a file of the manual.
struct Key {
    path: String,
    line: usize,
    /// The manual says that it needs a restart.
    marked: bool,
}

/// Every key with what the comment before it says; a key without one belongs to that before.
fn keys(text: &str) -> Vec<Key> {
    let (mut table, mut comment, mut marked) = (String::new(), String::new(), false);
    let mut marked_tables: Vec<String> = Vec::new();
    let mut keys = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.is_empty() {
            comment.clear();
        } else if line.starts_with('#') {
            comment.push_str(line);
        } else if line.starts_with('[') {
            table = line.trim_matches(['[', ']']).to_owned();
            if comment.contains("Restart.") {
                marked_tables.push(table.clone());
            }
            comment.clear();
        } else if let Some((key, _)) = line.split_once(" = ") {
            if !comment.is_empty() {
                marked = comment.contains("Restart.");
                comment.clear();
            }
            let whole_table = marked_tables.iter().any(|marked| table.starts_with(marked));
            let (path, marked) = (format!("{table}.{key}"), marked || whole_table);
            keys.push(Key { path, line: number, marked });
        }
    }
    keys
}

/// What of `other` has to wait for a restart.
fn waiting<C: Reloadable>(in_force: &C, other: &C) -> Vec<Change> {
    changes(&other.live(in_force).settings(), &other.settings())
}

/// In how many keys two texts of a file differ, and what of that waits.
fn compare(file: &Path, original: &str, text: &str) -> Result<(usize, Vec<Change>), String> {
    let base = file.parent().expect("a directory");
    let words = |error: causeway::config::ConfigError| error.to_string();
    if file.ends_with("proxy.toml") {
        let (old, new) = (ProxyConfig::parse(original, base), ProxyConfig::parse(text, base));
        let (old, new) = (old.map_err(words)?, new.map_err(words)?);
        Ok((changes(&old.settings(), &new.settings()).len(), waiting(&old, &new)))
    } else {
        let (old, new) =
            (ConnectorConfig::parse(original, base), ConnectorConfig::parse(text, base));
        let (old, new) = (old.map_err(words)?, new.map_err(words)?);
        Ok((changes(&old.settings(), &new.settings()).len(), waiting(&old, &new)))
    }
}

/// A text with another value on one line.
fn with_other(text: &str, (line, value): (usize, &str)) -> String {
    let other = |(number, text): (usize, &str)| match text.split_once(" = ") {
        Some((key, _)) if number == line => format!("{key} = {value}\n"),
        _ => format!("{text}\n"),
    };
    text.lines().enumerate().map(other).collect()
}

#[test]
fn the_manual_marks_exactly_the_keys_that_wait_for_a_restart() {
    let mut tried: Vec<String> = Vec::new();
    for file in manual() {
        let whole = uncommented(&fs::read_to_string(&file).unwrap());
        // The keys of an audit's file count where it has one.
        let whole = whole.replace("sink = \"stdout\"", "sink = \"file\"");
        let sources: &[&str] =
            if file.ends_with("proxy.toml") { &["kubernetes", "directory"] } else { &[""] };
        for source in sources {
            let text = with_one_source(&whole, source);
            for Key { path, line, marked } in keys(&text) {
                let other = OTHER.iter().find(|(key, _)| *key == path);
                let (_, value) = other.unwrap_or_else(|| panic!("no other value for {path}"));
                // Tenancy waits only with a cluster, and switching that off names no directory.
                if *source == "directory" && !path.starts_with("kubernetes") {
                    continue;
                }
                let changed = with_other(&text, (line, value));
                let (differing, waiting) = compare(&file, &text, &changed)
                    .unwrap_or_else(|error| panic!("{path}: {error}"));
                if path != "tenancy.subaccount_id" {
                    // It counts only in mode "dedicated", which is not the manual's.
                    assert!(differing > 0, "{path}: another value makes no difference");
                }
                assert_eq!(!waiting.is_empty(), marked, "{path}: {waiting:?}");
                tried.push(path);
            }
        }
    }
    for (key, _) in OTHER.iter().filter(|(key, _)| *key != "mappings.kubernetes") {
        assert!(tried.iter().any(|path| path == key), "{key} is in no manual");
    }
}

#[test]
fn switching_the_source_of_mappings_waits_for_a_restart() {
    let files = proxy(PROXY).unwrap();
    let cluster = proxy(&format!("{PROXY}[mappings]\nkubernetes = true\n")).unwrap();
    assert!(!waiting(&files, &cluster).is_empty());
    assert!(!waiting(&cluster, &files).is_empty());
    let shared = PROXY.replace("subaccount_id = \"alpha\"", "mode = \"shared\"");
    assert!(waiting(&files, &proxy(&shared).unwrap()).is_empty());
    let shared = proxy(&format!("{shared}[mappings]\nkubernetes = true\n")).unwrap();
    assert!(!waiting(&cluster, &shared).is_empty());
}

#[test]
fn a_change_is_told_key_by_key_and_a_secret_not_at_all() {
    let outbound = |password: &str| {
        let tail = "username = \"u\"\npassword = ";
        format!("{CONNECTOR}[outbound_proxy]\nurl = \"http://p:1\"\n{tail}\"{password}\"\n")
    };
    let (old, new) = (outbound("hunter1"), outbound("hunter2"));
    let new = new.replace("local_port = 5002", "local_port = 5003");
    let settings = |text: &str| connector(text).unwrap().settings();
    let changes = changes(&settings(&old), &settings(&new));
    let told: Vec<String> = changes.iter().map(Change::to_string).collect();
    assert!(told.contains(&"outbound_proxy.password: *** → ***".to_owned()), "{told:?}");
    let gone = "channel[127.0.0.1:5002].mode: multiplexed → none".to_owned();
    let came = "channel[127.0.0.1:5003].mode: none → multiplexed".to_owned();
    assert!(told.contains(&gone) && told.contains(&came), "{told:?}");
    assert!(!format!("{told:?}{:?}", settings(&new)).contains("hunter"));
    assert_eq!(causeway::config::changes(&settings(&old), &settings(&old)), []);
}

#[test]
fn quotas_of_a_subaccount_are_those_of_all_but_for_what_it_says_itself() {
    let config = proxy(&format!(
        "{PROXY}[limits]\nstreams_per_subaccount_max = 10\nbytes_per_second_per_subaccount_max = \
         100000\n[[limits.subaccount]]\nid = \"beta\"\nopens_per_second_max = 5\n\
         bytes_per_second_max = 0\n"
    ))
    .unwrap();
    let quotas = &config.limits.quotas;
    let expected = QuotaConfig {
        streams_max: 10,
        tunnels_max: 1024,
        opens_per_second_max: 0,
        bytes_per_second_max: 100_000,
    };
    assert_eq!(quotas.of("alpha"), expected);
    let beta = QuotaConfig { opens_per_second_max: 5, bytes_per_second_max: 0, ..expected };
    assert_eq!(quotas.of("beta"), beta);
    for (wrong, key) in [
        ("[limits]\ntunnels_per_subaccount_max = 0\n", "limits.tunnels_per_subaccount_max"),
        ("[limits]\nmemory_bytes_max = 1000\n", "limits.memory_bytes_max"),
        ("[limits]\nbytes_per_second_per_subaccount_max = 1\n", "limits.bytes_per_second"),
        ("[[limits.subaccount]]\nstreams_max = 1\n", "limits.subaccount[0].id"),
        ("[[limits.subaccount]]\nid = \"b\"\nstreams_max = 0\n", "limits.subaccount[0].streams"),
        ("[[limits.subaccount]]\nid = \"b\"\n[[limits.subaccount]]\nid = \"b\"\n", "[1].id"),
    ] {
        let error = proxy(&format!("{PROXY}{wrong}")).unwrap_err().to_string();
        assert!(error.contains(key), "{wrong}: {error}");
    }
}

/// A configuration in a file.
struct World {
    _directory: tempfile::TempDir,
    file: PathBuf,
}

impl World {
    fn new(text: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("proxy.toml");
        let world = Self { _directory: directory, file };
        world.write(text);
        world
    }

    fn write(&self, text: &str) {
        fs::write(&self.file, text).unwrap();
    }
}

#[test]
fn a_wrong_file_keeps_what_is_in_force_and_says_where_it_is_wrong() {
    let world = World::new(PROXY);
    let config = ProxyConfig::load(&world.file).unwrap();
    let mut live = LiveConfig::new(&config);
    let status = live.status();
    let status = || status.lock().unwrap().clone();
    assert!(live.look(|_, _| Ok(())).is_none(), "nothing changed");
    assert!(!status().differs());

    world.write(&format!("{PROXY}[limits]\ndial_timeout_seconds = \"ten\"\n"));
    assert!(live.look(|_, _| Ok(())).is_none());
    assert!(live.look(|_, _| Ok(())).is_none());
    let problem = status().problem.unwrap();
    assert!(problem.contains(":10:24: limits.dial_timeout_seconds: "), "{problem}");
    assert_eq!((status().refused, status().reloads), (1, 0), "the same fault is one");
    assert_eq!(*live.in_force(), config);

    world.write(&format!("{PROXY}[limits]\ndial_timeout_seconds = 11\n"));
    assert!(live.look(|_, _| Err("the moon".to_owned())).is_none());
    assert!(status().problem.unwrap().ends_with("proxy.toml: the moon"));
    assert_eq!(*live.in_force(), config);
    assert_eq!(live.look(|_, _| Ok(())), Some(config));
    assert_eq!(live.in_force().limits.dial_timeout.as_secs(), 11);
    assert!(!status().differs());
    assert_eq!((status().refused, status().reloads), (2, 1));
}

#[test]
fn what_needs_a_restart_is_named_with_both_values_and_the_rest_is_in_force() {
    let world = World::new(PROXY);
    let config = ProxyConfig::load(&world.file).unwrap();
    let mut live = LiveConfig::new(&config);
    let status = live.status();
    let other = PROXY.replace("[tunnel]\n", "[tunnel]\nlisten = \"0.0.0.0:9042\"\n");
    world.write(&format!("{other}[limits]\nidle_timeout_seconds = 5\n"));
    assert!(live.look(|_, _| Ok(())).is_some());
    assert_eq!(live.in_force().tunnel.listen, config.tunnel.listen);
    assert!(live.in_force().limits.idle_timeout.is_some());
    let waiting = "tunnel.listen (in force 0.0.0.0:8042, in the file 0.0.0.0:9042)";
    assert_eq!(status.lock().unwrap().needs_restart, [waiting]);
    assert!(status.lock().unwrap().differs());
    world.write(PROXY);
    assert!(live.look(|_, _| Ok(())).is_some());
    assert!(!status.lock().unwrap().differs());
}
