//! Live changes: mapping files and TLS files are watched; what is valid goes to the workers, what
//! is not leaves the old state in place and says so.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use super::{
    role::ProxyMessage,
    sources::{load_material, server_files, tenancy},
};
use crate::{
    config::ProxyConfig,
    limits,
    mapping::{Mapping, MappingTable, Problem, load_directory},
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
    config: ProxyConfig,
    table: Arc<MappingTable>,
    mappings_seen: Option<u64>,
    problems_said: BTreeSet<String>,
    tls_seen: Option<Fingerprint>,
    pub(super) status: Arc<Mutex<Status>>,
}

impl Reloader {
    pub(super) fn new(config: &ProxyConfig) -> Self {
        Self {
            config: config.clone(),
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

    /// The configuration in force.
    pub(super) fn config(&self) -> &ProxyConfig {
        &self.config
    }

    /// Everything that is watched.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let files = server_files(&self.config);
        let mut paths = vec![files.certificate, files.private_key, files.client_ca];
        paths.extend(self.config.mappings.directory().map(Path::to_path_buf));
        paths.extend(files.crl);
        paths
    }

    /// Looks at everything and tells the workers what changed.
    pub(super) fn reload(&mut self, crew: &Crew<ProxyMessage>) {
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

    /// The mappings, if they come from a directory and differ from the last time.
    pub(super) fn changed_mappings(&mut self) -> Option<Arc<MappingTable>> {
        let directory = self.config.mappings.directory()?;
        let loaded = match load_directory(directory, &tenancy(&self.config)) {
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
        self.table = Arc::new(table);
        self.lock().mappings = self.table.len();
        self.table.clone()
    }

    /// Each problem is logged when it appears, not at every change elsewhere.
    fn say_problems(&mut self, problems: Vec<String>) {
        for problem in &problems {
            if !self.problems_said.contains(problem) {
                tracing::error!(target: "causeway::mapping", "{problem}");
            }
        }
        self.problems_said = problems.iter().cloned().collect();
        self.lock().problems = problems;
    }

    /// The certificates, if they differ from the last valid ones.
    pub(super) fn changed_tls(&mut self) -> Result<Option<ServerMaterial>, MaterialError> {
        let material = match load_material(&self.config) {
            Ok(material) => material,
            Err(error) => {
                let text = error.to_string();
                let known = self.lock().tls_problem.replace(text.clone());
                // The rescan sees the same broken files again; once is enough to say so.
                return if known == Some(text) { Ok(None) } else { Err(error) };
            }
        };
        self.lock().tls_problem = None;
        if self.tls_seen == Some(material.fingerprint) {
            return Ok(None);
        }
        self.tls_seen = Some(material.fingerprint);
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

/// Says so when a certificate expires soon.
pub(super) fn warn_of_expiry(facts: &Facts) {
    if let Some(days) = facts.days_left(SystemTime::now(), limits::EXPIRY_WARNING) {
        tracing::warn!(days, "the server certificate expires soon; replace its files in place");
    }
}
