//! Live changes: the configuration and the TLS files are watched; what is valid goes to the
//! workers, what is not leaves the old state in place and says so.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    carried::{Carried, CarriedSubaccount},
    channels::{Channels, wanted_by_file},
    material::{Certificate, Material, load_local, load_material, warn_of_expiry},
    owner::{Identity, Owner},
    role::{ConnectorMessage, Settings},
};
use crate::{
    config::{
        ConfigStatus, ConnectorConfig, LiveConfig, News, OwnSubaccount, SetLevel,
        watch::WatchedPaths,
    },
    telemetry::{Audit, audit::Event},
    tls::{Fingerprint, PortMaterial, PortTls},
    tunnel::Timeouts,
    worker::{Crew, memory_share},
};

/// Reads and re-reads what can change while the connector runs.
pub(super) struct Reloader {
    config: LiveConfig<ConnectorConfig>,
    channels: Channels,
    /// Who the configuration file says the connector is, if it does.
    identity: Option<Arc<Identity>>,
    /// Who it is besides.
    carried: Carried,
    tls_seen: Option<Fingerprint>,
    /// What ports with TLS are opened with.
    local_tls: Option<(PortTls, Fingerprint)>,
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
        own: Option<(Material, Arc<Identity>)>,
        local: Option<PortMaterial>,
        audit: Audit,
    ) -> Self {
        let mut certificate = Certificate::default();
        let (mut identity, mut tls_seen) = (None, None);
        if let Some((material, own)) = own {
            warn_of_expiry(&material.facts);
            (identity, tls_seen) = (Some(own), Some(material.fingerprint));
            certificate.facts = Some(material.facts);
            certificate.inventory = material.inventory;
        }
        let local_tls = local.as_ref().map(|local| (local.tls.clone(), local.fingerprint));
        certificate.shows(local);
        Self {
            config: LiveConfig::new(config),
            channels,
            identity,
            carried: Carried::new(audit.clone()),
            tls_seen,
            local_tls,
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
            if let Some(own) = &config.own {
                paths.extend([&own.certificate, &own.private_key, &own.ca].map(Clone::clone));
            }
            if let Some(local) = &config.local_tls {
                paths.extend([&local.certificate, &local.private_key].map(Clone::clone));
                paths.extend(local.client_ca.clone());
            }
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
        let allow_tls12 = self.config.in_force().allow_tls12;
        let retuned = before.as_ref().is_some_and(|before| before.allow_tls12 != allow_tls12);
        self.reload_certificates(retuned, crew);
        // A port must not be served with TLS before its workers know how.
        let resecured = self.reload_local_tls();
        if before.is_some() || resecured {
            self.apply(before.as_ref(), crew);
        }
        // Ports that could not be had are tried again in any case.
        let wanted = wanted_by_file(&self.config.in_force().channels, self.identity.as_ref());
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
        let allow_tls12 = self.config.in_force().allow_tls12;
        let wanted = self.carried.resolve(allow_tls12, crew);
        self.channels.change_carried(wanted, crew);
    }

    /// The configuration file's subaccount has another name or other certificates.
    fn become_one(&mut self, identity: Identity, renew: bool, crew: &Crew<ConnectorMessage>) {
        let identity = Arc::new(identity);
        crew.tell(|| ConnectorMessage::Identity { identity: identity.clone(), renew });
        self.identity = Some(identity);
    }

    /// The configuration file names no subaccount any more, and so no channel.
    fn become_nobody(&mut self) {
        (self.identity, self.tls_seen) = (None, None);
        let mut certificate = self.certificate();
        certificate.facts = None;
        certificate.inventory.clear();
        certificate.problem = None;
    }

    /// Puts in force what differs from `before`, but for the certificates of tunnels.
    fn apply(&self, before: Option<&ConnectorConfig>, crew: &Crew<ConnectorMessage>) {
        let now = self.config.in_force();
        let local_tls = self.local_tls.as_ref().map(|(tls, _)| tls.clone());
        let settings = settings(now, crew.size(), local_tls);
        crew.tell(|| ConnectorMessage::Settings(Box::new(settings.clone())));
        if before.is_some_and(|before| now.log.level != before.log.level)
            && let Some(set) = &self.log_level
        {
            set(&now.log.level);
        }
    }

    fn reload_certificates(&mut self, retuned: bool, crew: &Crew<ConnectorMessage>) {
        let Some(own) = &self.config.in_force().own else { return self.become_nobody() };
        let owner = Arc::new(owner(own));
        let problem = match load_material(own, self.config.in_force().allow_tls12) {
            Ok(material) if Some(material.fingerprint) == self.tls_seen && !retuned => {
                let renamed = self.identity.as_ref().filter(|identity| owner != identity.owner);
                if let Some(tls) = renamed.map(|identity| identity.tls.clone()) {
                    self.become_one(Identity { owner, tls }, false, crew);
                }
                None
            }
            Ok(material) => {
                self.tls_seen = Some(material.fingerprint);
                tracing::info!(subject = material.facts.subject, "certificates changed");
                warn_of_expiry(&material.facts);
                self.audit.record(|| Event::Changed {
                    what: "certificates",
                    detail: format!("now {}", material.facts.subject),
                    refused: None,
                });
                self.become_one(Identity { owner, tls: material.tls }, true, crew);
                let mut certificate = self.certificate();
                certificate.facts = Some(material.facts);
                certificate.inventory = material.inventory;
                certificate.reloads += 1;
                None
            }
            Err(error) => Some(error.to_string()),
        };
        let known = std::mem::replace(&mut self.certificate().problem, problem.clone());
        self.refused(known, problem);
    }

    /// Looks at what ports with TLS show; whether that is another certificate now.
    fn reload_local_tls(&mut self) -> bool {
        let Some(local) = &self.config.in_force().local_tls else {
            self.certificate().shows(None);
            return self.local_tls.take().is_some();
        };
        let seen = self.local_tls.as_ref().map(|(_, seen)| *seen);
        let (is_new, problem) = match load_local(local) {
            Ok(material) if Some(material.fingerprint) == seen => (false, None),
            Ok(material) => {
                let subject = material.facts.subject.clone();
                tracing::info!(subject, "the certificate of ports with TLS changed");
                self.audit.record(|| Event::Changed {
                    what: "certificates",
                    detail: format!("ports with TLS: now {subject}"),
                    refused: None,
                });
                self.local_tls = Some((material.tls.clone(), material.fingerprint));
                let mut certificate = self.certificate();
                certificate.shows(Some(material));
                certificate.reloads += 1;
                (true, None)
            }
            Err(error) => (false, Some(error.to_string())),
        };
        let known = std::mem::replace(&mut self.certificate().local_problem, problem.clone());
        self.refused(known, problem);
        is_new
    }

    /// Says once what is wrong with certificates, which leaves those in use where they are.
    fn refused(&self, known: Option<String>, problem: Option<String>) {
        let Some(problem) = problem.filter(|problem| known.as_ref() != Some(problem)) else {
            return;
        };
        self.certificate().reloads_failed += 1;
        tracing::error!(error = problem, "keeping the certificates in use");
        self.audit.record(|| Event::Changed {
            what: "certificates",
            detail: "those in use stay".to_owned(),
            refused: Some(problem.clone()),
        });
    }
}

