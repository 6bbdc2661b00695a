//! Too few descriptors, too little memory, three times as many streams as the pair can open: each
//! time the processes stay up, refuse with the right reason, and are back to normal soon after.

use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use causeway::engine::{Kind, open_files};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    runtime::Builder,
    task::JoinSet,
    time::timeout,
};

use crate::support::{
    DEADLINE, Flow, Manner, Pair, RECOVERY, Suite, World, echo_byte, echo_for_crowds, get, metric,
    mode, open_echo, put, resident_bytes, sh, wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.all("a_proxy_of_256_descriptors_refuses_what_is_too_much_and_recovers", |kind| {
        few_descriptors(kind, true);
    });
    suite.all("a_connector_of_256_descriptors_resets_what_is_too_much_and_recovers", |kind| {
        few_descriptors(kind, false);
    });
    suite.all("a_memory_budget_of_64_mib_holds_under_overload", little_memory);
    suite.all("three_times_the_opens_a_pair_can_do_are_refused_or_right", overload);
}

fn few_descriptors(kind: Kind, of_proxy: bool) {
    const CLIENTS: usize = 300;
    const SHELL: &str = "ulimit -n 256;";
    let world = World::new(kind);
    world.map("a", "echo", &echo_for_crowds().to_string(), None);
    let (proxy_shell, connector_shell) = if of_proxy { (SHELL, "") } else { ("", SHELL) };
    let manner = Manner { proxy_shell, connector_shell, ..Manner::default() };
    let mut pair = Pair::start(&world, "echo", manner);
    let admin = if of_proxy { pair.proxy_admin } else { pair.connector_admin };
    let flow = Flow::start(pair.channel);
    let tried: Vec<_> = (0..CLIENTS).map(|_| pair.open()).collect();
    let mut open: Vec<TcpStream> = tried.into_iter().flatten().collect();
    let refused = CLIENTS - open.len();
    println!("{} streams opened, {refused} refused", open.len());
    // Each takes one or two descriptors of 192; the rest is for all else.
    assert!(open.len() >= 60 && refused >= 100, "{} opened", open.len());
    assert!(metric(admin, "causeway_shed_total", "_descriptors") >= 1.0);
    assert_eq!(metric(admin, "causeway_shed_total", "emfile"), 0.0, "the reserve is never used up");
    flow.assert_goes_on();
    open.iter_mut().for_each(|stream| echo_byte(stream).unwrap());

    // The admin server, the log and a reload have descriptors.
    assert_eq!(get(admin, "/status").0, 200);
    let role = if of_proxy { "proxy" } else { "connector" };
    let file = world.path(&format!("{role}.toml"));
    let text = fs::read_to_string(&file).unwrap();
    put(&file, &(text + "[limits]\nidle_timeout_seconds = 1000\n"));
    let process = if of_proxy { &mut pair.proxy } else { &mut pair.connector };
    sh(&format!("kill -HUP {}", process.id()));
    process.line("configuration changed: limits.idle_timeout_seconds: 0 → 1000");
    pair.assert_running();

    drop(open);
    let took = wait_until("streams open as before", RECOVERY, || {
        let streams: Vec<_> = (0..20).map(|_| pair.open()).collect();
        streams.iter().all(Result::is_ok)
    });
    println!("{} {}: back to normal after {took:?}", kind, mode());
    flow.assert_goes_on();
    flow.finish();
}

const MEBIBYTE: u64 = 1024 * 1024;
const BUDGET: u64 = 64 * MEBIBYTE;

/// The most memory some processes had at a time, looked at all along.
struct Watched {
    stop: Arc<AtomicBool>,
    peak: Arc<AtomicU64>,
    at_rest: u64,
    thread: thread::JoinHandle<()>,
}

impl Watched {
    fn start(process: u32) -> Self {
        let (stop, peak) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, most) = (stop.clone(), peak.clone());
        let thread = thread::spawn(move || {
            while !stopped.load(Relaxed) {
                most.fetch_max(resident_bytes(process), Relaxed);
                thread::sleep(Duration::from_millis(20)); // pace: of the looks
            }
        });
        Self { stop, peak, at_rest: resident_bytes(process), thread }
    }

    /// What it had at rest, and at most beyond that.
    fn end(self) -> (u64, u64) {
        self.stop.store(true, Relaxed);
        self.thread.join().unwrap();
        (self.at_rest, self.peak.load(Relaxed).saturating_sub(self.at_rest))
    }
}

