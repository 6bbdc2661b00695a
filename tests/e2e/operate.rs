//! The admin API of both roles as processes: what it lists, what it ends, what it changes. Every
//! answer is held against its description (see `Api`).

use std::{
    collections::BTreeSet,
    io::{ErrorKind, Read},
    net::TcpStream,
};

use causeway::engine::Kind;
use serde_json::{Value, json};

use crate::support::{
    Api, DEADLINE, Flow, Running, Service, Site, Suite, connect, exchange, get, mode, ping,
    wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.all("streams_and_tunnels_are_listed_with_whose_they_are", lists);
    suite.all("a_list_is_filtered_and_comes_in_pages", pages);
    suite.all("a_stream_that_is_killed_is_reset_at_both_ends_and_said_so", kill_stream);
    suite.all("a_tunnel_that_is_killed_takes_its_streams_along_and_is_replaced", kill_tunnel);
    suite.both("the_configuration_is_shown_in_full", config);
    suite.both("mappings_certificates_and_workers_are_shown", shown);
    suite.both("the_endpoint_explains_with_every_parameter", explains);
    suite.both("a_drain_by_the_api_is_that_of_sigterm", drain);
    suite.both("the_log_level_changes_live_and_goes_back_by_itself", log_level);
    suite.both("what_a_role_has_not_is_404_and_says_so", of_the_other_role);
}

const SUBACCOUNT: &str = "11111111-2222-3333-4444-555555555555";

/// Both roles, in the mode of the test.
struct Pair {
    running: Running,
    proxy: Api,
    connector: Api,
    service: Service,
    _site: Site,
}

fn pair(kind: Kind) -> Pair {
    let service = Service::echo();
    let site = Site::new(kind, service.address, false);
    let running = site.start_in(mode());
    let (proxy, connector) = (Api::new(running.proxy_admin), Api::new(running.connector_admin));
    Pair { running, proxy, connector, service, _site: site }
}

impl Pair {
    fn open(&self) -> TcpStream {
        self.open_with("hello")
    }

    fn open_with(&self, text: &str) -> TcpStream {
        let mut stream = connect(self.running.channel);
        ping(&mut stream, text);
        stream
    }

    /// Opens streams and waits until both roles list as many.
    fn open_many(&self, count: usize) -> Vec<TcpStream> {
        let streams: Vec<_> = (0..count).map(|_| self.open()).collect();
        for api in [&self.proxy, &self.connector] {
            wait_total(api, "/streams?state=relaying", count);
        }
        streams
    }
}

fn total(api: &Api, path: &str) -> usize {
    let answer = api.get(path);
    assert_eq!(answer["problems"], json!([]), "{answer}");
    usize::try_from(answer["total"].as_u64().unwrap()).unwrap()
}

fn wait_total(api: &Api, path: &str, wanted: usize) {
    wait_until(&format!("{path} lists {wanted}"), DEADLINE, || total(api, path) == wanted);
}

fn ids(answer: &Value, name: &str) -> Vec<String> {
    let entries = answer[name].as_array().unwrap().iter();
    entries.map(|entry| entry["id"].as_str().unwrap().to_owned()).collect()
}

fn lists(kind: Kind) {
    let pair = pair(kind);
    let mut streams = pair.open_many(3);
    for (api, peers) in [(&pair.proxy, None), (&pair.connector, Some(&streams))] {
        let answer = api.get("/streams");
        let listed = answer["streams"].as_array().unwrap();
        assert_eq!((answer["total"].as_u64(), listed.len()), (Some(3), 3));
        assert_eq!(ids(&answer, "streams").into_iter().collect::<BTreeSet<_>>().len(), 3);
        for stream in listed {
            let told = ["subaccount", "location", "service", "state"].map(|key| &stream[key]);
            assert_eq!(told, [SUBACCOUNT, "", "echoserver", "relaying"], "{stream}");
            assert_eq!([&stream["bytes_up"], &stream["bytes_down"]], [5, 5], "{stream}");
            // In mode direct a stream is its own tunnel.
            assert_eq!(stream["tunnel"].is_string(), mode() == "multiplexed", "{stream}");
            if let Some(tunnel) = stream["tunnel"].as_str() {
                let tunnels = api.get("/tunnels?state=carrying");
                assert!(ids(&tunnels, "tunnels").iter().any(|id| id == tunnel), "{tunnels}");
            }
        }
        if let Some(clients) = peers {
            let peer = |client: &TcpStream| client.local_addr().unwrap().to_string();
            let known: BTreeSet<String> = clients.iter().map(peer).collect();
            let listed = listed.iter().map(|stream| stream["peer"].as_str().unwrap().to_owned());
            assert_eq!(listed.collect::<BTreeSet<_>>(), known);
        } else {
            let dialled = &listed[0]["dialled"];
            assert_eq!(dialled, &pair.service.address.to_string());
        }
        // Direct: each stream's own, and on the proxy the warm ones that wait.
        let tunnels = api.get("/tunnels");
        let carrying: u64 = tunnels["tunnels"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["streams"].as_u64().unwrap())
            .sum();
        assert_eq!(carrying, 3, "{tunnels}");
        for tunnel in tunnels["tunnels"].as_array().unwrap() {
            if tunnel["state"] == "handshake" {
                continue; // another one to be kept warm
            }
            assert_eq!(
                (&tunnel["subaccount"], &tunnel["mode"]),
                (&SUBACCOUNT.into(), &mode().into())
            );
        }
    }
    ping(&mut streams[0], "looked at, not touched");
    drop(streams);
    for api in [&pair.proxy, &pair.connector] {
        wait_total(api, "/streams", 0);
    }
}

