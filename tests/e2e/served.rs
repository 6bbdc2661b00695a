//! A connector whose configuration file names no subaccount: all is made by REST, with a real proxy
//! behind it, asked for by curl.

use std::{
    fs,
    io::Read,
    net::{SocketAddr, TcpListener, TcpStream},
};

use causeway::{engine::Kind, tls::Authority};
use serde_json::{Value, json};

use crate::support::{
    ACCOUNT, ClientFiles, DEADLINE, HOST, HeldPort, Managed, REGION, Service, Suite, World,
    connector_head, exchange, mode, subaccount_body, tls_connect, valid_now, wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.all("what_rest_makes_carries_and_lasts", lasts);
    suite.both("what_the_file_names_is_shown_and_changed_there_alone", of_file);
    suite.once("an_account_is_shown_by_its_client_certificate", certificates);
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

    shows_use(&managed);
    takes_tls(&managed, &format!("{channels}/{id}"), make("echo", local.port()), local);

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
    wait_until("its port is closed", DEADLINE, || TcpStream::connect(local).is_err());
}

/// Its clients speak TLS while it says so, with the certificate of the page.
fn takes_tls(managed: &Managed, channel: &str, mut body: Value, local: SocketAddr) {
    let by_tls = || {
        let mut text = String::new();
        let mut tls = tls_connect(local, HOST, &managed.certificate, None);
        tls.read_to_string(&mut text).map(|_| text)
    };
    body["tls"] = json!("true");
    assert_eq!(managed.change("PUT", channel, &body).0, 204);
    wait_until("it is served by TLS", DEADLINE, || by_tls().is_ok_and(|text| text == "of b"));
    // Who does not know of it does not change it.
    body.as_object_mut().unwrap().remove("tls");
    assert_eq!(managed.change("PUT", channel, &body).0, 204);
    assert_eq!(managed.get(channel)["tls"], true);
    assert_eq!(by_tls().unwrap(), "of b");
    body["tls"] = json!(false);
    assert_eq!(managed.change("PUT", channel, &body).0, 204);
    let plain = || exchange(local, "").is_ok_and(|text| text == "of b");
    wait_until("it is served without", DEADLINE, plain);
}

/// Those who monitor see what channels carry, how long that takes, and whose certificates end when.
fn shows_use(managed: &Managed) {
    let monitoring = "/api/monitoring";
    let usage = || managed.get(&format!("{monitoring}/usage"));
    let of_channel =
        |usage: Value| usage["subaccounts"][0]["serviceChannelUsageStatistics"][0].clone();
    let used = || of_channel(usage())["bytesReceived"].as_u64() >= Some(4);
    wait_until("the bytes are told", DEADLINE, used);
    let certificates = managed.get(&format!("{monitoring}/certificates"));
    let kinds: Vec<_> = certificates["certificates"].as_array().unwrap().iter().collect();
    assert!(kinds.iter().any(|one| one["type"] == "UI"), "{certificates}");
    assert!(kinds.iter().any(|one| one["subaccountName"] == "b"), "{certificates}");
    let latency = managed.get("/api/v1/latency");
    let connect = |one: &Value| one["name"] == "connect" && one["count"].as_u64() > Some(0);
    assert!(latency["latency"].as_array().unwrap().iter().any(connect), "{latency}");
}

