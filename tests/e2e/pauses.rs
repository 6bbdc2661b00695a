//! Readers that pause.

use std::{io::Read, thread, time::Duration};

use causeway::{
    engine::{Kind, preflight},
    limits,
};

use crate::support::{
    DEADLINE, End, Pattern, Service, Suite, World, connect, held_sockets, read_to_end, read_up_to,
    set_mode, wait_until, write_up_to,
};

const PATTERN: Pattern = Pattern(0x9a5e);
/// More than the sockets on the way can hold, so that the service is held up.
const BYTES: u64 = 64 << 20;

pub fn add(suite: &mut Suite) {
    // One test for all, because all of it is waiting.
    suite.all("a_stream_that_lasts_watches_for_dead_peers_on_both_plain_ends", watches);
    suite.once("a_reader_that_pauses_is_not_taken_for_a_dead_peer", pause);
}

fn pause() {
    let io_uring = preflight::choose(preflight::Wanted::IoUring, 1);
    if let Err(why) = &io_uring {
        eprintln!("SKIPPED: pauses on io_uring: {why}");
    }
    let kinds = io_uring.ok().map(|_| Kind::IoUring).into_iter().chain([Kind::Epoll]);
    let cases = kinds.flat_map(|kind| {
        ["direct", "multiplexed"].map(|mode| {
            thread::spawn(move || {
                set_mode(mode);
                pause_in(kind);
            })
        })
    });
    let cases: Vec<_> = cases.collect();
    for case in cases {
        case.join().unwrap();
    }
}

/// Longer than the time after which a tunnel of many streams would be declared dead.
fn pause_in(kind: Kind) {
    let service = Service::start(|mut stream| {
        write_up_to(&mut stream, PATTERN, 0, BYTES);
    });
    let world = World::with_services(kind, &[("download", service.address)]);
    let (_connector, channels) = world.connector(&["download"]);
    let mut client = connect(channels[0]);
    read_up_to(&mut client, PATTERN, 0, 1000);
    // pace: the pause is what is tested
    thread::sleep(limits::TCP_USER_TIMEOUT + Duration::from_secs(5));
    let mut rest = client.by_ref().take(BYTES);
    assert_eq!(read_to_end(&mut rest, PATTERN, 1000), (BYTES, End::Eof));
}

/// The kernel keeps a timer on the connector's socket to the client and on the proxy's to the
/// service.
fn watches(kind: Kind) {
    let echo = Service::echo();
    let world = World::with_services(kind, &[("echo", echo.address)]);
    let (_connector, channels) = world.connector(&["echo"]);
    let mut client = connect(channels[0]);
    write_up_to(&mut client, PATTERN, 0, 10);
    read_up_to(&mut client, PATTERN, 0, 10);
    for (end, port) in [("client", channels[0].port()), ("service", echo.address.port())] {
        wait_until(&format!("the {end}'s silence is timed"), DEADLINE, || {
            held_sockets(port).iter().any(|socket| socket.has_keepalive())
        });
    }
}
