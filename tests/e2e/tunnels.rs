//! Tunnels kept ready, and TLS sessions resumed.

use std::time::{Duration, Instant};

use causeway::{engine::Kind, telemetry::Count};

use crate::support::{
    DEADLINE, Flow, HeldPort, Relay, Service, Suite, World, all_warm, assert_reset, exchange,
    problem_of, wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.both("a_stream_takes_a_tunnel_that_was_opened_before_it", warm_tunnels);
    suite.both("warm_tunnels_are_as_many_as_configured_and_replaced_when_used", as_configured);
    suite.both("a_draining_proxy_lets_go_of_idle_tunnels_at_once", drain_with_warm_tunnels);
    suite.both("tls_sessions_are_resumed_and_a_new_proxy_falls_back_to_full", resumption);
}

fn handshakes(world: &World) -> u64 {
    world.proxy().crew().counters().iter().map(|worker| worker.count(Count::HandshakesOk)).sum()
}

fn warm_tunnels(kind: Kind) {
    let echo = Service::echo();
    let world = World::with_services(kind, &[("echo", echo.address)]);
    let mut relay = Relay::to(world.proxy_address());
    let files = world.client("a", None);
    let port = relay.address.port();
    let (connector, channels) = world.connector_with("a", "", &files, port, &["echo"], "");
    all_warm(&connector, 0, DEADLINE);
    // The proxy's handshake ends half a round trip after the connector's.
    wait_until("the proxy has seen all four", DEADLINE, || handshakes(&world) == 4);
    relay.close_the_door();
    // No tunnel can be opened any more, so these two ride on one that was. Each of the two
    // workers has two.
    let flows = [Flow::start(channels[0]), Flow::start(channels[0])];
    assert_eq!(handshakes(&world), 4);
    let problem = problem_of(&connector, 0);
    assert!(problem.to_lowercase().contains("refused"), "{problem}");
    for flow in flows {
        flow.assert_goes_on();
        flow.finish();
    }
    wait_until("both workers used up theirs", DEADLINE, || {
        // Some of these meet the worker that has none left.
        let _ = exchange(channels[0], "");
        connector.channels()[0].status.connected().0 == 0
    });
    assert_reset(channels[0]);
    assert_eq!(handshakes(&world), 4);
}

fn as_configured(kind: Kind) {
    let echo = Service::echo();
    let world = World::with_services(kind, &[("echo", echo.address)]);
    let files = world.client("a", None);
    let port = world.proxy_address().port();
    for wanted in [0, 1, 7] {
        let more = format!("warm_connections = {wanted}\n");
        let before = handshakes(&world);
        let (connector, channels) = world.connector_with("a", "", &files, port, &["echo"], &more);
        let status = &connector.channels()[0].status;
        all_warm(&connector, 0, DEADLINE);
        assert_eq!(status.connected(), (wanted, wanted));
        for _ in 0..3 {
            assert_eq!(exchange(channels[0], "hello").unwrap(), "hello");
            all_warm(&connector, 0, DEADLINE);
        }
        assert_eq!(status.connected(), (wanted, wanted));
        // One tunnel a stream, and those that are ready: nothing is dialled in vain.
        let expected = before + 3 + wanted as u64;
        wait_until("the proxy has seen them all", DEADLINE, || handshakes(&world) >= expected);
        assert_eq!(handshakes(&world), expected);
    }
}

fn drain_with_warm_tunnels(kind: Kind) {
    let echo = Service::echo();
    let mut world = World::with_services(kind, &[("echo", echo.address)]);
    let (connector, channels) = world.connector(&["echo"]);
    assert_eq!(exchange(channels[0], "before").unwrap(), "before");
    all_warm(&connector, 0, DEADLINE);
    let start = Instant::now();
    // Long enough for tunnels that wait for their owner to renew them (45 s) to show.
    assert_eq!(world.stop_proxy(Duration::from_secs(30)), 0, "sessions that had to be aborted");
    let took = start.elapsed();
    assert!(took < Duration::from_secs(5), "{took:?}");
    wait_until("the connector noticed", DEADLINE, || {
        connector.channels()[0].status.connected().0 == 0
    });
}

fn resumption(kind: Kind) {
    let (echo, held) = (Service::echo(), HeldPort::new());
    let mut world = World::new(kind);
    world.map("a", "echo", &echo.address.to_string(), None);
    world.start_proxy_on(held.address, "");
    let relay = Relay::to(held.address);
    let files = world.client("a", None);
    let port = relay.address.port();
    let more = "warm_connections = 0\n";
    let (_connector, channels) = world.connector_with("a", "", &files, port, &["echo"], more);
    for round in ["one", "two", "three", "four"] {
        assert_eq!(exchange(channels[0], round).unwrap(), round);
    }
    assert_eq!(relay.handshakes(), (1, 3));
    // The new proxy knows nothing of the old one's tickets.
    world.stop_proxy(Duration::ZERO);
    world.start_proxy_on(held.address, "");
    assert_eq!(exchange(channels[0], "five").unwrap(), "five");
    assert_eq!(relay.handshakes(), (2, 3));
    wait_until("a session is resumed again", DEADLINE, || {
        assert_eq!(exchange(channels[0], "more").unwrap(), "more");
        relay.handshakes().1 > 3
    });
}
