//! `causeway check`: tells what is wrong with a configuration before it is put in force.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use crate::config::{
    AdminConfig, Config, ConnectorConfig, KubernetesConfig, ListenerTls, MappingsConfig,
    OwnSubaccount, ProxyConfig, WorkersConfig,
};
use crate::mapping::{MappingTable, Tenancy, load_directory};
use crate::tls::Facts;
use crate::{connector, proxy};

/// Checks a configuration file, and what it names, without starting anything.
#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    /// A proxy's or a connector's configuration file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// What was found: a summary for stdout, errors for stderr.
#[derive(Debug, Default)]
struct Report {
    summary: Vec<String>,
    errors: Vec<String>,
}

impl CheckArgs {
    /// Prints the effective configuration in short, and every error; fails if there is one.
    #[must_use]
    pub(super) fn run(self) -> ExitCode {
        let report = examine(&self.config);
        for line in &report.summary {
            println!("{line}");
        }
        for error in &report.errors {
            eprintln!("error: {error}");
        }
        if report.errors.is_empty() {
            println!("{}: no errors", self.config.display());
            return ExitCode::SUCCESS;
        }
        let count = report.errors.len();
        let noun = if count == 1 { "error" } else { "errors" };
        eprintln!("{}: {count} {noun}", self.config.display());
        ExitCode::FAILURE
    }
}

fn examine(file: &Path) -> Report {
    let mut report = Report::default();
    match Config::load(file) {
        Ok(Config::Proxy(config)) => report.of_proxy(&config),
        Ok(Config::Connector(config)) => report.of_connector(&config),
        Err(error) => report.errors.extend(error.to_string().lines().map(str::to_owned)),
    }
    report
}

