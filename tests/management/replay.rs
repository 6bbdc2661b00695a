//! What the incumbent's own clients send, and what they look for in the answers: every field.

use serde_json::{Value, json};

use crate::{
    file::entry,
    house::{GUID, House, REGION, SINCE, at, channel, material, subaccount},
};

const BASE: &str = "https://connector:8443";

fn with_subaccount() -> House {
    let house = House::new();
    let admin = house.log_in("Administrator");
    let made = admin.ask("POST", "/api/v1/configuration/subaccounts", Some(&subaccount(GUID)));
    assert_eq!(made.status, 201, "{made:?}");
    drop(admin);
    house
}

fn shown(id: i64, port: u16, comment: &str, connections: usize) -> Value {
    let link = format!("{BASE}{}/channels/K8S/{id}", at(GUID));
    json!({
        "k8sCluster": "cp.example.com:443",
        "k8sService": "echoserver",
        "id": id,
        "type": "K8S",
        "port": port,
        "enabled": false,
        "connections": connections,
        "comment": comment,
        "localAddress": "127.0.0.1",
        "mode": "multiplexed",
        "allowedSources": [],
        "bytesPerSecondMax": 0,
        "tls": false,
        "managedBy": "rest",
        "_links": { "self": { "href": link }, "state": { "href": format!("{link}/state") } },
    })
}

#[test]
fn channels_live_as_the_incumbents_client_has_them_live() {
    let house = with_subaccount();
    let client = house.basic("Administrator");
    let version = client.get("/api/v1/connector/version");
    assert_eq!(version.json()["version"], "2.19.0", "what its clients compare");

    let channels = format!("{}/channels/K8S", at(GUID));
    assert_eq!(client.get(&channels).json(), json!([]));
    for (id, port) in [(1, 3000), (2, 3001)] {
        let made = client.ask("POST", &channels, Some(&channel(port)));
        made.is_empty(201);
        let place = format!("{BASE}{channels}/{id}");
        assert_eq!(made.header("location"), Some(place.as_str()));
    }
    let list = client.get(&channels);
    assert_eq!(list.header("content-type"), Some("application/json"));
    assert_eq!(list.header("cache-control"), Some("no-store"));
    assert_eq!(list.json(), json!([shown(2, 3001, "Created", 1), shown(1, 3000, "Created", 1)]));
    let one = format!("{channels}/1");
    assert_eq!(client.get(&one).json(), shown(1, 3000, "Created", 1));

    let state = format!("{one}/state");
    client.ask("PUT", &state, Some(&json!({ "enabled": "false" }))).is_empty(204);
    let mut other = channel(3002);
    other["comment"] = json!("Updated");
    other["connections"] = json!("2");
    client.ask("PUT", &one, Some(&other)).is_empty(204);
    assert_eq!(client.get(&one).json(), shown(1, 3002, "Updated", 2));

    assert!(house.carrier.open().is_empty());
    client.ask("PUT", &state, Some(&json!({ "enabled": "true" }))).is_empty(204);
    assert_eq!(house.carrier.open(), [1]);
    let mut running = shown(1, 3002, "Updated", 2);
    running["enabled"] = json!(true);
    running["state"] = json!({
        "connected": true,
        "openedConnections": 2,
        "connectedSinceTimeStamp": SINCE,
        "problem": null,
    });
    assert_eq!(client.get(&one).json(), running);
    client.ask("PUT", &state, Some(&json!({ "enabled": true }))).is_empty(204);
    client.ask("PUT", &state, Some(&json!({ "enabled": false }))).is_empty(204);
    assert!(house.carrier.open().is_empty());

    client.ask("DELETE", &one, None).is_empty(204);
    client.get(&one).fails(404, "NOT_FOUND");
    client.ask("DELETE", &one, None).fails(404, "NOT_FOUND");
    client.ask("PUT", &one, Some(&channel(1))).fails(404, "NOT_FOUND");
    client.ask("PUT", &state, Some(&json!({ "enabled": true }))).fails(404, "NOT_FOUND");
    client.ask("DELETE", &channels, None).is_empty(204);
    assert_eq!(client.get(&channels).json(), json!([]));
    let made = client.ask("POST", &channels, Some(&channel(3000)));
    assert!(made.header("location").unwrap().ends_with("/3"), "ids are not given again");
    client.ask("DELETE", &format!("{}/channels", at(GUID)), None).is_empty(204);
    assert_eq!(client.get(&channels).json(), json!([]));

    let nobody = client.get(&format!("{}/channels/K8S", at("x"))).fails(404, "NOT_FOUND");
    assert_eq!(nobody, format!("Subaccount with value 'x@{REGION}' does not exist"));
}

