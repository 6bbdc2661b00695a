//! What those who monitor see: connections, use, certificates, alerts, the machine.

use std::time::{Duration, SystemTime};

use causeway::{
    limits::{EXPIRY_WARNING, USAGE_HOURS_KEPT},
    tls::{Authority, Validity},
};
use serde_json::{Value, json};

use crate::{
    file::{FILES, file},
    house::{Client, GUID, House, REGION, at, channel, owner, subaccount, validity},
    store::edit,
};

const HOUR_MS: i64 = 3_600_000;
const DAY: Duration = Duration::from_secs(24 * 3600);

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

/// Two channels, of which the first is enabled, and one of the file.
fn house() -> House {
    let house = House::new();
    let admin = house.log_in("Administrator");
    let list = "/api/v1/configuration/subaccounts";
    assert_eq!(admin.ask("POST", list, Some(&subaccount(GUID))).status, 201);
    let channels = format!("{}/channels/K8S", at(GUID));
    for port in [3000, 3001] {
        admin.ask("POST", &channels, Some(&channel(port))).is_empty(201);
    }
    let on = json!({ "enabled": true });
    admin.ask("PUT", &format!("{channels}/1/state"), Some(&on)).is_empty(204);
    *house.carrier.file.lock().unwrap() = file("of-file", 4000);
    house
}

fn carried(house: &House, id: i64, received: u64, sent: u64) {
    house.carrier.figures.lock().unwrap().insert(id, (5, received, sent));
}

fn port(port: u16, more: Value) -> Value {
    let mut said = json!({
        "port": port,
        "typeDesc": { "typeKey": "K8S", "typeName": "Kubernetes Cluster" },
    });
    said.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    said
}

fn of_subaccount(name: &str, list: &str, ports: &[Value]) -> Value {
    json!({ "regionHost": REGION, "subaccount": name, "locationID": "", list: ports })
}

#[test]
fn open_streams_are_told_of_each_port() {
    let house = house();
    carried(&house, 1, 0, 0);
    let streams = |number: u16, count: u64| port(number, json!({ "connections": count }));
    let list = "serviceChannelConnections";
    let told = house.basic("Monitoring").get("/api/monitoring/connections/serviceChannels");
    let expected = [
        of_subaccount(GUID, list, &[streams(3001, 0), streams(3000, 5)]),
        of_subaccount("of-file", list, &[streams(4000, 0)]),
    ];
    assert_eq!(told.json(), json!({ "subaccounts": expected, "version": 1 }));
}

/// Bytes of each channel in all, as the incumbent tells them.
fn totals(client: &Client<'_>) -> Vec<(u64, u64, u64)> {
    let told = client.get("/api/monitoring/usage").json();
    let mut all = Vec::new();
    for one in told["subaccounts"].as_array().unwrap() {
        for of in one["serviceChannelUsageStatistics"].as_array().unwrap() {
            let number = |name: &str| of[name].as_u64().unwrap();
            all.push((number("port"), number("bytesReceived"), number("bytesSent")));
        }
    }
    all
}

#[test]
fn use_is_counted_by_the_hour_and_in_all_over_restarts_and_until_it_is_forgotten() {
    let house = house();
    let now = now_ms();
    let monitor = house.basic("Monitoring");
    carried(&house, 1, 100, 10);
    house.desk.record_usage(now - HOUR_MS).unwrap();
    carried(&house, 1, 150, 15);
    carried(&house, FILES, 7, 3);
    house.desk.record_usage(now).unwrap();
    house.desk.record_usage(now).unwrap();
    let used = |number: u16, received: u64, sent: u64| {
        port(number, json!({ "bytesReceived": received, "bytesSent": sent }))
    };
    let list = "serviceChannelUsageStatistics";
    let told = monitor.get("/api/monitoring/usage").json();
    let since = told["sinceTime"].as_i64().unwrap();
    assert!((now - 120_000..=now).contains(&since), "{since}");
    let expected = [
        of_subaccount(GUID, list, &[used(3001, 0, 0), used(3000, 150, 15)]),
        of_subaccount("of-file", list, &[used(4000, 7, 3)]),
    ];
    let expected = json!({ "subaccounts": expected, "sinceTime": since, "version": 1 });
    assert_eq!(told, expected);
    let hour = now.div_euclid(HOUR_MS) * HOUR_MS;
    let of = |channel: i64, hour: i64, bytes: [u64; 2]| {
        json!({
            "channel": channel,
            "hour": hour,
            "received": bytes[0],
            "sent": bytes[1],
        })
    };
    let told = monitor.get("/api/v1/usage").json();
    assert!(told["now"].as_i64().unwrap() >= now);
    let hours = [of(1, hour - HOUR_MS, [100, 10]), of(1, hour, [50, 5]), of(FILES, hour, [7, 3])];
    assert_eq!(told["hours"], json!(hours));
    // The hour may have changed since.
    let last = monitor.get("/api/v1/usage?hours=2").json();
    assert!(last["hours"].as_array().unwrap().iter().any(|one| one["hour"] == hour), "{last}");
    let wrong = [0, -1, USAGE_HOURS_KEPT + 1].map(|hours| format!("?hours={hours}"));
    for wrong in wrong.iter().map(String::as_str).chain(["?hours=x", "?days=1"]) {
        monitor.get(&format!("/api/v1/usage{wrong}")).fails(400, "INVALID_REQUEST");
    }

    // Another process counts from 0 and adds to what there is.
    let house = house.again();
    *house.carrier.file.lock().unwrap() = file("of-file", 4000);
    carried(&house, 1, 30, 3);
    house.desk.record_usage(now).unwrap();
    let expected = [(3001, 0, 0), (3000, 180, 18), (4000, 7, 3)];
    assert_eq!(totals(&house.basic("Monitoring")), expected);
    carried(&house, 1, 40, 4);
    house.basic("Administrator").ask("DELETE", "/api/v1/usage", None).is_empty(204);
    carried(&house, 1, 41, 4);
    house.desk.record_usage(now).unwrap();
    let expected = [(3001, 0, 0), (3000, 1, 0), (4000, 0, 0)];
    assert_eq!(totals(&house.basic("Monitoring")), expected);
    assert!(house.changes()[0].ends_with("forgot what channels carried"));
}

