//! Subaccounts beside the configuration file's: who they are, and what their tunnels are opened
//! with.

use std::sync::Arc;

use super::{
    channels::Wanted,
    material::{load_carried, warn_of_expiry},
    owner::{Identity, Owner},
    role::ConnectorMessage,
};
use crate::{
    config::ChannelConfig,
    telemetry::{Audit, audit::Event},
    tls::PemMaterial,
    worker::Crew,
};

/// A subaccount beside the configuration file's, with its channels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarriedSubaccount {
    /// The host of its region. Region and id together tell a subaccount from the others.
    pub region_host: String,
    /// Its id, which its certificate must name.
    pub id: String,
    /// The location id of this connector within it; `""` is the default one.
    pub location: String,
    /// What its tunnels are opened with.
    pub material: PemMaterial,
    /// Whether its channels are open at all.
    pub connected: bool,
    /// Its channels.
    pub channels: Vec<CarriedChannel>,
}

/// A channel of such a subaccount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CarriedChannel {
    /// Tells it from all others, those of other subaccounts included.
    pub id: u64,
    /// How it is to be.
    pub config: ChannelConfig,
}

/// The subaccounts that are carried now.
pub(super) struct Carried {
    wanted: Vec<CarriedSubaccount>,
    known: Vec<Known>,
    next_number: usize,
    audit: Audit,
}

/// What became of one.
struct Known {
    owner: Arc<Owner>,
    /// What was made of the last material that could be used.
    identity: Option<Arc<Identity>>,
    /// The last material that was looked at.
    seen: (PemMaterial, bool),
    /// What is wrong with it.
    problem: Option<String>,
}

impl Carried {
    pub(super) fn new(audit: Audit) -> Self {
        let next_number = Owner::OF_FILE + 1;
        Self { wanted: Vec::new(), known: Vec::new(), next_number, audit }
    }

    /// Takes other subaccounts in place of those before.
    pub(super) fn want(&mut self, wanted: Vec<CarriedSubaccount>) {
        self.wanted = wanted;
    }

    /// Loads what is new, tells the workers of what changed, and says which channels there are to
    /// be. Material that cannot be used leaves the one before it in use.
    pub(super) fn resolve(
        &mut self,
        allow_tls12: bool,
        crew: &Crew<ConnectorMessage>,
    ) -> Vec<Wanted> {
        let mut before = std::mem::take(&mut self.known);
        let mut channels = Vec::new();
        for wanted in self.wanted.iter().filter(|wanted| wanted.connected) {
            let is_it = |known: &Known| {
                known.owner.region_host == wanted.region_host && known.owner.subaccount == wanted.id
            };
            let known = before.iter().position(is_it).map(|at| before.swap_remove(at));
            let number = known.as_ref().map_or(self.next_number, |known| known.owner.number);
            self.next_number = self.next_number.max(number + 1);
            let owner = Owner {
                region_host: wanted.region_host.clone(),
                subaccount: wanted.id.clone(),
                location: wanted.location.clone(),
                number,
            };
            let known = match known {
                Some(known) if *known.owner == owner && known.has_seen(wanted, allow_tls12) => {
                    known
                }
                known => self.look(known, owner, wanted, allow_tls12, crew),
            };
            channels.extend(wanted.channels.iter().map(|channel| known.wants(channel)));
            self.known.push(known);
        }
        channels
    }

    /// Looks at material that was not seen before.
    fn look(
        &self,
        before: Option<Known>,
        owner: Owner,
        wanted: &CarriedSubaccount,
        allow_tls12: bool,
        crew: &Crew<ConnectorMessage>,
    ) -> Known {
        let renew = before.as_ref().is_some_and(|known| !known.has_seen(wanted, allow_tls12));
        let (known_problem, in_use) =
            before.map_or((None, None), |known| (known.problem, known.identity));
        let owner = Arc::new(owner);
        let (identity, problem) = match load_carried(&wanted.material, &owner, allow_tls12) {
            Ok(material) => {
                let subject = &material.facts.subject;
                tracing::info!(subaccount = owner.subaccount, subject, "certificates in use");
                warn_of_expiry(&material.facts);
                self.record(&owner, format!("now {subject}"), None);
                let identity = Arc::new(Identity { owner: owner.clone(), tls: material.tls });
                let message = || ConnectorMessage::Identity { identity: identity.clone(), renew };
                crew.tell(message);
                (Some(identity), None)
            }
            Err(error) => (in_use, Some(error.to_string())),
        };
        if let Some(problem) = problem.as_ref().filter(|_| problem != known_problem) {
            tracing::error!(subaccount = owner.subaccount, problem, "certificates not usable");
            self.record(&owner, "those in use stay".to_owned(), Some(problem.clone()));
        }
        Known { owner, identity, seen: (wanted.material.clone(), allow_tls12), problem }
    }

    fn record(&self, owner: &Owner, detail: String, refused: Option<String>) {
        self.audit.record(|| Event::Changed {
            what: "certificates",
            detail: format!("subaccount {}: {detail}", owner.subaccount),
            refused,
        });
    }
}

impl Known {
    fn has_seen(&self, wanted: &CarriedSubaccount, allow_tls12: bool) -> bool {
        self.seen.0 == wanted.material && self.seen.1 == allow_tls12
    }

    fn wants(&self, channel: &CarriedChannel) -> Wanted {
        Wanted {
            owner: self.owner.clone(),
            id: Some(channel.id),
            config: channel.config.clone(),
            identity: self.identity.clone(),
            problem: self.problem.clone(),
        }
    }
}