fn pages(kind: Kind) {
    let pair = pair(kind);
    let _streams = pair.open_many(7);
    for api in [&pair.proxy, &pair.connector] {
        let mut seen = BTreeSet::new();
        let mut after = String::new();
        let mut pages = 0;
        loop {
            let answer = api.get(&format!("/streams?limit=3{after}"));
            assert_eq!(answer["total"], 7, "the total is of all pages: {answer}");
            seen.extend(ids(&answer, "streams"));
            pages += 1;
            match answer["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => break,
            }
        }
        assert_eq!((seen.len(), pages), (7, 3));
        assert_eq!(api.get("/streams?limit=0")["streams"], json!([]));
        let subaccount = format!("subaccount={SUBACCOUNT}");
        for (filter, wanted) in [
            (subaccount.as_str(), 7),
            ("subaccount=nobody", 0),
            ("service=echoserver", 7),
            ("service=Echoserver", 0),
            ("location=", 7),
            ("location=plant", 0),
            ("state=relaying", 7),
            ("state=dialling", 0),
            ("peer=127.0.0.1", 7),
            ("peer=127.0.0.2", 0),
            ("service=echoserver&location=&state=relaying&peer=127.0.0.1", 7),
        ] {
            assert_eq!(total(api, &format!("/streams?{filter}")), wanted, "{filter}");
        }
        let workers = api.get("/workers")["workers"].as_array().unwrap().len();
        let by_worker = (0..workers).map(|w| total(api, &format!("/streams?worker={w}")));
        assert_eq!(by_worker.sum::<usize>(), 7);
        assert_eq!(api.try_get(&format!("/streams?worker={workers}")).0, 404);
        for bad in ["state=asleep", "limit=1001", "limit=x", "subacount=a", "after=1", "peer=me"] {
            assert_eq!(api.try_get(&format!("/streams?{bad}")).0, 400, "{bad}");
        }
    }
}

fn assert_aborted(mut stream: &TcpStream) {
    let error = stream.read(&mut [0; 16]).expect_err("an abort, not an end");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
}

fn killed(admin: std::net::SocketAddr) -> u64 {
    let (_, metrics) = get(admin, "/metrics");
    let series = "causeway_streams_ended_total{ending=\"killed\"} ";
    let value = metrics.lines().find_map(|line| line.strip_prefix(series));
    value.map_or(0, |value| value.parse().unwrap())
}

fn kill_stream(kind: Kind) {
    let mut pair = pair(kind);
    let admins = [pair.running.proxy_admin, pair.running.connector_admin];
    for (killing, admin) in admins.into_iter().enumerate() {
        let bystander = Flow::start(pair.running.channel);
        let text = ["victim", "another victim"][killing];
        let victim = pair.open_with(text);
        let api = Api::new(admin);
        // The only one that moved so many bytes and no more.
        let quiet = |answer: &Value| {
            let streams = answer["streams"].as_array().unwrap();
            let quiet = streams.iter().find(|stream| stream["bytes_up"] == text.len());
            quiet.map(|stream| stream["id"].as_str().unwrap().to_owned())
        };
        wait_until("the victim is listed", DEADLINE, || quiet(&api.get("/streams")).is_some());
        let id = quiet(&api.get("/streams")).unwrap();
        assert_eq!(
            api.ask("DELETE", &format!("/streams/{id}"), ""),
            (200, json!({ "killed": id }))
        );
        assert_aborted(&victim);
        let process =
            if killing == 0 { &mut pair.running.proxy } else { &mut pair.running.connector };
        process.line("ending=\"killed\"");
        wait_until("it is counted", DEADLINE, || killed(admin) == 1);
        // An old id names nothing, and least of all what took its place.
        let _other = pair.open();
        assert_eq!(api.ask("DELETE", &format!("/streams/{id}"), "").0, 404);
        for wrong in ["0-0-999999", "99-0-0", "nonsense", "1-2", "18446744073709551616-0-0"] {
            assert_eq!(api.ask("DELETE", &format!("/streams/{wrong}"), "").0, 404, "{wrong}");
        }
        bystander.assert_goes_on();
        assert!(bystander.finish() > 0);
    }
}