#[test]
fn what_was_carried_is_written_down_before_a_channel_is_opened_anew() {
    let house = house();
    let client = house.basic("Administrator");
    let one = format!("{}/channels/K8S/1", at(GUID));
    carried(&house, 1, 100, 10);
    client.ask("PUT", &format!("{one}/state"), Some(&json!({ "enabled": false }))).is_empty(204);
    assert_eq!(totals(&client)[1], (3000, 100, 10));
    house.carrier.figures.lock().unwrap().clear();
    client.ask("PUT", &format!("{one}/state"), Some(&json!({ "enabled": true }))).is_empty(204);
    carried(&house, 1, 500, 50);
    house.desk.record_usage(now_ms()).unwrap();
    assert_eq!(totals(&client)[1], (3000, 600, 60));
    client.ask("DELETE", &one, None).is_empty(204);
    house.desk.record_usage(now_ms()).unwrap();
    assert_eq!(totals(&client)[0], (3001, 0, 0));
    assert!(house.store.totals().unwrap().totals.is_empty());
}

#[test]
fn latency_is_told_in_microseconds() {
    let house = house();
    let expected =
        json!({ "name": "open", "count": 7, "p50": 100, "p90": 200, "p99": 300, "max": 4000 });
    let told = house.basic("Display").get("/api/v1/latency").json();
    assert_eq!(told, json!({ "latency": [expected] }));
}

/// A certificate for a subaccount that ends some days from now, before or behind it.
fn certificate(name: &str, days: i64) -> String {
    let now = SystemTime::now();
    let length = DAY * u32::try_from(days.unsigned_abs()).unwrap();
    let end = if days < 0 { now - length } else { now + length };
    let (authority, _) = Authority::create("test CA", validity()).unwrap();
    let validity = Validity { not_before: now - 100 * DAY, not_after: end };
    authority.issue_connector(name, None, validity).unwrap().certificate_pem
}

fn subjects(told: &Value) -> Vec<(&str, &str)> {
    let all = told["certificates"].as_array().unwrap().iter();
    all.map(|one| {
        (one["type"].as_str().unwrap(), one["subaccountName"].as_str().unwrap_or_default())
    })
    .collect()
}

