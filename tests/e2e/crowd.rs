//! Very many streams at once: nothing is mixed up, nothing leaks, and a silent one costs little.

use std::{env, time::Instant};

use causeway::engine::Kind;

use crate::support::{
    Crowd, DEADLINE, Measured, Pattern, Suite, World, echo_for_crowds, mode, wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.all("a_thousand_streams_at_once_get_their_own_bytes", thousand);
    suite.all("an_idle_stream_costs_little_memory", idle_memory);
}

/// Proxy and connector as processes of their own, with an echo service behind them.
struct Site {
    connector: Measured,
    proxy: Measured,
    _world: World,
}

fn site(kind: Kind) -> Site {
    // The clients and the service alone need more than a usual soft limit allows.
    causeway::engine::raise_open_files().unwrap();
    let world = World::new(kind);
    world.map("a", "echo", &echo_for_crowds().to_string(), None);
    let proxy = Measured::proxy(&world);
    let connector = Measured::connector(&world, &proxy, "echo");
    Site { connector, proxy, _world: world }
}

impl Site {
    fn open_files(&self) -> (usize, usize) {
        (self.proxy.open_files(), self.connector.open_files())
    }

    fn resident(&self) -> (u64, u64) {
        (self.proxy.resident_bytes(), self.connector.resident_bytes())
    }

    /// Warm tunnels are up and nothing else is: the same descriptors as at rest.
    fn wait_for_rest(&self) -> (usize, usize) {
        Crowd::open(self.connector.address, 1, Pattern(1)).finish();
        let mut files = self.open_files();
        let mut since = Instant::now();
        wait_until("descriptors settle", DEADLINE, || {
            let now = self.open_files();
            if now != files {
                (files, since) = (now, Instant::now());
            }
            since.elapsed().as_secs() >= 1
        });
        files
    }
}

fn thousand(kind: Kind) {
    const STREAMS: usize = 1000;
    let site = site(kind);
    let before = site.wait_for_rest();
    let seed = fastrand::u64(..);
    println!("seed {seed:#x}");
    let started = Instant::now();
    let mut crowd = Crowd::open(site.connector.address, STREAMS, Pattern(seed));
    let opened = started.elapsed();
    let (proxy, connector) = site.open_files();
    assert!(proxy >= STREAMS && connector >= STREAMS, "all are open at this moment");
    crowd.echo(64 * 1024);
    crowd.echo(1);
    crowd.finish();
    println!(
        "{STREAMS} streams, {} on {kind}: opened in {:.2} s, all done in {:.2} s",
        mode(),
        opened.as_secs_f64(),
        started.elapsed().as_secs_f64()
    );
    wait_until("every descriptor is back", DEADLINE, || site.open_files() == before);
}

/// `CAUSEWAY_IDLE_STREAMS` sets another number of streams, `CAUSEWAY_BINARY` another build.
fn idle_memory(kind: Kind) {
    const BYTES_MAX: u64 = 32 * 1024;
    let streams = env::var("CAUSEWAY_IDLE_STREAMS").map_or(2000, |text| text.parse().unwrap());
    let site = site(kind);
    site.wait_for_rest();
    let rest = site.resident();
    let mut crowd = Crowd::open(site.connector.address, streams, Pattern(2));
    let open = site.resident();
    let per_stream = |(proxy, connector): (u64, u64)| {
        let share = |now: u64, before: u64| now.saturating_sub(before) / streams as u64;
        (share(proxy, rest.0), share(connector, rest.1))
    };
    let idle = settled(&site);
    crowd.echo(32 * 1024);
    let burst = site.resident();
    let after = settled(&site);
    crowd.finish();
    let closed = settled(&site);
    println!(
        "{streams} streams, {} on {kind}: bytes per stream (proxy, connector), resident:",
        mode()
    );
    for (when, resident) in [
        ("just opened", open),
        ("idle", idle),
        ("after an echo of 32 KiB on all at once", burst),
        ("idle again", after),
        ("all closed", closed),
    ] {
        let mib = |bytes: u64| bytes / (1 << 20);
        let (proxy, connector) = (mib(resident.0), mib(resident.1));
        println!("  {when}: {:?}, {proxy} and {connector} MiB", per_stream(resident));
    }
    println!("  before: {} and {} KiB", rest.0 / 1024, rest.1 / 1024);
    let (proxy, connector) = per_stream(idle);
    assert!(proxy < BYTES_MAX && connector < BYTES_MAX, "{proxy} and {connector} bytes");
    // What the HTTP/2 crate's tables grew to on a tunnel stays until the tunnel is replaced.
    assert!(after.0 * 10 <= idle.0 * 12, "a burst made {} bytes of {}", after.0, idle.0);
}

/// Resident memory once it has not fallen for a while: idle streams have given their buffers back.
fn settled(site: &Site) -> (u64, u64) {
    let mut least = site.resident();
    let mut since = Instant::now();
    wait_until("memory settles", 2 * DEADLINE, || {
        let now = site.resident();
        if now.0 + (1 << 18) < least.0 || now.1 + (1 << 18) < least.1 {
            (least, since) = (now, Instant::now());
        }
        since.elapsed().as_secs() >= 4
    });
    site.resident()
}
