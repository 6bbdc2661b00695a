//! May this caller have this stream? Answers with a grant or the refusal to send.

use super::{budgets::DialPlace, role::ProxyRole};
use crate::{
    limits,
    mapping::{self, Denied, MappingTable, ServiceType},
    protocol::{ConnectRequest, Refusal, RequestedType},
    relay::Grant,
    tls::Identity,
};

/// Everything that is decided before the service is dialled: the grant, and a place among the
/// subaccount's dials.
pub(super) fn admit(
    role: &ProxyRole,
    identity: &Identity,
    request: &ConnectRequest,
) -> Result<(Grant, DialPlace), Refusal> {
    let table = role.table.borrow().clone();
    let streams_max = streams_max(role);
    let allowed = judge(&table, identity, request, streams_max)?;
    // Another worker may have given the last place away since.
    let permit = allowed.usage.try_open(streams_max).ok_or(AT_ITS_STREAMS)?;
    let mapping = allowed.mapping.clone();
    let grant = Grant { mapping, location: request.location.clone(), permit };
    Ok((grant, place_dial(role, identity)?))
}

/// What [`admit`] would say. It takes no place among the subaccount's streams, not even for a
/// moment: a stream of another worker could miss it.
pub(super) fn would_admit(
    role: &ProxyRole,
    identity: &Identity,
    request: &ConnectRequest,
) -> Result<(), Refusal> {
    judge(&role.table.borrow(), identity, request, streams_max(role))?;
    place_dial(role, identity).map(drop)
}

const AT_ITS_STREAMS: Refusal = Refusal::TenantLimit("streams");

fn streams_max(role: &ProxyRole) -> usize {
    role.settings.streams_per_subaccount_max.min(limits::SESSIONS_PER_WORKER_MAX)
}

fn place_dial(role: &ProxyRole, identity: &Identity) -> Result<DialPlace, Refusal> {
    let place = role.budgets.borrow_mut().place_dial(&identity.subaccount);
    place.ok_or(Refusal::TenantLimit("dials"))
}

/// The type of mapping a request asks for.
pub(super) fn service_type(request: &ConnectRequest) -> ServiceType {
    match request.service_type {
        RequestedType::Tcp => ServiceType::Tcp,
        RequestedType::Rfc => ServiceType::Rfc,
    }
}

/// Judges a request against the caller's own mappings. The authority is a key, never an address.
fn judge<'t>(
    table: &'t MappingTable,
    identity: &Identity,
    request: &ConnectRequest,
    streams_max: usize,
) -> Result<mapping::Grant<'t>, Refusal> {
    if identity.location.as_ref().is_some_and(|only| *only != request.location) {
        return Err(Refusal::LocationNotAllowed);
    }
    let (subaccount, service) = (&identity.subaccount, &request.target.service);
    let allowed = table
        .authorise(service_type(request), subaccount, service, &request.location)
        .map_err(|denied| match denied {
            Denied::NoSuchMapping => Refusal::NoSuchMapping,
            Denied::LocationNotAllowed => Refusal::LocationNotAllowed,
        })?;
    if allowed.usage.has_room(streams_max) { Ok(allowed) } else { Err(AT_ITS_STREAMS) }
}

/// Whether a stream that was granted would be granted again under `table`, by the mapping of the
/// same name: that another takes the place of one that was removed does not keep its streams.
pub(super) fn still_allowed(table: &MappingTable, grant: &Grant) -> bool {
    let mapping = &grant.mapping;
    table
        .authorise(mapping.service_type, &mapping.subaccount, &mapping.service, &grant.location)
        .is_ok_and(|grant| grant.mapping.name == mapping.name)
}
