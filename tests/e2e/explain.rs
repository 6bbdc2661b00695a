//! What `/explain` says, and what the real CONNECT is answered: the same, for every cell of the
//! permission matrix and for every reason to refuse.

use std::{io::Write, net::TcpStream, sync::Arc, time::Instant};

use causeway::{
    engine::Kind,
    limits,
    protocol::Question,
    telemetry::{CountersSnapshot, Gauge},
    tls::Authority,
};
use rustls::ClientConfig;
use serde_json::Value;

use crate::{
    dials::{BlackHole, refusing},
    permissions::{LOCATIONS, SERVICES, SUBACCOUNTS, mapped_world},
    refusals::{BAD_AUTHORITIES, odd_certificate},
    support::{
        DEADLINE, HOST, Reply, Service, Suite, World, client_config, dial, http2::RawTunnel,
        http2::connect, open_service, valid_now, wait_until,
    },
};

pub fn add(suite: &mut Suite) {
    suite.both("explanations_and_answers_agree_over_the_whole_permission_matrix", matrix);
    suite.both("explanations_and_answers_agree_on_whoever_asks", callers);
    suite.both("explanations_and_answers_agree_on_whatever_is_asked", requests);
    suite.both("explanations_that_dial_and_answers_agree_on_services", services);
    suite.both("explanations_and_answers_agree_on_a_tenant_at_its_limit", tenant_limit);
    suite.both("explanations_and_answers_agree_when_too_many_dials_are_under_way", dials);
    suite.both("explanations_and_answers_agree_while_the_proxy_drains", draining);
}

/// A question of subaccount `a`.
pub(crate) fn about(service: &str) -> Question {
    Question {
        subaccount: Some("a".to_owned()),
        service: service.to_owned(),
        ..Question::default()
    }
}

pub(crate) fn explained(world: &World, question: &Question) -> Value {
    let answer = world.proxy().explain(question).unwrap();
    assert_eq!(answer["problems"], Value::Array(Vec::new()), "{answer:#}");
    assert_eq!(answer["workers_that_differ"], Value::Array(Vec::new()), "{answer:#}");
    answer
}

/// Status, reason and `Proxy-Status` are the same; the reason is one that is hoped for.
pub(crate) fn assert_agrees(
    world: &World,
    question: &Question,
    reply: &Reply,
    reason: Option<&str>,
) {
    let explanation = explained(world, question);
    let told = format!("{question:?}\n{explanation:#}\n{reply:?}");
    assert_eq!(explanation["status"], reply.status, "{told}");
    assert_eq!(explanation["reason"].as_str(), reason, "{told}");
    assert_eq!(explanation["allowed"], reason.is_none(), "{told}");
    assert_eq!(explanation["proxy_status"].as_str(), reply.field("Proxy-Status"), "{told}");
    if let Some(reason) = reason {
        reply.assert_refusal(reply.status, reason);
    }
}

fn head(authority: &str, lines: &str) -> Vec<u8> {
    format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n{lines}\r\n").into_bytes()
}

/// Asks and finishes, so that a stream ends at once and its answer is all there is.
fn reply_to(world: &World, name: &str, config: &Arc<ClientConfig>, request: &[u8]) -> Reply {
    let mut tls = dial(world.proxy_address(), name, config);
    tls.write_all(request).unwrap();
    tls.conn.send_close_notify();
    tls.flush().unwrap();
    Reply::read(&mut tls)
}

