//! The snapshot of all mappings in force: built once, shared by the workers, asked per CONNECT.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

use super::{Mapping, Problem, ServiceType, TenantUsage};

/// All mappings in force. Immutable: a change of any mapping builds a new table.
#[derive(Debug, Default)]
pub struct MappingTable {
    tenants: HashMap<String, Tenant>,
    count: usize,
}

/// One subaccount's services. It may have none and be kept for its open streams alone.
#[derive(Debug, Default)]
struct Tenant {
    usage: Arc<TenantUsage>,
    tcp: HashMap<String, Arc<Mapping>>,
    rfc: HashMap<String, Arc<Mapping>>,
}

/// A stream may be opened.
#[derive(Clone, Copy, Debug)]
pub struct Grant<'a> {
    /// To this service.
    pub mapping: &'a Arc<Mapping>,
    /// On this subaccount's account.
    pub usage: &'a Arc<TenantUsage>,
}

/// A stream may not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// The subaccount has no such service. Another subaccount's service is no different.
    NoSuchMapping,
    /// It has, but not for connectors with this location id.
    LocationNotAllowed,
}

impl MappingTable {
    /// Builds the table. Of mappings with the same type, subaccount and service id the first in
    /// the order given wins ([`super::load_directory`] orders by file name, then position); each
    /// other one is a problem. Subaccounts keep the usage they have in `previous`, so a limit
    /// holds across reloads, even for one whose mappings are gone while streams are open.
    #[must_use]
    pub fn build<M: Into<Arc<Mapping>>>(mappings: Vec<M>, previous: &Self) -> (Self, Vec<Problem>) {
        let mut table = Self::default();
        for (subaccount, tenant) in &previous.tenants {
            // A tenant without mappings stays while anybody beside the previous table counts on
            // it; one that has just lost its mappings stays for workers that do not know it yet.
            if tenant.has_services() || Arc::strong_count(&tenant.usage) > 1 {
                let usage = Arc::clone(&tenant.usage);
                table.tenants.insert(subaccount.clone(), Tenant { usage, ..Tenant::default() });
            }
        }
        let mut problems = Vec::new();
        for mapping in mappings {
            if let Err(problem) = table.insert(mapping.into()) {
                problems.push(problem);
            }
        }
        (table, problems)
    }

    /// Whether a connector of `subaccount` at `location` may open a stream to `service`.
    /// Allocates nothing.
    pub fn authorise(
        &self,
        service_type: ServiceType,
        subaccount: &str,
        service: &str,
        location: &str,
    ) -> Result<Grant<'_>, Denied> {
        let tenant = self.tenants.get(subaccount).ok_or(Denied::NoSuchMapping)?;
        let mapping = tenant.services(service_type).get(service).ok_or(Denied::NoSuchMapping)?;
        if !mapping.allows(location) {
            return Err(Denied::LocationNotAllowed);
        }
        Ok(Grant { mapping, usage: &tenant.usage })
    }

    /// The mapping of a service, whoever may use it.
    #[must_use]
    pub fn find(
        &self,
        service_type: ServiceType,
        subaccount: &str,
        service: &str,
    ) -> Option<&Arc<Mapping>> {
        self.tenants.get(subaccount)?.services(service_type).get(service)
    }

    /// Whether `subaccount` has such a service, of whatever type.
    #[must_use]
    pub fn has_service(&self, subaccount: &str, service: &str) -> bool {
        self.tenants.get(subaccount).is_some_and(|tenant| {
            tenant.tcp.contains_key(service) || tenant.rfc.contains_key(service)
        })
    }

    /// Mappings in force.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether no mapping is in force.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Every mapping in force, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Mapping>> {
        self.tenants.values().flat_map(|tenant| tenant.tcp.values().chain(tenant.rfc.values()))
    }

    /// Every subaccount with its usage, in no particular order.
    pub fn tenants(&self) -> impl Iterator<Item = (&str, &Arc<TenantUsage>)> {
        self.tenants.iter().map(|(subaccount, tenant)| (subaccount.as_str(), &tenant.usage))
    }

    /// What a subaccount uses, if it has mappings or streams.
    #[must_use]
    pub fn usage(&self, subaccount: &str) -> Option<&Arc<TenantUsage>> {
        self.tenants.get(subaccount).map(|tenant| &tenant.usage)
    }

    fn insert(&mut self, mapping: Arc<Mapping>) -> Result<(), Problem> {
        let tenant = self.tenants.entry(mapping.subaccount.clone()).or_default();
        match tenant.services_mut(mapping.service_type).entry(mapping.service.clone()) {
            Entry::Vacant(place) => {
                place.insert(mapping);
                self.count += 1;
                Ok(())
            }
            Entry::Occupied(winner) => Err(duplicate(&mapping, winner.get())),
        }
    }
}

impl Tenant {
    fn has_services(&self) -> bool {
        !(self.tcp.is_empty() && self.rfc.is_empty())
    }

    fn services(&self, service_type: ServiceType) -> &HashMap<String, Arc<Mapping>> {
        match service_type {
            ServiceType::Tcp => &self.tcp,
            ServiceType::Rfc => &self.rfc,
        }
    }

    fn services_mut(&mut self, service_type: ServiceType) -> &mut HashMap<String, Arc<Mapping>> {
        match service_type {
            ServiceType::Tcp => &mut self.tcp,
            ServiceType::Rfc => &mut self.rfc,
        }
    }
}

fn duplicate(loser: &Mapping, winner: &Mapping) -> Problem {
    Problem {
        file: loser.source.file.to_path_buf(),
        line: loser.source.line,
        field: Some("spec.serviceId".to_owned()),
        message: format!(
            "the {} service `{}` of subaccount `{}` is already mapped by `{}` at {}; that one \
             stays in force, so remove one of the two or choose another serviceId",
            loser.service_type, loser.service, loser.subaccount, winner.name, winner.source
        ),
    }
}
