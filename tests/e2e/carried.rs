//! A connector of several subaccounts: the configuration file's, and two that are carried beside it
//! with certificates of their own.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener},
    time::{Duration, SystemTime},
};

use causeway::{
    config::{ChannelConfig, ChannelType, Mode},
    connector::{CarriedChannel, CarriedSubaccount, RunningChannel, RunningConnector},
    engine::Kind,
    tls::PemMaterial,
};

use crate::support::{
    DEADLINE, Flow, HOST, HeldPort, Service, Suite, World, assert_reset, exchange, mode, valid_now,
    wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.all("carried_subaccounts_reach_their_own_services_and_no_others", own_services);
    suite.all("carrying_others_leaves_the_streams_of_what_is_the_same", again);
    suite.all("what_is_wrong_with_one_carried_channel_harms_no_other", problems);
}

/// Subaccounts beside the file's, which is `a`.
const CARRIED: [&str; 2] = ["b", "c"];

struct Site {
    running: RunningConnector,
    world: World,
    /// Say whose service they are.
    _services: Vec<Service>,
    _echo: Service,
}

impl Site {
    /// Each of `a`, `b` and `c` has a service `own-…` and one named `echo`.
    fn start(kind: Kind) -> Self {
        let mut world = World::new(kind);
        let echo = Service::echo();
        let banner = |name: &str| Service::banner(format!("of {name}"));
        let services: Vec<Service> = ["a", "b", "c"].map(banner).into();
        for (subaccount, service) in ["a", "b", "c"].iter().zip(&services) {
            let own = format!("own-{subaccount}");
            world.map(subaccount, &own, &service.address.to_string(), None);
            world.map(subaccount, "echo", &echo.address.to_string(), None);
        }
        world.start_proxy("");
        let (running, _) = world.connector(&["own-a", "echo"]);
        Self { running, world, _services: services, _echo: echo }
    }

    fn subaccount(&self, id: &str, channels: Vec<CarriedChannel>) -> CarriedSubaccount {
        CarriedSubaccount {
            region_host: HOST.to_owned(),
            id: id.to_owned(),
            location: String::new(),
            material: self.material(id),
            connected: true,
            channels,
        }
    }

    /// A certificate nobody had before.
    fn material(&self, subaccount: &str) -> PemMaterial {
        let issued = self.world.authority.issue_connector(subaccount, None, valid_now()).unwrap();
        PemMaterial {
            certificate: issued.certificate_pem,
            private_key: issued.private_key_pem,
            ca: fs::read_to_string(self.world.path("ca.crt")).unwrap(),
        }
    }

    fn channel(&self, id: u64, service: &str, local: SocketAddr) -> CarriedChannel {
        let port = self.world.proxy_address().port();
        let config = ChannelConfig {
            endpoint: format!("tcp://{HOST}:{port}/{service}").parse().unwrap(),
            service_type: ChannelType::Tcp,
            local,
            connections: 1,
            mode: if mode() == "direct" { Mode::Direct } else { Mode::Multiplexed },
            warm_connections: 1,
            allowed_sources: Vec::new(),
            bytes_per_second_max: 0,
            tls: false,
            enabled: true,
        };
        CarriedChannel { id, config }
    }

    fn running(&self, id: u64) -> RunningChannel {
        let channels = self.running.channels();
        channels.iter().find(|channel| channel.id == Some(id)).cloned().expect("it is carried")
    }

    fn address(&self, id: u64) -> SocketAddr {
        let channel = self.running(id);
        channel.address.unwrap_or_else(|| panic!("{:?}", channel.status.problem()))
    }

    fn problem(&self, id: u64) -> Option<String> {
        self.running(id).status.problem()
    }

    /// Where a channel of the configuration file listens.
    fn of_file(&self, at: usize) -> SocketAddr {
        self.running.channels()[at].address.unwrap()
    }
}

/// A port of the system's choice.
fn any() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

fn says(channel: SocketAddr, text: &str) {
    let answers = || exchange(channel, "").is_ok_and(|answer| answer == text);
    wait_until(&format!("{channel} says {text:?}"), DEADLINE, answers);
}

fn own_services(kind: Kind) {
    let site = Site::start(kind);
    let (mut id, mut wanted) = (0, Vec::new());
    for subaccount in CARRIED {
        let mut channels = Vec::new();
        for owner in ["a", "b", "c"] {
            id += 1;
            channels.push(site.channel(id, &format!("own-{owner}"), any()));
        }
        wanted.push(site.subaccount(subaccount, channels));
    }
    // It is told in milliseconds.
    let started = SystemTime::now() - Duration::from_millis(1);
    site.running.carry(wanted.clone());
    says(site.of_file(0), "of a");
    for subaccount in &wanted {
        for CarriedChannel { id, config } in &subaccount.channels {
            let channel = site.running(*id);
            assert_eq!(channel.owner.subaccount, subaccount.id);
            assert_eq!(channel.owner.region_host, HOST);
            if config.endpoint.service == format!("own-{}", subaccount.id) {
                says(site.address(*id), &format!("of {}", subaccount.id));
                let said = format!("of {}", subaccount.id).len() as u64;
                let moved = || site.running(*id).status.bytes().1;
                wait_until("its bytes are counted", DEADLINE, || moved() >= said);
                let open = || site.running(*id).tunnels_open() > 0;
                wait_until("its tunnel is counted", DEADLINE, open);
                let mut since = None;
                wait_until("it is connected", DEADLINE, || {
                    since = site.running(*id).status.connected_since();
                    since.is_some()
                });
                assert!(since.is_some_and(|since| since >= started), "{since:?} {started:?}");
            } else {
                let refused = || site.problem(*id).is_some_and(|problem| problem.contains("40"));
                assert_reset(site.address(*id));
                wait_until("it is refused", DEADLINE, refused);
                assert_eq!(site.running(*id).status.bytes(), (0, 0));
            }
        }
    }
    // One that is not connected has no port; the others are as they were.
    let ports = [site.address(1), site.address(2), site.address(6)];
    wanted[0].connected = false;
    site.running.carry(wanted.clone());
    wait_until("its port is closed", DEADLINE, || is_closed(ports[0]));
    wait_until("and this", DEADLINE, || is_closed(ports[1]));
    assert!(site.running.channels().iter().all(|channel| channel.owner.subaccount != "b"));
    says(ports[2], "of c");
    // The file is looked at again: both stay what they are.
    site.running.reload();
    says(site.of_file(0), "of a");
    says(ports[2], "of c");
    wanted[0].connected = true;
    site.running.carry(wanted);
    says(site.address(2), "of b");
    site.running.carry(Vec::new());
    assert_eq!(site.running.channels().len(), 2);
    says(site.of_file(0), "of a");
}

