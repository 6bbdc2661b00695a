//! Two replicas of a proxy behind one address, two connectors of one subaccount and location, and
//! readiness that is worth asking for.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use causeway::engine::Kind;

use crate::support::{
    Balancer, DEADLINE, End, Flow, HeldPort, Measured, Pattern, Replica, Suite, World, connect,
    echo_for_crowds, get, read_to_end, reset, wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.all("a_rolling_restart_of_two_replicas_costs_no_stream", rolling);
    suite.all("a_rolling_restart_of_two_connectors_costs_no_stream", rolling_connectors);
    suite.all("a_connector_that_is_killed_takes_nothing_from_the_other", killed);
    suite.both("readiness_opens_a_tunnel_to_the_own_listener", probed);
    suite.both("told_to_stop_a_proxy_is_unready_before_it_stops_accepting", leaving);
}

/// A replica's place: its ports stay its own while it is away.
struct Place {
    tunnel: HeldPort,
    admin: HeldPort,
}

impl Place {
    fn new() -> Self {
        Self { tunnel: HeldPort::new(), admin: HeldPort::new() }
    }

    fn start(&self, world: &World, limits: &str) -> Measured {
        let admin = self.admin.address;
        let more = format!("[limits]\n{limits}[admin]\nlisten = \"{admin}\"\n");
        let proxy = Measured::proxy_on(world, self.tunnel.address, &more);
        wait_until("the admin server listens", DEADLINE, || {
            TcpStream::connect(admin).map(reset).is_ok()
        });
        proxy
    }

    /// The same for a connector, whose channel has the place's port.
    fn start_connector(&self, world: &World, proxy: u16, limits: &str) -> Measured {
        let admin = self.admin.address;
        let more = format!("connections = 2\n[limits]\n{limits}[admin]\nlisten = \"{admin}\"\n");
        Measured::connector_on(world, proxy, "echo", (self.tunnel.address, &more))
    }

    fn replica(&self, question: &'static str) -> Replica {
        Replica { tunnel: self.tunnel.address, admin: self.admin.address, question }
    }
}

/// What clients saw.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    streams: AtomicUsize,
    failures: Mutex<Vec<String>>,
}

/// The longest stream, far below the drain's deadline.
const LIFE_MAX: Duration = Duration::from_secs(3);

/// Opens one stream after the other, each of a length of its own, until told to stop.
fn client(channel: SocketAddr, number: u64, seen: Arc<Seen>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut rng = fastrand::Rng::with_seed(number);
        while !seen.stop.load(Relaxed) {
            let life = LIFE_MAX.mul_f64(rng.f64().powi(3));
            match one_stream(channel, Pattern(rng.u64(..)), life) {
                Ok(()) => drop(seen.streams.fetch_add(1, Relaxed)),
                Err(why) => seen.failures.lock().unwrap().push(why),
            }
        }
    })
}

/// Echoes for `life`, then finishes and waits for the clean end.
fn one_stream(channel: SocketAddr, pattern: Pattern, life: Duration) -> Result<(), String> {
    let started = Instant::now();
    let at = |what: &str, error: std::io::Error| {
        format!(
            "{what} after {} ms of {}: {error}",
            started.elapsed().as_millis(),
            life.as_millis()
        )
    };
    let mut stream = connect(channel);
    let (mut sent, mut back, mut done) = ([0; 512], [0; 512], 0);
    loop {
        pattern.fill(done, &mut sent);
        stream.write_all(&sent).map_err(|error| at("write", error))?;
        stream.read_exact(&mut back).map_err(|error| at("read", error))?;
        if sent != back {
            return Err(format!("other bytes came back than were sent, at {done}"));
        }
        done += 512;
        if started.elapsed() >= life {
            break;
        }
        thread::sleep(Duration::from_millis(20)); // pace: many streams share two cores
    }
    stream.shutdown(std::net::Shutdown::Write).map_err(|error| at("finish", error))?;
    match read_to_end(&mut stream, pattern, done) {
        (_, End::Eof) => Ok(()),
        (_, end) => Err(format!("ended as {end:?} after {} ms", started.elapsed().as_millis())),
    }
}

/// Told to stop, each says no before it accepts no more, and open streams have their time.
const LIMITS: &str = "drain_delay_seconds = 1\ndrain_deadline_seconds = 15\n";

fn world_of_crowds(kind: Kind) -> World {
    causeway::engine::raise_open_files().unwrap();
    let world = World::new(kind);
    world.map("a", "echo", &echo_for_crowds().to_string(), None);
    world
}

fn rolling(kind: Kind) {
    let world = world_of_crowds(kind);
    let places = [Place::new(), Place::new()];
    let balancer = Balancer::over(&places.each_ref().map(|place| place.replica("/readyz")));
    let start = |place: &Place| place.start(&world, LIMITS);
    let running = places.each_ref().map(start);
    wait_until("both are ready", DEADLINE, || balancer.ready() == 2);
    let connector =
        Measured::connector_at(&world, balancer.address.port(), "echo", "connections = 2\n");
    restart_each(kind, (&places, running), start, &balancer, connector.address);
}

