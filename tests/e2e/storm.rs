//! Thousands of streams over a few tunnels, each ended in its own way at random: half-closed,
//! reset by either side, stalled for a while. Both ends know from the stream's seed what has to
//! arrive and how it may end.

use std::{
    env,
    io::ErrorKind,
    net::SocketAddr,
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use causeway::engine::Kind;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    runtime::Builder,
    sync::{Barrier, Semaphore},
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::support::{DEADLINE, Measured, Pattern, Process, Suite, World, wait_until};

pub fn add(suite: &mut Suite) {
    suite.multiplexed("a_storm_of_streams_mixes_nothing_up_and_fakes_no_end", |kind| {
        storm(kind, 10_000, |streams| streams / 2);
    });
    suite.multiplexed("a_storm_that_outgrows_its_tunnels_loses_nothing", |kind| {
        storm(kind, 1000, |streams| streams / 8);
    });
}

/// No stream may take longer, however many there are: beyond is a hang.
const HANG: Duration = Duration::from_secs(120);
/// Opened at a time: more would overrun the backlogs on the way.
const OPENING_MAX: usize = 200;
const ACK: u8 = 0x5A;

/// What one side sends and how it ends.
#[derive(Debug, Clone, Copy)]
struct Side {
    pattern: Pattern,
    bytes: u64,
    /// Ends with an RST after that many bytes instead of a FIN after all.
    resets: bool,
    /// Reads nothing for this long once so much has arrived.
    stall: Option<(u64, Duration)>,
    /// Sends only after the other side has ended.
    waits: bool,
}

#[derive(Debug, Clone, Copy)]
struct Plan {
    client: Side,
    service: Side,
}

impl Plan {
    fn of(seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut side = |pattern| {
            // As often short as long; one in fifty is bulk.
            let longest = if rng.u32(..50) == 0 { 1 << 20 } else { 1_u64 << rng.u32(0..=16) };
            let bytes = rng.u64(..=longest);
            let stall = (rng.u32(..10) == 0)
                .then(|| (rng.u64(..=bytes), Duration::from_millis(rng.u64(10..=1500))));
            Side { pattern, bytes, resets: rng.u32(..6) == 0, stall, waits: false }
        };
        let (mut client, mut service) = (side(Pattern(seed)), side(Pattern(!seed)));
        match rng.u32(..4) {
            0 => service.waits = true,
            1 => client.waits = true,
            _ => {}
        }
        // A side that waits for an end that never comes would wait for ever.
        client.waits &= !service.resets;
        service.waits &= !client.resets;
        Self { client, service }
    }
}

/// How one side saw the other's direction end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Eof(u64),
    Aborted(u64),
}

/// Sends and receives as `mine` says; what came of `theirs` is checked byte for byte.
async fn play(mut stream: TcpStream, mine: Side, theirs: Side) -> Seen {
    if mine.resets {
        // Whatever ends it from now on, it closes with an RST.
        socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    }
    let (mut reading, mut writing) = stream.split();
    let ended = Semaphore::new(0);
    // The kernel tells of an RST once; whoever hears it first tells the other half.
    let broken = AtomicBool::new(false);
    let sending = async {
        if mine.waits {
            let _woken = ended.acquire().await;
        }
        let mut bytes = vec![0; 16 * 1024];
        let mut at = 0;
        while at < mine.bytes {
            let piece = bytes.len().min((mine.bytes - at) as usize);
            mine.pattern.fill(at, &mut bytes[..piece]);
            if writing.write_all(&bytes[..piece]).await.is_err() {
                broken.store(true, Relaxed);
                return;
            }
            at += piece as u64;
        }
        // One that resets leaves when it has sent, without another word.
        if !mine.resets && writing.shutdown().await.is_err() {
            broken.store(true, Relaxed);
        }
    };
    let receiving = async {
        let mut bytes = vec![0; 16 * 1024];
        let mut at = 0;
        let mut stall = mine.stall;
        let seen = loop {
            if let Some((_, pause)) = stall.filter(|(from, _)| at >= *from) {
                stall = None;
                sleep(pause).await; // pace: a reader that is slow once
            }
            match reading.read(&mut bytes).await {
                Ok(0) if broken.load(Relaxed) => break Seen::Aborted(at),
                Ok(0) => break Seen::Eof(at),
                Ok(read) => {
                    theirs.pattern.check(at, &bytes[..read]);
                    at += read as u64;
                }
                Err(error) => {
                    let aborts = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
                    assert!(aborts.contains(&error.kind()), "{error}");
                    break Seen::Aborted(at);
                }
            }
        };
        ended.add_permits(1);
        seen
    };
    tokio::pin!(receiving, sending);
    tokio::select! {
        seen = &mut receiving => {
            sending.await;
            seen
        }
        () = &mut sending => if mine.resets { Seen::Aborted(0) } else { receiving.await },
    }
}

/// Fails the test unless a side may have seen this, given what the other one did.
fn judge(who: &str, plan: &Plan, seen: Seen, mine: Side, theirs: Side) {
    if mine.resets {
        // It did not stay to hear the end.
        return;
    }
    match seen {
        Seen::Eof(bytes) => {
            assert!(!theirs.resets, "{who}: an abort looks like an end: {seen:?}, {plan:?}");
            assert_eq!(bytes, theirs.bytes, "{who}: cut short: {plan:?}");
        }
        Seen::Aborted(bytes) => {
            assert!(theirs.resets, "{who}: broken without a reason: {seen:?}, {plan:?}");
            assert!(bytes <= theirs.bytes, "{who}: {seen:?}, {plan:?}");
        }
    }
}

/// Says in a child how many streams it serves.
const CHILD: &str = "CAUSEWAY_TEST_STORM_SERVICE";

