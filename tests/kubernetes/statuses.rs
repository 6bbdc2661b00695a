//! What the status of a mapping says, and how it is written.

use serde_json::json;

use crate::{
    api::spec,
    cluster::{Cluster, Kind, Suite},
    installation::Installation,
    support::{DEADLINE, HeldPort, Service, wait_until},
};

pub fn add(suite: &mut Suite) {
    suite.every("the_status_tells_endpoint_and_conditions_by_server_side_apply", told);
    suite.every("a_service_that_does_not_answer_is_told_and_back_again", unreachable);
    suite.only(Kind::Full, "what_an_old_server_lets_through_has_its_reason", faults);
    suite.only(Kind::Crds, "validation_rules_refuse_what_cannot_work", rules);
    suite.every("a_status_is_written_once_and_again_only_when_it_was_changed", quiet);
}

fn told(cluster: &Cluster) {
    let (api, service) = (&cluster.api, Service::echo());
    let installation = Installation::new(cluster);
    let _proxy = installation.leader("one");
    api.create("told", &spec("told", service.address));
    let took = api.wait_condition("told", "Accepted", "True Accepted");
    println!("{:?}: create to Accepted in the status: {took:?}", cluster.kind);
    assert_eq!(api.status("told", "endpoint"), "tcp://localhost:443/told");
    api.wait_condition("told", "BackendReachable", "True Connected");
    api.wait_condition("told", "Ready", "True Ready");
    let object = api.get("told");
    assert_eq!(object.data["status"]["observedGeneration"], 1);
    let managers = object.metadata.managed_fields.unwrap();
    let ours = managers.iter().find(|entry| entry.manager.as_deref() == Some("causeway")).unwrap();
    assert_eq!(ours.operation.as_deref(), Some("Apply"));

    let before = api.condition_of("told", "Accepted");
    api.patch("told", &json!({ "tenantId": "t" }));
    wait_until("the new generation is observed", DEADLINE, || {
        api.get("told").data["status"]["observedGeneration"] == 2
    });
    let after = api.condition_of("told", "Accepted");
    assert_eq!(before["lastTransitionTime"], after["lastTransitionTime"]);
    assert_eq!(after["observedGeneration"], 2);
}

fn unreachable(cluster: &Cluster) {
    let (api, service, nobody) = (&cluster.api, Service::echo(), HeldPort::new());
    let installation = Installation::new(cluster);
    let _proxy = installation.leader("one");
    api.create("dead", &spec("dead", nobody.address));
    api.wait_condition("dead", "BackendReachable", "False DialFailed");
    api.wait_condition("dead", "Ready", "False BackendUnreachable");
    let message = api.condition_of("dead", "BackendReachable")["message"].to_string();
    assert!(message.contains("connection refused"), "{message}");
    assert_eq!(api.condition("dead", "Accepted"), "True Accepted");
    api.patch("dead", &spec("dead", service.address));
    api.wait_condition("dead", "Ready", "True Ready");
}

fn faults(cluster: &Cluster) {
    let api = &cluster.api;
    let installation = Installation::new(cluster);
    let proxy = installation.leader("one");
    for (name, field, value, reason) in [
        ("scheme", "internalAddress", json!("tcp://x:80"), "InvalidAddress"),
        ("port", "internalAddress", json!("x:65536"), "InvalidAddress"),
        ("jdbc", "type", json!("JDBC"), "UnsupportedType"),
        ("nobody", "subaccountId", json!(null), "SubaccountRequired"),
        ("slash", "serviceId", json!("a/b"), "InvalidSpec"),
    ] {
        let mut wrong = spec(name, "x:1");
        wrong[field] = value;
        api.create(name, &wrong);
        api.wait_condition(name, "Accepted", &format!("False {reason}"));
        assert_eq!(api.condition(name, "Ready"), "False NotAccepted");
        assert_eq!(api.status(name, "endpoint"), "");
    }
    assert_eq!(proxy.metric("causeway_mapping_problems"), 5);
    api.patch("port", &spec("port", "localhost:1"));
    api.wait_condition("port", "Accepted", "True Accepted");
}

fn rules(cluster: &Cluster) {
    for (field, value, message) in [
        ("type", json!("UDP"), "TCP"),
        ("internalAddress", json!("tcp://x:80"), "has a scheme"),
        ("internalAddress", json!("x"), "host:port"),
        ("internalAddress", json!("::1:80"), "IPv6 address in brackets"),
        ("internalAddress", json!("x:0"), "port from 1 to 65535"),
        ("internalAddress", json!("x:65536"), "port from 1 to 65535"),
        ("serviceId", json!("a/b"), "CONNECT authority"),
        ("serviceId", json!(""), "at least 1 char"),
        ("locationIds", json!([]), "at least 1 item"),
    ] {
        let mut wrong = spec("s", "x:1");
        wrong[field] = value.clone();
        let refused = cluster.api.try_create("wrong", &wrong).expect_err(field).to_string();
        assert!(refused.contains(message), "{field} {value}: {refused}");
    }
    for address in ["[::1]:80", "10.0.0.1:65535", "my_svc.ns.svc.cluster.local.:1"] {
        cluster.api.create("right", &spec("a~b!c", address));
        cluster.api.delete("right");
    }
    let mut pruned = spec("s", "x:1");
    pruned["unknown"] = json!(1);
    let object = cluster.api.create("pruned", &pruned);
    assert_eq!(object.data["spec"].get("unknown"), None);
}

fn quiet(cluster: &Cluster) {
    let (api, service) = (&cluster.api, Service::echo());
    let installation = Installation::new(cluster);
    let proxy = installation.leader("one");
    api.create("quiet", &spec("quiet", service.address));
    api.wait_condition("quiet", "Ready", "True Ready");
    let writes = proxy.fact("status_writes_total");
    let version = api.get("quiet").metadata.resource_version;
    // Anything that happens to it is a reason to look, and none to write.
    for index in 0..5 {
        api.create(&format!("other-{index}"), &spec(&format!("o{index}"), service.address));
        api.wait_condition(&format!("other-{index}"), "Ready", "True Ready");
    }
    assert_eq!(api.get("quiet").metadata.resource_version, version);
    // Two for each of the others, and one of the first that was not counted yet.
    let more = proxy.fact("status_writes_total") - writes;
    assert!(more <= 11, "{more} writes for 5 mappings");

    api.patch_status("quiet", &json!({ "endpoint": "tcp://elsewhere:1/x" }));
    wait_until("what another wrote is put right", DEADLINE * 2, || {
        api.status("quiet", "endpoint") == "tcp://localhost:443/quiet"
    });
}