#[test]
fn a_channel_that_does_not_open_says_why_and_is_left_disabled() {
    let house = with_subaccount();
    let client = house.log_in("Subaccount Administrator");
    let channels = format!("{}/channels/K8S", at(GUID));
    let on = json!({ "enabled": "true" });
    for port in [3000, 3001, 3001] {
        client.ask("POST", &channels, Some(&channel(port))).is_empty(201);
    }
    house.carrier.broken.lock().unwrap().insert(3000, "127.0.0.1:3000 is in use");
    let state = |id: i64| format!("{channels}/{id}/state");
    let why = client.ask("PUT", &state(1), Some(&on)).fails(500, "RUNTIME_FAILURE");
    assert_eq!(why, "Service channel could not be opened: 127.0.0.1:3000 is in use");
    assert_eq!(client.get(&format!("{channels}/1")).json(), shown(1, 3000, "Created", 1));
    assert!(house.carrier.open().is_empty());

    // Two channels with one port: the second one cannot be opened, whatever the kernel says.
    client.ask("PUT", &state(2), Some(&on)).is_empty(204);
    let why = client.ask("PUT", &state(3), Some(&on)).fails(500, "RUNTIME_FAILURE");
    assert!(why.contains("port 3001 is that of channel 2"), "{why}");
    let moved = client.ask("PUT", &format!("{channels}/2"), Some(&channel(3005)));
    moved.is_empty(204);
    client.ask("PUT", &state(3), Some(&on)).is_empty(204);
    let back = client.ask("PUT", &format!("{channels}/2"), Some(&channel(3001)));
    assert!(back.fails(400, "INVALID_REQUEST").contains("channel 3"));
    assert_eq!(house.carrier.open(), [2, 3]);

    // One that ran and fails now is not disabled by asking for what it is.
    house.carrier.broken.lock().unwrap().insert(3001, "no way");
    client.ask("PUT", &state(3), Some(&on)).is_empty(204);
    assert_eq!(client.get(&format!("{channels}/3")).json()["state"]["problem"], "no way");
    // Where the subaccount is not connected there is nothing to wait for.
    let off = json!({ "connected": "false" });
    client.ask("PUT", &format!("{}/state", at(GUID)), Some(&off)).is_empty(204);
    client.ask("PUT", &state(1), Some(&on)).is_empty(204);
    assert!(house.carrier.open().is_empty());
}

#[test]
fn a_pasted_endpoint_is_taken_apart_and_what_is_our_own_stays() {
    let house = with_subaccount();
    let client = house.log_in("Administrator");
    let channels = format!("{}/channels/K8S", at(GUID));
    let pasted = json!({
        "k8sCluster": " tcp://cp.example.com:443/echoserver",
        "port": 3000,
        "localAddress": "0.0.0.0",
        "mode": "direct",
        "allowedSources": ["10.0.0.0/8", "::1"],
        "bytesPerSecondMax": 1_000_000,
        "tls": true,
    });
    client.ask("POST", &channels, Some(&pasted)).is_empty(201);
    let mut expected = shown(1, 3000, "", 1);
    expected["localAddress"] = json!("0.0.0.0");
    expected["mode"] = json!("direct");
    expected["allowedSources"] = json!(["10.0.0.0/8", "::1"]);
    expected["bytesPerSecondMax"] = json!(1_000_000);
    expected["tls"] = json!(true);
    let one = format!("{channels}/1");
    assert_eq!(client.get(&one).json(), expected);
    // The incumbent's client replaces its five and knows of no others.
    client.ask("PUT", &one, Some(&channel(3000))).is_empty(204);
    expected["comment"] = json!("Created");
    assert_eq!(client.get(&one).json(), expected);
    // What was read can be written back.
    client.ask("PUT", &one, Some(&expected)).is_empty(204);
    assert_eq!(client.get(&one).json(), expected);
}