fn matrix(kind: Kind) {
    let world = mapped_world(kind);
    let mut seen = std::collections::BTreeMap::new();
    for subaccount in SUBACCOUNTS {
        for bound in [None, Some(""), Some("plant"), Some("lab")] {
            let config = client_config(&world, Some(&world.client(subaccount, bound)));
            for service in SERVICES {
                for location in LOCATIONS {
                    let line = format!("SAP-Connectivity-SCC-Location_ID: {location}\r\n");
                    let request = head(&format!("{service}:80"), &line);
                    let reply = reply_to(&world, HOST, &config, &request);
                    let question = Question {
                        subaccount: Some(subaccount.to_owned()),
                        certificate_location: bound.map(str::to_owned),
                        location: Some(location.to_owned()),
                        ..about(service)
                    };
                    let reason = match reply.status {
                        200 => None,
                        403 => Some("location_not_allowed"),
                        _ => Some("no_such_mapping"),
                    };
                    assert_agrees(&world, &question, &reply, reason);
                    let dialled = explained(&world, &Question { dial: true, ..question.clone() });
                    assert_eq!(dialled["status"], reply.status, "{dialled:#}");
                    *seen.entry(reply.status).or_insert(0) += 1;
                    if reply.status == 200 {
                        // The mapping that is named is the one whose service answered.
                        let mapping = &explained(&world, &question)["mapping"];
                        let name = format!("{subaccount}-{service}");
                        assert_eq!(mapping["name"], name);
                        assert_eq!(reply.body, format!("{subaccount}/{service}"));
                        assert_eq!(dialled["dialled"], mapping["internal_address"]);
                    }
                }
            }
        }
    }
    assert_eq!(seen.values().sum::<usize>(), 4 * 4 * 4 * 3);
    assert!([200, 403, 404].iter().all(|status| seen[status] > 5), "{seen:?}");
}

/// The echo service for `a`, another's, one that only `site` may use.
fn world_of_echo(kind: Kind, more: &str) -> World {
    let mut world = World::new(kind);
    let echo = Service::banner("here").address.to_string();
    world.map("a", "echo", &echo, None);
    world.map("a", "elsewhere", &echo, Some(&["site"]));
    world.map("b", "theirs", &echo, None);
    world.start_proxy(more);
    world
}

fn callers(kind: Kind) {
    let mut world = World::new(kind);
    let (_, ca) = Authority::create("the other CA", valid_now()).unwrap();
    let both = format!("{}{}", world.authority.certificate_pem(), ca.certificate_pem);
    std::fs::write(world.path("ca.crt"), both).unwrap();
    world.write_pair(
        "server",
        &world.authority.issue_server(&[HOST, "o.test"], valid_now()).unwrap(),
    );
    world.map("a", "echo", &Service::banner("here").address.to_string(), None);
    world.start_proxy("");
    let honest = client_config(&world, Some(&world.client("a", None)));
    let ask = |name, config: &_| reply_to(&world, name, config, &head("echo:80", ""));
    assert_agrees(&world, &about("echo"), &ask(HOST, &honest), None);
    let named = Question { server_name: Some("LOCALHOST".to_owned()), ..about("echo") };
    assert_agrees(&world, &named, &ask(HOST, &honest), None);
    let elsewhere = Question { server_name: Some("o.test".to_owned()), ..about("echo") };
    assert_agrees(&world, &elsewhere, &ask("o.test", &honest), Some("wrong_server_name"));
    let nobody = client_config(&world, None);
    let without = Question { subaccount: None, ..about("echo") };
    assert_agrees(&world, &without, &ask(HOST, &nobody), Some("no_certificate"));
    // Who asks wrongly and is nobody learns only that it is nobody.
    let reply = reply_to(&world, HOST, &nobody, &head("echo:0", ""));
    let wrongly = Question { port: Some("0".to_owned()), ..without };
    assert_agrees(&world, &wrongly, &reply, Some("no_certificate"));
    let pems = (ca.certificate_pem.as_str(), ca.private_key_pem.as_str());
    for name in ["", " a", "a\u{202e}b"] {
        let files = odd_certificate(&world, pems, Some(name), &[]);
        let config = client_config(&world, Some(&files));
        let question = Question { subaccount: Some(name.to_owned()), ..about("echo") };
        assert_agrees(&world, &question, &ask(HOST, &config), Some("bad_identity"));
    }
}