#[test]
fn certificates_are_told_by_how_long_they_last_and_alerts_of_those_that_end() {
    let house = house();
    let monitor = house.basic("Monitoring");
    let days = i64::try_from(EXPIRY_WARNING.as_secs() / DAY.as_secs()).unwrap();
    for (name, left) in [("ended", -2), ("ends", days - 1), ("lasts", days + 2)] {
        let one = causeway::management::store::Subaccount {
            owner: owner(name),
            certificate: Some(certificate(name, left)),
            ..crate::store::subaccount(name)
        };
        edit(&house.store, |edit| edit.add_subaccount(&one)).unwrap();
    }
    house.desk.set_page_certificate(&certificate("page", days - 2));
    let told = monitor.get("/api/monitoring/certificates").json();
    assert_eq!(told["version"], 1);
    assert_eq!(subjects(&told).len(), 6);
    let page = &told["certificates"][0];
    assert_eq!(page.as_object().unwrap().len(), 6, "{page}");
    assert_eq!((&page["type"], &page["issuerDN"]), (&json!("UI"), &json!("CN=test CA")));
    assert!(page["validTo"].as_i64() > Some(now_ms()) && page["validFrom"].is_i64());
    assert!(page["serialNumber"].as_str().unwrap().contains(':'));
    let of = |which: &str| monitor.get(&format!("/api/monitoring/certificates/{which}")).json();
    let ended = of("expired");
    assert_eq!(subjects(&ended), [("subaccount", "ended")]);
    let ended = &ended["certificates"][0];
    assert_eq!(ended["subaccountRegion"], REGION);
    assert!(ended["subjectDN"].as_str().unwrap().contains("ended"), "{ended}");
    let expiring = of("expiring");
    // The tests' own last exactly 30 days, and less from their making on.
    let expiring = subjects(&expiring);
    assert_eq!(expiring[0], ("UI", ""));
    assert!(expiring.contains(&("subaccount", "ends")), "{expiring:?}");
    assert_eq!(subjects(&of("ok")), [("subaccount", "lasts")]);
    monitor.get("/api/monitoring/certificates/old").fails(404, "NOT_FOUND");

    let alerts = monitor.get("/api/monitoring/alerts").json();
    let of_type = |kind: &str, entity: &str| -> Vec<Value> {
        let all = alerts["alerts"].as_array().unwrap().iter().cloned();
        all.filter(|one| one["type"] == kind && one["entity"] == entity).collect()
    };
    let name = format!("'ended@{REGION}'");
    let expected = json!({
        "timestamp": ended["validTo"],
        "status": "active",
        "type": "SubaccountCertificate",
        "origin": "Master",
        "message": format!("the certificate of subaccount {name} ended 2 days ago"),
        "entity": name,
    });
    assert_eq!(of_type("SubaccountCertificate", &name), [expected]);
    assert_eq!(of_type("SubaccountCertificate", &format!("'lasts@{REGION}'")), [json!(null); 0]);
    assert_eq!(of_type("UICertificate", "UI").len(), 1);
    house.desk.set_page_certificate(&certificate("page", days + 2));
    assert_eq!(subjects(&monitor.get("/api/monitoring/certificates/ok").json())[0], ("UI", ""));
}

#[test]
fn a_channel_with_a_problem_is_an_alert_until_it_has_none() {
    let house = house();
    let monitor = house.basic("Monitoring");
    let of_channels = || -> Vec<Value> {
        let told = monitor.get("/api/monitoring/alerts").json();
        assert_eq!(told["version"], 1);
        let all = told["alerts"].as_array().unwrap().clone();
        all.into_iter().filter(|one| one["type"] == "ServiceChannel").collect()
    };
    assert!(of_channels().is_empty());
    house.carrier.broken.lock().unwrap().extend([(3000, "gone"), (3001, "gone"), (4000, "in use")]);
    let first = of_channels();
    let said: Vec<(&str, &str)> = first
        .iter()
        .map(|one| (one["message"].as_str().unwrap(), one["entity"].as_str().unwrap()))
        .collect();
    let entities = [
        format!("channel 1 of '{GUID}@{REGION}'"),
        format!("channel {FILES} of 'of-file@{REGION}'"),
    ];
    let expected = [("port 3000: gone", &*entities[0]), ("port 4000: in use", &*entities[1])];
    assert_eq!(said, expected, "the one that is not enabled has none");
    assert_eq!(of_channels(), first, "since then, and not since it is asked for");
    house.carrier.broken.lock().unwrap().clear();
    assert!(of_channels().is_empty());
}

#[test]
fn the_machine_is_told_in_the_incumbents_fields() {
    let house = house();
    let monitor = house.basic("Monitoring");
    let parts = |told: &Value| -> [u64; 4] {
        assert_eq!(told.as_object().unwrap().len(), 4, "{told}");
        ["total", "CloudConnector", "others", "free"].map(|name| told[name].as_u64().unwrap())
    };
    let memory = monitor.get("/api/monitoring/memory").json();
    assert_eq!(memory["cloudConnectorHeapKB"], json!({ "total": 0, "used": 0, "free": 0 }));
    for kind in ["physicalKB", "virtualKB"] {
        let [total, own, others, free] = parts(&memory[kind]);
        assert!(own > 0 && free > 0 && own + others + free <= total.max(own + free), "{memory}");
    }
    let disk = monitor.get("/api/monitoring/disk").json();
    let [total, own, _, free] = parts(&disk);
    assert!(total > 0 && own > 0 && free <= total, "{disk}");
    let cpu = monitor.get("/api/monitoring/cpu").json();
    assert_eq!(cpu.as_object().unwrap().len(), 2);
    for name in ["total", "CloudConnector"] {
        assert!(cpu[name].as_u64().unwrap() <= 100, "{cpu}");
    }
}
