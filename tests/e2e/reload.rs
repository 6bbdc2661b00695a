//! Configuration files change while both roles run: what can be is in force within a second, open
//! streams go on, the rest is named, and a wrong file changes nothing.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use causeway::{
    config::{ConnectorConfig, ProxyConfig},
    connector::{self, RunningConnector},
    engine::Kind,
    telemetry::Count,
};

use crate::support::{
    ClientFiles, DEADLINE, Flow, HOST, HeldPort, Reply, Service, Site, Suite, World, client_config,
    connect_head, connector_head, dial, exchange, get, mode, open_service, ping, put, sh,
    valid_now, wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.both("a_changed_proxy_file_is_in_force_and_no_stream_ends", proxy_file);
    suite.both("a_wrong_proxy_file_changes_nothing_until_it_is_right", wrong_proxy_file);
    suite.both("other_certificate_files_are_taken_together_or_not_at_all", certificate_files);
    suite.all("channels_are_added_removed_and_changed_and_others_not_touched", channels);
    suite.all("a_client_that_waits_for_a_tunnel_follows_its_channel", follows);
    suite.both("sighup_reloads_and_log_and_status_tell_what_needs_a_restart", processes);
}

/// A changed file is in force after this long (`config/proxy.toml`).
const IN_FORCE: Duration = Duration::from_secs(1);

struct ProxyFile(PathBuf, String);

impl ProxyFile {
    /// Starts the world's proxy from a file.
    fn start(world: &mut World, more: &str) -> Self {
        let file = Self(world.path("proxy.toml"), world.proxy_toml("127.0.0.1:0"));
        file.put(more);
        world.start_proxy_with(&ProxyConfig::load(&file.0).unwrap());
        file
    }

    fn put(&self, more: &str) {
        put(&self.0, &(self.1.clone() + more));
    }
}

fn proxy_file(kind: Kind) {
    let echo = Service::echo();
    let mut world = World::new(kind);
    world.map("a", "echo", &echo.address.to_string(), None);
    let file = ProxyFile::start(&mut world, "");
    let (_connector, channels) = world.connector(&["echo"]);
    let flow = Flow::start(channels[0]);
    let config = client_config(&world, Some(&world.client("a", None)));
    let ask = |name: &str| {
        let mut tls = dial(world.proxy_address(), name, &config);
        Reply::to(&mut tls, &connect_head("nobody"))
    };
    // An address is no server name, so there is none.
    ask("127.0.0.1").assert_refusal(421, "wrong_server_name");

    let strict = file.1.replace("[tunnel]\n", "[tunnel]\nstrict_sni = false\n");
    put(&file.0, &(strict + "[limits]\nstreams_per_subaccount_max = 1\n"));
    wait_until("the name is not checked", IN_FORCE, || ask("127.0.0.1").status == 404);
    let mut tls = dial(world.proxy_address(), HOST, &config);
    Reply::to(&mut tls, &connect_head("echo")).assert_refusal(429, "tenant_limit");
    flow.assert_goes_on();

    file.put("[limits]\nstreams_per_subaccount_max = 2\n");
    wait_until("the name is checked again", IN_FORCE, || ask("127.0.0.1").status == 421);
    ping(&mut open_service(&world, &config, "echo"), "within the limit");
    let told = world.proxy().config_status();
    assert!(!told.differs(), "{told:?}");
    assert_eq!(told.reloads, 2);

    // Another tenancy and another directory: every mapping is read anew.
    fs::create_dir(world.path("others")).unwrap();
    fs::copy(world.path("mappings/a-echo.yaml"), world.path("others/echo.yaml")).unwrap();
    let moved = file.1.replace("directory = \"mappings\"", "directory = \"others\"");
    let moved = moved.replace("mode = \"shared\"", "subaccount_id = \"a\"");
    put(&file.0, &moved);
    world.unmap("a", "echo");
    wait_until("the file is in force", IN_FORCE, || world.proxy().config_status().reloads == 3);
    ping(&mut open_service(&world, &config, "echo"), "from the other directory");
    flow.assert_goes_on();
    flow.finish();
}

fn wrong_proxy_file(kind: Kind) {
    let echo = Service::echo();
    let mut world = World::new(kind);
    world.map("a", "echo", &echo.address.to_string(), None);
    let file = ProxyFile::start(&mut world, "");
    let config = client_config(&world, Some(&world.client("a", None)));
    let status = || world.proxy().config_status();
    file.put("[limits]\nidle_timeout_seconds = \"soon\"\n");
    wait_until("the fault is told", IN_FORCE, || status().problem.is_some());
    let problem = status().problem.unwrap();
    assert!(problem.contains("proxy.toml:13:24: limits.idle_timeout_seconds: "), "{problem}");
    ping(&mut open_service(&world, &config, "echo"), "as before");
    // A file that is gone for a moment is no other configuration either.
    fs::remove_file(&file.0).unwrap();
    let gone = || status().problem.is_some_and(|problem| problem.contains("cannot be read"));
    wait_until("that is told", Duration::from_secs(3), gone);
    file.put("[limits]\nidle_timeout_seconds = 100\n");
    wait_until("the fault is gone", Duration::from_secs(3), || status().problem.is_none());
    assert_eq!(status().reloads, 1);
    ping(&mut open_service(&world, &config, "echo"), "with the new one");
}