fn kill_tunnel(kind: Kind) {
    let pair = pair(kind);
    for api in [&pair.proxy, &pair.connector] {
        let before = killed(api.address);
        let streams = pair.open_many(3);
        let tunnels = api.get("/tunnels");
        let tunnels = tunnels["tunnels"].as_array().unwrap();
        let mut ended = 0;
        for tunnel in tunnels.iter().filter(|tunnel| tunnel["streams"] != 0) {
            let id = tunnel["id"].as_str().unwrap();
            assert_eq!(api.ask("DELETE", &format!("/tunnels/{id}"), "").0, 200);
            ended += tunnel["streams"].as_u64().unwrap();
        }
        assert_eq!(ended, 3);
        streams.iter().for_each(assert_aborted);
        wait_until("all are counted", DEADLINE, || killed(api.address) == before + 3);
        wait_total(api, "/streams", 0);
        // The channel comes back by itself.
        wait_until("a stream opens again", DEADLINE, || {
            exchange(pair.running.channel, "again").is_ok_and(|answer| answer == "again")
        });
        for api in [&pair.proxy, &pair.connector] {
            wait_total(api, "/streams", 0);
        }
    }
}

fn config(kind: Kind) {
    let pair = pair(kind);
    let answer = pair.proxy.get("/config");
    let config = &answer["config"];
    assert_eq!(answer["role"], "proxy");
    assert_eq!(config["tunnel"]["external_host"], "localhost");
    assert_eq!(config["limits"]["dial_timeout_seconds"], 10, "a default");
    assert_eq!(config["workers"]["engine"], kind.to_string());
    let answer = pair.connector.get("/config");
    let config = &answer["config"];
    assert_eq!(answer["role"], "connector");
    assert_eq!(config["subaccount"]["id"], SUBACCOUNT);
    assert_eq!(config["channel"][0]["connections"], 1);
}

fn shown(kind: Kind) {
    let pair = pair(kind);
    let _stream = pair.open_many(1);
    let mappings = pair.proxy.get("/mappings");
    let mapping = &mappings["mappings"][0];
    assert_eq!((&mappings["total"], &mappings["next"]), (&json!(1), &Value::Null));
    assert_eq!(mapping["internal_address"], pair.service.address.to_string());
    assert_eq!((&mapping["locations"], &mapping["subaccount_streams"]), (&json!([""]), &json!(1)));
    for (filter, wanted) in [("service=echoserver", 1), ("service=other", 0), ("location=x", 0)] {
        assert_eq!(total(&pair.proxy, &format!("/mappings?{filter}")), wanted, "{filter}");
    }
    assert_eq!(pair.proxy.try_get("/mappings?state=relaying").0, 400);
    for (api, own) in [(&pair.proxy, "server.crt"), (&pair.connector, "connector.crt")] {
        let answer = api.get("/certificates");
        let certificates = answer["certificates"].as_array().unwrap();
        let used = |certificate: &&Value| certificate["use"] == "own";
        let certificate = certificates.iter().find(used).unwrap();
        assert!(certificate["file"].as_str().unwrap().ends_with(own), "{certificate}");
        assert!(certificate["seconds_left"].as_i64().unwrap() > 0, "{certificate}");
        assert!(certificate["serial"].as_str().unwrap().len() > 8, "{certificate}");
        assert!(certificates.iter().any(|certificate| certificate["use"] == "trusted"), "{answer}");
        let workers = api.get("/workers");
        assert_eq!(workers["engine"], kind.to_string());
        let workers = workers["workers"].as_array().unwrap();
        assert!(
            workers.iter().all(|worker| worker["answers"] == true && worker["draining"] == false)
        );
        let streams: u64 = workers.iter().map(|worker| worker["streams"].as_u64().unwrap()).sum();
        assert_eq!(streams, 1, "{workers:#?}");
    }
}

