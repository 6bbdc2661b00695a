//! What an object's status should be. A pure function of what is known, so that a new leader
//! comes to the same words as the last and has nothing to write.

use super::object::{Object, Verdict};
use super::resource::{Condition, ServiceMappingStatus};

/// The three conditions, in the order in which they are written.
pub(super) const ACCEPTED: &str = "Accepted";
pub(super) const BACKEND_REACHABLE: &str = "BackendReachable";
pub(super) const READY: &str = "Ready";

/// The status an object should have; `now` is when what changed has changed.
pub(super) fn wanted(
    object: &Object,
    endpoint: impl Fn(&str) -> String,
    now: &str,
) -> Option<ServiceMappingStatus> {
    let judgement = object.verdict.as_ref().map(|verdict| judgement(object, verdict))?;
    let accepted = judgement.status == "True";
    let mapping = object.finding.as_ref().ok().filter(|_| accepted);
    let reach = reach(object, accepted);
    let ready = ready(&judgement, &reach);
    let condition = |kind: &str, judgement: Judgement| {
        let before = object.status.conditions.iter().find(|before| before.kind == kind);
        let same = before.filter(|before| before.status == judgement.status);
        Condition {
            kind: kind.to_owned(),
            status: judgement.status.to_owned(),
            reason: judgement.reason.to_owned(),
            message: judgement.message,
            last_transition_time: same
                .map_or_else(|| now.to_owned(), |before| before.last_transition_time.clone()),
            observed_generation: object.generation,
        }
    };
    Some(ServiceMappingStatus {
        endpoint: mapping.map(|mapping| endpoint(&mapping.service)),
        observed_generation: object.generation,
        conditions: vec![
            condition(ACCEPTED, judgement),
            condition(BACKEND_REACHABLE, reach),
            condition(READY, ready),
        ],
    })
}

/// Status, reason and message of a condition.
struct Judgement {
    status: &'static str,
    reason: &'static str,
    message: String,
}

fn judgement(object: &Object, verdict: &Verdict) -> Judgement {
    match (verdict, &object.finding) {
        (_, Err(fault)) => {
            Judgement { status: "False", reason: fault.reason, message: fault.message.clone() }
        }
        (Verdict::Conflict(winner), Ok(mapping)) => Judgement {
            status: "False",
            reason: "Conflict",
            message: format!(
                "the {} service `{}` of subaccount `{}` is mapped by `{winner}`, which is older; \
                 remove one of the two or choose another serviceId",
                mapping.service_type, mapping.service, mapping.subaccount
            ),
        },
        (Verdict::Accepted | Verdict::Faulty, Ok(_)) => Judgement {
            status: "True",
            reason: "Accepted",
            message: "connectors may open streams to the endpoint".to_owned(),
        },
    }
}

fn reach(object: &Object, accepted: bool) -> Judgement {
    let (status, reason, message) = match &object.reach.last {
        _ if !accepted => ("Unknown", "NotAccepted", "only accepted mappings are dialled".into()),
        None => ("Unknown", "NotYetDialled", "the internal address was not dialled yet".into()),
        Some(Ok(())) => ("True", "Connected", "the internal address takes connections".into()),
        Some(Err(why)) => ("False", "DialFailed", format!("the internal address: {why}")),
    };
    Judgement { status, reason, message }
}

fn ready(accepted: &Judgement, reach: &Judgement) -> Judgement {
    let (status, reason, message) = match (accepted.status, reach.status) {
        ("True", "True") => ("True", "Ready", "streams reach the service".to_owned()),
        ("True", "False") => ("False", "BackendUnreachable", reach.message.clone()),
        ("True", _) => ("Unknown", "NotYetDialled", reach.message.clone()),
        _ => ("False", "NotAccepted", accepted.message.clone()),
    };
    Judgement { status, reason, message }
}

/// Conditions whose status or reason another status has differently: what is worth an event.
pub(super) fn changed<'a>(
    before: &ServiceMappingStatus,
    after: &'a ServiceMappingStatus,
) -> Vec<&'a Condition> {
    let differs = |condition: &&Condition| {
        let same = |c: &&Condition| c.kind == condition.kind;
        before.conditions.iter().find(same).is_none_or(|before| {
            (&before.status, &before.reason) != (&condition.status, &condition.reason)
        })
    };
    after.conditions.iter().filter(differs).collect()
}

/// Whether two statuses say the same, whenever it became so.
pub(super) fn same_words(a: &ServiceMappingStatus, b: &ServiceMappingStatus) -> bool {
    let words =
        |c: &Condition| (c.kind.clone(), c.status.clone(), c.reason.clone(), c.message.clone());
    let all = |status: &ServiceMappingStatus| {
        let mut all: Vec<_> = status.conditions.iter().map(words).collect();
        all.sort();
        all
    };
    a.endpoint == b.endpoint && a.observed_generation == b.observed_generation && all(a) == all(b)
}

