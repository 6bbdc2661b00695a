//! Live changes: the configuration and the TLS files are watched; what is valid goes to the
//! workers, what is not leaves the old state in place and says so.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    carried::{Carried, CarriedSubaccount},
    channels::{Channels, wanted_by_file},
    material::{Certificate, Material, load_material, warn_of_expiry},
    owner::{Identity, Owner},
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
    /// Who the configuration file says the connector is.
    identity: Arc<Identity>,
    /// Who it is besides.
    carried: Carried,
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
        (material, identity): (Material, Arc<Identity>),
        audit: Audit,
    ) -> Self {
        warn_of_expiry(&material.facts);
        let Material { facts, inventory, fingerprint, .. } = material;
        let certificate =
            Certificate { facts, inventory, problem: None, reloads: 0, reloads_failed: 0 };
        Self {
            config: LiveConfig::new(config),
            channels,
            identity,
            carried: Carried::new(audit.clone()),
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
        // Ports that could not be had are tried again in any case.
        let wanted = wanted_by_file(&self.config.in_force().channels, &self.identity);
        self.channels.change_file(wanted, crew);
        if retuned {
            self.carry_on(crew);
        }
    }

    /// Puts other subaccounts in force beside the configuration file's.
    pub(super) fn carry(&mut self, wanted: Vec<CarriedSubaccount>, crew: &Crew<ConnectorMessage>) {
        self.carried.want(wanted);
        self.carry_on(crew);
    }

    fn carry_on(&mut self, crew: &Crew<ConnectorMessage>) {
        let allow_tls12 = self.config.in_force().tls.allow_tls12;
        let wanted = self.carried.resolve(allow_tls12, crew);
        self.channels.change_carried(wanted, crew);
    }

    /// The configuration file's subaccount has another name or other certificates.
    fn become_one(&mut self, identity: Identity, renew: bool, crew: &Crew<ConnectorMessage>) {
        self.identity = Arc::new(identity);
        let identity = || self.identity.clone();
        crew.tell(|| ConnectorMessage::Identity { identity: identity(), renew });
    }

    /// Puts in force what differs from `before`, but for the certificates.
    fn apply(&mut self, before: &ConnectorConfig, crew: &Crew<ConnectorMessage>) {
        let now = self.config.in_force();
        let settings = settings(now, crew.size());
        crew.tell(|| ConnectorMessage::Settings(Box::new(settings.clone())));
        if now.log.level != before.log.level
            && let Some(set) = &self.log_level
        {
            set(&now.log.level);
        }
    }

    fn reload_certificates(&mut self, retuned: bool, crew: &Crew<ConnectorMessage>) {
        let owner = Arc::new(owner(self.config.in_force()));
        let problem = match load_material(self.config.in_force()) {
            Ok(material) if material.fingerprint == self.tls_seen && !retuned => {
                if owner != self.identity.owner {
                    let tls = self.identity.tls.clone();
                    self.become_one(Identity { owner, tls }, false, crew);
                }
                None
            }
            Ok(material) => {
                self.tls_seen = material.fingerprint;
                tracing::info!(subject = material.facts.subject, "certificates changed");
                warn_of_expiry(&material.facts);
                self.audit.record(|| Event::Changed {
                    what: "certificates",
                    detail: format!("now {}", material.facts.subject),
                    refused: None,
                });
                self.become_one(Identity { owner, tls: material.tls }, true, crew);
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

/// Whose the configuration file's channels are.
pub(super) fn owner(config: &ConnectorConfig) -> Owner {
    Owner {
        region_host: String::new(),
        subaccount: config.subaccount.clone(),
        location: config.location.clone(),
        number: Owner::OF_FILE,
    }
}

/// What each of `workers` workers needs to know.
pub(super) fn settings(config: &ConnectorConfig, workers: usize) -> Settings {
    Settings {
        timeouts: Timeouts {
            idle: config.limits.idle_timeout,
            half_closed: config.limits.half_closed_timeout,
        },
        dial_timeout: config.limits.dial_timeout,
        outbound: config.outbound_proxy.clone(),
        memory_bytes_max: memory_share(config.limits.memory_bytes_max, workers),
    }
}
