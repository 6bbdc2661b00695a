//! Everything that can change does so every second, while streams are open and opened: none of them
//! notices. It takes some seconds here; `CAUSEWAY_CHANGES_SECONDS=60` makes it a minute.

use std::{
    env, fs,
    net::SocketAddr,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use causeway::engine::Kind;

use crate::support::{
    Flow, HOST, HeldPort, Manner, Pair, ServiceMapping, Suite, World, echo_for_crowds, exchange,
    metric, mode, put, valid_now,
};

pub fn add(suite: &mut Suite) {
    suite.all("what_changes_every_second_breaks_no_stream_and_fails_no_open", changing);
}

const SECONDS_DEFAULT: u64 = 6;
const FLOWS: usize = 8;

/// Opens one stream after the other until told to stop.
struct Opens {
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
    thread: thread::JoinHandle<Vec<String>>,
}

impl Opens {
    fn start(channel: SocketAddr) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (stopped, count) = (stop.clone(), done.clone());
        let thread = thread::spawn(move || {
            let mut failures = Vec::new();
            while !stopped.load(Relaxed) {
                let number = count.fetch_add(1, Relaxed);
                let text = format!("open {number}");
                match exchange(channel, &text) {
                    Ok(back) if back == text => {}
                    other => failures.push(format!("{text}: {other:?}")),
                }
                thread::sleep(Duration::from_millis(5)); // pace: two hundred a second at most
            }
            failures
        });
        Self { stop, done, thread }
    }

    /// How many there were, and what went wrong.
    fn end(self) -> (usize, Vec<String>) {
        self.stop.store(true, Relaxed);
        let failures = self.thread.join().unwrap();
        (self.done.load(Relaxed), failures)
    }
}

fn changing(kind: Kind) {
    let seconds = env::var("CAUSEWAY_CHANGES_SECONDS").ok().and_then(|text| text.parse().ok());
    let seconds: u64 = seconds.unwrap_or(SECONDS_DEFAULT);
    let world = World::new(kind);
    let (first, second) = (echo_for_crowds(), echo_for_crowds());
    put_mapping(&world, &ServiceMapping::new("echo", first));
    let mut pair = Pair::start(&world, "echo", Manner::default());
    let flows: Vec<Flow> = (0..FLOWS).map(|_| Flow::start(pair.channel)).collect();
    let opens: Vec<Opens> = (0..2).map(|_| Opens::start(pair.channel)).collect();
    let extra = HeldPort::new();
    let files = ["proxy.toml", "connector.toml"].map(|name| world.path(name));
    let texts = files.each_ref().map(|file| fs::read_to_string(file).unwrap());
    let started = Instant::now();
    let mut round = 0;
    while started.elapsed() < Duration::from_secs(seconds) {
        round += 1;
        change(&world, (&files, &texts), (round, [first, second]), &extra);
        let due = Duration::from_secs(round);
        // pace: a change of everything each second
        thread::sleep(due.saturating_sub(started.elapsed()));
        pair.assert_running();
    }
    for flow in &flows {
        flow.assert_goes_on();
    }
    let rounds: u64 = flows.into_iter().map(Flow::finish).sum();
    let (mut total, mut failures) = (0, Vec::new());
    for (done, failed) in opens.into_iter().map(Opens::end) {
        total += done;
        failures.extend(failed);
    }
    let changed = |admin| metric(admin, "causeway_reloads_total", "");
    let changes = [pair.proxy_admin, pair.connector_admin].map(changed);
    println!(
        "{kind} {}: {round} changes of everything in {seconds} s, {changes:?} of the files in \
         force; {total} streams opened, {} failed; {FLOWS} streams open all along, {rounds} blocks",
        mode(),
        failures.len()
    );
    assert_eq!(failures, [] as [String; 0]);
    assert!(changes.iter().all(|changes| *changes >= (seconds / 2) as f64), "{changes:?}");
    assert!(total >= 10 && rounds > 0);
    let differs = [pair.proxy_admin, pair.connector_admin]
        .map(|admin| metric(admin, "causeway_configuration_differs", ""));
    assert_eq!(differs, [0.0, 0.0]);
}

fn put_mapping(world: &World, mapping: &ServiceMapping<'_>) {
    put(&world.path(&format!("mappings/{}.yaml", mapping.name)), &mapping.text());
}

/// Another configuration of both roles, other certificates, other mappings.
fn change(
    world: &World,
    (files, texts): (&[std::path::PathBuf; 2], &[String; 2]),
    (round, services): (u64, [SocketAddr; 2]),
    extra: &HeldPort,
) {
    let limits = format!("[limits]\nidle_timeout_seconds = {}\n", 1000 + round);
    let rate = format!("handshakes_per_second_max = {}\n", 10_000 + round);
    put(&files[0], &format!("{}{limits}{rate}", texts[0]));
    // A channel comes and goes, and the one that is used has more tunnels and fewer.
    let number = 1 + round % 2;
    let own =
        format!("mode = \"{}\"\nconnections = {number}\nwarm_connections = {number}\n", mode());
    let mut text = texts[1].replacen(&format!("mode = \"{}\"\n", mode()), &own, 1);
    if round % 2 == 0 {
        let port = extra.address.port();
        let channel =
            format!("[[channel]]\nendpoint = \"tcp://{HOST}:1/none\"\nlocal_port = {port}\n");
        text = text.replacen("[workers]", &(channel + "[workers]"), 1);
    }
    put(&files[1], &format!("{text}{limits}"));
    let server = world.authority.issue_server(&[HOST, "127.0.0.1"], valid_now()).unwrap();
    let client = world.authority.issue_connector("a", None, valid_now()).unwrap();
    for (name, issued) in [("server", server), ("client-a-any", client)] {
        put(&world.path(&format!("{name}.crt")), &issued.certificate_pem);
        put(&world.path(&format!("{name}.key")), &issued.private_key_pem);
    }
    let locations: &[&str] = if round % 2 == 0 { &["", "other"] } else { &[""] };
    let service = services[(round % 2) as usize];
    let mapping = ServiceMapping::new("echo", service);
    put_mapping(world, &ServiceMapping { locations: Some(locations), ..mapping });
    let passing = world.path("mappings/passing.yaml");
    if round % 2 == 0 {
        put_mapping(world, &ServiceMapping::new("passing", service));
    } else if Path::exists(&passing) {
        fs::remove_file(passing).unwrap();
    }
}
