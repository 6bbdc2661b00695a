//! What is wrong with a request is told in the one form, and changes nothing.

use causeway::limits;
use serde_json::{Value, json};

use crate::house::{
    Client, GUID, House, PASSWORD, REGION, at, basic, channel, material, subaccount,
};

const LIST: &str = "/api/v1/configuration/subaccounts";

fn with_subaccount() -> House {
    let house = House::new();
    let made = house.log_in("Administrator").ask("POST", LIST, Some(&subaccount(GUID)));
    assert_eq!(made.status, 201, "{made:?}");
    house
}

fn changed(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

fn without(mut body: Value, name: &str) -> Value {
    body.as_object_mut().unwrap().remove(name);
    body
}

#[test]
fn what_is_no_json_object_is_refused_with_its_own_status() {
    let house = with_subaccount();
    let right = basic("Administrator", PASSWORD);
    let path = format!("{}/channels/K8S", at(GUID));
    let send = |kind: Option<&str>, body: &[u8]| {
        let mut headers = vec![("Authorization", right.as_str())];
        headers.extend(kind.map(|kind| ("Content-Type", kind)));
        house.send(&format!("POST {path}"), &headers, Some(body))
    };
    let json = Some("application/json");
    let deep = "[".repeat(100_000);
    for body in
        ["", "{", "[]", "null", "\"x\"", "{} {}", "{\"port\":}", "\u{feff}{}", deep.as_str()]
    {
        send(json, body.as_bytes()).fails(400, "INVALID_REQUEST");
    }
    send(json, b"{\"comment\":\"\xff\"}").fails(400, "INVALID_REQUEST");
    let good = channel(3000).to_string();
    for kind in [None, Some("text/plain"), Some("application/jsonp"), Some("")] {
        send(kind, good.as_bytes()).fails(415, "INVALID_REQUEST");
    }
    let large = format!("{}{}", " ".repeat(limits::MANAGEMENT_BODY_BYTES_MAX), good);
    send(json, large.as_bytes()).fails(413, "INVALID_REQUEST");
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: {right}\r\n\
         Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let mut request = head.into_bytes();
    request.extend(format!("{:x}\r\n{large}\r\n0\r\n\r\n", large.len()).into_bytes());
    house.raw(&request).fails(413, "INVALID_REQUEST");
    assert!(house.store.channels().unwrap().is_empty());
    let kind = Some("Application/JSON; charset=utf-8");
    send(kind, good.as_bytes()).is_empty(201);
}

#[test]
fn a_channel_that_cannot_be_is_refused_and_the_field_is_named() {
    let house = with_subaccount();
    let client = house.log_in("Administrator");
    let path = format!("{}/channels/K8S", at(GUID));
    client.ask("POST", &path, Some(&channel(3000))).is_empty(201);
    let one = channel(3001);
    for (body, word) in [
        (without(one.clone(), "port"), "port"),
        (without(one.clone(), "k8sCluster"), "k8sCluster"),
        (without(one.clone(), "k8sService"), "k8sService"),
        (changed(one.clone(), "k8sService", json!("")), "k8sService"),
        (changed(one.clone(), "k8sService", json!("a b")), "service id"),
        (changed(one.clone(), "k8sCluster", json!("host:port")), "host and port"),
        (changed(one.clone(), "k8sCluster", json!("tcp://h/other")), "another"),
        (changed(one.clone(), "k8sCluster", json!(7)), "k8sCluster"),
        (changed(one.clone(), "port", json!("0")), "port"),
        (changed(one.clone(), "port", json!(65536)), "port"),
        (changed(one.clone(), "port", json!(-1)), "port"),
        (changed(one.clone(), "port", json!(3000.5)), "port"),
        (changed(one.clone(), "port", json!(true)), "port"),
        (changed(one.clone(), "port", json!("3000x")), "port"),
        (changed(one.clone(), "connections", json!(0)), "connections"),
        (changed(one.clone(), "connections", json!(100_000)), "connections"),
        (changed(one.clone(), "comment", json!(["x"])), "comment"),
        (changed(one.clone(), "comment", json!("x".repeat(5000))), "comment"),
        (changed(one.clone(), "mode", json!("fast")), "mode"),
        (changed(one.clone(), "localAddress", json!("localhost")), "localAddress"),
        (changed(one.clone(), "allowedSources", json!(["x"])), "allowedSources"),
        (changed(one.clone(), "allowedSources", json!("::1")), "allowedSources"),
        (changed(one.clone(), "allowedSources", json!(vec!["::1"; 65])), "allowedSources"),
        (changed(one.clone(), "bytesPerSecondMax", json!(-1)), "bytesPerSecondMax"),
        (changed(one.clone(), "tls", json!("perhaps")), "tls"),
        (changed(one, "conections", json!(1)), "conections"),
    ] {
        for (method, path) in [("POST", path.clone()), ("PUT", format!("{path}/1"))] {
            let why = client.ask(method, &path, Some(&body)).fails(400, "INVALID_REQUEST");
            assert!(why.contains(word), "{body}: {why}");
        }
    }
    let state = format!("{path}/1/state");
    for body in [json!({}), json!({ "enabled": 1 }), json!({ "enabled": true, "x": 1 })] {
        client.ask("PUT", &state, Some(&body)).fails(400, "INVALID_REQUEST");
    }
    let channels = house.store.channels().unwrap();
    assert_eq!((channels.len(), channels[0].made.port, channels[0].enabled), (1, 3000, false));
}

#[test]
fn a_subaccount_that_no_proxy_would_take_is_refused() {
    let house = House::new();
    let client = house.log_in("Administrator");
    let one = subaccount(GUID);
    let [other_certificate, other_key, _] = material("other");
    let broken = |pem: &Value| json!(pem.as_str().unwrap().replace("MII", "!!!"));
    for (body, word) in [
        (without(one.clone(), "certificate"), "certificate is missing"),
        (without(one.clone(), "privateKey"), "privateKey is missing"),
        (without(one.clone(), "ca"), "ca is missing"),
        (changed(one.clone(), "ca", json!("no PEM")), "ca"),
        (changed(one.clone(), "certificate", broken(&one["certificate"])), "certificate"),
        (changed(one.clone(), "certificate", one["privateKey"].clone()), "certificate"),
        (changed(one.clone(), "privateKey", json!(other_key)), "privateKey"),
        (changed(one.clone(), "subaccount", json!("other")), GUID),
        (changed(one.clone(), "subaccount", json!("a/b")), "subaccount"),
        (changed(one.clone(), "subaccount", json!("..")), "subaccount"),
        (changed(one.clone(), "regionHost", json!("")), "regionHost"),
        (changed(one.clone(), "regionHost", json!("a b")), "regionHost"),
        (changed(one.clone(), "locationID", json!("a b")), "locationID"),
        (changed(one.clone(), "autoCertRenewal", json!(true)), "autoCertRenewal"),
        (changed(one.clone(), "cloudUser", json!("x")), "PEM"),
        (changed(one.clone(), "authenticationData", json!("x")), "PEM"),
        (changed(one.clone(), "isManaged", json!("maybe")), "isManaged"),
    ] {
        let reply = client.ask("POST", LIST, Some(&body));
        let why = reply.fails(400, "INVALID_REQUEST");
        assert!(why.contains(word), "{word}: {why}");
        assert!(!reply.body.contains("PRIVATE KEY") && !why.contains("MIG"), "{why}");
    }
    assert!(!other_certificate.is_empty());
    assert_eq!(client.get(LIST).json(), json!([]));
    assert!(house.changes().is_empty());
}

#[test]
fn paths_lead_where_they_say_or_nowhere() {
    let house = with_subaccount();
    let client = house.log_in("Administrator");
    let path = format!("{}/channels/K8S", at(GUID));
    client.ask("POST", &path, Some(&channel(3000))).is_empty(201);
    let tricks: Vec<String> = [
        "//",
        "/api/v1",
        "/api/v1/configuration/subaccounts/",
        "/api/v1//configuration/subaccounts",
        "/api/v1/configuration/../configuration/subaccounts",
        "/api/v1/configuration/%2e%2e/configuration/subaccounts",
        "/API/v1/configuration/subaccounts",
        "/api/v1/configuration/subaccounts;x=1",
        "/api/v1/configuration/subaccounts/x",
        "/api/v1/configuration/subaccounts/../../../etc/passwd",
        "/api/v1/configuration%2fsubaccounts",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain(
        [
            "/",
            "/1/",
            "/1/state/",
            "//1",
            "/0",
            "/-1",
            "/+1",
            "/01",
            "/%31%20",
            "/1.0",
            "/x",
            "/9223372036854775808",
            "/99999999999999999999",
            "/1%00",
            "/1;x",
            "/%2e%2e/K8S",
        ]
        .map(|rest| format!("{path}{rest}")),
    )
    .chain([
        path.replace("K8S", "k8s"),
        path.replace("K8S", "HANA"),
        path.replace(REGION, "other.example.com"),
        path.replace(REGION, &format!("{REGION}.")),
        path.replace(GUID, &format!("{GUID}%20")),
        path.replace(GUID, "'%20OR%201=1--"),
        path.replace(GUID, "%25"),
        path.replace(GUID, "..%2f..%2f"),
    ])
    .collect();
    for trick in tricks {
        client.get(&trick).fails(404, "NOT_FOUND");
    }
    client.get(&path.replace(GUID, "%ff")).fails(400, "INVALID_REQUEST");
    // A digit that is escaped is the digit.
    assert_eq!(client.get(&format!("{path}/%31")).json()["id"], 1);
    assert_eq!(client.get(&format!("{path}?x=%00")).status, 200);
}

#[test]
fn a_channel_is_reached_through_its_own_subaccount_alone() {
    let house = with_subaccount();
    let client = house.log_in("Administrator");
    assert_eq!(client.ask("POST", LIST, Some(&subaccount("b"))).status, 201);
    client.ask("POST", &format!("{}/channels/K8S", at(GUID)), Some(&channel(1))).is_empty(201);
    let there = format!("{}/channels/K8S/1", at("b"));
    let on = json!({ "enabled": true });
    let why = client.get(&there).fails(404, "NOT_FOUND");
    assert_eq!(why, "Service channel with id 1 does not exist");
    client.ask("PUT", &there, Some(&channel(2))).fails(404, "NOT_FOUND");
    client.ask("PUT", &format!("{there}/state"), Some(&on)).fails(404, "NOT_FOUND");
    client.ask("DELETE", &there, None).fails(404, "NOT_FOUND");
    client.ask("DELETE", &format!("{}/channels/K8S", at("b")), None).is_empty(204);
    let channels = house.store.channels().unwrap();
    assert_eq!((channels.len(), channels[0].made.port, channels[0].enabled), (1, 1, false));
}

#[test]
fn another_method_is_refused_with_those_there_are() {
    let house = with_subaccount();
    let client = house.log_in("Administrator");
    let refused = |client: &Client<'_>, method: &str, path: &str, allowed: &str| {
        let reply = client.ask(method, path, None);
        reply.fails(405, "INVALID_REQUEST");
        let mut told: Vec<&str> = reply.header("allow").unwrap().split(',').collect();
        told.sort_unstable();
        assert_eq!(told.join(","), allowed, "{method} {path}");
    };
    refused(&client, "PATCH", &at(GUID), "DELETE,GET,HEAD,PUT");
    refused(&client, "PUT", LIST, "GET,HEAD,POST");
    refused(&client, "GET", &format!("{}/state", at(GUID)), "PUT");
    refused(&client, "DELETE", "/api/v1/connector/version", "GET,HEAD");
    refused(&client, "TRACE", LIST, "GET,HEAD,POST");
    refused(&client, "GET", "/api/v1/setup", "POST");
    house.nobody().ask("PATCH", &at(GUID), None).fails(401, "FORBIDDEN_REQUEST");
    house.nobody().get("/nowhere").fails(401, "FORBIDDEN_REQUEST");
}