/// What speaks against putting a configuration in force: certificates that cannot be used or are
/// somebody else's.
fn check(next: &ConnectorConfig, in_force: &ConnectorConfig) -> Result<(), String> {
    let is_as_before = next.own == in_force.own && next.allow_tls12 == in_force.allow_tls12;
    if let Some(own) = next.own.as_ref().filter(|_| !is_as_before) {
        load_material(own, next.allow_tls12).map_err(|error| error.to_string())?;
    }
    if let Some(local) = next.local_tls.as_ref().filter(|_| next.local_tls != in_force.local_tls) {
        load_local(local).map_err(|error| error.to_string())?;
    }
    Ok(())
}

/// Whose the configuration file's channels are.
pub(super) fn owner(own: &OwnSubaccount) -> Owner {
    Owner {
        region_host: String::new(),
        subaccount: own.id.clone(),
        location: own.location.clone(),
        number: Owner::OF_FILE,
    }
}

/// What each of `workers` workers needs to know.
pub(super) fn settings(
    config: &ConnectorConfig,
    workers: usize,
    local_tls: Option<PortTls>,
) -> Settings {
    Settings {
        timeouts: Timeouts {
            idle: config.limits.idle_timeout,
            half_closed: config.limits.half_closed_timeout,
        },
        dial_timeout: config.limits.dial_timeout,
        outbound: config.outbound_proxy.clone(),
        local_tls,
        memory_bytes_max: memory_share(config.limits.memory_bytes_max, workers),
    }
}
