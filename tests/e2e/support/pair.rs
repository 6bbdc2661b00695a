//! Both roles as processes under a shell's hand: with limits, with another clock, and with files
//! that change.

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    process::Command,
    time::Duration,
};

use super::{
    ClientFiles, DEADLINE, HOST, Process, World, child::binary, connector_head, get, mode,
};

/// Both roles.
pub struct Pair {
    pub proxy: Process,
    pub proxy_admin: SocketAddr,
    pub connector: Process,
    pub connector_admin: SocketAddr,
    pub channel: SocketAddr,
}

/// How the two are started.
#[derive(Debug, Clone, Copy, Default)]
pub struct Manner<'a> {
    /// Shell before the proxy: `ulimit -n 256;`.
    pub proxy_shell: &'a str,
    /// Shell before the connector.
    pub connector_shell: &'a str,
    /// TOML behind the proxy's configuration.
    pub proxy_toml: &'a str,
    /// TOML behind the connector's.
    pub connector_toml: &'a str,
}

impl Pair {
    /// Starts a proxy in `world`, and a connector of subaccount `a` with one channel to `service`.
    pub fn start(world: &World, service: &str, manner: Manner<'_>) -> Self {
        let engine = format!("[workers]\ncount = 2\nengine = \"{}\"\n", world.kind);
        let admin = "[admin]\nlisten = \"127.0.0.1:0\"\n";
        let toml = world.proxy_toml("127.0.0.1:0");
        let toml = format!("{toml}{engine}{admin}{}", manner.proxy_toml);
        let mut proxy = run(world, "proxy", manner.proxy_shell, &toml);
        let tunnel = proxy.address("proxy serves", "address");
        let proxy_admin = proxy.address("admin server listens", "address");
        let ClientFiles { certificate, private_key } = world.client("a", None);
        let head = connector_head("a", "", &ClientFiles { certificate, private_key });
        let toml = format!(
            "{head}[[channel]]\nendpoint = \"tcp://{HOST}:{}/{service}\"\nlocal_port = 0\n\
             mode = \"{}\"\n{engine}{admin}{}",
            tunnel.port(),
            mode(),
            manner.connector_toml
        );
        let mut connector = run(world, "connector", manner.connector_shell, &toml);
        let connector_admin = connector.address("admin server listens", "address");
        let channel = connector.address("channel listens", "local");
        connector.line("connector serves");
        Self { proxy, proxy_admin, connector, connector_admin, channel }
    }

    /// Neither has ended.
    pub fn assert_running(&mut self) {
        for process in [&mut self.proxy, &mut self.connector] {
            assert!(process.is_running(), "{:#?}", process.lines().iter().rev().take(20));
        }
    }

    /// Opens a stream and has a byte echoed; an error when it is refused.
    pub fn open(&self) -> io::Result<TcpStream> {
        open_echo(self.channel)
    }
}

/// Opens a stream through a channel and has a byte echoed; an error when it is refused.
pub fn open_echo(channel: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(channel)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    stream.set_nodelay(true)?;
    echo_byte(&mut stream)?;
    Ok(stream)
}

/// Sends a byte and wants it back.
pub fn echo_byte(stream: &mut TcpStream) -> io::Result<()> {
    stream.write_all(&[7])?;
    let mut byte = [0];
    stream.read_exact(&mut byte)?;
    assert_eq!(byte, [7]);
    Ok(())
}

/// The sum of a metric over its series, of those with `label` where that is not empty.
pub fn metric(admin: SocketAddr, name: &str, label: &str) -> f64 {
    let (status, text) = get(admin, "/metrics");
    assert_eq!(status, 200, "{text}");
    let series = text.lines().filter_map(|line| line.rsplit_once(' '));
    series
        .filter(|(series, _)| series.split('{').next() == Some(name) && series.contains(label))
        .map(|(_, value)| value.parse::<f64>().unwrap())
        .sum()
}

/// Resident memory of a process in bytes.
pub fn resident_bytes(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// How long the process may take to be as before, after whatever it suffered.
pub const RECOVERY: Duration = Duration::from_secs(10);

fn run(world: &World, role: &str, shell: &str, toml: &str) -> Process {
    let file = world.path(&format!("{role}.toml"));
    fs::write(&file, toml).unwrap();
    let line = format!("{shell} exec \"$0\" {role} --config {}", file.display());
    Process::start(Command::new("sh").args(["-c", &line]).arg(binary()))
}
