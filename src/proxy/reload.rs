//! Live changes: the configuration, mapping files and TLS files are watched; what is valid goes to
//! the workers, what is not leaves the old state in place and says so.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use super::{
    role::ProxyMessage,
    sources::{load_material, quotas, server_files, settings, tenancy},
};
use crate::{
    config::{ConfigStatus, LiveConfig, News, ProxyConfig, SetLevel, watch::WatchedPaths},
    limits,
    mapping::{Mapping, MappingTable, Problem, load_directory},
    telemetry::{Audit, audit::Event},
    tls::{CertificateEntry, Facts, Fingerprint, MaterialError, ServerMaterial},
    worker::Crew,
};

/// What the control side knows of the running configuration.
#[derive(Debug, Default)]
pub(super) struct Status {
    pub(super) mappings: usize,
    pub(super) problems: Vec<String>,
    pub(super) tls_problem: Option<String>,
    pub(super) certificate: Option<Facts>,
    pub(super) inventory: Vec<CertificateEntry>,
    /// Changes that are in force.
    pub(super) reloads: u64,
    /// Changes that cannot be used, each counted once.
    pub(super) reloads_failed: u64,
}

/// Reads and re-reads what can change while the proxy runs.
pub(super) struct Reloader {
    config: LiveConfig<ProxyConfig>,
    /// Puts another level of the log in force.
    pub(super) log_level: Option<SetLevel>,
    pub(super) watched: WatchedPaths,
    table: Arc<MappingTable>,
    mappings_seen: Option<u64>,
    problems_said: BTreeSet<String>,
    tls_seen: Option<Fingerprint>,
    pub(super) status: Arc<Mutex<Status>>,
    audit: Audit,
}

impl Reloader {
    pub(super) fn new(config: &ProxyConfig, audit: Audit) -> Self {
        Self {
            config: LiveConfig::new(config),
            log_level: None,
            watched: WatchedPaths::default(),
            audit,
            table: Arc::default(),
            mappings_seen: None,
            problems_said: BTreeSet::new(),
            tls_seen: None,
            status: Arc::default(),
        }
    }

    /// The mappings in force.
    pub(super) fn table(&self) -> Arc<MappingTable> {
        self.table.clone()
    }

    /// What is in force.
    pub(super) fn in_force(&self) -> &ProxyConfig {
        self.config.in_force()
    }

    /// How the configuration in force and its file stand to each other, kept up to date.
    pub(super) fn config_status(&self) -> Arc<Mutex<ConfigStatus>> {
        self.config.status()
    }

    /// Watches everything that matters: also what the file names and is not in force, because that
    /// may be what is missing.
    pub(super) fn watch(&self) {
        let mut paths: Vec<PathBuf> = self.config.file().into_iter().collect();
        for config in [self.config.in_force(), self.config.found()] {
            let files = server_files(config);
            paths.extend([files.certificate, files.private_key, files.client_ca]);
            paths.extend(config.mappings.directory().map(Path::to_path_buf));
            paths.extend(files.crl);
        }
        paths.sort();
        paths.dedup();
        self.watched.set(&paths);
    }

    /// Looks at everything and tells the workers what changed.
    pub(super) fn reload(&mut self, crew: &Crew<ProxyMessage>) {
        if let Some(before) = self.config.look(check) {
            self.apply(&before, crew);
        }
        for News { detail, refused } in self.config.take_news() {
            self.audit.record(|| Event::Changed { what: "settings", detail, refused });
        }
        self.watch();
        if let Some(table) = self.changed_mappings() {
            self.lock().reloads += 1;
            crew.tell(|| ProxyMessage::Mappings(table.clone()));
        }
        match self.changed_tls() {
            Ok(None) => {}
            Ok(Some(material)) => {
                self.lock().reloads += 1;
                tracing::info!(subject = material.facts.subject, "certificates changed");
                crew.tell(|| ProxyMessage::Tls(material.tls.clone()));
            }
            Err(error) => {
                self.lock().reloads_failed += 1;
                tracing::error!(%error, "keeping the certificates in use");
            }
        }
    }

