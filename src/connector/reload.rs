//! Live changes: the configuration and the TLS files are watched; what is valid goes to the
//! workers, what is not leaves the old state in place and says so.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    channels::Channels,
    material::{Certificate, Material, load_material, warn_of_expiry},
    role::{ConnectorMessage, Settings},
};
use crate::{
    config::{ConfigStatus, ConnectorConfig, LiveConfig, News, SetLevel, watch::WatchedPaths},
    telemetry::{Audit, audit::Event},
    tls::Fingerprint,
    tunnel::Timeouts,
    worker::{Crew, memory_share},
};

/// Reads and re-reads what can change while the connector runs.
pub(super) struct Reloader {
    config: LiveConfig<ConnectorConfig>,
    channels: Channels,
    tls_seen: Fingerprint,
    pub(super) certificate: Arc<Mutex<Certificate>>,
    /// Puts another level of the log in force.
    pub(super) log_level: Option<SetLevel>,
    pub(super) watched: WatchedPaths,
    audit: Audit,
}

impl Reloader {
    pub(super) fn new(
        config: &ConnectorConfig,
        channels: Channels,
        material: Material,
        audit: Audit,
    ) -> Self {
        warn_of_expiry(&material.facts);
        let Material { facts, inventory, fingerprint, .. } = material;
        let certificate =
            Certificate { facts, inventory, problem: None, reloads: 0, reloads_failed: 0 };
        Self {
            config: LiveConfig::new(config),
            channels,
            tls_seen: fingerprint,
            certificate: Arc::new(Mutex::new(certificate)),
            log_level: None,
            watched: WatchedPaths::default(),
            audit,
        }
    }

    /// What is in force.
    pub(super) fn in_force(&self) -> &ConnectorConfig {
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
            let tls = &config.tls;
            paths.extend([&tls.certificate, &tls.private_key, &tls.ca].map(Clone::clone));
        }
        paths.sort();
        paths.dedup();
        self.watched.set(&paths);
    }

    fn certificate(&self) -> MutexGuard<'_, Certificate> {
        self.certificate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at everything and tells the workers what changed.
    pub(super) fn reload(&mut self, crew: &Crew<ConnectorMessage>) {
        let before = self.config.look(check);
        for News { detail, refused } in self.config.take_news() {
            self.audit.record(|| Event::Changed { what: "settings", detail, refused });
        }
        self.watch();
        let allow_tls12 = |config: &ConnectorConfig| config.tls.allow_tls12;
        let retuned = before
            .as_ref()
            .is_some_and(|before| allow_tls12(before) != allow_tls12(self.config.in_force()));
        self.reload_certificates(retuned, crew);
        if let Some(before) = before {
            self.apply(&before, crew);
        }
    }

    /// Puts in force what differs from `before`, but for the certificates.
    fn apply(&mut self, before: &ConnectorConfig, crew: &Crew<ConnectorMessage>) {
        let now = self.config.in_force();
        let settings = settings(now, crew.size());
        crew.tell(|| ConnectorMessage::Settings(Box::new(settings.clone())));
        self.channels.change(&now.channels, crew);
        if now.log.level != before.log.level
            && let Some(set) = &self.log_level
        {
            set(&now.log.level);
        }
    }

    fn reload_certificates(&mut self, retuned: bool, crew: &Crew<ConnectorMessage>) {
        let problem = match load_material(self.config.in_force()) {
            Ok(material) if material.fingerprint == self.tls_seen && !retuned => None,
            Ok(material) => {
                self.tls_seen = material.fingerprint;
                tracing::info!(subject = material.facts.subject, "certificates changed");
                warn_of_expiry(&material.facts);
                self.audit.record(|| Event::Changed {
                    what: "certificates",
                    detail: format!("now {}", material.facts.subject),
                    refused: None,
                });
                crew.tell(|| ConnectorMessage::Tls(material.tls.clone()));
                let mut certificate = self.certificate();
                (certificate.facts, certificate.inventory) = (material.facts, material.inventory);
                certificate.reloads += 1;
                None
            }
            Err(error) => Some(error.to_string()),
        };
        let known = std::mem::replace(&mut self.certificate().problem, problem.clone());
        if let Some(problem) = &problem
            && known.as_ref() != Some(problem)
        {
            self.certificate().reloads_failed += 1;
            tracing::error!(error = problem, "keeping the certificates in use");
            self.audit.record(|| Event::Changed {
                what: "certificates",
                detail: "those in use stay".to_owned(),
                refused: Some(problem.clone()),
            });
        }
    }
}

/// What speaks against putting a configuration in force: certificates that cannot be used or are
/// somebody else's.
fn check(next: &ConnectorConfig, in_force: &ConnectorConfig) -> Result<(), String> {
    let who = |config: &ConnectorConfig| (config.subaccount.clone(), config.location.clone());
    if next.tls != in_force.tls || who(next) != who(in_force) {
        load_material(next).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// What each of `workers` workers needs to know.
pub(super) fn settings(config: &ConnectorConfig, workers: usize) -> Settings {
    Settings {
        subaccount: config.subaccount.clone(),
        location: config.location.clone(),
        timeouts: Timeouts {
            idle: config.limits.idle_timeout,
            half_closed: config.limits.half_closed_timeout,
        },
        dial_timeout: config.limits.dial_timeout,
        outbound: config.outbound_proxy.clone(),
        memory_bytes_max: memory_share(config.limits.memory_bytes_max, workers),
    }
}
