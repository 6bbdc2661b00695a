//! Whoever's tunnel ended by its own fault and comes back: its address takes turns for a while, and
//! nobody else does. What that is worth to a neighbour is measured in `floods.rs`.

use std::{
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use causeway::{engine::Kind, limits, telemetry::Count};

use crate::support::{
    ClientFiles, DEADLINE, Service, Suite, World, client_config, count, dial_plain,
    http2::{ENHANCE_YOUR_CALM, PING, RawTunnel, frame},
    is_closed_by_now, open_service_from, ping, wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.both("connections_of_an_offender_take_turns_until_its_offence_is_forgotten", turns);
    suite.both("connections_from_another_address_than_an_offenders_do_not_wait", others);
    suite.both("without_a_pace_offenders_come_back_as_often_as_they_like", no_pace);
    suite.both("a_drain_ends_connections_that_wait_for_their_turn", drained);
}

/// A proxy of one worker at so many turns a second, and a subaccount that has offended.
struct Offended {
    world: World,
    files: ClientFiles,
    /// Before the offence.
    since: Instant,
}

impl Offended {
    fn at_a_pace_of(per_second: u32, kind: Kind) -> Self {
        let mut world = World::new(kind);
        world.map("a", "echo", &Service::echo().address.to_string(), None);
        world.start_proxy_of_one(&format!(
            "[limits]\noffender_handshakes_per_second = {per_second}\n"
        ));
        let files = world.client("a", None);
        let since = Instant::now();
        let mut tunnel = RawTunnel::open(&world, &files);
        while tunnel.flood(&frame(PING, 0, 0, &[0; 8]).repeat(20)) {}
        assert_eq!(tunnel.last_word(), Some(ENHANCE_YOUR_CALM));
        world.wait_counted(Count::Refused("ping_flood"), 1);
        Self { world, files, since }
    }

    fn turned_away(&self) -> u64 {
        self.world.counted(Count::Refused("offender_rate"))
    }

    /// Opens connections that say nothing, and waits until the proxy has judged them.
    fn silent_connections(&self, count: u64) -> Vec<TcpStream> {
        let accepted = || self.world.counted(Count::Accepted);
        let before = accepted();
        let address = self.world.proxy_address();
        let connections = (0..count).map(|_| dial_plain(address)).collect();
        wait_until("all are accepted", DEADLINE, || accepted() == before + count);
        connections
    }
}

fn turns(kind: Kind) {
    const PER_SECOND: u32 = 2;
    let offended = Offended::at_a_pace_of(PER_SECOND, kind);
    // The second turn is not before the offence and two intervals.
    for turn in 1..=2 {
        RawTunnel::open(&offended.world, &offended.files).open_stream(1, "echo");
        let waited = offended.since.elapsed();
        assert!(waited >= turn * Duration::from_secs(1) / PER_SECOND, "{waited:?}, turn {turn}");
    }
    assert_eq!(offended.turned_away(), 0);
    // As many wait as have a turn in time; the others are closed, before anything is said.
    let places = limits::HELD_TIME_MAX.as_secs() * u64::from(PER_SECOND);
    let silent = offended.silent_connections(5 * places);
    wait_until("the surplus is counted", DEADLINE, || offended.turned_away() >= 3 * places);
    let closed = silent.into_iter().map(|mut socket| is_closed_by_now(&mut socket));
    assert!(closed.filter(|closed| *closed).count() as u64 >= 3 * places, "and closed");
    // Of more at once than there are places none is refused once it is forgotten.
    wait_until("the offence is forgotten", 3 * limits::OFFENCE_MEMORY, || {
        let before = offended.turned_away();
        drop(offended.silent_connections(2 * places));
        thread::sleep(Duration::from_millis(100)); // pace: each look is a dozen connections
        offended.turned_away() == before
    });
    assert!(offended.since.elapsed() >= limits::OFFENCE_MEMORY, "not before its time");
    RawTunnel::open(&offended.world, &offended.files).open_stream(1, "echo");
    offended.world.wait_empty();
}

fn others(kind: Kind) {
    let offended = Offended::at_a_pace_of(1, kind);
    let held = offended.silent_connections(20);
    wait_until("every turn is taken", DEADLINE, || offended.turned_away() > 0);
    let before = offended.turned_away();
    let start = Instant::now();
    let config = client_config(&offended.world, Some(&offended.files));
    // Of the same subaccount, too: it is the address that waits.
    for _ in 0..20 {
        ping(&mut open_service_from([127, 0, 0, 2], &offended.world, &config, "echo"), "elsewhere");
    }
    assert!(start.elapsed() < Duration::from_secs(10), "a turn each would take twenty seconds");
    assert_eq!(offended.turned_away(), before);
    drop(held);
    offended.world.wait_empty();
}

fn no_pace(kind: Kind) {
    let offended = Offended::at_a_pace_of(0, kind);
    let held = offended.silent_connections(200);
    assert_eq!(offended.turned_away(), 0);
    // None of those waits either: all are served beside each other.
    RawTunnel::open(&offended.world, &offended.files).open_stream(1, "echo");
    drop(held);
    offended.world.wait_empty();
}

fn drained(kind: Kind) {
    let mut offended = Offended::at_a_pace_of(1, kind);
    let held = offended.silent_connections(2);
    let counters = offended.world.proxy().crew().counters().to_vec();
    offended.world.stop_proxy(DEADLINE);
    assert_eq!(count(&counters, Count::Refused("drained")), 2);
    assert!(held.into_iter().all(|mut socket| is_closed_by_now(&mut socket)));
}