#[test]
fn a_subaccount_is_made_edited_connected_renewed_and_deleted() {
    let house = House::new();
    let client = house.basic("Administrator");
    let list = "/api/v1/configuration/subaccounts";
    let mut wanted = subaccount(GUID);
    wanted["displayName"] = json!("Plant");
    wanted["isManaged"] = json!("true");
    let made = client.ask("POST", list, Some(&wanted));
    let link = format!("{BASE}{}", at(GUID));
    assert_eq!((made.status, made.header("location")), (201, Some(link.as_str())));
    let entity = made.json();
    let facts = &entity["tunnel"]["subaccountCertificate"];
    assert_eq!(facts["subjectDN"], format!("CN={GUID}"));
    assert_eq!(facts["issuer"], "CN=test CA");
    assert!(facts["notAfterTimeStamp"].as_i64() > facts["notBeforeTimeStamp"].as_i64());
    assert!(facts["serialNumber"].as_str().unwrap().contains(':'));
    let expected = json!({
        "regionHost": REGION,
        "subaccount": GUID,
        "locationID": "",
        "autoCertRenewal": false,
        "displayName": "Plant",
        "description": "",
        "isManaged": true,
        "managedBy": "rest",
        "tunnel": {
            "state": "Connected",
            "connectedSinceTimeStamp": 0,
            "connections": 0,
            "applicationConnections": [],
            "serviceChannels": [],
            "subaccountCertificate": facts,
            "user": "",
        },
        "_links": {
            "self": { "href": link },
            "state": { "href": format!("{link}/state") },
            "validity": { "href": format!("{link}/validity") },
            "K8S-channels": { "href": format!("{link}/channels/K8S") },
        },
    });
    assert_eq!(entity, expected);
    assert!(!made.body.contains("PRIVATE KEY"), "keys are not shown");
    assert_eq!(client.get(&at(GUID)).json(), expected);
    client.ask("POST", list, Some(&wanted)).fails(409, "INVALID_CONFIGURATION");
    assert_eq!(client.get(list).json(), json!([entry(GUID, "rest")]));

    let edit = json!({ "locationID": "muc", "displayName": "", "description": "Halle 3" });
    let edited = client.ask("PUT", &at(GUID), Some(&edit)).json();
    assert_eq!((&edited["locationID"], &edited["displayName"]), (&json!("muc"), &json!("")));
    let edited = client.ask("PUT", &at(GUID), Some(&json!({ "locationID": "" }))).json();
    assert_eq!((&edited["locationID"], &edited["description"]), (&json!(""), &json!("Halle 3")));

    let [certificate, private_key, _] = material(GUID);
    let renewed = json!({ "certificate": certificate, "privateKey": private_key });
    let renewed = client.ask("POST", &format!("{}/validity", at(GUID)), Some(&renewed));
    assert_eq!(renewed.status, 200);
    assert_ne!(renewed.json()["tunnel"]["subaccountCertificate"], *facts);
    assert_eq!(house.carrier.carried()[0].0.private_key, private_key);
    let alone = json!({ "certificate": material(GUID)[0] });
    let refused = client.ask("POST", &format!("{}/validity", at(GUID)), Some(&alone));
    refused.fails(400, "INVALID_REQUEST");

    client.ask("DELETE", &at(GUID), None).is_empty(204);
    client.get(&at(GUID)).fails(404, "NOT_FOUND");
    client.ask("DELETE", &at(GUID), None).fails(404, "NOT_FOUND");
    assert!(house.carrier.carried().is_empty());
}

