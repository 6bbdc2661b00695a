//! The real program as a process of its own, where memory and descriptors are counted.

use std::{
    env, fs,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::Duration,
};

use causeway::engine::Kind;

use super::{ClientFiles, DEADLINE, HOST, HeldPort, World, child::binary, mode, wait_until};

/// A running `causeway proxy` or `causeway connector`; killed when dropped.
pub struct Measured {
    child: Child,
    pub address: SocketAddr,
    /// Nobody else gets the port before the process listens on it, not even as the near end of a
    /// connection: one that finds itself at its far end would look like a process that listens.
    _held: Option<HeldPort>,
}

impl Measured {
    /// A proxy in `world`, whose own proxy is not started.
    pub fn proxy(world: &World) -> Self {
        Self::proxy_with(world, "")
    }

    /// The same; `more` is TOML appended to its configuration.
    pub fn proxy_with(world: &World, more: &str) -> Self {
        let held = HeldPort::new();
        let mut proxy = Self::proxy_on(world, held.address, more);
        proxy._held = Some(held);
        proxy
    }

    /// The same on an address of the test's choice; `more` is TOML appended to its configuration.
    pub fn proxy_on(world: &World, address: SocketAddr, more: &str) -> Self {
        let base = world.proxy_toml(&address.to_string());
        let text = format!("{base}{}{more}", workers(world.kind));
        Self::start(world, "proxy", &text, address)
    }

    /// A connector of subaccount `a` with one channel to `service`.
    pub fn connector(world: &World, proxy: &Self, service: &str) -> Self {
        Self::connector_with(world, proxy, service, "")
    }

    /// The same; `more` is TOML appended to the channel's configuration.
    pub fn connector_with(world: &World, proxy: &Self, service: &str, more: &str) -> Self {
        Self::connector_at(world, proxy.address.port(), service, more)
    }

    /// The same, for a proxy on a port of this machine.
    pub fn connector_at(world: &World, port: u16, service: &str, more: &str) -> Self {
        let held = HeldPort::new();
        let mut connector = Self::connector_on(world, port, service, (held.address, more));
        connector._held = Some(held);
        connector
    }

    /// The same with its channel on a port of the test's choice.
    pub fn connector_on(
        world: &World,
        port: u16,
        service: &str,
        (local, more): (SocketAddr, &str),
    ) -> Self {
        let ClientFiles { certificate, private_key } = world.client("a", None);
        let text = format!(
            "[subaccount]\nid = \"a\"\n[tls]\ncertificate = {certificate:?}\n\
             private_key = {private_key:?}\nca = \"ca.crt\"\n[[channel]]\n\
             endpoint = \"tcp://{HOST}:{port}/{service}\"\nlocal_port = {}\n\
             mode = \"{}\"\n{more}{}",
            local.port(),
            mode(),
            workers(world.kind)
        );
        Self::start(world, "connector", &text, local)
    }

    fn start(world: &World, role: &str, text: &str, address: SocketAddr) -> Self {
        // Each has a file of its own, because it follows its file.
        let config = world.path(&format!("{role}-{}.toml", address.port()));
        fs::write(&config, text).unwrap();
        // Measurements give the proxy a core of its own.
        let mut command = match env::var("CAUSEWAY_PROXY_CORE") {
            Ok(core) if role == "proxy" => {
                let mut command = Command::new("taskset");
                command.args(["-c", &core]).arg(binary());
                command
            }
            _ => Command::new(binary()),
        };
        command.arg(role).arg("--config").arg(config).stdout(Stdio::null());
        let child = command.spawn().unwrap();
        wait_until("the process listens", DEADLINE, || {
            std::net::TcpStream::connect(address).map(super::reset).is_ok()
        });
        Self { child, address, _held: None }
    }

    /// Resident memory in bytes.
    pub fn resident_bytes(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    /// CPU time so far, of user and system.
    pub fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let fields: Vec<&str> = fields.split(' ').collect();
        // utime and stime, in ticks of a hundredth of a second.
        let ticks = [11, 12].map(|field: usize| fields[field].parse::<u64>().unwrap());
        Duration::from_millis(10 * (ticks[0] + ticks[1]))
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    /// Waits for its end; its exit code.
    pub fn end(mut self) -> Option<i32> {
        let mut status = None;
        wait_until("the process ends", 2 * DEADLINE, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.and_then(|status| status.code())
    }

    /// Open file descriptors.
    pub fn open_files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap().count()
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn workers(kind: Kind) -> String {
    let count = env::var("CAUSEWAY_WORKERS").unwrap_or_else(|_| "2".to_owned());
    format!(
        "[workers]\ncount = {count}\npin = \"never\"\nengine = \"{kind}\"\n\
         [log]\nlevel = \"warn\"\n"
    )
}