    /// Puts in force what differs from `before`, but for the files that the configuration names:
    /// those are looked at in any case.
    fn apply(&mut self, before: &ProxyConfig, crew: &Crew<ProxyMessage>) {
        let now = self.config.in_force();
        let settings = settings(now, crew.size());
        crew.tell(|| ProxyMessage::Settings(Box::new(settings.clone())));
        self.set_quotas(&self.table);
        if (&now.mappings, &now.tenancy) != (&before.mappings, &before.tenancy) {
            self.mappings_seen = None;
        }
        if now.tunnel.tls != before.tunnel.tls {
            self.tls_seen = None;
        }
        if now.log.level != before.log.level
            && let Some(set) = &self.log_level
        {
            set(&now.log.level);
        }
    }

    fn set_quotas(&self, table: &MappingTable) {
        let quotas = quotas(self.in_force());
        for (subaccount, usage) in table.tenants() {
            usage.set_quota(&quotas(subaccount));
        }
    }

    /// The mappings, if they come from a directory and differ from the last time.
    pub(super) fn changed_mappings(&mut self) -> Option<Arc<MappingTable>> {
        let config = self.config.in_force();
        let directory = config.mappings.directory()?;
        let loaded = match load_directory(directory, &tenancy(config)) {
            Ok(loaded) => loaded,
            Err(error) => {
                let directory = directory.display();
                self.say_problems(vec![format!(
                    "{directory}: {error}; keeping the mappings in use"
                )]);
                return None;
            }
        };
        if self.mappings_seen == Some(loaded.fingerprint) {
            return None;
        }
        self.mappings_seen = Some(loaded.fingerprint);
        let problems = loaded.problems.iter().map(Problem::to_string).collect();
        let table = self.take_mappings(loaded.mappings, problems);
        tracing::info!(mappings = table.len(), "service mappings loaded");
        Some(table)
    }

    /// Puts mappings in force, wherever they come from; of two for one service the first wins.
    pub(super) fn take_mappings<M: Into<Arc<Mapping>>>(
        &mut self,
        mappings: Vec<M>,
        mut problems: Vec<String>,
    ) -> Arc<MappingTable> {
        let (table, conflicts) = MappingTable::build(mappings, &self.table);
        problems.extend(conflicts.iter().map(Problem::to_string));
        self.say_problems(problems);
        self.set_quotas(&table);
        if self.audit.is_on()
            && let Some(detail) = difference(&self.table, &table)
        {
            self.audit.record(|| Event::Changed { what: "mappings", detail, refused: None });
        }
        self.table = Arc::new(table);
        self.lock().mappings = self.table.len();
        self.table.clone()
    }

    /// Each problem is logged when it appears, not at every change elsewhere.
    fn say_problems(&mut self, problems: Vec<String>) {
        for problem in &problems {
            if !self.problems_said.contains(problem) {
                tracing::error!(target: "causeway::mapping", "{problem}");
                self.audit.record(|| Event::Changed {
                    what: "mappings",
                    detail: "a mapping".to_owned(),
                    refused: Some(problem.clone()),
                });
            }
        }
        self.problems_said = problems.iter().cloned().collect();
        self.lock().problems = problems;
    }

