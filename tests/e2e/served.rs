//! A connector whose configuration file names no subaccount: everything is made by REST, with a real
//! proxy behind it, asked for by curl.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
};

use causeway::engine::Kind;
use serde_json::{Value, json};

use crate::support::{
    DEADLINE, HOST, HeldPort, Process, Service, Suite, World, exchange, mode, run, valid_now,
    wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.all("what_rest_makes_carries_and_lasts", lasts);
    suite.both("routes_of_operators_ask_for_an_account_of_the_management", operators);
}

const USER: &str = "admin:a long enough one";
const REGION: &str = "cf.eu12.example.com";
const ENTRY: &str = "/api/v1/configuration/subaccounts";

/// A connector with a management, and what it may be asked.
struct Managed {
    process: Process,
    admin: SocketAddr,
    certificate: PathBuf,
}

impl Managed {
    /// Starts it; the state of an earlier one in that world is taken up.
    fn start(world: &World) -> Self {
        let toml = format!(
            "[management]\ndirectory = \"state\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
             [workers]\ncount = 2\nengine = \"{}\"\n",
            world.kind
        );
        let file = world.path("managed.toml");
        fs::write(&file, toml).unwrap();
        let file = file.display().to_string();
        let mut process = Process::causeway(&["connector", "--config", &file]);
        let admin = process.address("admin server listens", "address");
        process.line("connector serves");
        Self { process, admin, certificate: world.path("state/ui.crt") }
    }

    /// Makes the first account by the link that is in the log.
    fn set_up(&mut self) {
        let line = self.process.line("#setup=");
        let (_, token) = line.split_once("#setup=").unwrap();
        let token = token.split([' ', '"']).next().unwrap();
        let (user, password) = USER.split_once(':').unwrap();
        let body = json!({ "token": token, "user": user, "password": password });
        assert_eq!(self.ask("", "POST", "/api/v1/setup", Some(&body)), (204, String::new()));
    }

    /// Asks by HTTPS, trusting what was made at the first start and nothing else.
    fn ask(&self, user: &str, method: &str, path: &str, body: Option<&Value>) -> (u16, String) {
        let (url, body) = (format!("https://{}{path}", self.admin), body.map(Value::to_string));
        let certificate = self.certificate.display().to_string();
        let mut arguments = vec!["-sS", "-X", method, "-w", "\n%{http_code}"];
        arguments.extend(["--cacert", &certificate, &url]);
        if !user.is_empty() {
            arguments.extend(["-u", user]);
        }
        if body.is_some() {
            arguments.extend(["-H", "Content-Type: application/json", "--data-binary", "@-"]);
        }
        let finished = run("curl", &arguments, body.unwrap_or_default().as_bytes());
        assert!(finished.status.success(), "{}", finished.stderr);
        let text = finished.text();
        let (text, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), text.to_owned())
    }

    fn change(&self, method: &str, path: &str, body: &Value) -> (u16, String) {
        self.ask(USER, method, path, Some(body))
    }

    fn get(&self, path: &str) -> Value {
        let (status, text) = self.ask(USER, "GET", path, None);
        assert_eq!(status, 200, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }
}

/// A subaccount with a certificate of the world's authority.
fn subaccount(world: &World, id: &str) -> Value {
    let issued = world.authority.issue_connector(id, None, valid_now()).unwrap();
    json!({
        "regionHost": REGION,
        "subaccount": id,
        "certificate": issued.certificate_pem,
        "privateKey": issued.private_key_pem,
        "ca": fs::read_to_string(world.path("ca.crt")).unwrap(),
    })
}

fn lasts(kind: Kind) {
    let service = Service::banner("of b");
    let mut world = World::new(kind);
    world.map("b", "echo", &service.address.to_string(), None);
    world.start_proxy("");
    let mut managed = Managed::start(&world);
    managed.set_up();
    assert_eq!(managed.change("POST", ENTRY, &subaccount(&world, "b")).0, 201);
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
    let mut renewal = subaccount(&world, "b");
    let fields = renewal.as_object_mut().unwrap();
    fields.retain(|name, _| name == "certificate" || name == "privateKey");
    let (status, text) = managed.change("POST", &format!("{ENTRY}/{REGION}/b/validity"), &renewal);
    assert_eq!(status, 200, "{text}");
    drop(stream);
    let answers = || exchange(local, "").is_ok_and(|answer| answer == "of b");
    wait_until("it serves with the new certificate", DEADLINE, answers);

    // Killed, it comes back as it was.
    drop(managed);
    let managed = Managed::start(&world);
    wait_until("the channel is there again", DEADLINE, answers);
    assert_eq!(managed.get(&channels).as_array().unwrap().len(), 2);
    assert_eq!(managed.ask(USER, "DELETE", &channels, None).0, 204);
    assert!(TcpStream::connect(local).is_err(), "what is deleted is closed before it is answered");
}

fn operators(kind: Kind) {
    let world = World::new(kind);
    let mut managed = Managed::start(&world);
    managed.set_up();
    for path in ["/healthz", "/readyz", "/exposed?action=ping"] {
        assert_eq!(managed.ask("", "GET", path, None).0, 200, "{path}");
    }
    for path in ["/status", "/metrics", "/streams", "/config", "/histograms"] {
        assert_eq!(managed.ask("", "GET", path, None).0, 401, "{path}");
        assert_eq!(managed.ask("admin:wrong", "GET", path, None).0, 401, "{path}");
        assert_eq!(managed.ask(USER, "GET", path, None).0, 200, "{path}");
    }
    assert_eq!(managed.ask("", "POST", "/drain", None).0, 401);
    assert_eq!(managed.ask("", "GET", "/api/nothing", None).0, 404);
    assert_eq!(managed.ask(USER, "GET", "/nothing", None).0, 404);
    let key = world.path("state/ui.key");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(key).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    // The link was good once.
    let line = managed.process.line("#setup=");
    let token = line.split_once("#setup=").unwrap().1.split([' ', '"']).next().unwrap();
    let again = json!({ "token": token, "user": "other", "password": "a long enough one" });
    assert_eq!(managed.ask("", "POST", "/api/v1/setup", Some(&again)).0, 403);
}
