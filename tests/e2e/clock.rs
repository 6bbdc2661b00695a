//! The clock of the machine jumps, under both roles at once or under one: what is open goes on,
//! what begins is judged by the new time with the right reason, and all is well again once the
//! clock is.
//!
//! A namespace of its own gives a process another monotonic clock but no other real one, and
//! setting the machine's is not for tests. So libfaketime answers for CLOCK_REALTIME, by an offset
//! it reads anew each time; the monotonic clock, by which all deadlines and rates go, is left
//! alone.

use std::{
    fs,
    io::{Read, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use causeway::engine::Kind;

use crate::support::{
    DEADLINE, Flow, HOST, Manner, Pair, RECOVERY, Suite, World, client_config, connect_head, dial,
    echo_for_crowds, get, metric, mode, put, wait_until,
};

const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
];

pub fn add(suite: &mut Suite) {
    if library().is_some() {
        suite.all("a_clock_that_jumps_ends_nothing_and_is_judged_by_while_it_is_wrong", jumps);
    } else {
        eprintln!("SKIPPED: a clock that jumps, its tests are not run: no libfaketime");
    }
}

fn library() -> Option<&'static str> {
    LIBRARIES.into_iter().find(|library| Path::new(library).exists())
}

/// A clock that is wrong by what its file says.
struct Clock(PathBuf);

impl Clock {
    fn new(world: &World, name: &str) -> Self {
        let clock = Self(world.path(name));
        clock.set("+0");
        clock
    }

    fn set(&self, offset: &str) {
        put(&self.0, &format!("{offset}\n"));
    }

    fn shell(&self) -> String {
        format!(
            "export LD_PRELOAD={} FAKETIME_TIMESTAMP_FILE={} FAKETIME_NO_CACHE=1 \
             FAKETIME_DONT_FAKE_MONOTONIC=1 FAKETIME_DONT_RESET=1;",
            library().unwrap(),
            self.0.display()
        )
    }
}

fn jumps(kind: Kind) {
    let world = World::new(kind);
    world.map("a", "echo", &echo_for_crowds().to_string(), None);
    let (of_proxy, of_connector) = (Clock::new(&world, "p.clock"), Clock::new(&world, "c.clock"));
    let (proxy_shell, connector_shell) = (of_proxy.shell(), of_connector.shell());
    let manner = Manner {
        proxy_shell: &proxy_shell,
        connector_shell: &connector_shell,
        ..Manner::default()
    };
    let mut pair = Pair::start(&world, "echo", manner);
    let flow = Flow::start(pair.channel);
    let expires = |admin| {
        let status: serde_json::Value = serde_json::from_str(&get(admin, "/status").1).unwrap();
        status["details"]["certificate"]["expires_in_seconds"].as_u64().unwrap()
    };
    let left = expires(pair.proxy_admin);

    // An hour forward under both: certificates are good for a day.
    for clock in [&of_proxy, &of_connector] {
        clock.set("+1h");
    }
    let later = || left.abs_diff(expires(pair.proxy_admin)).abs_diff(3600) < 60;
    wait_until("the proxy knows the new time", DEADLINE, later);
    well(&mut pair, &flow, "an hour later");
    // Back by as much: what was issued to resume sessions is from the future.
    for clock in [&of_proxy, &of_connector] {
        clock.set("+0");
    }
    well(&mut pair, &flow, "an hour back again");

    // Two days forward, and a day back, under the proxy alone: certificates are no longer valid, or
    // not yet. What is up goes on, what comes is refused for that.
    for (offset, reason) in [("+2d", "certificate_expired"), ("-1d", "certificate_not_yet_valid")] {
        of_proxy.set(offset);
        wait_until(&format!("handshakes fail as {reason}"), DEADLINE, || {
            // In mode direct a stream of the connector's may need a handshake, too; one that
            // resumes a session is not judged by its certificate again.
            let _ = pair.open();
            probe(&world, &pair, reason)
        });
        flow.assert_goes_on();
        if mode() == "multiplexed" {
            assert!(pair.open().is_ok(), "a tunnel that is up serves on");
        }
        of_proxy.set("+0");
        well(&mut pair, &flow, "after the clock is right again");
    }
    flow.finish();
    let lines = pair.proxy.lines();
    assert!(!lines.iter().any(|line| line.contains("panicked")), "{lines:#?}");
}

/// Whether a handshake that resumes nothing is refused for `reason`.
fn probe(world: &World, pair: &Pair, reason: &str) -> bool {
    let config = client_config(world, Some(&world.client("b", None)));
    let address = fs::read_to_string(world.path("connector.toml")).unwrap();
    let port = address.split("localhost:").nth(1).unwrap().split('/').next().unwrap();
    let proxy = format!("127.0.0.1:{port}").parse().unwrap();
    let mut tls = dial(proxy, HOST, &config);
    // The alert comes with either of the two.
    let _ = tls.write_all(&connect_head("nobody"));
    let _ = tls.read(&mut [0; 64]);
    let label = format!("reason=\"{reason}\"");
    metric(pair.proxy_admin, "causeway_tls_handshakes_failed_total", &label) > 0.0
}

/// Streams go on and open, soon.
fn well(pair: &mut Pair, flow: &Flow, when: &str) {
    flow.assert_goes_on();
    let took = wait_until(when, RECOVERY, || (0..5).all(|_| pair.open().is_ok()));
    println!("{} {when}: streams open after {took:?}", mode());
    assert!(took < RECOVERY + Duration::from_secs(1));
    pair.assert_running();
}