impl Report {
    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        self.summary.push(format!("{name:<14} {value}"));
    }

    fn of_proxy(&mut self, config: &ProxyConfig) {
        let tunnel = &config.tunnel;
        self.line("role", "proxy");
        self.line("tunnel", tunnel.listen);
        self.line("endpoints", config.endpoint("<serviceId>"));
        self.line("strict SNI", on_off(tunnel.strict_sni));
        self.line("TLS", versions(tunnel.tls.allow_tls12));
        self.tls_file("tunnel.tls.certificate", &tunnel.tls.certificate);
        self.tls_file("tunnel.tls.private_key", &tunnel.tls.private_key);
        self.tls_file("tunnel.tls.client_ca", &tunnel.tls.client_ca);
        if let Some(crl) = &tunnel.tls.crl {
            self.tls_file("tunnel.tls.crl", crl);
        }
        if self.errors.is_empty() {
            match proxy::load_material(config) {
                Ok(material) => self.certificate(&material.facts),
                Err(error) => self.errors.push(error.to_string()),
            }
        }
        let tenancy = proxy::tenancy(config);
        match &tenancy {
            Tenancy::Dedicated { subaccount } => {
                self.line("tenancy", format_args!("dedicated to {subaccount}"));
            }
            Tenancy::Shared => self.line("tenancy", "shared"),
        }
        match &config.mappings {
            MappingsConfig::Directory(directory) => self.mappings(directory, &tenancy),
            MappingsConfig::Kubernetes(cluster) => self.kubernetes(cluster),
        }
        let limits = &config.limits;
        self.line("dial timeout", seconds(Some(limits.dial_timeout)));
        self.times(limits.half_closed_timeout, limits.idle_timeout, limits.drain_deadline);
        self.line("drain delay", seconds(Some(limits.drain_delay)));
        self.line("streams", format_args!("{} a subaccount", limits.quotas.default.streams_max));
        self.workers(&config.workers);
        self.admin(config.admin.as_ref(), None);
    }

    fn of_connector(&mut self, config: &ConnectorConfig) {
        self.line("role", "connector");
        self.line("TLS", versions(config.allow_tls12));
        if let Some(own) = &config.own {
            self.subaccount(own, config.allow_tls12);
        }
        if let Some(directory) = &config.management {
            self.line("management", directory.display());
        }
        for channel in &config.channels {
            let tls = if channel.tls { " (TLS)" } else { "" };
            let state = if channel.enabled { tls.to_owned() } else { format!("{tls} (disabled)") };
            self.line("channel", format_args!("{} -> {}{state}", channel.local, channel.endpoint));
        }
        if config.channels.is_empty() {
            self.line("channel", "none");
        }
        self.local_tls(config);
        if let Some(proxy) = &config.outbound_proxy {
            let credentials = if proxy.basic().is_some() { ", with credentials" } else { "" };
            self.line("outbound proxy", format_args!("{}{credentials}", proxy.authority()));
        }
        let limits = &config.limits;
        self.line("dial timeout", seconds(Some(limits.dial_timeout)));
        self.times(limits.half_closed_timeout, limits.idle_timeout, limits.drain_deadline);
        self.line("drain delay", seconds(Some(limits.drain_delay)));
        self.workers(&config.workers);
        self.admin(config.admin.as_ref(), config.management.as_deref());
    }

    fn subaccount(&mut self, own: &OwnSubaccount, allow_tls12: bool) {
        self.line("subaccount", &own.id);
        self.line("location", format_args!("\"{}\"", own.location));
        self.tls_file("tls.certificate", &own.certificate);
        self.tls_file("tls.private_key", &own.private_key);
        self.tls_file("tls.ca", &own.ca);
        if self.errors.is_empty() {
            match connector::load_material(own, allow_tls12) {
                Ok(material) => self.certificate(&material.facts),
                Err(error) => self.errors.push(error.to_string()),
            }
        }
    }

    /// What ports with TLS show, where that is not the certificate of the admin server.
    fn local_tls(&mut self, config: &ConnectorConfig) {
        let admin = config.admin.as_ref().and_then(|admin| admin.tls.as_ref());
        let is_other =
            |tls: &&ListenerTls| admin.map(|admin| &admin.certificate) != Some(&tls.certificate);
        let Some(tls) = config.local_tls.as_ref().filter(is_other) else { return };
        self.tls_file("local_tls.certificate", &tls.certificate);
        self.tls_file("local_tls.private_key", &tls.private_key);
        if let Some(client_ca) = &tls.client_ca {
            self.tls_file("local_tls.client_ca", client_ca);
        }
        if self.errors.is_empty()
            && let Err(error) = connector::load_local(tls)
        {
            self.errors.push(error.to_string());
        }
    }

    fn admin(&mut self, admin: Option<&AdminConfig>, management: Option<&Path>) {
        let Some(admin) = admin else { return self.line("admin", "off") };
        let scheme = if admin.tls.is_some() { "https" } else { "http" };
        let guard = if admin.is_guarded() { "" } else { ", for everybody who reaches it" };
        match admin.listen {
            Some(listen) => self.line("admin", format_args!("{scheme}://{listen}{guard}")),
            None => self.line("admin", "off"),
        }
        if let Some(tls) = &admin.tls {
            // What the management makes at its first start may be missing yet.
            let made = management.map(|directory| ListenerTls::in_directory(directory).certificate);
            if made.as_ref() != Some(&tls.certificate) {
                self.tls_file("admin.tls.certificate", &tls.certificate);
                self.tls_file("admin.tls.private_key", &tls.private_key);
            }
            if let Some(client_ca) = &tls.client_ca {
                self.tls_file("admin.tls.client_ca", client_ca);
            }
        }
        if let Some(file) = &admin.token_file {
            self.file("admin.token_file", file, "correct the path");
        }
        if let Some(probes) = &admin.probes {
            let metrics = if probes.metrics { " with metrics" } else { "" };
            self.line("probes", format_args!("{}{metrics}", probes.listen));
        }
    }

    fn kubernetes(&mut self, cluster: &KubernetesConfig) {
        match &cluster.kubeconfig {
            Some(file) => {
                self.line("mappings", format_args!("of the cluster in {}", file.display()));
                self.file("kubernetes.kubeconfig", file, "correct the path");
            }
            None => self.line("mappings", "of the cluster this runs in, else of $KUBECONFIG"),
        }
        self.line("lease", &cluster.lease_name);
        let Some(webhook) = &cluster.webhook else {
            return self.line("webhook", "off");
        };
        self.line("webhook", webhook.listen);
        self.tls_file("kubernetes.webhook.certificate", &webhook.certificate);
        self.tls_file("kubernetes.webhook.private_key", &webhook.private_key);
    }

    fn mappings(&mut self, directory: &Path, tenancy: &Tenancy) {
        let loaded = match load_directory(directory, tenancy) {
            Ok(loaded) => loaded,
            Err(error) => {
                let directory = directory.display();
                self.errors.push(format!(
                    "mappings.directory: {directory} cannot be read: {error}; create it or name \
                     another"
                ));
                return;
            }
        };
        let (table, duplicates) = MappingTable::build(loaded.mappings, &MappingTable::default());
        let problems = loaded.problems.iter().chain(&duplicates);
        self.errors.extend(problems.map(ToString::to_string));
        self.line("mappings", format_args!("{} in {}", table.len(), directory.display()));
        let mut mappings: Vec<_> = table.iter().collect();
        mappings.sort_by(|a, b| a.name.cmp(&b.name));
        for mapping in mappings.iter().take(MAPPINGS_SHOWN) {
            self.summary.push(format!(
                "  {} {} of {} -> {}",
                mapping.service_type, mapping.service, mapping.subaccount, mapping.address
            ));
        }
        if mappings.len() > MAPPINGS_SHOWN {
            self.summary.push(format!("  and {} more", mappings.len() - MAPPINGS_SHOWN));
        }
    }

    fn certificate(&mut self, facts: &Facts) {
        self.line("certificate", &facts.subject);
        self.summary.extend(facts.warnings.iter().map(|warning| format!("warning: {warning}")));
    }

    fn tls_file(&mut self, key: &str, file: &Path) {
        self.file(key, file, "correct the path, or make the file with `causeway pki`");
    }

    fn file(&mut self, key: &str, file: &Path, remedy: &str) {
        let wrong = match fs::metadata(file) {
            Ok(metadata) if metadata.is_file() => return,
            Ok(_) => "it is not a file".to_owned(),
            Err(error) => error.to_string(),
        };
        let file = file.display();
        self.errors.push(format!("{key}: {file} cannot be read: {wrong}; {remedy}"));
    }

    fn times(&mut self, half_closed: Duration, idle: Option<Duration>, drain: Duration) {
        self.line("half closed", seconds(Some(half_closed)));
        self.line("idle", seconds(idle));
        self.line("drain", seconds(Some(drain)));
    }

    fn workers(&mut self, workers: &WorkersConfig) {
        let count = match workers.count {
            0 => "one per core".to_owned(),
            count => count.to_string(),
        };
        self.line("workers", format_args!("{count}, engine {}", workers.engine));
    }
}