#[cfg(test)]
mod tests {
    use kube::api::DynamicObject;
    use serde_json::{Value, json};

    use super::*;
    use crate::mapping::Tenancy;

    fn object(spec: Value, status: Value) -> Object {
        let object: DynamicObject = serde_json::from_value(json!({
            "apiVersion": "connectivityproxy.sap.com/v1", "kind": "ServiceMapping",
            "metadata": { "name": "m", "uid": "1", "generation": 2 },
            "spec": spec, "status": status,
        }))
        .unwrap();
        Object::read(&object, &Tenancy::Shared)
    }

    fn good() -> Value {
        json!({ "type": "TCP", "subaccountId": "a", "serviceId": "s", "internalAddress": "x:1" })
    }

    fn status_of(object: &Object, now: &str) -> ServiceMappingStatus {
        wanted(object, |service| format!("tcp://cp:443/{service}"), now).unwrap()
    }

    fn told(status: &ServiceMappingStatus) -> Vec<String> {
        let line = |c: &Condition| format!("{}={} {}", c.kind, c.status, c.reason);
        status.conditions.iter().map(line).collect()
    }

    #[test]
    fn an_accepted_mapping_has_its_endpoint_and_is_ready_once_dialled() {
        let mut object = object(good(), Value::Null);
        assert_eq!(wanted(&object, str::to_owned, "t"), None, "judged before it was judged");
        object.verdict = Some(Verdict::Accepted);
        let status = status_of(&object, "t0");
        assert_eq!(status.endpoint.as_deref(), Some("tcp://cp:443/s"));
        assert_eq!(status.observed_generation, Some(2));
        let expected = [
            "Accepted=True Accepted",
            "BackendReachable=Unknown NotYetDialled",
            "Ready=Unknown NotYetDialled",
        ];
        assert_eq!(told(&status), expected);
        object.status = status;
        object.reach.last = Some(Ok(()));
        let status = status_of(&object, "t1");
        assert_eq!(told(&status)[2], "Ready=True Ready");
        let times: Vec<_> =
            status.conditions.iter().map(|c| c.last_transition_time.as_str()).collect();
        assert_eq!(times, ["t0", "t1", "t1"]);
        object.status = status.clone();
        assert_eq!(status_of(&object, "t2"), status, "nothing changed, so nothing is new");
    }

    #[test]
    fn a_dial_that_fails_says_why() {
        let mut object = object(good(), Value::Null);
        object.verdict = Some(Verdict::Accepted);
        object.reach.last = Some(Err("connection refused".into()));
        let status = status_of(&object, "t");
        assert_eq!(
            told(&status)[1..],
            ["BackendReachable=False DialFailed", "Ready=False BackendUnreachable"]
        );
        assert!(status.conditions[2].message.contains("connection refused"));
        assert!(status.endpoint.is_some(), "the service may come back");
    }

    #[test]
    fn the_younger_of_two_names_the_winner_and_has_no_endpoint() {
        let mut object = object(good(), json!({ "endpoint": "tcp://cp:443/s" }));
        object.verdict = Some(Verdict::Conflict("older".into()));
        let status = status_of(&object, "t");
        assert_eq!(told(&status)[0], "Accepted=False Conflict");
        assert!(status.conditions[0].message.contains("`older`"), "{status:?}");
        assert_eq!(status.endpoint, None);
    }

    #[test]
    fn each_fault_has_its_reason() {
        for (field, value, reason) in [
            ("internalAddress", json!("tcp://x:1"), "InvalidAddress"),
            ("internalAddress", json!("[::1:80"), "InvalidAddress"),
            ("subaccountId", Value::Null, "SubaccountRequired"),
            ("type", json!("JDBC"), "UnsupportedType"),
            ("serviceId", json!("a/b"), "InvalidSpec"),
        ] {
            let mut spec = good();
            spec[field] = value;
            let mut object = object(spec, Value::Null);
            object.verdict = Some(Verdict::Faulty);
            let status = status_of(&object, "t");
            assert_eq!(told(&status)[0], format!("Accepted=False {reason}"), "{field}");
            assert!(status.conditions[0].message.contains(field), "{status:?}");
        }
    }

    #[test]
    fn only_what_changed_is_an_event_and_times_are_no_difference() {
        let mut object = object(good(), Value::Null);
        object.verdict = Some(Verdict::Accepted);
        let before = status_of(&object, "t0");
        object.reach.last = Some(Ok(()));
        let after = status_of(&object, "t1");
        let kinds: Vec<_> = changed(&before, &after).iter().map(|c| c.kind.as_str()).collect();
        assert_eq!(kinds, ["BackendReachable", "Ready"]);
        assert!(same_words(&after, &status_of(&object, "t9")) && !same_words(&before, &after));
    }
}
