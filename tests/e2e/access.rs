//! Who may use the admin server: anybody on loopback who is no page in a browser; elsewhere
//! whoever shows a token or a certificate. Health is told to everybody.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
};

use causeway::{engine::Kind, tls::Authority};

use crate::support::{
    DEADLINE, Flow, HOST, Process, Service, Site, Suite, World, exchange_http, exchange_on, put,
    tls_connect, valid_now, wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.once("a_server_that_others_reach_demands_tls_and_a_token", demanded);
    suite.once("with_a_token_only_health_is_told_to_everybody", token);
    suite.once("a_client_certificate_opens_what_a_token_opens", certificate);
    suite.once("on_loopback_a_page_in_a_browser_gets_nothing", browsers);
    suite.both("readers_that_take_nothing_harm_no_stream", slow_readers);
    suite.once("probes_are_answered_apart_and_nothing_else_is", probes);
}

fn slow_readers(kind: Kind) {
    let service = Service::echo();
    let site = Site::new(kind, service.address, false);
    let running = site.start();
    let flows: Vec<Flow> = (0..4).map(|_| Flow::start(running.channel)).collect();
    let stuck: Vec<TcpStream> = [running.proxy_admin, running.connector_admin]
        .into_iter()
        .flat_map(|admin| std::iter::repeat_n(admin, 30))
        .map(|admin| {
            let mut stream = TcpStream::connect(admin).unwrap();
            stream.set_write_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
            let questions = ["/streams?limit=1000", "/metrics", "/tunnels", "/openapi.json"];
            let ask = |path| format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            let asked: String = questions.iter().map(ask).collect();
            // What the server does not read any more is not sent.
            let _ = stream.write_all(asked.repeat(200).as_bytes());
            stream
        })
        .collect();
    flows.iter().for_each(Flow::assert_goes_on);
    for admin in [running.proxy_admin, running.connector_admin] {
        assert_eq!(exchange_http(admin, "GET", "/readyz", &[], "").0, 200);
        assert_eq!(exchange_http(admin, "GET", "/streams", &[], "").0, 200);
    }
    flows.iter().for_each(Flow::assert_goes_on);
    drop(stuck);
    flows.into_iter().for_each(|flow| assert!(flow.finish() > 0));
}

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A proxy as a process, with `[admin]` as the test writes it.
fn proxy(world: &World, admin: &str) -> Process {
    let path = world.path("proxy.toml");
    let workers = format!("[workers]\ncount = 1\nengine = \"{}\"\n", world.kind);
    put(&path, &(world.proxy_toml("127.0.0.1:0") + &workers + admin));
    Process::causeway(&["proxy", "--config", &path.display().to_string()])
}

fn world() -> World {
    let world = World::new(Kind::Epoll);
    put(&world.path("admin.token"), &format!("{TOKEN}\n"));
    world
}

const TLS: &str = "[admin.tls]\ncertificate = \"server.crt\"\nprivate_key = \"server.key\"\n";

fn demanded() {
    let world = world();
    let everywhere = "[admin]\nlisten = \"0.0.0.0:0\"\n";
    for (admin, missing) in [
        (everywhere.to_owned(), "add [admin.tls] with certificate and private_key, and token_file"),
        (format!("{everywhere}{TLS}"), "add token_file, or client_ca to [admin.tls]"),
        (
            format!("{everywhere}token_file = \"admin.token\"\n"),
            "add [admin.tls] with certificate and private_key, or listen on loopback",
        ),
    ] {
        let (status, said) = proxy(&world, &admin).end();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("admin.listen") && said.contains(missing), "{said}");
    }
    put(&world.path("admin.token"), "short\n");
    let admin = "[admin]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"admin.token\"\n";
    let (status, said) = proxy(&world, admin).end();
    assert_eq!(status.code(), Some(1), "{said}");
    assert!(said.contains("admin.token") && said.contains("32 characters"), "{said}");
}

/// Asks over TLS, with these headers.
fn ask(
    world: &World,
    address: SocketAddr,
    line: &str,
    headers: &[(&str, &str)],
    client: Option<&crate::support::ClientFiles>,
) -> u16 {
    let mut tls = tls_connect(address, HOST, &world.path("ca.crt"), client);
    let (method, path) = line.split_once(' ').unwrap();
    exchange_on(&mut tls, method, path, headers, "").0
}

fn reachable(address: SocketAddr) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], address.port()))
}