fn certificate_files(kind: Kind) {
    let echo = Service::echo();
    let mut world = World::new(kind);
    world.map("a", "echo", &echo.address.to_string(), None);
    let file = ProxyFile::start(&mut world, "");
    let config = client_config(&world, Some(&world.client("a", None)));
    let mut open = open_service(&world, &config, "echo");
    let renamed = file.1.replace("server.", "renewed.");
    put(&file.0, &renamed);
    let status = || world.proxy().config_status();
    wait_until("the missing files are told", IN_FORCE, || status().problem.is_some());
    assert!(status().problem.unwrap().contains("renewed.crt"));
    ping(&mut open_service(&world, &config, "echo"), "with the old certificate");
    // Their appearing is what was missing.
    let issued = world.authority.issue_server(&[HOST, "renewed.example"], valid_now()).unwrap();
    world.write_pair("renewed", &issued);
    wait_until("the new files are in force", 3 * IN_FORCE, || !status().differs());
    wait_until("the certificate is the new one", IN_FORCE, || {
        let mut tls = dial(world.proxy_address(), HOST, &config);
        assert_eq!(Reply::to(&mut tls, &connect_head("nobody")).status, 404);
        let shown = tls.conn.peer_certificates().unwrap()[0].to_vec();
        String::from_utf8_lossy(&shown).contains("renewed.example")
    });
    ping(&mut open, "a stream of before");
}

/// A connector started from a file.
struct Connector {
    running: RunningConnector,
    file: PathBuf,
    head: String,
    proxy_port: u16,
}

impl Connector {
    fn start(world: &World, files: &ClientFiles, channels: &[(&str, u16, &str)]) -> Self {
        let (file, head) = (world.path("connector.toml"), connector_head("a", "", files));
        let proxy_port = world.proxy_address().port();
        fs::write(&file, head.clone() + &text(proxy_port, channels)).unwrap();
        let config = ConnectorConfig::load(&file).unwrap();
        let running = connector::start(&config, &world.plan("connector")).unwrap();
        Self { running, file, head, proxy_port }
    }

    /// Changes the file and waits until that is in force.
    fn put(&self, channels: &[(&str, u16, &str)]) {
        let before = self.running.config_status().reloads;
        put(&self.file, &(self.head.clone() + &text(self.proxy_port, channels)));
        wait_until("the file is in force", 3 * IN_FORCE, || {
            self.running.config_status().reloads > before
        });
        let in_place = || self.running.channels().len() == channels.len();
        wait_until("the channels are there", IN_FORCE, in_place);
    }

    fn streams(&self, channel: usize) -> usize {
        self.running.channels()[channel].status.streams()
    }
}

fn text(proxy_port: u16, channels: &[(&str, u16, &str)]) -> String {
    let channel = |(service, local_port, mode): &(&str, u16, &str)| {
        format!(
            "[[channel]]\nendpoint = \"tcp://{HOST}:{proxy_port}/{service}\"\n\
             local_port = {local_port}\nmode = \"{mode}\"\n"
        )
    };
    channels.iter().map(channel).collect()
}