/// A summary is short; more mappings are counted.
const MAPPINGS_SHOWN: usize = 20;

fn seconds(time: Option<Duration>) -> String {
    time.map_or_else(|| "never".to_owned(), |time| format!("{} s", time.as_secs()))
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

fn versions(allow_tls12: bool) -> &'static str {
    if allow_tls12 { "1.2 and 1.3" } else { "1.3" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::{Authority, Validity};

    const PROXY: &str = "[tunnel]\nexternal_host = \"cp.example.com\"\n[tunnel.tls]\n\
        certificate = \"a\"\nprivate_key = \"b\"\nclient_ca = \"c\"\n\
        [tenancy]\nmode = \"shared\"\n";

    /// A directory with everything `PROXY` names.
    fn world() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let now = std::time::SystemTime::now();
        let validity = Validity { not_before: now, not_after: now + Duration::from_secs(86_400) };
        let (authority, ca) = Authority::create("CA", validity).unwrap();
        let server = authority.issue_server(&["cp.example.com"], validity).unwrap();
        let files = [
            ("proxy.toml", PROXY),
            ("a", &server.certificate_pem),
            ("b", &server.private_key_pem),
            ("c", &ca.certificate_pem),
        ];
        for (name, text) in files {
            fs::write(directory.path().join(name), text).unwrap();
        }
        fs::create_dir(directory.path().join("mappings")).unwrap();
        directory
    }

    #[test]
    fn a_sound_configuration_has_no_errors_and_is_summed_up() {
        let directory = world();
        let report = examine(&directory.path().join("proxy.toml"));
        assert_eq!(report.errors, [] as [&str; 0]);
        let endpoint = "cp.example.com:443/<serviceId>";
        assert!(report.summary.iter().any(|line| line.ends_with(endpoint)));
    }

    #[test]
    fn a_missing_file_is_named_with_its_key() {
        let directory = world();
        fs::remove_file(directory.path().join("c")).unwrap();
        let report = examine(&directory.path().join("proxy.toml"));
        assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
        assert!(report.errors[0].starts_with("tunnel.tls.client_ca: "), "{:?}", report.errors);
    }

    #[test]
    fn a_key_of_another_certificate_is_an_error() {
        let directory = world();
        let other = world();
        fs::copy(other.path().join("b"), directory.path().join("b")).unwrap();
        let report = examine(&directory.path().join("proxy.toml"));
        assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
    }

    #[test]
    fn problems_of_mappings_are_errors() {
        let directory = world();
        fs::write(directory.path().join("mappings/bad.yaml"), "kind: Pod\n").unwrap();
        let report = examine(&directory.path().join("proxy.toml"));
        assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
        assert!(report.errors[0].contains("bad.yaml:1: apiVersion: is missing"));
    }
}
