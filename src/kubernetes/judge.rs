//! Who is in force: of the objects that claim the same service of the same subaccount the oldest.
//! Every replica decides by this function alone, so all serve the same and the status tells it.

use std::collections::HashMap;
use std::sync::Arc;

use super::object::{Object, Verdict};
use crate::mapping::Mapping;

/// The verdict on each object, by name, and the mappings in force.
pub(super) fn judge<'a>(
    objects: impl Iterator<Item = &'a Object>,
) -> (HashMap<String, Verdict>, Vec<Arc<Mapping>>) {
    let mut ranked: Vec<&Object> = objects.collect();
    ranked.sort_by(|a, b| a.rank().cmp(&b.rank()));
    let mut holders = HashMap::with_capacity(ranked.len());
    let mut verdicts = HashMap::with_capacity(ranked.len());
    let mut in_force = Vec::with_capacity(ranked.len());
    for object in ranked {
        let verdict = match &object.finding {
            Err(_) => Verdict::Faulty,
            Ok(mapping) => {
                let claim = (mapping.service_type, &*mapping.subaccount, &*mapping.service);
                let holder = *holders.entry(claim).or_insert(&*object.name);
                if holder == object.name {
                    in_force.push(Arc::clone(mapping));
                    Verdict::Accepted
                } else {
                    Verdict::Conflict(holder.to_owned())
                }
            }
        };
        verdicts.insert(object.name.clone(), verdict);
    }
    (verdicts, in_force)
}

#[cfg(test)]
mod tests {
    use kube::api::DynamicObject;
    use serde_json::json;

    use super::*;
    use crate::mapping::Tenancy;

    fn object(name: &str, created: &str, uid: &str, service: &str) -> Object {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "connectivityproxy.sap.com/v1", "kind": "ServiceMapping",
            "metadata": { "name": name, "uid": uid, "creationTimestamp": created },
            "spec": { "type": "TCP", "subaccountId": "a", "serviceId": service,
                      "internalAddress": "x:1" },
        }))
        .unwrap();
        Object::read(&object, &Tenancy::Shared)
    }

    fn verdicts(objects: &[Object]) -> Vec<Verdict> {
        let (verdicts, in_force) = judge(objects.iter());
        let accepted = verdicts.values().filter(|v| **v == Verdict::Accepted).count();
        assert_eq!(in_force.len(), accepted);
        objects.iter().map(|object| verdicts[&object.name].clone()).collect()
    }

    #[test]
    fn the_older_of_two_is_in_force_whatever_their_order() {
        let (old, young) = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:01Z");
        let conflict = Verdict::Conflict("z".into());
        let objects = [object("a", young, "1", "s"), object("z", old, "2", "s")];
        assert_eq!(verdicts(&objects), [conflict.clone(), Verdict::Accepted]);
        let objects = [object("z", old, "2", "s"), object("a", young, "1", "s")];
        assert_eq!(verdicts(&objects), [Verdict::Accepted, conflict]);
    }

    #[test]
    fn of_the_same_second_the_lesser_uid_is() {
        let now = "2026-01-01T00:00:00Z";
        let objects = [object("a", now, "2", "s"), object("b", now, "1", "s")];
        assert_eq!(verdicts(&objects), [Verdict::Conflict("b".into()), Verdict::Accepted]);
    }

    #[test]
    fn another_service_is_no_conflict_and_a_faulty_claim_is_none() {
        let now = "2026-01-01T00:00:00Z";
        let objects =
            [object("a", now, "1", "s"), object("b", now, "2", "t"), object("c", now, "0", "")];
        assert_eq!(verdicts(&objects), [Verdict::Accepted, Verdict::Accepted, Verdict::Faulty]);
    }
}
