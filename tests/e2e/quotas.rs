//! What one subaccount may use: opens, tunnels and bytes, and that its neighbour does not notice.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use causeway::{config::ProxyConfig, engine::Kind, protocol::Question, telemetry::Count};

use crate::{
    explain::{about, explained},
    support::{
        DEADLINE, HOST, Pattern, Service, Suite, TlsStream, World, client_config, connect,
        connect_head, dial, http2::RawTunnel, open_service, put, wait_until,
    },
};

pub fn add(suite: &mut Suite) {
    suite.both("opens_beyond_their_rate_are_429_and_the_rate_is_kept", opens);
    suite.both("tunnels_beyond_their_number_are_429", tunnels);
    suite.all("bytes_beyond_their_pace_wait_and_none_is_lost", bytes);
    suite.all("a_pace_that_is_lifted_frees_open_streams", lifted);
}

fn world(kind: Kind, more: &str) -> World {
    let echo = Service::echo().address.to_string();
    let mut world = World::new(kind);
    for subaccount in ["a", "b"] {
        world.map(subaccount, "echo", &echo, None);
    }
    world.start_proxy(more);
    world
}

/// Quotas of subaccount `a` alone.
fn of_a(keys: &str) -> String {
    format!("[[limits.subaccount]]\nid = \"a\"\n{keys}\n")
}

fn opens(kind: Kind) {
    const PER_SECOND: u32 = 5;
    let world = world(kind, &of_a(&format!("opens_per_second_max = {PER_SECOND}")));
    let config = client_config(&world, Some(&world.client("a", None)));
    let other = client_config(&world, Some(&world.client("b", None)));
    let started = Instant::now();
    let (mut opened, mut refused) = (Vec::new(), 0);
    while refused < 20 {
        match ask(&world, &config) {
            (200, tls) => opened.push(tls),
            (status, _) => {
                assert_eq!(status, 429);
                refused += 1;
            }
        }
        drop(open_service(&world, &other, "echo"));
    }
    let seconds = started.elapsed().as_secs_f64();
    println!("{} opened in {seconds:.1} s, {refused} refused", opened.len());
    // The burst, and what the time brought.
    let most = f64::from(PER_SECOND) * (1.0 + seconds) + 1.0;
    assert!(opened.len() >= PER_SECOND as usize && (opened.len() as f64) <= most);
    assert_eq!(world.counted(Count::Refused("tenant_limit_opens")), 20);
    // Time brings one more at any moment: what is explained is one or the other.
    let explanation = world.proxy().explain(&about("echo")).unwrap();
    let reason = explanation["reason"].as_str();
    assert!([None, Some("tenant_limit_opens")].contains(&reason), "{explanation:#}");
    wait_until("time brings one more", DEADLINE, || ask(&world, &config).0 == 200);
}

/// Asks for a stream; the status of the answer, and what it came by.
fn ask(world: &World, config: &Arc<rustls::ClientConfig>) -> (u16, TlsStream) {
    let mut tls = dial(world.proxy_address(), HOST, config);
    tls.write_all(&connect_head("echo")).unwrap();
    let mut status = [0; 12];
    tls.read_exact(&mut status).unwrap();
    let code = std::str::from_utf8(&status[9..]).unwrap().parse().unwrap();
    (code, tls)
}

fn tunnels(kind: Kind) {
    let world = world(kind, &of_a("tunnels_max = 2"));
    let (a, b) = (world.client("a", None), world.client("b", None));
    let mut first = RawTunnel::open(&world, &a);
    let mut second = RawTunnel::open(&world, &a);
    assert_eq!((first.ask(1, "echo:80"), second.ask(1, "echo:80")), (200, 200));
    let mut third = RawTunnel::open(&world, &a);
    let another = Question { new_tunnel: true, ..about("echo") };
    assert_eq!(explained(&world, &another)["reason"], "tenant_limit_tunnels");
    assert_eq!(explained(&world, &about("echo"))["status"], 200);
    assert_eq!(third.ask(1, "echo:80"), 429);
    assert_eq!(world.counted(Count::Refused("tenant_limit_tunnels")), 1);
    assert_eq!(RawTunnel::open(&world, &b).ask(1, "echo:80"), 200, "another subaccount");
    drop((first, third));
    wait_until("the place is free", DEADLINE, || {
        RawTunnel::open(&world, &a).ask(1, "echo:80") == 200
    });
    assert_eq!(second.ask(3, "echo:80"), 200);
}

/// Sends `bytes` to the echo service and back; says how long that took.
pub(crate) fn echo(channel: SocketAddr, bytes: usize) -> Duration {
    let mut stream = connect(channel);
    let mut sending = stream.try_clone().unwrap();
    let started = Instant::now();
    let sender = thread::spawn(move || {
        let pattern = Pattern(7);
        let mut block = vec![0; 16 * 1024];
        for at in (0..bytes).step_by(block.len()) {
            pattern.fill(at as u64, &mut block);
            sending.write_all(&block[..block.len().min(bytes - at)]).unwrap();
        }
        sending.shutdown(Shutdown::Write).unwrap();
    });
    let pattern = Pattern(7);
    let (mut block, mut at) = (vec![0; 64 * 1024], 0);
    loop {
        match stream.read(&mut block).unwrap() {
            0 => break,
            read => {
                pattern.check(at as u64, &block[..read]);
                at += read;
            }
        }
    }
    sender.join().unwrap();
    assert_eq!(at, bytes, "every byte came back");
    started.elapsed()
}

fn bytes(kind: Kind) {
    const PER_SECOND: u64 = 1_000_000;
    const BYTES: usize = 750_000;
    let world = world(kind, &of_a(&format!("bytes_per_second_max = {PER_SECOND}")));
    let (_connector, channels) = world.connector(&["echo"]);
    let files = world.client("b", None);
    let port = world.proxy_address().port();
    let (_other, others) = world.connector_with("b", "", &files, port, &["echo"], "");
    let paced = thread::spawn({
        let channel = channels[0];
        move || echo(channel, BYTES)
    });
    let free = echo(others[0], BYTES);
    let paced = paced.join().unwrap();
    println!("{BYTES} bytes each way: {paced:?} paced, {free:?} not");
    // Both ways count, but for the burst; the last chunk need not be waited for.
    let least = Duration::from_secs_f64((2.0 * BYTES as f64 - 300_000.0) / PER_SECOND as f64);
    assert!(paced >= least, "{paced:?}, not {least:?}");
}

/// The quota of open streams is another one at once.
fn lifted(kind: Kind) {
    let echo_service = Service::echo();
    let mut world = World::new(kind);
    world.map("a", "echo", &echo_service.address.to_string(), None);
    let (file, base) = (world.path("proxy.toml"), world.proxy_toml("127.0.0.1:0"));
    put(&file, &(base.clone() + &of_a("bytes_per_second_max = 8192")));
    world.start_proxy_with(&ProxyConfig::load(&file).unwrap());
    let (_connector, channels) = world.connector(&["echo"]);
    let channel = channels[0];
    // It would take two minutes.
    let slow = thread::spawn(move || echo(channel, 500_000));
    wait_until("something has moved", DEADLINE, || world.counted(Count::BytesUp) > 0);
    put(&file, &base);
    let took = slow.join().unwrap();
    assert!(took < Duration::from_secs(60), "{took:?}");
}