fn requests(kind: Kind) {
    let world = world_of_echo(kind, "");
    let config = client_config(&world, Some(&world.client("a", None)));
    let ask = |request: &[u8]| reply_to(&world, HOST, &config, request);
    let mut malformed = 0;
    for authority in BAD_AUTHORITIES {
        // A question has a service and a port in any case.
        let Some((service, port)) = authority.rsplit_once(':') else { continue };
        let question = Question { port: Some(port.to_owned()), ..about(service) };
        assert_agrees(&world, &question, &ask(&head(authority, "")), Some("malformed"));
        malformed += 1;
    }
    assert!(malformed > 10);
    let long = "a".repeat(300);
    for (name, value, reason) in [
        ("Connectivity-Service-Type", "UDP", Some("malformed")),
        ("Connectivity-Service-Type", "rfc", Some("no_such_mapping")),
        ("Connectivity-Service-Type", "tcp", None),
        ("SAP-Connectivity-SCC-Location_ID", long.as_str(), Some("malformed")),
        ("SAP-Connectivity-SCC-Location_ID", "site", Some("location_not_allowed")),
        ("SAP-Connectivity-SCC-Location_ID", "", None),
    ] {
        let given = Some(value.to_owned());
        let question = if name.starts_with('C') {
            Question { service_type: given, ..about("echo") }
        } else {
            Question { location: given, ..about("echo") }
        };
        let reply = ask(&head("echo:80", &format!("{name}: {value}\r\n")));
        assert_agrees(&world, &question, &reply, reason);
    }
    for (service, reason) in [
        ("elsewhere", "location_not_allowed"),
        ("theirs", "no_such_mapping"),
        ("nothing", "no_such_mapping"),
        ("ECHO", "no_such_mapping"),
    ] {
        let reply = ask(&head(&format!("{service}:80"), ""));
        assert_agrees(&world, &about(service), &reply, Some(reason));
    }
    for method in ["GET", "POST", "connect", "OPTIONS"] {
        let request = format!("{method} echo:80 HTTP/1.1\r\nHost: echo:80\r\n\r\n");
        let question = Question { method: Some(method.to_owned()), ..about("echo") };
        assert_agrees(&world, &question, &ask(request.as_bytes()), Some("not_connect"));
    }
    let shown = explained(&world, &about("elsewhere"));
    assert_eq!(shown["mapping"]["locations"], serde_json::json!(["site"]), "{shown:#}");
    assert!(shown["words"].as_str().unwrap().contains("site"), "{shown:#}");
    assert_eq!(explained(&world, &about("theirs"))["mapping"], Value::Null);
}

fn services(kind: Kind) {
    let hole = BlackHole::open();
    let (_bound, dead) = refusing();
    let mut world = World::new(kind);
    let echo = Service::banner("here");
    world.map("a", "echo", &echo.address.to_string(), None);
    world.map("a", "dead", &dead.to_string(), None);
    world.map("a", "hole", &hole.address.to_string(), None);
    world.map("a", "unknown", "no-such-name.invalid:80", None);
    world.map("a", "unreachable", "255.255.255.255:80", None);
    world.start_proxy("[limits]\ndial_timeout_seconds = 1\n");
    let config = client_config(&world, Some(&world.client("a", None)));
    for (service, reason) in [
        ("echo", None),
        ("dead", Some("service_refused")),
        ("hole", Some("dial_timeout")),
        ("unknown", Some("unresolvable")),
        ("unreachable", Some("service_unreachable")),
    ] {
        let dialled = Question { dial: true, ..about(service) };
        let reply = reply_to(&world, HOST, &config, &head(&format!("{service}:80"), ""));
        assert_agrees(&world, &dialled, &reply, reason);
        // Without a dial nobody knows.
        assert_eq!(explained(&world, &about(service))["status"], 200);
    }
    assert_eq!(echo.accepted(), 2, "one for the stream, one for the explanation");
    let address = explained(&world, &Question { dial: true, ..about("echo") })["dialled"].clone();
    assert_eq!(address, echo.address.to_string());
    wait_until("nothing is left of the explanations", DEADLINE, || world.sessions() == 0);
}