fn channels(kind: Kind) {
    let (echo, first, second) = (Service::echo(), Service::banner("1"), Service::banner("2"));
    let services = [("echo", echo.address), ("one", first.address), ("two", second.address)];
    let world = World::with_services(kind, &services);
    let held: Vec<HeldPort> = (0..3).map(|_| HeldPort::new()).collect();
    let [kept, changed, other] = [0, 1, 2].map(|port: usize| held[port].address);
    let files = world.client("a", None);
    let mode = mode();
    let keep = ("echo", kept.port(), mode);
    let site = Connector::start(&world, &files, &[keep, ("echo", changed.port(), mode)]);
    let (untouched, of_the_changed) = (Flow::start(kept), Flow::start(changed));
    let dialled = || world.counted(Count::HandshakesOk);

    // One more port.
    site.put(&[keep, ("echo", changed.port(), mode), ("two", other.port(), mode)]);
    wait_until("it is there", DEADLINE, || exchange(other, "").is_ok_and(|text| text == "2"));
    if mode == "multiplexed" {
        assert_eq!(dialled(), 3, "the channels that stay have the same tunnel");
    }
    // Another service behind the same port.
    site.put(&[keep, ("one", changed.port(), mode), ("two", other.port(), mode)]);
    wait_until("the new service answers", DEADLINE, || {
        exchange(changed, "").is_ok_and(|text| text == "1")
    });
    for flow in [&untouched, &of_the_changed] {
        flow.assert_goes_on();
    }
    // Another mode as well: the port stays open all the time.
    let others = if mode == "direct" { "multiplexed" } else { "direct" };
    site.put(&[keep, ("two", changed.port(), others), ("two", other.port(), mode)]);
    wait_until("the other one answers", DEADLINE, || exchange(changed, "").unwrap() == "2");

    // A port that goes is refused; the streams that came by it go on.
    site.put(&[keep]);
    for gone in [changed, other] {
        wait_until("nobody listens any more", DEADLINE, || is_refused(gone));
    }
    for flow in [&untouched, &of_the_changed] {
        flow.assert_goes_on();
    }
    assert_eq!(site.streams(0), 1);
    // And it can come back.
    site.put(&[keep, ("one", changed.port(), mode)]);
    wait_until("it is back", DEADLINE, || exchange(changed, "").is_ok_and(|text| text == "1"));
    [untouched, of_the_changed].into_iter().for_each(|flow| assert!(flow.finish() > 0));
}

fn is_refused(address: SocketAddr) -> bool {
    exchange(address, "").is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// The channel leads nowhere when the client comes, and then somewhere.
fn follows(kind: Kind) {
    let banner = Service::banner("here");
    let world = World::with_services(kind, &[("here", banner.address)]);
    let (held, nowhere) = (HeldPort::new(), HeldPort::new());
    let files = world.client("a", None);
    let channel = [("here", held.address.port(), mode())];
    let mut site = Connector::start(&world, &files, &channel);
    site.proxy_port = nowhere.address.port();
    site.put(&channel);
    let address = held.address;
    let client = std::thread::spawn(move || exchange(address, ""));
    site.proxy_port = world.proxy_address().port();
    site.put(&channel);
    let answer = client.join().unwrap();
    if mode() == "multiplexed" {
        assert_eq!(answer.unwrap(), "here", "whoever waits for a tunnel gets the new one");
    }
    wait_until("the channel leads there", DEADLINE, || {
        exchange(address, "").is_ok_and(|answer| answer == "here")
    });
}

fn processes(kind: Kind) {
    let echo = Service::echo();
    let site = Site::new(kind, echo.address, false);
    let mut running = site.start();
    let flow = Flow::start(running.channel);
    let change = |name: &str, pairs: &[(&str, &str)]| {
        let mut text = fs::read_to_string(site.path(name)).unwrap();
        for (from, to) in pairs {
            assert!(text.contains(from), "{name} has no {from:?}");
            text = text.replace(from, to);
        }
        put(&site.path(name), &text);
    };
    change(
        "proxy.toml",
        &[
            ("127.0.0.1:0\"\n# The name", "127.0.0.1:9042\"\n# The name"),
            ("#dial_timeout_seconds = 10", "dial_timeout_seconds = 9"),
            ("#level = \"info\"", "level = \"info,causeway::stream=debug\""),
        ],
    );
    sh(&format!("kill -HUP {}", running.proxy.id()));
    running.proxy.line("configuration changed: limits.dial_timeout_seconds: 10 → 9");
    running.proxy.line("configuration changed: log.level: info → info,causeway::stream=debug");
    let waiting = "tunnel.listen (in force 127.0.0.1:0, in the file 127.0.0.1:9042)";
    running.proxy.line(&format!("needs a restart: {waiting}"));
    let status = get(running.proxy_admin, "/status").1;
    assert!(status.contains(waiting), "{status}");
    let differs = |admin| get(admin, "/metrics").1.contains("\ncauseway_configuration_differs 1\n");
    assert!(differs(running.proxy_admin) && !differs(running.connector_admin));

    change("connector.toml", &[("#idle_timeout_seconds = 0", "idle_timeout_seconds = -1")]);
    sh(&format!("kill -HUP {}", running.connector.id()));
    let line = running.connector.line("keeping the configuration in force");
    assert!(line.contains("connector.toml:") && line.contains("limits.idle_timeout"), "{line}");
    assert!(differs(running.connector_admin));
    change("connector.toml", &[("idle_timeout_seconds = -1", "idle_timeout_seconds = 60")]);
    running.connector.line("configuration changed: limits.idle_timeout_seconds: 0 → 60");
    wait_until("file and force are one", DEADLINE, || !differs(running.connector_admin));
    flow.assert_goes_on();
    flow.finish();
    assert!(running.proxy.is_running() && running.connector.is_running());
}
