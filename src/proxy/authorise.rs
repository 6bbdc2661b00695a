//! May this caller have this stream? Answers with a grant or the refusal to send.

use std::{net::IpAddr, time::Instant};

use super::{budgets::DialPlace, role::ProxyRole};
use crate::{
    mapping::{self, Denied, MappingTable, ServiceType, Spent},
    protocol::{ConnectRequest, Refusal, RequestedType},
    relay::{Grant, Shard},
    tls::Identity,
};

/// Who asks, and from where.
#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) identity: &'a Identity,
    /// Where its tunnel comes from.
    pub(super) source: IpAddr,
}

/// Everything that is decided before the service is dialled: the grant with its place among the
/// subaccount's streams, and a place among its dials.
pub(super) fn admit(
    role: &ProxyRole,
    shard: &Shard,
    caller: Caller<'_>,
    request: &ConnectRequest,
) -> Result<(Grant, DialPlace), Refusal> {
    check_records(shard)?;
    let table = role.table.borrow().clone();
    let grant = authorise(&table, caller, request, Instant::now())?;
    Ok((grant, place_dial(role, caller.identity)?))
}

/// What [`admit`] would say. It takes no place among the subaccount's streams, not even for a
/// moment: a stream of another worker could miss it.
pub(super) fn would_admit(
    role: &ProxyRole,
    shard: &Shard,
    caller: Caller<'_>,
    request: &ConnectRequest,
) -> Result<(), Refusal> {
    check_records(shard)?;
    judge(&role.table.borrow(), caller, request, Instant::now())?;
    place_dial(role, caller.identity).map(drop)
}

/// Nothing that has to be recorded begins while records cannot be taken.
fn check_records(shard: &Shard) -> Result<(), Refusal> {
    if shard.audit.refuses() {
        return Err(Refusal::Overloaded("audit records not yet written"));
    }
    Ok(())
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

/// What [`authorise`] would answer now, without taking or counting anything.
fn judge(
    table: &MappingTable,
    caller: Caller<'_>,
    request: &ConnectRequest,
    now: Instant,
) -> Result<(), Refusal> {
    allowed(table, caller, request)?.usage.could_open(now).map_err(refusal_of)
}

/// Judges a request against the caller's own mappings and takes its place among the subaccount's
/// streams. The authority is a key, never an address.
fn authorise(
    table: &MappingTable,
    caller: Caller<'_>,
    request: &ConnectRequest,
    now: Instant,
) -> Result<Grant, Refusal> {
    let allowed = allowed(table, caller, request)?;
    let permit = allowed.usage.try_open(now).map_err(refusal_of)?;
    Ok(Grant {
        mapping: allowed.mapping.clone(),
        location: request.location.clone(),
        source: caller.source,
        permit,
    })
}

/// What the mappings say, whatever the subaccount uses already.
fn allowed<'t>(
    table: &'t MappingTable,
    caller: Caller<'_>,
    request: &ConnectRequest,
) -> Result<mapping::Grant<'t>, Refusal> {
    let identity = caller.identity;
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
    if !allowed.mapping.allows_source(caller.source) {
        return Err(Refusal::SourceNotAllowed);
    }
    Ok(allowed)
}

fn refusal_of(spent: Spent) -> Refusal {
    Refusal::TenantLimit(match spent {
        Spent::Streams => "streams",
        Spent::Opens => "opens a second",
    })
}

/// Whether a stream that was granted would be granted again under `table`, by the mapping of the
/// same name: that another takes the place of one that was removed does not keep its streams.
pub(super) fn still_allowed(table: &MappingTable, grant: &Grant) -> bool {
    let mapping = &grant.mapping;
    table
        .authorise(mapping.service_type, &mapping.subaccount, &mapping.service, &grant.location)
        .is_ok_and(|allowed| {
            allowed.mapping.name == mapping.name && allowed.mapping.allows_source(grant.source)
        })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::{
        mapping::{Tenancy, parse_documents},
        protocol::http1,
    };

    const MAPPING: &str = "\
apiVersion: connectivityproxy.sap.com/v1
kind: ServiceMapping
metadata:
  name: m
  annotations:
    causeway.io/allowed-sources: 192.0.2.0/24
spec: {type: TCP, subaccountId: a, serviceId: s, internalAddress: 'x:1', locationIds: ['', 'n']}
";

    fn request(service: &str, location: &str) -> ConnectRequest {
        let mut head = Vec::new();
        http1::write_connect(service, 80, location, &[], &mut head).unwrap();
        match http1::parse_request(&head).unwrap() {
            http1::Parsed::Done { value: crate::protocol::Request::Connect(request), .. } => {
                request
            }
            _ => panic!("no CONNECT"),
        }
    }

    #[test]
    fn judging_says_what_authorising_does_and_takes_nothing() {
        let (mappings, problems) = parse_documents(Path::new("m"), MAPPING, &Tenancy::Shared);
        assert_eq!(problems, []);
        let (table, _) = MappingTable::build(mappings, &MappingTable::default());
        let quota = mapping::Quota {
            streams_max: 2,
            tunnels_max: 1,
            opens_per_second_max: 3,
            bytes_per_second_max: 0,
        };
        table.usage("a").unwrap().set_quota(&quota);
        let now = Instant::now();
        let mut granted = Vec::new();
        let mut seen = Vec::new();
        for round in 0..3 {
            for subaccount in ["a", "b"] {
                for only in [None, Some("n".to_owned())] {
                    for (service, location) in [("s", ""), ("s", "n"), ("s", "x"), ("t", "")] {
                        for source in [[192, 0, 2, 7], [198, 51, 100, 1]] {
                            let identity = Identity {
                                subaccount: subaccount.to_owned(),
                                location: only.clone(),
                                serial: String::new(),
                            };
                            let caller = Caller { identity: &identity, source: source.into() };
                            let request = request(service, location);
                            let verdict = || judge(&table, caller, &request, now).map(drop);
                            let (first, again) = (verdict(), verdict());
                            assert_eq!(first, again, "asking changes nothing");
                            let done = authorise(&table, caller, &request, now);
                            assert_eq!(done.as_ref().map(drop), first.as_ref().copied());
                            seen.extend(first.err().map(|refusal| refusal.to_string()));
                            granted.extend(done.ok());
                        }
                    }
                }
            }
            if round == 1 {
                granted.clear();
            }
        }
        for reason in ["location", "source", "no_such", "streams", "opens a second"] {
            assert!(seen.iter().any(|said| said.contains(reason)), "{reason} was never said");
        }
    }
}
