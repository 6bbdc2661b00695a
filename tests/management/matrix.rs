//! Every route with every role: who may, and who may not.

use std::collections::BTreeSet;

use causeway::management::{accounts::Role, store::Subaccount};
use serde_json::{Value, json};

use crate::{
    house::{Client, GUID, House, PASSWORD, REGION, at, channel, material, owner, subaccount},
    store::{edit, made},
};

/// Roles by their letters: Administrator, Subaccount administrator, Display, Monitoring.
const LETTERS: &str = "ASDM";

/// A route: method, path below the subaccount or whole, body, status, who may, and who may where
/// the subaccount is a managed one.
type Route = (&'static str, &'static str, Option<Value>, u16, &'static str, &'static str);

fn routes() -> Vec<Route> {
    let material = material(GUID);
    let renewed = json!({ "certificate": material[0], "privateKey": material[1] });
    let asked = json!({ "regionHost": REGION, "subaccount": GUID });
    let imported = json!({ "version": 1, "channels": [channel(3200)] });
    let account = json!({ "user": "new", "password": PASSWORD, "role": "Display" });
    let sealed = json!({ "password": PASSWORD });
    let role = json!({ "role": "Monitoring" });
    let weak = json!({ "old": PASSWORD, "new": "short" });
    let on = |name: &str| Some(json!({ name: true }));
    vec![
        ("GET", "/api/v1/session", None, 200, "ASDM", "ASDM"),
        ("GET", "/api/v1/connector/version", None, 200, "ASDM", "ASDM"),
        ("GET", "/api/v1/changes", None, 200, "A", "A"),
        ("GET", "/api/v1/configuration/accounts", None, 200, "A", "A"),
        ("POST", "/api/v1/configuration/accounts", Some(account), 201, "A", "A"),
        ("PUT", "/api/v1/configuration/accounts/<user>", Some(role), 204, "A", "A"),
        ("DELETE", "/api/v1/configuration/accounts/<user>", None, 204, "A", "A"),
        ("GET", "/api/v1/usage", None, 200, "ADM", "ADM"),
        ("DELETE", "/api/v1/usage", None, 204, "A", "A"),
        ("GET", "/api/v1/latency", None, 200, "ADM", "ADM"),
        ("GET", "/api/monitoring/subaccounts", None, 200, "AM", "AM"),
        ("GET", "/api/monitoring/connections/serviceChannels", None, 200, "AM", "AM"),
        ("GET", "/api/monitoring/usage", None, 200, "AM", "AM"),
        ("GET", "/api/monitoring/certificates", None, 200, "AM", "AM"),
        ("GET", "/api/monitoring/certificates/expired", None, 200, "AM", "AM"),
        ("GET", "/api/monitoring/certificates/expiring", None, 200, "AM", "AM"),
        ("GET", "/api/monitoring/certificates/ok", None, 200, "AM", "AM"),
        ("GET", "/api/monitoring/alerts", None, 200, "AM", "AM"),
        ("GET", "/api/monitoring/memory", None, 200, "AM", "AM"),
        ("GET", "/api/monitoring/cpu", None, 200, "AM", "AM"),
        ("GET", "/api/monitoring/disk", None, 200, "AM", "AM"),
        ("POST", "/api/v1/configuration/backup", Some(sealed), 200, "A", "A"),
        // A restore ends the session; what is no form is told to those who may.
        ("PUT", "/api/v1/configuration/backup", Some(json!({})), 415, "A", "A"),
        ("POST", "/api/v1/configuration/certificateRequests", Some(asked), 201, "AS", "A"),
        ("GET", "/api/v1/configuration/subaccounts", None, 200, "ASD", "ASD"),
        ("POST", "/api/v1/configuration/subaccounts", Some(subaccount("new")), 201, "AS", "AS"),
        ("GET", "S", None, 200, "ASD", "ASD"),
        ("PUT", "S", Some(json!({ "description": "x" })), 200, "AS", "A"),
        ("PUT", "S/state", on("connected"), 204, "AS", "A"),
        ("POST", "S/validity", Some(renewed), 200, "AS", "A"),
        ("GET", "S/channels/export", None, 200, "ASD", "ASD"),
        ("POST", "S/channels/import", Some(imported), 200, "AS", "A"),
        ("GET", "S/channels/K8S", None, 200, "ASDM", "ASDM"),
        ("POST", "S/channels/K8S", Some(channel(3000)), 201, "AS", "A"),
        ("GET", "S/channels/K8S/<id>", None, 200, "ASDM", "ASDM"),
        ("PUT", "S/channels/K8S/<id>", Some(channel(3001)), 204, "AS", "A"),
        ("PUT", "S/channels/K8S/<id>/state", on("enabled"), 204, "AS", "A"),
        ("DELETE", "S/channels/K8S/<id>", None, 204, "AS", "A"),
        ("DELETE", "S/channels/K8S", None, 204, "AS", "A"),
        ("DELETE", "S/channels", None, 204, "AS", "A"),
        ("DELETE", "S", None, 204, "AS", "A"),
        // Last, as they end the session; a password that is not changed ends none.
        ("PUT", "/api/v1/password", Some(weak), 400, "ASDM", "ASDM"),
        ("DELETE", "/api/v1/session", None, 204, "ASDM", "ASDM"),
    ]
}