/// Both carry streams all the time: there is no role that one would have to take from the other.
fn rolling_connectors(kind: Kind) {
    let world = world_of_crowds(kind);
    let proxy = Measured::proxy(&world);
    let places = [Place::new(), Place::new()];
    let question = "/exposed?action=ensureMasterRole";
    let balancer = Balancer::over(&places.each_ref().map(|place| place.replica(question)));
    let start = |place: &Place| place.start_connector(&world, proxy.address.port(), LIMITS);
    let running = places.each_ref().map(start);
    wait_until("both have the role", DEADLINE, || balancer.ready() == 2);
    for place in &places {
        let ask = |action: &str| get(place.admin.address, &format!("/exposed?action={action}"));
        assert_eq!(ask("ping"), (200, String::new()));
        assert_eq!(ask("hasMasterRole"), (200, "true".to_owned()));
        assert_eq!(ask("takeMasterRole").0, 400);
        assert_eq!(get(place.admin.address, "/exposed").0, 400);
    }
    restart_each(kind, (&places, running), start, &balancer, balancer.address);
}

fn killed(kind: Kind) {
    let world = world_of_crowds(kind);
    let proxy = Measured::proxy(&world);
    let places = [Place::new(), Place::new()];
    let start = |place: &Place| place.start_connector(&world, proxy.address.port(), LIMITS);
    let [first, second] = places.each_ref().map(start);
    assert_eq!(one_stream(first.address, Pattern(1), Duration::ZERO), Ok(()));
    let flow = Flow::start(second.address);
    // Ends it by SIGKILL.
    drop(first);
    wait_until("it is gone", DEADLINE, || TcpStream::connect(places[0].admin.address).is_err());
    flow.assert_goes_on();
    assert_eq!(one_stream(second.address, Pattern(2), Duration::ZERO), Ok(()));
    let again = start(&places[0]);
    assert_eq!(one_stream(again.address, Pattern(3), Duration::ZERO), Ok(()));
    assert!(flow.finish() > 0);
}

/// Restarts one after the other while clients of `channel` come and go; none of them may notice.
fn restart_each(
    kind: Kind,
    (places, running): (&[Place; 2], [Measured; 2]),
    start: impl Fn(&Place) -> Measured,
    balancer: &Balancer,
    channel: SocketAddr,
) {
    const CLIENTS: u64 = 24;
    let mut running = running.map(Some);
    let seen = Arc::new(Seen::default());
    let clients: Vec<_> =
        (0..CLIENTS).map(|number| client(channel, number, seen.clone())).collect();
    let opened = |more: usize| {
        let before = seen.streams.load(Relaxed);
        wait_until("streams go on", DEADLINE, || seen.streams.load(Relaxed) >= before + more);
    };
    opened(CLIENTS as usize);
    for (place, replica) in places.iter().zip(&mut running) {
        let old = replica.take().unwrap();
        let began = Instant::now();
        old.terminate();
        assert_eq!(old.end(), Some(0));
        let away = began.elapsed();
        assert!(away < Duration::from_secs(15), "no stream was so long: {away:?}");
        *replica = Some(start(place));
        wait_until("both are ready again", DEADLINE, || balancer.ready() == 2);
        opened(CLIENTS as usize);
    }
    seen.stop.store(true, Relaxed);
    for client in clients {
        client.join().unwrap();
    }
    let failures = seen.failures.lock().unwrap();
    println!(
        "{} streams on {kind}, {} failed; connections per replica: {:?}",
        seen.streams.load(Relaxed),
        failures.len(),
        balancer.taken()
    );
    assert!(failures.is_empty(), "{failures:#?}");
    assert_eq!(balancer.lost(), 0, "one went to a replica that did not accept");
    assert!(balancer.taken().iter().all(|taken| *taken > 0), "{:?}", balancer.taken());
}

/// Without tunnels the port alone would look well.
fn probed(kind: Kind) {
    let world = World::new(kind);
    let place = Place::new();
    let _proxy = place.start(&world, "handshakes_per_second_max = 1\n");
    let admin = place.admin.address;
    let (status, body) = get(admin, "/readyz");
    assert_eq!(status, 200, "{body}");
    let handshakes = || {
        let (_, text) = get(admin, "/metrics");
        let line = text.lines().find(|line| line.starts_with("causeway_healthchecks_total"));
        line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).unwrap()
    };
    assert_eq!(handshakes(), 1.0, "one tunnel was opened, and answered");
    // The port still accepts, but whoever comes from this address is closed upon.
    wait_until("no tunnel opens", DEADLINE, || {
        for _ in 0..32 {
            reset(TcpStream::connect(place.tunnel.address).unwrap());
        }
        let (status, body) = get(admin, "/readyz");
        assert_eq!(status == 503, body.contains("does not open"), "{body}");
        status == 503
    });
    wait_until("tunnels open again", DEADLINE, || get(admin, "/readyz").0 == 200);
}

fn leaving(kind: Kind) {
    let world = world_of_crowds(kind);
    let place = Place::new();
    let proxy = place.start(&world, "drain_delay_seconds = 2\n");
    let admin = place.admin.address;
    assert_eq!(get(admin, "/readyz").0, 200);
    proxy.terminate();
    let told = Instant::now();
    wait_until("it is not ready", DEADLINE, || get(admin, "/readyz").0 == 503);
    let flipped = told.elapsed();
    // It serves on: this stream is opened after the readiness has changed.
    let connector = Measured::connector(&world, &proxy, "echo");
    assert_eq!(one_stream(connector.address, Pattern(1), Duration::ZERO), Ok(()));
    wait_until("it accepts no more", DEADLINE, || {
        TcpStream::connect(place.tunnel.address).map(reset).is_err()
    });
    let closed = told.elapsed();
    assert!(flipped < Duration::from_secs(2), "{flipped:?}");
    assert!(closed >= Duration::from_millis(1900), "{closed:?}");
    assert_eq!(proxy.end(), Some(0));
}