fn token() {
    let world = world();
    let admin =
        "[admin]\nlisten = \"0.0.0.0:0\"\ntoken_file = \"admin.token\"\nopen_metrics = true\n";
    let mut process = proxy(&world, &format!("{admin}{TLS}"));
    let address = reachable(process.address("admin server listens", "address"));
    let with = |token: &str| format!("Bearer {token}");
    let ask = |line: &str, token: Option<&str>| {
        let value = token.map(with).unwrap_or_default();
        let headers = [("Authorization", value.as_str())];
        ask(&world, address, line, if token.is_some() { &headers } else { &[] }, None)
    };
    for line in ["GET /healthz", "GET /readyz", "GET /metrics"] {
        assert_eq!(ask(line, None), 200, "{line}");
    }
    for line in ["GET /", "GET /status", "GET /streams", "GET /config", "GET /histograms"] {
        assert_eq!(ask(line, None), 401, "{line}");
        assert_eq!(ask(line, Some("0123456789abcdef0123456789abcdeF")), 401, "{line}");
        assert_eq!(ask(line, Some(TOKEN)), 200, "{line}");
    }
    for line in ["POST /drain", "DELETE /streams/0-0-0", "PUT /log-level"] {
        assert_eq!(ask(line, None), 401, "{line}");
    }
    assert_eq!(ask("DELETE /streams/0-0-0", Some(TOKEN)), 404);
    let fresh = "fedcba9876543210fedcba9876543210";
    put(&world.path("admin.token"), fresh);
    wait_until("the new token is in force", DEADLINE, || ask("GET /status", Some(fresh)) == 200);
    assert_eq!(ask("GET /status", Some(TOKEN)), 401, "the old one is not");
    put(&world.path("admin.token"), "short");
    process.line("keeping the admin token in use");
    assert_eq!(ask("GET /status", Some(fresh)), 200);
    assert!(process.is_running());
}

fn certificate() {
    let world = world();
    let (operators, ca) = Authority::create("operators", valid_now()).unwrap();
    put(&world.path("operators.crt"), &ca.certificate_pem);
    let issued = operators.issue_connector("ada", None, valid_now()).unwrap();
    let ada = world.write_pair("ada", &issued);
    let admin = format!("[admin]\nlisten = \"0.0.0.0:0\"\n{TLS}client_ca = \"operators.crt\"\n");
    let mut process = proxy(&world, &admin);
    let address = reachable(process.address("admin server listens", "address"));
    let ask = |line, headers: &[_], client| ask(&world, address, line, headers, client);
    assert_eq!(ask("GET /healthz", &[], None), 200);
    assert_eq!(ask("GET /streams", &[], None), 401);
    assert_eq!(ask("GET /streams", &[], Some(&ada)), 200);
    assert_eq!(ask("DELETE /streams/0-0-0", &[], Some(&ada)), 404);
    // A browser shows the certificate for whatever page is open in it.
    let page = [("Origin", "https://evil.test")];
    assert_eq!(ask("POST /drain", &page, Some(&ada)), 403);
    assert_eq!(ask("POST /drain", &[("Sec-Fetch-Site", "cross-site")], Some(&ada)), 403);
    // A tenant is not an operator.
    let tenant = world.client("a", None);
    let mut tls = tls_connect(address, HOST, &world.path("ca.crt"), Some(&tenant));
    let mut text = String::new();
    let read = tls
        .write_all(b"GET /streams HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .and_then(|()| tls.read_to_string(&mut text));
    assert!(read.is_err() && text.is_empty(), "{read:?} {text}");
    assert!(process.is_running());
}

fn browsers() {
    let world = world();
    let mut process = proxy(&world, "[admin]\nlisten = \"127.0.0.1:0\"\n");
    let address = process.address("admin server listens", "address");
    let ask = |line: &str, headers: &[_]| {
        let (method, path) = line.split_once(' ').unwrap();
        exchange_http(address, method, path, headers, "").0
    };
    let local = ("Host", "localhost:9494");
    assert_eq!(ask("GET /config", &[local]), 200);
    assert_eq!(ask("DELETE /streams/0-0-0", &[local]), 404);
    for line in ["POST /drain", "DELETE /streams/0-0-0", "PUT /log-level"] {
        assert_eq!(ask(line, &[("Host", "evil.test")]), 403, "{line}");
        assert_eq!(ask(line, &[local, ("Origin", "http://localhost:9494")]), 403, "{line}");
        assert_eq!(ask(line, &[local, ("Sec-Fetch-Site", "same-site")]), 403, "{line}");
    }
    // By a name of its own that points here, a page could read the answers.
    assert_eq!(ask("GET /config", &[("Host", "evil.test")]), 403);
    assert_eq!(ask("GET /metrics", &[("Host", "node-1.internal")]), 200, "scrapers have names");
    assert_eq!(ask("GET /readyz", &[("Host", "10.0.0.1")]), 200);
}

fn probes() {
    let world = world();
    for metrics in [false, true] {
        let admin = format!(
            "[admin]\nlisten = \"127.0.0.1:0\"\ntoken_file = \"admin.token\"\n\
             [admin.probes]\nlisten = \"0.0.0.0:0\"\nmetrics = {metrics}\n"
        );
        let mut process = proxy(&world, &admin);
        let address = reachable(process.address("probes are answered", "address"));
        let get = |path| exchange_http(address, "GET", path, &[("Host", "10.1.2.3")], "").0;
        assert_eq!([get("/healthz"), get("/readyz")], [200, 200]);
        assert_eq!(get("/metrics"), if metrics { 200 } else { 404 });
        for path in ["/", "/status", "/streams", "/config", "/openapi.json", "/histograms"] {
            assert_eq!(get(path), 404, "{path}");
        }
        for (method, path) in [("POST", "/drain"), ("DELETE", "/streams/0-0-0")] {
            assert_eq!(exchange_http(address, method, path, &[], "").0, 404, "{path}");
        }
    }
    // Without a server for more.
    let mut process = proxy(&world, "[admin.probes]\nlisten = \"127.0.0.1:0\"\n");
    let address = process.address("probes are answered", "address");
    assert_eq!(exchange_http(address, "GET", "/readyz", &[], "").0, 200);
}
