//! What a channel says of its local port: who may use it, how fast, and where it listens. All of it
//! changes while streams are open.

use std::{
    fs, io,
    io::Read,
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    thread,
    time::Duration,
};

use causeway::{
    config::ConnectorConfig,
    connector::{self, RunningConnector},
    engine::Kind,
    telemetry::Count,
};
use socket2::{Domain, Socket, Type};

use crate::{
    quotas::echo,
    support::{
        DEADLINE, Flow, HOST, HeldPort, Service, Suite, World, bounded, connector_head, count,
        exchange, mode, put, wait_until,
    },
};

pub fn add(suite: &mut Suite) {
    suite.all("a_port_is_for_the_sources_it_allows_and_others_are_reset", sources);
    suite.all("a_ports_bytes_keep_their_pace_until_it_is_lifted", pace);
    suite.all("a_port_moves_to_another_address_and_its_streams_go_on", address);
}

/// A connector with one channel, started from a file.
pub struct Site {
    pub running: RunningConnector,
    file: PathBuf,
    head: String,
}

impl Site {
    /// `keys` are the channel's, with where it listens.
    pub fn start(world: &World, keys: &str) -> Self {
        let file = world.path("connector.toml");
        let port = world.proxy_address().port();
        let head = format!(
            "{}[[channel]]\nendpoint = \"tcp://{HOST}:{port}/echo\"\nmode = \"{}\"\n",
            connector_head("a", "", &world.client("a", None)),
            mode()
        );
        fs::write(&file, format!("{head}{keys}")).unwrap();
        let config = ConnectorConfig::load(&file).unwrap();
        let running = connector::start(&config, &world.plan("connector")).unwrap();
        Self { running, file, head }
    }

    /// Changes the channel and waits until that is in force.
    pub fn put(&self, keys: &str) {
        let before = self.running.config_status().reloads;
        put(&self.file, &format!("{}{keys}", self.head));
        wait_until("the file is in force", DEADLINE, || {
            self.running.config_status().reloads > before
        });
    }

    pub fn refused(&self, reason: &'static str) -> u64 {
        count(self.running.crew().counters(), Count::Refused(reason))
    }
}

fn world(kind: Kind) -> World {
    World::with_services(kind, &[("echo", Service::echo().address)])
}

/// One byte there and back from an address of this machine.
fn ping_from(source: [u8; 4], port: SocketAddr) -> io::Result<TcpStream> {
    use std::io::Write as _;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((source, 0)).into())?;
    socket.connect(&port.into())?;
    let mut stream = bounded(socket.into());
    stream.write_all(b"x")?;
    stream.read_exact(&mut [0])?;
    Ok(stream)
}

fn sources(kind: Kind) {
    let (world, held) = (world(kind), HeldPort::new());
    let port = format!("local_port = {}\n", held.address.port());
    let site = Site::start(&world, &format!("{port}allowed_sources = [\"127.0.0.2/31\"]\n"));
    let mut streams: Vec<TcpStream> =
        [2, 3].map(|last| ping_from([127, 0, 0, last], held.address).unwrap()).into();
    let error = ping_from([127, 0, 0, 4], held.address).expect_err("it may not");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
    wait_until("it is counted", DEADLINE, || site.refused("source_not_allowed") == 1);
    let status = &site.running.channels()[0].status;
    assert_eq!(status.problem(), None, "that is no problem of the channel");
    // Another list holds for whoever comes, and takes nothing from who is there.
    site.put(&format!("{port}allowed_sources = [\"127.0.0.4\", \"10.0.0.0/8\"]\n"));
    wait_until("the other one may", DEADLINE, || ping_from([127, 0, 0, 4], held.address).is_ok());
    // One worker may hear of it before another does.
    wait_until("this one no more", DEADLINE, || ping_from([127, 0, 0, 2], held.address).is_err());
    site.put(&port);
    wait_until("everybody may", DEADLINE, || ping_from([127, 0, 0, 9], held.address).is_ok());
    for stream in &mut streams {
        use std::io::Write as _;
        stream.write_all(b"y").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
}

fn pace(kind: Kind) {
    const BYTES: usize = 300_000;
    let (world, held) = (world(kind), HeldPort::new());
    let port = format!("local_port = {}\n", held.address.port());
    let site = Site::start(&world, &format!("{port}bytes_per_second_max = 400_000\n"));
    let took = echo(held.address, BYTES);
    // Both ways count, but for the burst; the last chunk need not be waited for.
    let least = Duration::from_secs_f64((2.0 * BYTES as f64 - 150_000.0) / 400_000.0);
    println!("{BYTES} bytes each way: {took:?} paced");
    assert!(took >= least, "{took:?}, not {least:?}");
    // It would take two minutes.
    site.put(&format!("{port}bytes_per_second_max = 8192\n"));
    let before = count(site.running.crew().counters(), Count::BytesUp);
    let channel = held.address;
    let slow = thread::spawn(move || echo(channel, 500_000));
    wait_until("something has moved", DEADLINE, || {
        count(site.running.crew().counters(), Count::BytesUp) > before
    });
    site.put(&port);
    let took = slow.join().unwrap();
    assert!(took < Duration::from_secs(60), "{took:?}");
}

fn address(kind: Kind) {
    let (world, held) = (world(kind), HeldPort::new());
    let port = held.address.port();
    let elsewhere = SocketAddr::from(([127, 0, 0, 2], port));
    let site = Site::start(&world, &format!("local_port = {port}\n"));
    let flow = Flow::start(held.address);
    site.put(&format!("local_port = {port}\nlocal_address = \"127.0.0.2\"\n"));
    wait_until("it listens there", DEADLINE, || {
        exchange(elsewhere, "there").is_ok_and(|answer| answer == "there")
    });
    wait_until("and not here", DEADLINE, || exchange(held.address, "").is_err());
    flow.assert_goes_on();
    assert!(flow.finish() > 0);
}