/// The service is this test binary again: clients and service together need more descriptors than
/// one process may have. Called before anything else in this binary.
pub fn be_the_service_if_asked() {
    let Ok(streams) = env::var(CHILD) else { return };
    causeway::engine::raise_open_files().unwrap();
    let left = Arc::new(AtomicUsize::new(streams.parse().unwrap()));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    // The standard library's backlog is 128; listening again sets another.
    socket2::SockRef::from(&listener).listen(4096).unwrap();
    listener.set_nonblocking(true).unwrap();
    println!("listens address={}", listener.local_addr().unwrap());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async move {
        let listener = TcpListener::from_std(listener).unwrap();
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, left.clone()));
        }
    });
}

/// Does its part of a plan and judges what it saw.
async fn serve(mut stream: TcpStream, left: Arc<AtomicUsize>) {
    let mut seed = [0; 8];
    // The probe that waits for the connector sends nothing.
    if stream.read_exact(&mut seed).await.is_err() {
        return;
    }
    let plan = Plan::of(u64::from_le_bytes(seed));
    stream.set_nodelay(true).unwrap();
    let playing = tokio::spawn(async move {
        stream.write_all(&[ACK]).await.expect("a client that waits for this");
        let played = timeout(HANG, play(stream, plan.service, plan.client)).await;
        let seen = played.unwrap_or_else(|_| panic!("the service hangs: {plan:?}"));
        judge("service", &plan, seen, plan.service, plan.client);
    });
    if playing.await.is_err() {
        println!("failed: {plan:?}");
    }
    if left.fetch_sub(1, Relaxed) == 1 {
        println!("all are over");
    }
}

async fn client(address: SocketAddr, seed: u64, opening: Arc<Semaphore>, all: Arc<Barrier>) {
    let plan = Plan::of(seed);
    let mut stream = {
        let _permit = opening.acquire().await.unwrap();
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&seed.to_le_bytes()).await.unwrap();
        let mut ack = [0];
        let heard = timeout(HANG, stream.read_exact(&mut ack)).await;
        heard.expect("a hang while it opens").expect("an open stream");
        assert_eq!(ack, [ACK]);
        stream
    };
    stream.flush().await.unwrap();
    // All are open at this moment.
    all.wait().await;
    let played = timeout(HANG, play(stream, plan.client, plan.service)).await;
    let seen = played.unwrap_or_else(|_| panic!("the client hangs: {plan:?}"));
    judge("client", &plan, seen, plan.client, plan.service);
}

fn run_clients(address: SocketAddr, seeds: &[u64]) -> Duration {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let started = Instant::now();
    runtime.block_on(async {
        let opening = Arc::new(Semaphore::new(OPENING_MAX));
        let all = Arc::new(Barrier::new(seeds.len() + 1));
        let mut clients = JoinSet::new();
        for seed in seeds {
            clients.spawn(client(address, *seed, opening.clone(), all.clone()));
        }
        // A client that fails never comes to the barrier.
        tokio::select! {
            _ = all.wait() => {}
            Some(Err(failed)) = clients.join_next() => panic!("{failed}"),
        }
        let opened = started.elapsed();
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
        opened
    })
}

/// One storm at a time: each may use half of the descriptors that this process may have.
static STORM: Mutex<()> = Mutex::new(());

/// As many streams as wanted, or as there are descriptors for.
fn affordable(wanted: usize) -> usize {
    let files = causeway::engine::raise_open_files().unwrap().limit as usize;
    if wanted > files / 2 {
        eprintln!("a storm of {} streams instead of {wanted}: {files} descriptors", files / 2);
    }
    wanted.min(files / 2)
}

/// `CAUSEWAY_STREAMS` sets another number of streams, `CAUSEWAY_SEED` repeats a run.
fn storm(kind: Kind, streams: usize, per_tunnel: fn(usize) -> usize) {
    // A storm that failed has said so itself.
    let _alone = STORM.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = env::var("CAUSEWAY_STREAMS").map_or(streams, |text| text.parse().unwrap());
    let streams = affordable(wanted);
    let seed = env::var("CAUSEWAY_SEED").map_or_else(|_| fastrand::u64(..), |s| s.parse().unwrap());
    println!("seed {seed}");
    let mut again = Command::new(env::current_exe().unwrap());
    let mut service = Process::start(again.env(CHILD, streams.to_string()));
    let address = service.address("listens", "address");
    let world = World::new(kind);
    world.map("a", "storm", &address.to_string(), None);
    let limit = format!("[limits]\nstreams_per_tunnel_max = {}\n", per_tunnel(streams));
    let proxy = Measured::proxy_with(&world, &limit);
    let connector = Measured::connector_with(&world, &proxy, "storm", "connections = 4\n");
    let mut rng = fastrand::Rng::with_seed(seed);
    let seeds: Vec<u64> = (0..streams).map(|_| rng.u64(..)).collect();
    let started = Instant::now();
    let opened = run_clients(connector.address, &seeds);
    service.line("all are over");
    let said = service.lines();
    assert_eq!(said.len(), 2, "{said:#?}");
    let resets = |plan: &Plan| plan.client.resets || plan.service.resets;
    let aborts = seeds.iter().filter(|seed| resets(&Plan::of(**seed))).count();
    println!(
        "{streams} streams over {} descriptors of the proxy, {aborts} with resets, on {kind}: \
         opened in {:.1} s, over in {:.1} s",
        proxy.open_files(),
        opened.as_secs_f64(),
        started.elapsed().as_secs_f64()
    );
    // Their sockets are given back; a few tunnels stay.
    wait_until("nothing is left open", DEADLINE, || {
        proxy.open_files() < 100 && connector.open_files() < 100
    });
}
