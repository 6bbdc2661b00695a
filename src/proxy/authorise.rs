//! May this caller have this stream? Answers with a grant or the refusal to send.

use crate::{
    limits,
    mapping::{Denied, MappingTable, ServiceType},
    protocol::{ConnectRequest, Refusal, RequestedType},
    relay::Grant,
    tls::Identity,
};

/// Judges a request against the caller's own mappings. The authority is a key, never an address.
pub(super) fn authorise(
    table: &MappingTable,
    identity: &Identity,
    request: &ConnectRequest,
    streams_max: usize,
) -> Result<Grant, Refusal> {
    if identity.location.as_ref().is_some_and(|only| *only != request.location) {
        return Err(Refusal::LocationNotAllowed);
    }
    let service_type = match request.service_type {
        RequestedType::Tcp => ServiceType::Tcp,
        RequestedType::Rfc => ServiceType::Rfc,
    };
    let allowed = table
        .authorise(service_type, &identity.subaccount, &request.target.service, &request.location)
        .map_err(|denied| match denied {
            Denied::NoSuchMapping => Refusal::NoSuchMapping,
            Denied::LocationNotAllowed => Refusal::LocationNotAllowed,
        })?;
    let permit = allowed
        .usage
        .try_open(streams_max.min(limits::SESSIONS_PER_WORKER_MAX))
        .ok_or(Refusal::TenantLimit("streams"))?;
    Ok(Grant { mapping: allowed.mapping.clone(), location: request.location.clone(), permit })
}

/// Whether a stream that was granted would be granted again under `table`, by the mapping of the
/// same name: that another takes the place of one that was removed does not keep its streams.
pub(super) fn still_allowed(table: &MappingTable, grant: &Grant) -> bool {
    let mapping = &grant.mapping;
    table
        .authorise(mapping.service_type, &mapping.subaccount, &mapping.service, &grant.location)
        .is_ok_and(|grant| grant.mapping.name == mapping.name)
}