fn of_file(kind: Kind) {
    let service = Service::banner("of a");
    let mut world = World::with_services(kind, &[("echo", service.address)]);
    world.start_proxy("");
    let held = HeldPort::new();
    let head = connector_head("a", "", &world.client("a", None));
    let toml = format!(
        "{head}[[channel]]\nendpoint = \"tcp://{HOST}:{}/echo\"\nlocal_port = {}\n",
        world.proxy_address().port(),
        held.address.port()
    );
    let mut managed = Managed::start(&world, &toml);
    managed.set_up();
    let of_file = format!("{ENTRY}/{HOST}/a");
    let listed = managed.get(ENTRY);
    assert_eq!((&listed[0]["subaccount"], &listed[0]["managedBy"]), (&json!("a"), &json!("file")));
    let channels = managed.get(&format!("{of_file}/channels/K8S"));
    let [channel] = &channels.as_array().unwrap()[..] else { panic!("{channels}") };
    assert_eq!(channel["managedBy"], "file", "{channels}");
    let path = format!("{of_file}/channels/K8S/{}", channel["id"]);
    let connected = || managed.get(&path)["state"]["connected"] == true;
    wait_until("it is shown as connected", DEADLINE, connected);
    assert_eq!(exchange(held.address, "").unwrap(), "of a");
    // Neither it nor its port is anybody else's to have.
    let (status, why) = managed.ask(ACCOUNT, "DELETE", &path, None);
    assert_eq!(status, 409, "{why}");
    assert!(why.contains("ILLEGAL_STATE") && why.contains("managed.toml"), "{why}");
    assert_eq!(managed.change("POST", ENTRY, &subaccount_body(&world, "b")).0, 201);
    let others = format!("{ENTRY}/{REGION}/b/channels/K8S");
    let body = json!({
        "k8sCluster": HOST, "k8sService": "echo", "port": held.address.port(), "connections": 1,
        "comment": "",
    });
    assert_eq!(managed.change("POST", &others, &body).0, 201);
    let state = format!("{others}/{}/state", managed.get(&others)[0]["id"]);
    let (status, why) = managed.change("PUT", &state, &json!({ "enabled": true }));
    assert_eq!(status, 500, "{why}");
    assert_eq!(exchange(held.address, "").unwrap(), "of a");
}

fn certificates() {
    let world = World::new(Kind::Epoll);
    let (operators, ca) = Authority::create("operators", valid_now()).unwrap();
    fs::write(world.path("operators.crt"), &ca.certificate_pem).unwrap();
    let issue = |name: &str| {
        let issued = operators.issue_connector(name, None, valid_now()).unwrap();
        (issued.certificate_pem.clone(), world.write_pair(name, &issued))
    };
    let (ada, bob) = (issue("ada"), issue("bob"));
    let token = "0123456789abcdef0123456789abcdef";
    fs::write(world.path("token"), token).unwrap();
    let keys = "token_file = \"token\"\n[admin.tls]\nclient_ca = \"operators.crt\"\n";
    let mut managed = Managed::start(&world, keys);
    managed.set_up();
    let accounts = "/api/v1/configuration/accounts";
    let body = json!({ "user": "ada", "role": "Display", "certificate": ada.0 });
    assert_eq!(managed.change("POST", accounts, &body).0, 201);
    let by = |files: &ClientFiles, method, path, body: Option<&Value>| {
        let (certificate, key) = (files.certificate.display(), files.private_key.display());
        let shown = ["--cert", &certificate.to_string(), "--key", &key.to_string()];
        managed.curl("", method, path, body, &shown).0
    };
    // With the rights of its role, and no more.
    assert_eq!(by(&ada.1, "GET", ENTRY, None), 200);
    assert_eq!(by(&ada.1, "POST", ENTRY, Some(&subaccount_body(&world, "b"))), 403);
    assert_eq!(by(&ada.1, "GET", "/status", None), 403);
    // What is said counts before what is shown.
    let bearer = format!("Authorization: Bearer {token}");
    let files = (bob.1.certificate.display().to_string(), bob.1.private_key.display().to_string());
    let shown = ["--cert", &files.0, "--key", &files.1, "-H", &bearer];
    assert_eq!(managed.curl("", "GET", "/status", None, &shown).0, 200);
    assert_eq!(managed.curl(ACCOUNT, "GET", "/status", None, &shown[..4]).0, 200);
    // One of the right authority is nobody's before it is an account's.
    for path in [ENTRY, "/status"] {
        assert_eq!(by(&bob.1, "GET", path, None), 401, "{path}");
    }
    let other = json!({ "certificate": bob.0, "role": "Monitoring" });
    assert_eq!(managed.change("PUT", &format!("{accounts}/ada"), &other).0, 204);
    assert_eq!(
        (by(&ada.1, "GET", "/status", None), by(&bob.1, "GET", "/status", None)),
        (401, 200)
    );
    let none = json!({ "certificate": "" });
    let (status, why) = managed.change("PUT", &format!("{accounts}/ada"), &none);
    assert_eq!(status, 400, "{why}");
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
