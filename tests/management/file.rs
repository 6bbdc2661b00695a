//! What the configuration file names is shown with the rest, and changed in the file alone.

use causeway::{
    limits::CHANNEL_ID_MANAGED_MAX,
    management::{
        FileManaged,
        store::{Channel, Subaccount},
    },
};
use serde_json::{Value, json};

use crate::house::{GUID, House, REGION, at, channel, material, owner, subaccount};

const LIST: &str = "/api/v1/configuration/subaccounts";
const PATH: &str = "/etc/causeway/connector.toml";
pub(crate) const FILES: i64 = CHANNEL_ID_MANAGED_MAX + 1;

/// A file with one subaccount that has an enabled channel on a port.
pub(crate) fn file(name: &str, port: u16) -> FileManaged {
    let [certificate, private_key, authorities] = material(name);
    let one = Subaccount {
        owner: owner(name),
        certificate: Some(certificate),
        private_key,
        authorities,
        ..crate::store::subaccount(name)
    };
    let made = crate::store::made(port);
    let channel = Channel { id: FILES, owner: owner(name), enabled: true, made };
    FileManaged { path: PATH.to_owned(), subaccounts: vec![(one, vec![channel])] }
}

fn house() -> House {
    let house = House::new();
    let made = house.log_in("Administrator").ask("POST", LIST, Some(&subaccount(GUID)));
    assert_eq!(made.status, 201, "{made:?}");
    *house.carrier.file.lock().unwrap() = file("of-file", 4000);
    house
}

/// A subaccount in a list.
pub(crate) fn entry(name: &str, by: &str) -> Value {
    json!({
        "regionHost": REGION,
        "subaccount": name,
        "locationID": "",
        "managedBy": by,
    })
}

fn ids(list: &Value) -> Vec<i64> {
    list.as_array().unwrap().iter().map(|one| one["id"].as_i64().unwrap()).collect()
}

#[test]
fn the_files_stands_behind_what_the_store_has() {
    let house = house();
    let client = house.log_in("Administrator");
    let list = client.get(LIST).json();
    assert_eq!(list, json!([entry(GUID, "rest"), entry("of-file", "file")]));
    let one = client.get(&at("of-file")).json();
    assert_eq!((&one["managedBy"], &one["displayName"]), (&json!("file"), &json!("Plant")));
    assert_eq!(one["tunnel"]["state"], "Connected");
    assert!(one["tunnel"]["subaccountCertificate"]["serialNumber"].is_string());
    assert!(!one.to_string().contains("PRIVATE KEY"));
    let channels = format!("{}/channels/K8S", at("of-file"));
    let shown = client.get(&format!("{channels}/{FILES}")).json();
    assert_eq!(client.get(&channels).json(), json!([shown]));
    assert_eq!((&shown["managedBy"], &shown["port"]), (&json!("file"), &json!(4000)));
    assert_eq!(shown["state"]["connected"], true);
    client.get(&format!("{channels}/{}", FILES + 1)).fails(404, "NOT_FOUND");
    client.get(&format!("{}/channels/K8S/{FILES}", at(GUID))).fails(404, "NOT_FOUND");
    let monitored = house.log_in("Monitoring").get("/api/monitoring/subaccounts").json();
    assert_eq!(monitored["subaccounts"][1]["subaccount"], "of-file");
    assert_eq!(monitored["subaccounts"][1]["tunnel"], one["tunnel"]);
}

#[test]
fn the_files_is_changed_in_the_file_alone() {
    let house = house();
    let [certificate, private_key, _] = material("of-file");
    let renewed = json!({ "certificate": certificate, "privateKey": private_key });
    let all = format!("{}/channels/K8S", at("of-file"));
    let one = format!("{all}/{FILES}");
    let path = |rest: &str| format!("{}{rest}", at("of-file"));
    let changes = [
        ("PUT", path(""), Some(json!({ "description": "x" }))),
        ("DELETE", path(""), None),
        ("PUT", path("/state"), Some(json!({ "connected": false }))),
        ("POST", path("/validity"), Some(renewed)),
        ("POST", all.clone(), Some(channel(1))),
        ("DELETE", all, None),
        ("DELETE", path("/channels"), None),
        ("PUT", one.clone(), Some(channel(1))),
        ("PUT", format!("{one}/state"), Some(json!({ "enabled": false }))),
        ("PUT", format!("{one}/state"), Some(json!({ "enabled": true }))),
        ("DELETE", one, None),
    ];
    let display = house.log_in("Display");
    for role in ["Administrator", "Subaccount Administrator"] {
        let client = house.log_in(role);
        for (method, path, body) in &changes {
            let why = client.ask(method, path, body.as_ref()).fails(409, "ILLEGAL_STATE");
            assert!(why.ends_with(&format!("{PATH}; edit that file")), "{method} {path}: {why}");
            display.ask(method, path, body.as_ref()).fails(403, "FORBIDDEN_REQUEST");
        }
        let made = client.ask("POST", LIST, Some(&subaccount("of-file")));
        assert!(made.fails(409, "INVALID_CONFIGURATION").contains(PATH), "{made:?}");
    }
    assert_eq!((house.store.channels().unwrap().len(), house.changes().len()), (0, 1));
}

#[test]
fn a_port_of_the_file_is_taken() {
    let house = house();
    let client = house.log_in("Administrator");
    let all = format!("{}/channels/K8S", at(GUID));
    for port in [4000, 4001] {
        client.ask("POST", &all, Some(&channel(port))).is_empty(201);
    }
    let enable = |id: i64| {
        let on = json!({ "enabled": true });
        client.ask("PUT", &format!("{all}/{id}/state"), Some(&on))
    };
    let why = enable(1).fails(500, "RUNTIME_FAILURE");
    assert!(why.contains(&format!("port 4000 is that of channel {FILES}")), "{why}");
    assert!(why.contains(PATH), "{why}");
    enable(2).is_empty(204);
    let moved = client.ask("PUT", &format!("{all}/2"), Some(&channel(4000)));
    moved.fails(400, "INVALID_REQUEST");
    *house.carrier.file.lock().unwrap() = file("of-file", 4002);
    enable(1).is_empty(204);
    assert_eq!(house.carrier.open(), [1, 2]);
}

#[test]
fn what_the_file_names_later_as_well_still_can_be_deleted() {
    let house = house();
    let client = house.log_in("Administrator");
    let all = format!("{}/channels/K8S", at(GUID));
    client.ask("POST", &all, Some(&channel(3000))).is_empty(201);
    *house.carrier.file.lock().unwrap() = file(GUID, 4000);
    assert_eq!(client.get(LIST).json(), json!([entry(GUID, "rest")]));
    assert_eq!(ids(&client.get(&all).json()), [1, FILES]);
    let monitored = client.get("/api/monitoring/subaccounts").json();
    let tunnel = &monitored["subaccounts"][0]["tunnel"];
    assert_eq!(tunnel["serviceChannels"].as_array().unwrap().len(), 2);
    client.ask("DELETE", &format!("{all}/{FILES}"), None).fails(409, "ILLEGAL_STATE");
    client.ask("DELETE", &all, None).is_empty(204);
    assert_eq!(ids(&client.get(&all).json()), [FILES]);
    client.ask("DELETE", &at(GUID), None).is_empty(204);
    assert_eq!(client.get(&at(GUID)).json()["managedBy"], "file");
    client.ask("DELETE", &at(GUID), None).fails(409, "ILLEGAL_STATE");
}