    /// The certificates, if they differ from the last valid ones.
    pub(super) fn changed_tls(&mut self) -> Result<Option<ServerMaterial>, MaterialError> {
        let material = match load_material(self.config.in_force()) {
            Ok(material) => material,
            Err(error) => {
                let text = error.to_string();
                let known = self.lock().tls_problem.replace(text.clone());
                // The rescan sees the same broken files again; once is enough to say so.
                if known.as_ref() == Some(&text) {
                    return Ok(None);
                }
                self.audit.record(|| Event::Changed {
                    what: "certificates",
                    detail: "those in use stay".to_owned(),
                    refused: Some(text),
                });
                return Err(error);
            }
        };
        self.lock().tls_problem = None;
        if self.tls_seen == Some(material.fingerprint) {
            return Ok(None);
        }
        self.tls_seen = Some(material.fingerprint);
        self.audit.record(|| Event::Changed {
            what: "certificates",
            detail: format!("now {}", material.facts.subject),
            refused: None,
        });
        for warning in &material.facts.warnings {
            tracing::warn!("{warning}");
        }
        warn_of_expiry(&material.facts);
        let mut status = self.lock();
        status.certificate = Some(material.facts.clone());
        status.inventory.clone_from(&material.inventory);
        drop(status);
        Ok(Some(material))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Status> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What speaks against putting a configuration in force: files it names that cannot be used.
fn check(next: &ProxyConfig, in_force: &ProxyConfig) -> Result<(), String> {
    if next.tunnel.tls != in_force.tunnel.tls {
        load_material(next).map_err(|error| error.to_string())?;
    }
    match next.mappings.directory() {
        Some(directory) if Some(directory) != in_force.mappings.directory() => {
            let listed = std::fs::read_dir(directory).map(drop);
            let words = |error| format!("mappings.directory: {}: {error}", directory.display());
            listed.map_err(words)
        }
        _ => Ok(()),
    }
}

/// Says so when a certificate expires soon.
pub(super) fn warn_of_expiry(facts: &Facts) {
    if let Some(days) = facts.days_left(SystemTime::now(), limits::EXPIRY_WARNING) {
        tracing::warn!(days, "the server certificate expires soon; replace its files in place");
    }
}

/// What a change of the mappings comes to, in words; nothing where nothing changed.
fn difference(old: &MappingTable, new: &MappingTable) -> Option<String> {
    let (before, after) = (by_name(old), by_name(new));
    let mut changes = Vec::new();
    for (name, mapping) in &after {
        match before.get(name) {
            None => changes.push(format!("+{name} ({})", told(mapping))),
            Some(other) if !is_same(other, mapping) => {
                changes.push(format!("~{name} ({})", told(mapping)));
            }
            Some(_) => {}
        }
    }
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    changes.extend(gone.map(|name| format!("-{name}")));
    if changes.is_empty() {
        return None;
    }
    let more = changes.len().saturating_sub(limits::AUDIT_NAMES_MAX);
    changes.truncate(limits::AUDIT_NAMES_MAX);
    let more = if more == 0 { String::new() } else { format!(" and {more} more") };
    Some(format!("{} in force: {}{more}", new.len(), changes.join(", ")))
}

fn by_name(table: &MappingTable) -> BTreeMap<&str, &Arc<Mapping>> {
    table.iter().map(|mapping| (mapping.name.as_str(), mapping)).collect()
}

/// Whether two mappings allow the same; where one stands in its file is no part of that.
fn is_same(one: &Arc<Mapping>, other: &Arc<Mapping>) -> bool {
    let key = |mapping: &Mapping| (mapping.service_type, mapping.address.port);
    Arc::ptr_eq(one, other)
        || (key(one) == key(other)
            && one.address.host == other.address.host
            && one.subaccount == other.subaccount
            && one.service == other.service
            && one.locations == other.locations
            && one.sources == other.sources
            && one.proxy_header == other.proxy_header)
}

fn told(mapping: &Mapping) -> String {
    let Mapping { service_type, subaccount, service, address, locations, sources, .. } = mapping;
    let mut told = format!("{service_type} {subaccount}/{service} at {address} for {locations:?}");
    if !sources.is_empty() {
        let sources: Vec<String> = sources.iter().map(ToString::to_string).collect();
        told += &format!(" from {}", sources.join(", "));
    }
    if mapping.proxy_header {
        told += " with a PROXY protocol header";
    }
    told
}