fn is_closed(port: SocketAddr) -> bool {
    let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    exchange(port, "").is_err_and(refused)
}

fn again(kind: Kind) {
    let site = Site::start(kind);
    let (old, new) = (HeldPort::new(), HeldPort::new());
    let stays = site.channel(1, "echo", any());
    let moves = |address| site.channel(2, "echo", address);
    let goes = site.channel(3, "echo", any());
    let other = site.channel(4, "echo", any());
    let mut b = site.subaccount("b", vec![stays.clone(), moves(old.address), goes]);
    let c = site.subaccount("c", vec![other]);
    site.running.carry(vec![b.clone(), c.clone()]);
    let flows: Vec<Flow> = (1..=4).map(|id| Flow::start(site.address(id))).collect();
    let of_file = Flow::start(site.of_file(1));
    let (kept, gone) = (site.address(1), site.address(3));
    // Another port, one channel less, another certificate, and the other subaccount as it was.
    b.channels = vec![stays, moves(new.address)];
    b.material = site.material("b");
    site.running.carry(vec![b.clone(), c.clone()]);
    assert_eq!(site.address(1), kept);
    assert_eq!(site.address(2), new.address);
    says_back(new.address);
    wait_until("it is gone", DEADLINE, || is_closed(gone));
    wait_until("it is not here", DEADLINE, || is_closed(old.address));
    flows.iter().for_each(Flow::assert_goes_on);
    of_file.assert_goes_on();
    // In the same place another channel: the two swap their ports.
    let swapped = HeldPort::new();
    b.channels = vec![site.channel(1, "echo", new.address), moves(swapped.address)];
    site.running.carry(vec![b.clone(), c.clone()]);
    b.channels = vec![site.channel(1, "echo", swapped.address), moves(new.address)];
    site.running.carry(vec![b.clone(), c.clone()]);
    assert_eq!([site.address(1), site.address(2)], [swapped.address, new.address]);
    [swapped.address, new.address].into_iter().for_each(says_back);
    // What leads elsewhere keeps its port.
    b.channels = vec![site.channel(1, "own-b", swapped.address), moves(new.address)];
    site.running.carry(vec![b, c]);
    says(swapped.address, "of b");
    flows.iter().for_each(Flow::assert_goes_on);
    flows.into_iter().chain([of_file]).for_each(|flow| assert!(flow.finish() > 0));
}

fn says_back(channel: SocketAddr) {
    let echoes = || exchange(channel, "there").is_ok_and(|answer| answer == "there");
    wait_until(&format!("{channel} echoes"), DEADLINE, echoes);
}

fn problems(kind: Kind) {
    let site = Site::start(kind);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let own = |id, subaccount, local| vec![site.channel(id, &format!("own-{subaccount}"), local)];
    let mut channels = own(1, "b", address);
    channels.extend(own(2, "b", site.of_file(0)));
    channels.extend(own(3, "b", any()));
    let mut b = site.subaccount("b", channels);
    let mut c = site.subaccount("c", own(4, "c", any()));
    let good = c.material.clone();
    c.material = site.material("b");
    site.running.carry(vec![b.clone(), c.clone()]);
    for id in [1, 2] {
        let problem = site.problem(id).unwrap();
        assert!(problem.starts_with("cannot listen on"), "{problem}");
        assert_eq!(site.running(id).address, None);
    }
    let problem = site.problem(4).unwrap();
    assert!(problem.contains("the certificate is for subaccount \"b\""), "{problem}");
    assert_eq!(site.running(4).address, None);
    says(site.address(3), "of b");
    says(site.of_file(0), "of a");
    // Each is mended by the next call.
    drop(taken);
    c.material = good.clone();
    site.running.carry(vec![b.clone(), c.clone()]);
    says(address, "of b");
    assert_eq!(site.problem(1), None);
    says(site.address(4), "of c");
    assert_eq!(site.problem(4), None);
    assert!(site.problem(2).is_some());
    // What cannot be used leaves in use what is, and says so.
    let flow = Flow::start(site.of_file(1));
    c.material.private_key = "no key".to_owned();
    b.channels.remove(1);
    site.running.carry(vec![b.clone(), c.clone()]);
    let problem = site.problem(4).unwrap();
    assert!(problem.starts_with("privateKey: "), "{problem}");
    says(site.address(4), "of c");
    assert_eq!(site.problem(4), Some(problem), "a stream that opens does not mend it");
    c.material = good;
    site.running.carry(vec![b, c]);
    assert_eq!(site.problem(4), None);
    flow.assert_goes_on();
    assert!(flow.finish() > 0);
}
