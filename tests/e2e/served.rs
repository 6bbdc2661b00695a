//! A connector whose configuration file names no subaccount: everything is made by REST, with a real
//! proxy behind it, asked for by curl.

use std::{
    fs,
    net::{TcpListener, TcpStream},
};

use causeway::engine::Kind;
use serde_json::json;

use crate::support::{
    ACCOUNT, DEADLINE, HOST, HeldPort, Managed, REGION, Service, Suite, World, exchange, mode,
    subaccount_body, wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.all("what_rest_makes_carries_and_lasts", lasts);
    suite.both("routes_of_operators_ask_for_an_account_of_the_management", operators);
}

const ENTRY: &str = "/api/v1/configuration/subaccounts";

fn lasts(kind: Kind) {
    let service = Service::banner("of b");
    let mut world = World::new(kind);
    world.map("b", "echo", &service.address.to_string(), None);
    world.start_proxy("");
    let mut managed = Managed::start(&world, "");
    managed.set_up();
    assert_eq!(managed.change("POST", ENTRY, &subaccount_body(&world, "b")).0, 201);
    let channels = format!("{ENTRY}/{REGION}/b/channels/K8S");

    // As people paste it, and as the incumbent's clients write numbers.
    let held = HeldPort::new();
    let local = held.address;
    let cluster = format!("tcp://{HOST}:{}", world.proxy_address().port());
    let make = |service: &str, port: u16| {
        json!({
            "k8sCluster": cluster, "k8sService": service, "port": port.to_string(),
            "connections": "1", "comment": "", "mode": mode(),
        })
    };
    assert_eq!(managed.change("POST", &channels, &make("echo", local.port())).0, 201);
    let id = managed.get(&channels)[0]["id"].clone();
    assert!(TcpStream::connect(local).is_err(), "a new channel is not enabled");
    let state = format!("{channels}/{id}/state");
    assert_eq!(managed.change("PUT", &state, &json!({ "enabled": "true" })), (204, String::new()));
    let shown = managed.get(&format!("{channels}/{id}"));
    assert_eq!(shown["state"]["connected"], true, "{shown}");
    assert!(shown["state"]["openedConnections"].as_u64() > Some(0), "{shown}");
    assert_eq!(exchange(local, "").unwrap(), "of b");

    // What cannot work says why, and stays, disabled.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    assert_eq!(managed.change("POST", &channels, &make("echo", port)).0, 201);
    let other = managed.get(&channels)[0]["id"].clone();
    let state = format!("{channels}/{other}/state");
    let (status, why) = managed.change("PUT", &state, &json!({ "enabled": true }));
    assert_eq!(status, 500, "{why}");
    assert!(why.contains("RUNTIME_FAILURE") && why.contains("cannot listen on"), "{why}");
    assert_eq!(managed.get(&format!("{channels}/{other}"))["enabled"], false);

    // A certificate in place of the one before it, while a stream goes on.
    let stream = TcpStream::connect(local).unwrap();
    let mut renewal = subaccount_body(&world, "b");
    let fields = renewal.as_object_mut().unwrap();
    fields.retain(|name, _| name == "certificate" || name == "privateKey");
    let (status, text) = managed.change("POST", &format!("{ENTRY}/{REGION}/b/validity"), &renewal);
    assert_eq!(status, 200, "{text}");
    drop(stream);
    let answers = || exchange(local, "").is_ok_and(|answer| answer == "of b");
    wait_until("it serves with the new certificate", DEADLINE, answers);

    // Killed, it comes back as it was.
    drop(managed);
    let managed = Managed::start(&world, "");
    wait_until("the channel is there again", DEADLINE, answers);
    assert_eq!(managed.get(&channels).as_array().unwrap().len(), 2);
    assert_eq!(managed.ask(ACCOUNT, "DELETE", &channels, None).0, 204);
    assert!(TcpStream::connect(local).is_err(), "what is deleted is closed before it is answered");
}

fn operators(kind: Kind) {
    let world = World::new(kind);
    let mut managed = Managed::start(&world, "");
    managed.set_up();
    for path in ["/healthz", "/readyz", "/exposed?action=ping"] {
        assert_eq!(managed.ask("", "GET", path, None).0, 200, "{path}");
    }
    for path in ["/status", "/metrics", "/streams", "/config", "/histograms"] {
        assert_eq!(managed.ask("", "GET", path, None).0, 401, "{path}");
        assert_eq!(managed.ask("admin:wrong", "GET", path, None).0, 401, "{path}");
        assert_eq!(managed.ask(ACCOUNT, "GET", path, None).0, 200, "{path}");
    }
    assert_eq!(managed.ask("", "POST", "/drain", None).0, 401);
    assert_eq!(managed.ask("", "GET", "/api/nothing", None).0, 401);
    assert_eq!(managed.ask(ACCOUNT, "GET", "/api/nothing", None).0, 404);
    assert_eq!(managed.ask(ACCOUNT, "GET", "/nothing", None).0, 404);
    let key = world.path("state/ui.key");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(key).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // The link was good once.
    let again =
        json!({ "token": managed.token(), "user": "other", "password": "a long enough one" });
    assert_eq!(managed.ask("", "POST", "/api/v1/setup", Some(&again)).0, 403);
}