fn little_memory(kind: Kind) {
    const CLIENTS: usize = 1500;
    let world = World::new(kind);
    world.map("a", "echo", &echo_for_crowds().to_string(), None);
    let budget = format!("[limits]\nmemory_bytes_max = {BUDGET}\n");
    let toml = Manner { proxy_toml: &budget, connector_toml: &budget, ..Manner::default() };
    let mut pair = Pair::start(&world, "echo", toml);
    let flow = Flow::start(pair.channel);
    let watched = [&pair.proxy, &pair.connector].map(|process| Watched::start(process.id()));
    let (opened, refused) = crowd(pair.channel, CLIENTS);
    println!("{opened} streams opened, {refused} refused");
    assert!(opened >= 100 && refused >= 100, "{opened} opened, {refused} refused");
    let admins = [pair.proxy_admin, pair.connector_admin];
    let shed = admins.map(|admin| metric(admin, "causeway_shed_total", "cause=\"memory\""));
    assert!(shed.iter().sum::<f64>() >= 1.0, "{shed:?}");
    flow.assert_goes_on();
    stall(pair.channel, 200);
    pair.assert_running();
    for (role, watched) in ["proxy", "connector"].into_iter().zip(watched) {
        let (at_rest, more) = watched.end();
        println!(
            "{kind} {} {role}: {} MiB at rest, at most {} MiB more under overload",
            mode(),
            at_rest / MEBIBYTE,
            more / MEBIBYTE
        );
        assert!(more <= BUDGET / 4 * 5, "{role}: {} MiB of a budget of 64", more / MEBIBYTE);
    }
    flow.assert_goes_on();
    let took = wait_until("streams open as before", RECOVERY, || {
        let streams: Vec<_> = (0..50).map(|_| pair.open()).collect();
        streams.iter().all(Result::is_ok)
    });
    println!("{kind} {}: back to normal after {took:?}", mode());
    flow.finish();
}

/// Many clients at once, each with some kilobytes to be echoed before it stays for a while: how
/// many got a stream, and how many were refused.
fn crowd(channel: SocketAddr, clients: usize) -> (usize, usize) {
    const BYTES: usize = 32 * 1024;
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut opening = JoinSet::new();
        let mut outcomes = Vec::new();
        for _ in 0..clients {
            if opening.len() >= 200 {
                outcomes.push(opening.join_next().await.unwrap().unwrap());
            }
            opening.spawn(async move {
                let mut stream = tokio::net::TcpStream::connect(channel).await.ok()?;
                let (sent, mut back) = (vec![7; BYTES], vec![0; BYTES]);
                let (mut reading, mut writing) = stream.split();
                let echoed =
                    async { tokio::join!(writing.write_all(&sent), reading.read_exact(&mut back)) };
                let (wrote, read) = timeout(2 * DEADLINE, echoed).await.expect("a hang");
                if wrote.is_err() || read.is_err() {
                    return None;
                }
                assert!(sent == back, "what came back is something else");
                Some(stream)
            });
        }
        while let Some(outcome) = opening.join_next().await {
            outcomes.push(outcome.unwrap());
        }
        let opened = outcomes.iter().flatten().count();
        (opened, outcomes.len() - opened)
    })
}

/// Clients that send and do not read, until nothing goes any more or for some seconds.
fn stall(channel: SocketAddr, clients: usize) {
    let block = vec![1; 64 * 1024];
    let mut streams: Vec<TcpStream> =
        (0..clients).filter_map(|_| open_echo(channel).ok()).collect();
    for stream in &streams {
        stream.set_nonblocking(true).unwrap();
    }
    let mut quiet_since = Instant::now();
    let started = Instant::now();
    while quiet_since.elapsed() < Duration::from_millis(500)
        && started.elapsed() < Duration::from_secs(5)
    {
        for stream in &mut streams {
            if matches!(stream.write(&block), Ok(1..)) {
                quiet_since = Instant::now();
            }
        }
        thread::sleep(Duration::from_millis(5)); // pace: of the senders
    }
    println!("{} stalled clients, still after {:?}", streams.len(), started.elapsed());
}

/// What one open came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Came {
    Right,
    Refused,
}