fn explains(kind: Kind) {
    let pair = pair(kind);
    let base = format!("/explain?subaccount={SUBACCOUNT}&service=echoserver");
    for (more, status, reason) in [
        ("", 200, None),
        ("&dial=true", 200, None),
        ("&location=", 200, None),
        ("&type=TCP&port=1&method=CONNECT&server_name=localhost&new_tunnel=true", 200, None),
        ("&location=plant", 403, Some("location_not_allowed")),
        ("&certificate_location=plant", 403, Some("location_not_allowed")),
        ("&type=RFC", 404, Some("no_such_mapping")),
        ("&type=UDP", 400, Some("malformed")),
        ("&port=0", 400, Some("malformed")),
        ("&method=GET", 405, Some("not_connect")),
        ("&server_name=elsewhere", 421, Some("wrong_server_name")),
    ] {
        let answer = pair.proxy.get(&format!("{base}{more}"));
        assert_eq!(answer["status"], status, "{more}: {answer:#}");
        assert_eq!(answer["reason"].as_str(), reason, "{more}: {answer:#}");
    }
    let answer = pair.proxy.get("/explain?service=echoserver");
    assert_eq!(answer["reason"], "no_certificate");
    let answer = pair.proxy.get(&format!("{base}&dial=true"));
    assert_eq!(answer["dialled"], pair.service.address.to_string());
    for bad in ["/explain", "/explain?service=a&dial=yes", "/explain?service=a&locaton=b"] {
        assert_eq!(pair.proxy.try_get(bad).0, 400, "{bad}");
    }
}

fn drain(kind: Kind) {
    let Pair { running, proxy, connector, .. } = pair(kind);
    let mut stream = connect(running.channel);
    ping(&mut stream, "before");
    for api in [&proxy, &connector] {
        assert_eq!(api.ask("POST", "/drain", ""), (202, json!({ "draining": true })));
        // At once: no new work comes here from now on.
        let (status, answer) = api.try_get("/readyz");
        assert_eq!((status, &answer["reasons"]), (503, &json!(["draining"])));
        // Told twice is told once: it does not end like a second signal.
        assert_eq!(api.ask("POST", "/drain", "").0, 202);
        ping(&mut stream, "while it drains");
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0]).unwrap(), 0, "a drained stream ends cleanly");
    for process in [running.proxy, running.connector] {
        let (status, said) = process.end();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains("aborted=0"), "{said}");
    }
}

fn log_level(kind: Kind) {
    let mut pair = pair(kind);
    let api = Api::new(pair.running.proxy_admin);
    assert_eq!(api.get("/log-level"), json!({ "level": "info", "temporary": null }));
    let put = |body: Value| api.ask("PUT", "/log-level", &body.to_string());
    for bad in [json!({}), json!({"level": "inof"}), json!({"level": "info", "for_seconds": 0})] {
        assert_eq!(put(bad).0, 400);
    }
    assert_eq!(api.ask("PUT", "/log-level", "not JSON").0, 400);
    assert_eq!(api.get("/log-level")["level"], "info", "what is wrong changes nothing");
    // One target is silenced, then it is heard again.
    assert_eq!(put(json!({"level": "info,causeway::stream=off"})).0, 200);
    let ended = |running: &Running| {
        running.proxy.lines().iter().filter(|line| line.contains("stream ended")).count()
    };
    let run_one = |pair: &Pair| {
        exchange(pair.running.channel, "one").unwrap();
        wait_total(&pair.proxy, "/streams", 0);
    };
    run_one(&pair);
    assert_eq!(put(json!({"level": "info"})).1["level"], "info");
    run_one(&pair);
    pair.running.proxy.line("stream ended");
    assert_eq!(ended(&pair.running), 1, "{:?}", pair.running.proxy.lines());
    let (_, answer) = put(json!({"level": "debug", "for_seconds": 1}));
    assert_eq!((&answer["level"], &answer["temporary"]["then"]), (&json!("debug"), &json!("info")));
    // The level to go back to is that before the first of several.
    assert_eq!(put(json!({"level": "trace", "for_seconds": 1})).1["temporary"]["then"], "info");
    wait_until("the level is back", DEADLINE, || {
        api.get("/log-level") == json!({ "level": "info", "temporary": null })
    });
}

fn of_the_other_role(kind: Kind) {
    let pair = pair(kind);
    for path in ["/explain?service=echoserver", "/mappings"] {
        let (status, answer) = pair.connector.try_get(path);
        assert_eq!(status, 404);
        let error = answer["error"].as_str().unwrap();
        assert!(error.contains("a connector") && error.contains("ask the proxy"), "{error}");
    }
}
