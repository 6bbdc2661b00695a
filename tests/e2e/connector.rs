//! The connector's channels: each on its own, whatever the proxy, the ports or the mappings do.

use std::{net::TcpListener, time::Duration};

use causeway::{engine::Kind, telemetry::Count};

use crate::support::{
    DEADLINE, HOST, HeldPort, Service, Suite, World, all_warm, assert_reset, connector_head,
    exchange, problem_of, wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.both("a_connector_without_its_proxy_waits_and_recovers", proxy_comes_later);
    suite.both("a_restarted_proxy_serves_at_once_and_warm_tunnels_return", proxy_restarted);
    suite.both("a_taken_port_is_the_problem_of_its_channel_alone", port_taken);
    suite.both("a_refused_service_is_a_problem_until_a_client_is_served", refused_service);
    suite.both("a_disabled_channel_does_not_listen", disabled);
    suite.both("an_endpoint_may_be_written_with_any_scheme_or_none", endpoints);
    suite.both("a_certificate_of_another_subaccount_is_refused_at_start", wrong_identity);
    suite.both("a_connector_reaches_what_its_location_may_reach", locations);
}

/// The longest back-off (30 s) and one attempt.
const RECOVERY: Duration = Duration::from_secs(35);

fn proxy_comes_later(kind: Kind) {
    let (echo, held) = (Service::echo(), HeldPort::new());
    let mut world = World::new(kind);
    world.map("a", "echo", &echo.address.to_string(), None);
    let files = world.client("a", None);
    let port = held.address.port();
    let (connector, channels) = world.connector_with("a", "", &files, port, &["echo"], "");
    let problem = problem_of(&connector, 0);
    assert!(problem.to_lowercase().contains("refused"), "{problem}");
    assert!(problem.contains(&held.address.to_string()), "{problem}");
    assert_reset(channels[0]);
    assert_eq!(connector.channels()[0].status.connected(), (0, 4));
    world.start_proxy_on(held.address, "");
    let took = all_warm(&connector, 0, RECOVERY);
    println!("{kind}: all warm tunnels {} ms after the proxy appeared", took.as_millis());
    assert_eq!(connector.channels()[0].status.problem(), None);
    assert_eq!(exchange(channels[0], "there you are").unwrap(), "there you are");
}

fn proxy_restarted(kind: Kind) {
    let (echo, held) = (Service::echo(), HeldPort::new());
    let mut world = World::new(kind);
    world.map("a", "echo", &echo.address.to_string(), None);
    world.start_proxy_on(held.address, "");
    let (connector, channels) = world.connector(&["echo"]);
    for round in ["first", "second"] {
        all_warm(&connector, 0, RECOVERY);
        assert_eq!(exchange(channels[0], round).unwrap(), round);
        world.stop_proxy(Duration::ZERO);
        if round == "second" {
            problem_of(&connector, 0);
            assert_reset(channels[0]);
        }
        world.start_proxy_on(held.address, "");
        // No waiting: a client dials by itself, whatever the back-off of the warm tunnels says.
        assert_eq!(exchange(channels[0], "again").unwrap(), "again");
    }
    let took = all_warm(&connector, 0, RECOVERY);
    println!("{kind}: all warm tunnels {} ms after the restart", took.as_millis());
    assert_eq!(exchange(channels[0], "at last").unwrap(), "at last");
    assert_eq!(connector.channels()[0].status.problem(), None);
}

fn port_taken(kind: Kind) {
    let echo = Service::echo();
    let world = World::with_services(kind, &[("echo", echo.address)]);
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = other.local_addr().unwrap();
    let endpoint = format!("tcp://{HOST}:{}/echo", world.proxy_address().port());
    let text = format!(
        "{}[[channel]]\nendpoint = \"{endpoint}\"\nlocal_port = 0\n[[channel]]\n\
         endpoint = \"{endpoint}\"\nlocal_port = {}\n[[channel]]\nendpoint = \"{endpoint}\"\n\
         local_port = 0\n",
        connector_head("a", "", &world.client("a", None)),
        taken.port()
    );
    let connector = world.connector_from(&text).unwrap();
    let problem = problem_of(&connector, 1);
    for part in [format!("cannot listen on {taken}"), "local_port".to_owned()] {
        assert!(problem.contains(&part), "{problem}");
    }
    for channel in [0, 2] {
        let address = connector.channels()[channel].address.unwrap();
        assert_eq!(exchange(address, "works").unwrap(), "works");
        assert_eq!(connector.channels()[channel].status.problem(), None);
    }
    let details = connector.details();
    let listening: Vec<_> = (0..3).map(|n| details["channels"][n]["listening"].clone()).collect();
    assert_eq!(listening, [true, false, true]);
    assert_eq!(connector.channels()[1].status.problem(), Some(problem));
}