#[test]
fn a_subaccounts_tunnel_tells_what_its_channels_do() {
    let house = with_subaccount();
    let client = house.log_in("Administrator");
    let channels = format!("{}/channels/K8S", at(GUID));
    for port in [3000, 3001] {
        client.ask("POST", &channels, Some(&channel(port))).is_empty(201);
    }
    let monitor = house.log_in("Monitoring");
    let tunnel = || {
        let one = client.get(&at(GUID)).json();
        let expected = json!({
            "regionHost": REGION,
            "subaccount": GUID,
            "displayName": "",
            "description": "",
            "locationID": "",
            "tunnel": one["tunnel"],
        });
        let monitored = monitor.get("/api/monitoring/subaccounts").json();
        assert_eq!(monitored, json!({ "subaccounts": [expected], "version": 1 }));
        one["tunnel"].clone()
    };
    let on = json!({ "enabled": true });
    client.ask("PUT", &format!("{channels}/1/state"), Some(&on)).is_empty(204);
    let of = |state: &str| {
        json!({
            "type": "K8S",
            "state": state,
            "details": "cp.example.com:443/echoserver",
            "comment": "Created",
        })
    };
    let seen = tunnel();
    assert_eq!(seen["state"], "Connected");
    assert_eq!(
        (&seen["connectedSinceTimeStamp"], &seen["connections"]),
        (&json!(SINCE), &json!(1))
    );
    assert_eq!(seen["serviceChannels"], json!([of("Disabled"), of("Connected")]));
    house.carrier.broken.lock().unwrap().insert(3000, "gone");
    assert_eq!(tunnel()["state"], "ConnectFailure");
    assert_eq!(tunnel()["serviceChannels"], json!([of("Disabled"), of("ConnectFailure")]));
    let state = format!("{}/state", at(GUID));
    client.ask("PUT", &state, Some(&json!({ "connected": false }))).is_empty(204);
    let seen = tunnel();
    assert_eq!(seen["state"], "Disconnected");
    assert_eq!(seen["connectedSinceTimeStamp"], 0);
    client.ask("PUT", &state, Some(&json!({ "connected": "true" }))).is_empty(204);
    assert_eq!(house.carrier.open(), [1]);
}

#[test]
fn every_change_is_written_down_and_what_was_made_is_there_after_a_restart() {
    let house = with_subaccount();
    let client = house.basic("Administrator");
    let channels = format!("{}/channels/K8S", at(GUID));
    let one = format!("{channels}/1");
    let flag = |name: &str, value: bool| json!({ name: value });
    client.ask("POST", &channels, Some(&channel(3000))).is_empty(201);
    client.ask("PUT", &one, Some(&channel(3001))).is_empty(204);
    client.ask("PUT", &format!("{one}/state"), Some(&flag("enabled", true))).is_empty(204);
    client.ask("PUT", &format!("{one}/state"), Some(&flag("enabled", false))).is_empty(204);
    client.ask("PUT", &format!("{one}/state"), Some(&flag("enabled", true))).is_empty(204);
    client.ask("PUT", &at(GUID), Some(&json!({ "description": "x" })));
    client.ask("PUT", &format!("{}/state", at(GUID)), Some(&flag("connected", false)));
    client.ask("PUT", &format!("{}/state", at(GUID)), Some(&flag("connected", true)));
    client.ask("GET", &channels, None);
    client.ask("PUT", &one, Some(&json!({}))).fails(400, "INVALID_REQUEST");
    let of = format!("'{GUID}@{REGION}'");
    let mut lines = house.changes();
    lines.reverse();
    let expected = [
        format!("made subaccount {of}"),
        format!("made channel 1 of {of}: 127.0.0.1 port 3000 to cp.example.com:443 echoserver"),
        format!("changed channel 1 of {of}: 127.0.0.1 port 3001"),
        format!("enabled channel 1 of {of}"),
        format!("disabled channel 1 of {of}"),
        format!("enabled channel 1 of {of}"),
        format!("edited subaccount {of}"),
        format!("disconnected subaccount {of}"),
        format!("connected subaccount {of}"),
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(line.starts_with(&format!("Administrator@127.0.0.1 {expected}")), "{line}");
    }
    let page = client.get("/api/v1/changes").json();
    let first = &page.as_array().unwrap()[0];
    assert_eq!((&page[8]["id"], &first["id"]), (&json!(5), &json!(13)));
    assert_eq!(
        (&first["account"], &first["source"]),
        (&json!("Administrator"), &json!("127.0.0.1"))
    );
    assert_eq!(first["what"], format!("connected subaccount {of}"));
    assert!(first["timestamp"].as_i64() > Some(SINCE / 2));
    let rest = client.get("/api/v1/changes?before=3").json();
    assert_eq!(rest, json!([page[11], page[12]]));
    for wrong in ["?before=x", "?after=3"] {
        client.get(&format!("/api/v1/changes{wrong}")).fails(400, "INVALID_REQUEST");
    }
    let before = client.get(&channels).json();
    let house = house.again();
    assert_eq!(house.carrier.open(), [1], "in force before anybody asks");
    assert_eq!(house.basic("Display").get(&channels).json(), before);
    assert_eq!(house.changes().len(), 9);
}