/// Opens, has something echoed and finishes.
async fn visit(channel: SocketAddr) -> Came {
    let visiting = async {
        let mut stream = tokio::net::TcpStream::connect(channel).await?;
        stream.write_all(b"hello").await?;
        stream.shutdown().await?;
        let mut back = Vec::new();
        stream.read_to_end(&mut back).await?;
        std::io::Result::Ok(back)
    };
    match timeout(3 * DEADLINE, visiting).await.expect("a hang") {
        Ok(back) => {
            assert_eq!(back, b"hello", "an end that looks clean and is none");
            Came::Right
        }
        Err(_) => Came::Refused,
    }
}

fn overload(kind: Kind) {
    const SECONDS: u32 = 4;
    let world = World::new(kind);
    world.map("a", "echo", &echo_for_crowds().to_string(), None);
    let mut pair = Pair::start(&world, "echo", Manner::default());
    let channel = pair.channel;
    let flow = Flow::start(channel);
    let (normal, can) = (latency(channel), capacity(channel));
    let visits_max = visits_max();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (right, refused) = runtime.block_on(async {
        let mut visits = JoinSet::new();
        let (start, total) = (Instant::now(), 3 * can * SECONDS);
        for number in 0..total {
            let due = Duration::from_secs_f64(f64::from(number) / f64::from(3 * can));
            let ahead = due.saturating_sub(start.elapsed());
            if ahead > Duration::from_millis(2) {
                tokio::time::sleep(ahead).await; // pace: the open loop's schedule
            } else if number % 16 == 0 {
                tokio::task::yield_now().await;
            }
            // Clients have a bound of their own: what is beyond would not even be tried.
            if visits.len() < visits_max {
                visits.spawn(visit(channel));
            }
            while visits.try_join_next().is_some_and(|came| counted(came.unwrap())) {}
        }
        while let Some(came) = visits.join_next().await {
            counted(came.unwrap());
        }
        (RIGHT.take(), REFUSED.take())
    });
    let ended = Instant::now();
    pair.assert_running();
    println!(
        "{kind} {}: {can} opens a second can be done; of three times as many {right} were right \
         and {refused} refused",
        mode()
    );
    assert!(right > 0);
    assert_only_limits(pair.proxy_admin);
    flow.assert_goes_on();
    let took = wait_until("streams open at once again", RECOVERY, || {
        (0..20).all(|_| {
            let start = Instant::now();
            pair.open().is_ok() && start.elapsed() < Duration::from_millis(500)
        })
    });
    assert!(ended.elapsed() < RECOVERY + DEADLINE);
    println!("normal {normal:?}, after {:?} again {:?}", took, latency(channel));
    flow.finish();
}

/// As many as this process has descriptors for, with one more for the service each, and beside
/// other tests that run meanwhile.
fn visits_max() -> usize {
    let (limit, _) = open_files().unwrap();
    let tests = thread::available_parallelism().map_or(1, Into::into);
    usize::try_from(limit).unwrap() / (3 * tests)
}

thread_local! {
    static RIGHT: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    static REFUSED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

fn counted(came: Came) -> bool {
    let count = if came == Came::Right { &RIGHT } else { &REFUSED };
    count.set(count.get() + 1);
    true
}

/// The proxy refused for its own limits and for nothing else.
fn assert_only_limits(admin: SocketAddr) {
    let (_, text) = get(admin, "/metrics");
    let limits = ["overloaded", "tenant_limit", "handshake_rate", "client_aborted"];
    let lines = text.lines().filter(|line| line.starts_with("causeway_refusals_total{"));
    let refused: Vec<&str> = lines.filter(|line| !line.ends_with(" 0")).collect();
    let is_limit =
        |line: &&str| limits.iter().any(|limit| line.contains(&format!("reason=\"{limit}\"")));
    assert!(refused.iter().all(is_limit), "{refused:#?}");
}

/// The median of opens one after the other.
fn latency(channel: SocketAddr) -> Duration {
    let mut times: Vec<Duration> = (0..50)
        .map(|_| {
            let start = Instant::now();
            drop(open_echo(channel).unwrap());
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// Opens a second that the pair, its clients and their service can do here, from 64 at a time.
fn capacity(channel: SocketAddr) -> u32 {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (mut visits, mut done, start) = (JoinSet::new(), 0, Instant::now());
        while start.elapsed() < Duration::from_secs(1) {
            while visits.len() < 64 {
                visits.spawn(visit(channel));
            }
            assert_eq!(visits.join_next().await.unwrap().unwrap(), Came::Right);
            done += 1;
        }
        while visits.join_next().await.is_some() {}
        done.max(10)
    })
}