fn refused_service(kind: Kind) {
    let echo = Service::echo();
    let world = World::with_services(kind, &[("echo", echo.address)]);
    let (connector, channels) = world.connector(&["echo", "unknown"]);
    all_warm(&connector, 1, DEADLINE);
    assert_eq!(connector.channels()[1].status.problem(), None);
    assert_reset(channels[1]);
    let problem = problem_of(&connector, 1);
    assert!(problem.contains("404") && problem.contains("service mapping"), "{problem}");
    let refusals = |reason| -> u64 {
        let counters = connector.crew().counters().iter();
        counters.map(|worker| worker.count(Count::Refused(reason))).sum()
    };
    assert_eq!((refusals("refused"), refusals("other")), (1, 0));
    // Tunnels come up as before; that is no reason to forget what the proxy said about the
    // service.
    wait_until("a tunnel took the place of the used one", DEADLINE, || {
        let opened = world.proxy().crew().counters().iter();
        let opened: u64 = opened.map(|worker| worker.count(Count::HandshakesOk)).sum();
        opened >= 9
    });
    all_warm(&connector, 1, DEADLINE);
    assert_eq!(connector.channels()[1].status.problem().as_ref(), Some(&problem));
    assert_eq!(exchange(channels[0], "works").unwrap(), "works");
    assert_eq!(connector.channels()[0].status.problem(), None);
    world.map("a", "unknown", &echo.address.to_string(), None);
    wait_until("the new mapping serves", DEADLINE, || exchange(channels[1], "now").is_ok());
    assert_eq!(connector.channels()[1].status.problem(), None);
}

fn disabled(kind: Kind) {
    let echo = Service::echo();
    let world = World::with_services(kind, &[("echo", echo.address)]);
    let (off, port) = (HeldPort::new(), world.proxy_address().port());
    let text = format!(
        "{}[[channel]]\nendpoint = \"tcp://{HOST}:{port}/echo\"\nlocal_port = {}\n\
         enabled = false\n[[channel]]\nendpoint = \"tcp://{HOST}:{port}/echo\"\nlocal_port = 0\n",
        connector_head("a", "", &world.client("a", None)),
        off.address.port()
    );
    let connector = world.connector_from(&text).unwrap();
    assert_eq!(connector.channels()[0].address, None);
    let refused = std::net::TcpStream::connect(off.address).expect_err("nobody listens");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    let on = connector.channels()[1].address.unwrap();
    assert_eq!(exchange(on, "works").unwrap(), "works");
    let details = connector.details();
    let channel = &details["channels"][0];
    assert_eq!((&channel["enabled"], &channel["problem"]), (&false.into(), &().into()));
    assert_eq!(connector.channels()[0].status.connected(), (0, 0));
}

fn endpoints(kind: Kind) {
    let echo = Service::echo();
    let world = World::with_services(kind, &[("echo", echo.address)]);
    let at = format!("{HOST}:{}/echo", world.proxy_address().port());
    let forms = [at.clone(), format!("tcp://{at}"), format!("https://{at}"), format!("wss://{at}")];
    let mut text = connector_head("a", "", &world.client("a", None));
    for form in &forms {
        text.push_str(&format!("[[channel]]\nendpoint = \"{form}\"\nlocal_port = 0\n"));
    }
    let connector = world.connector_from(&text).unwrap();
    for (channel, form) in connector.channels().iter().zip(&forms) {
        assert_eq!(exchange(channel.address.unwrap(), form).unwrap(), *form);
    }
}

fn wrong_identity(kind: Kind) {
    let world = World::new(kind);
    let start = |subaccount, location, files| {
        let error = world.connector_from(&connector_head(subaccount, location, files)).err();
        error.expect("the connector must not start").to_string()
    };
    let files = world.client("acme", None);
    let error = start("emca", "", &files);
    for part in ["\"acme\"", "\"emca\"", "client-acme-any.crt"] {
        assert!(error.contains(part), "{error}");
    }
    let files = world.client("acme", Some("lab"));
    let error = start("acme", "plant", &files);
    for part in ["\"lab\"", "\"plant\"", "location_id"] {
        assert!(error.contains(part), "{error}");
    }
}

fn locations(kind: Kind) {
    let echo = Service::echo();
    let mut world = World::new(kind);
    world.map("a", "echo", &echo.address.to_string(), Some(&["plant"]));
    world.start_proxy("");
    let (client, port) = (world.client("a", None), world.proxy_address().port());
    let connect = |location| world.connector_with("a", location, &client, port, &["echo"], "");
    let (_plant, from_plant) = connect("plant");
    assert_eq!(exchange(from_plant[0], "in").unwrap(), "in");
    for other in ["", "lab", "Plant"] {
        let (connector, channels) = connect(other);
        assert_reset(channels[0]);
        let problem = problem_of(&connector, 0);
        assert!(problem.contains("403") && problem.contains("locationIds"), "{problem}");
    }
    assert_eq!(echo.accepted(), 1);
}
