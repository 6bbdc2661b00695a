//! What the proxy's CPU carries in either mode. A measurement, not a test: see
//! docs/benchmarks.md for how it is run.

use std::{
    net::SocketAddr,
    thread,
    time::{Duration, Instant},
};

use causeway::engine::Kind;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Builder,
    task::JoinSet,
};

use crate::support::{Measured, Suite, World, echo_for_crowds, set_mode};

pub fn add(suite: &mut Suite) {
    suite.measurement("speed_of_both_modes", speed);
}

const MODES: [&str; 2] = ["multiplexed", "direct"];
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(2);

/// What a client does for the time of a round; says how often, or how many bytes.
#[derive(Debug, Clone, Copy)]
enum Load {
    /// Opens, echoes 64 bytes and closes.
    Open,
    /// Echoes 1 KiB at a time.
    PingPong,
    /// Echoes as fast as it can.
    Bulk,
}

impl Load {
    fn clients(self) -> usize {
        match self {
            Self::Open => 32,
            Self::PingPong => 16,
            Self::Bulk => 4,
        }
    }

    async fn run(self, address: SocketAddr, until: Instant) -> u64 {
        match self {
            Self::Open => open_and_close(address, until).await,
            Self::PingPong => ping_pong(address, until).await,
            Self::Bulk => bulk(address, until).await,
        }
    }
}

async fn open_and_close(address: SocketAddr, until: Instant) -> u64 {
    let mut done = 0;
    let mut back = [0; 64];
    while Instant::now() < until {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream.write_all(&[done as u8; 64]).await.unwrap();
        stream.read_exact(&mut back).await.unwrap();
        assert_eq!(back, [done as u8; 64]);
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut back).await.unwrap(), 0);
        done += 1;
    }
    done
}

async fn ping_pong(address: SocketAddr, until: Instant) -> u64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut done, mut back) = (0, [0; 1024]);
    while Instant::now() < until {
        stream.write_all(&[done as u8; 1024]).await.unwrap();
        stream.read_exact(&mut back).await.unwrap();
        done += 1;
    }
    done
}

async fn bulk(address: SocketAddr, until: Instant) -> u64 {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let (mut reading, mut writing) = stream.split();
    let sending = async {
        let bytes = vec![7; 256 * 1024];
        while Instant::now() < until {
            writing.write_all(&bytes).await.unwrap();
        }
        writing.shutdown().await.unwrap();
    };
    let receiving = async {
        let mut bytes = vec![0; 256 * 1024];
        let mut total = 0;
        while let read @ 1.. = reading.read(&mut bytes).await.unwrap() {
            total += read as u64;
        }
        total
    };
    tokio::join!(receiving, sending).0
}

/// How much a second, and how much a second of the proxy's CPU.
fn round(load: Load, proxy: &Measured, channel: SocketAddr) -> (f64, f64) {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let (started, cpu) = (Instant::now(), proxy.cpu());
    let done: u64 = runtime.block_on(async {
        let mut clients = JoinSet::new();
        for _ in 0..load.clients() {
            clients.spawn(load.run(channel, started + ROUND));
        }
        let mut done = 0;
        while let Some(client) = clients.join_next().await {
            done += client.unwrap();
        }
        done
    });
    let used = (proxy.cpu() - cpu).as_secs_f64();
    (done as f64 / started.elapsed().as_secs_f64(), done as f64 / used)
}

fn sorted(values: &[f64]) -> [f64; 3] {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    [values[values.len() / 2], values[0], values[values.len() - 1]]
}

fn speed(kind: Kind) {
    causeway::engine::raise_open_files().unwrap();
    let world = World::new(kind);
    world.map("a", "echo", &echo_for_crowds().to_string(), None);
    let proxy = Measured::proxy(&world);
    let connectors = MODES.map(|mode| {
        set_mode(mode);
        let more = if mode == "direct" { "warm_connections = 64\n" } else { "" };
        Measured::connector_with(&world, &proxy, "echo", more)
    });
    for load in [Load::Open, Load::PingPong, Load::Bulk] {
        let mut figures = [Vec::new(), Vec::new()];
        for _ in 0..ROUNDS {
            for (connector, figures) in connectors.iter().zip(&mut figures) {
                figures.push(round(load, &proxy, connector.address));
                // pace: warm tunnels of mode `direct` come back before the next round
                thread::sleep(Duration::from_millis(700));
            }
        }
        let unit = if matches!(load, Load::Bulk) { 1e6 } else { 1.0 };
        let mut medians = Vec::new();
        for (mode, figures) in MODES.iter().zip(&figures) {
            let wall: Vec<f64> = figures.iter().map(|(wall, _)| wall / unit).collect();
            let cpu: Vec<f64> = figures.iter().map(|(_, cpu)| cpu / unit).collect();
            let ([wall, ..], [median, least, most]) = (sorted(&wall), sorted(&cpu));
            println!(
                "{load:?}, {mode} on {kind}: {wall:.0}/s, {median:.0} ({least:.0} to {most:.0}) a \
                 CPU second of the proxy"
            );
            medians.push(median);
        }
        println!("{load:?} on {kind}: multiplexed / direct {:.2}", medians[0] / medians[1]);
    }
}