fn tenant_limit(kind: Kind) {
    let mut world = World::new(kind);
    world.map("a", "echo", &Service::echo().address.to_string(), None);
    world.start_proxy("[limits]\nstreams_per_subaccount_max = 1\n");
    let config = client_config(&world, Some(&world.client("a", None)));
    let ask = || reply_to(&world, HOST, &config, &head("echo:80", ""));
    let wait_free = || {
        let open = || world.proxy().mappings().0[0]["subaccount_streams"].clone();
        wait_until("the place is free", DEADLINE, || open() == 0);
    };
    let reply = ask();
    wait_free();
    assert_agrees(&world, &about("echo"), &reply, None);
    let stream = open_service(&world, &config, "echo");
    for dial in [false, true] {
        let question = Question { dial, ..about("echo") };
        assert_agrees(&world, &question, &ask(), Some("tenant_limit"));
    }
    drop(stream);
    wait_free();
    // Explanations keep no place, nor do they take each other's: every worker is asked at once.
    for round in 0..20 {
        let question = Question { dial: round % 2 == 0, ..about("echo") };
        assert_eq!(explained(&world, &question)["status"], 200);
        wait_free();
    }
    assert_agrees(&world, &about("echo"), &reply, None);
}

fn dials(kind: Kind) {
    let hole = BlackHole::open();
    let mut world = World::new(kind);
    for subaccount in ["a", "b"] {
        world.map(subaccount, "hole", &hole.address.to_string(), None);
        world.map(subaccount, "echo", &Service::banner("here").address.to_string(), None);
    }
    world.start_proxy_of_one("[limits]\ndial_timeout_seconds = 60\n");
    let clients = ["a", "b"].map(|subaccount| world.client(subaccount, None));
    let configs = clients.each_ref().map(|files| client_config(&world, Some(files)));
    let ask = |config| reply_to(&world, HOST, config, &head("echo:80", ""));
    let mut tunnels = clients.each_ref().map(|files| RawTunnel::open(&world, files));
    let places =
        [limits::DIALS_PER_TENANT_MAX, limits::DIALS_PER_WORKER_MAX - limits::DIALS_PER_TENANT_MAX];
    for (tunnel, count) in tunnels.iter_mut().zip(places) {
        let streams = (0..count as u32).map(|number| connect(2 * number + 1, "hole:80"));
        assert!(tunnel.send(&streams.flatten().collect::<Vec<u8>>()));
    }
    let dialling = || CountersSnapshot::of(world.proxy().crew().counters()).gauge(Gauge::Dials);
    let all = limits::DIALS_PER_WORKER_MAX as u64;
    wait_until("all places are taken", DEADLINE, || dialling() == all);
    let of = |subaccount: &str, dial| Question {
        subaccount: Some(subaccount.to_owned()),
        dial,
        ..about("echo")
    };
    for dial in [false, true] {
        let reply = ask(&configs[0]);
        assert_agrees(&world, &of("a", dial), &reply, Some("tenant_limit"));
        let reply = ask(&configs[1]);
        assert_agrees(&world, &of("b", dial), &reply, Some("overloaded"));
    }
    drop(tunnels);
    wait_until("the dials are given up", DEADLINE, || dialling() == 0);
    assert_agrees(&world, &of("a", true), &ask(&configs[0]), None);
    assert_agrees(&world, &of("b", true), &ask(&configs[1]), None);
}

fn draining(kind: Kind) {
    let mut world = World::new(kind);
    world.map("a", "echo", &Service::echo().address.to_string(), None);
    world.start_proxy("");
    let config = client_config(&world, Some(&world.client("a", None)));
    // A request that has begun is answered; streams keep the workers at work.
    let request = head("echo:80", "");
    let (first, rest) = request.split_at(request.len() / 2);
    let mut begun = dial(world.proxy_address(), HOST, &config);
    begun.write_all(first).unwrap();
    let running: Vec<_> = (0..20).map(|_| open_service(&world, &config, "echo")).collect();
    std::thread::scope(|scope| {
        let started = Instant::now();
        let drain = scope.spawn(|| world.proxy().drain(Some(DEADLINE)));
        wait_until("nothing more is accepted", DEADLINE, || {
            TcpStream::connect(world.proxy_address()).is_err()
        });
        let reply = Reply::to(&mut begun, rest);
        for dial in [false, true] {
            let question = Question { dial, ..about("echo") };
            assert_agrees(&world, &question, &reply, Some("draining"));
        }
        assert!(started.elapsed() < DEADLINE);
        drop(running);
        drain.join().unwrap();
    });
}