/// A subaccount with one channel and nothing else; says the channel's id.
fn furnish(house: &House, managed: bool) -> i64 {
    for one in house.store.subaccounts().unwrap() {
        edit(&house.store, |edit| edit.delete_subaccount(&one.owner)).unwrap();
    }
    for one in house.store.accounts().unwrap() {
        if Role::of(&one.name).is_none() {
            edit(&house.store, |edit| edit.delete_account(&one.name)).unwrap();
        }
    }
    house.add_account("somebody", "Display");
    let [certificate, private_key, authorities] = material(GUID);
    let one = Subaccount {
        owner: owner(GUID),
        certificate: Some(certificate),
        private_key,
        authorities,
        managed,
        ..crate::store::subaccount(GUID)
    };
    edit(&house.store, |edit| edit.add_subaccount(&one)).unwrap();
    edit(&house.store, |edit| edit.add_channel(&owner(GUID), &made(3100))).unwrap()
}

fn state(house: &House) -> String {
    let store = &house.store;
    let (subaccounts, channels) = (store.subaccounts().unwrap(), store.channels().unwrap());
    format!("{subaccounts:?} {channels:?} {:?}", store.accounts().unwrap())
}

fn attempt(house: &House, client: &Client<'_>, route: &Route, managed: bool, letter: char) {
    let (method, path, body, status, may, may_managed) = route;
    let id = furnish(house, managed);
    let path = match path.strip_prefix('S') {
        Some(rest) => format!("{}{}", at(GUID), rest.replace("<id>", &id.to_string())),
        None => path.replace("<user>", "somebody"),
    };
    let before = state(house);
    let reply = client.ask(method, &path, body.as_ref());
    let may = if managed { may_managed } else { may };
    if may.contains(letter) {
        assert_eq!(reply.status, *status, "{letter} {method} {path}: {reply:?}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
    } else {
        let kind = "FORBIDDEN_REQUEST";
        reply.fails(if letter == '-' { 401 } else { 403 }, kind);
        assert_eq!(state(house), before, "{letter} {method} {path}");
    }
}

#[test]
fn every_role_may_what_it_is_for_on_every_route() {
    let house = House::new();
    for managed in [false, true] {
        for (role, letter) in Role::ALL.into_iter().zip(LETTERS.chars()) {
            let client = house.log_in(role.name());
            for route in &routes() {
                attempt(&house, &client, route, managed, letter);
            }
        }
        let nobody = house.nobody();
        for route in &routes() {
            attempt(&house, &nobody, route, managed, '-');
        }
    }
}

#[test]
fn only_administrators_make_managed_subaccounts() {
    let house = House::new();
    let mut one = subaccount(GUID);
    one["isManaged"] = json!(true);
    let list = "/api/v1/configuration/subaccounts";
    let refused = house.log_in("Subaccount Administrator").ask("POST", list, Some(&one));
    refused.fails(403, "FORBIDDEN_REQUEST");
    assert_eq!(house.log_in("Administrator").ask("POST", list, Some(&one)).status, 201);
}

/// The document's tables of what is served.
fn documented() -> BTreeSet<String> {
    let text = std::fs::read_to_string("docs/management.md").unwrap();
    let served = text.split("\n## ").find(|part| part.starts_with("Served")).unwrap();
    let mut found = BTreeSet::new();
    for line in served.lines().filter(|line| line.starts_with("| ") && line.contains('`')) {
        let cell = line.trim_start_matches("| ").split(" |").next().unwrap();
        let mut words = cell.split('`');
        let methods = words.next().unwrap();
        let path = words.next().unwrap();
        found.extend(methods.split(", ").map(|method| format!("{} {path}", method.trim())));
    }
    found
}

#[test]
fn the_documents_routes_are_those_that_are_tried() {
    let whole = |path: &str| path.replace(&format!("{}/", at(GUID)), "S/");
    let mut tried: BTreeSet<String> =
        routes().iter().map(|route| format!("{} {}", route.0, whole(route.1))).collect();
    // What everybody may, as it says who one is.
    tried.extend(["POST /api/v1/session".to_owned(), "POST /api/v1/setup".to_owned()]);
    assert_eq!(documented(), tried);
    assert!(at(GUID).contains(REGION));
}
