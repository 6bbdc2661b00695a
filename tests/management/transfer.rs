//! Channels are taken from one subaccount to another one, all of them or none.

use causeway::limits;
use serde_json::{Value, json};

use crate::{
    file::{FILES, file},
    house::{Client, GUID, House, PASSWORD, at, basic, channel, subaccount},
};

const LIST: &str = "/api/v1/configuration/subaccounts";

fn house() -> House {
    let house = House::new();
    let admin = house.log_in("Administrator");
    for name in [GUID, "b"] {
        assert_eq!(admin.ask("POST", LIST, Some(&subaccount(name))).status, 201);
    }
    house
}

fn export(client: &Client<'_>, name: &str) -> Value {
    client.get(&format!("{}/channels/export", at(name))).json()
}

fn import(client: &Client<'_>, name: &str, body: &Value) -> crate::house::Reply {
    client.ask("POST", &format!("{}/channels/import", at(name)), Some(body))
}

#[test]
fn what_was_exported_is_imported_as_it_was_and_not_enabled() {
    let house = house();
    let client = house.log_in("Subaccount Administrator");
    let channels = format!("{}/channels/K8S", at(GUID));
    let mut other = channel(3001);
    other["comment"] = json!("für alle");
    other["localAddress"] = json!("0.0.0.0");
    other["mode"] = json!("direct");
    other["allowedSources"] = json!(["10.0.0.0/8"]);
    other["bytesPerSecondMax"] = json!(1000);
    other["tls"] = json!(true);
    for one in [channel(3000), other] {
        client.ask("POST", &channels, Some(&one)).is_empty(201);
    }
    let on = json!({ "enabled": true });
    client.ask("PUT", &format!("{channels}/1/state"), Some(&on)).is_empty(204);
    let reply = client.get(&format!("{}/channels/export", at(GUID)));
    let name = reply.header("content-disposition");
    assert_eq!(name, Some("attachment; filename=\"channels.json\""));
    let exported = reply.json();
    let entry = |port: u16, comment: &str, enabled: bool| {
        json!({
            "type": "K8S",
            "k8sCluster": "cp.example.com:443",
            "k8sService": "echoserver",
            "port": port,
            "connections": 1,
            "comment": comment,
            "localAddress": "127.0.0.1",
            "mode": "multiplexed",
            "allowedSources": [],
            "bytesPerSecondMax": 0,
            "tls": false,
            "enabled": enabled,
        })
    };
    let mut second = entry(3001, "für alle", false);
    second["localAddress"] = json!("0.0.0.0");
    second["mode"] = json!("direct");
    second["allowedSources"] = json!(["10.0.0.0/8"]);
    second["bytesPerSecondMax"] = json!(1000);
    second["tls"] = json!(true);
    let expected = json!({ "version": 1, "channels": [second, entry(3000, "Created", true)] });
    assert_eq!(exported, expected);

    let done = import(&client, "b", &exported);
    assert_eq!((done.status, done.json()), (200, json!({ "created": [4, 3] })));
    let mut all_off = exported;
    all_off["channels"][1]["enabled"] = json!(false);
    assert_eq!(export(&client, "b"), all_off, "in the same order, and none is enabled");
    assert_eq!(house.carrier.open(), [1]);
    let line = &house.changes()[0];
    assert!(line.contains("imported 2 channels into 'b@") && line.ends_with("[4, 3]"), "{line}");
    // The incumbent's five are enough, as strings too.
    let short = json!({ "version": "1", "channels": [channel(5)] });
    assert_eq!(import(&client, "b", &short).json(), json!({ "created": [5] }));
    let none = json!({ "version": 1, "channels": [] });
    assert_eq!(import(&client, "b", &none).json(), json!({ "created": [] }));
}

#[test]
fn one_entry_that_is_wrong_is_named_and_nothing_is_imported() {
    let house = house();
    let client = house.log_in("Administrator");
    let of = |last: Value| json!({ "version": 1, "channels": [channel(1), last] });
    let with = |name: &str, value: Value| {
        let mut one = channel(2);
        one[name] = value;
        of(one)
    };
    for (body, words) in [
        (with("port", json!(0)), vec!["channels[1]", "port"]),
        (with("mode", json!("fast")), vec!["channels[1]", "mode"]),
        (with("type", json!("HANA")), vec!["channels[1]", "type"]),
        (with("enabled", json!("maybe")), vec!["channels[1]", "enabled"]),
        (with("colour", json!("red")), vec!["channels[1]", "colour"]),
        (of(json!(7)), vec!["channels[1]", "object"]),
        (json!({ "version": 2, "channels": [] }), vec!["version"]),
        (json!({ "channels": [] }), vec!["version"]),
        (json!({ "version": 1 }), vec!["channels"]),
        (json!({ "version": 1, "channels": {} }), vec!["channels"]),
        (json!({ "version": 1, "channels": [], "x": 1 }), vec!["x"]),
    ] {
        let why = import(&client, GUID, &body).fails(400, "INVALID_REQUEST");
        assert!(words.iter().all(|word| why.contains(word)), "{body}: {why}");
    }
    import(&client, "nobody", &of(channel(2))).fails(404, "NOT_FOUND");
    client.get(&format!("{}/channels/export", at("nobody"))).fails(404, "NOT_FOUND");
    assert!(house.store.channels().unwrap().is_empty());
}

#[test]
fn as_many_as_there_may_be_fit_into_one_import_and_more_leave_nothing() {
    let house = house();
    let client = house.log_in("Administrator");
    let mut one = channel(3000);
    one["comment"] = json!("x".repeat(500));
    let all = json!({ "version": 1, "channels": vec![one; limits::CHANNELS_MANAGED_MAX - 1] });
    assert!(all.to_string().len() > limits::MANAGEMENT_BODY_BYTES_MAX);
    assert_eq!(import(&client, GUID, &all).status, 200);
    let two = json!({ "version": 1, "channels": [channel(1), channel(2)] });
    import(&client, "b", &two).fails(409, "ILLEGAL_STATE");
    assert_eq!(house.store.channels().unwrap().len(), limits::CHANNELS_MANAGED_MAX - 1);
    // Refused by what it says of its size: nothing of it need be sent.
    let size = (limits::IMPORT_BODY_BYTES_MAX + 1).to_string();
    let right = basic("Administrator", PASSWORD);
    let headers = [
        ("Authorization", right.as_str()),
        ("Content-Type", "application/json"),
        ("Content-Length", size.as_str()),
    ];
    let path = format!("POST {}/channels/import", at("b"));
    house.send(&path, &headers, None).fails(413, "INVALID_REQUEST");
}

#[test]
fn the_files_channels_are_exported_and_nothing_is_imported_beside_them() {
    let house = house();
    *house.carrier.file.lock().unwrap() = file("of-file", 4000);
    let client = house.log_in("Administrator");
    let exported = export(&client, "of-file");
    assert_eq!(exported["channels"][0]["port"], 4000);
    assert!(!exported.to_string().contains(&FILES.to_string()), "ids are not taken along");
    import(&client, "of-file", &exported).fails(409, "ILLEGAL_STATE");
    assert_eq!(import(&client, "b", &exported).status, 200);
}
