//! What annotations of a mapping bring: services that are told who is there, by HAProxy where the
//! machine has it, and mappings that only some addresses may use.

use std::{
    fs,
    io::{Read, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    process::Command,
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

use causeway::{engine::Kind, protocol::Question, telemetry::Count};

use crate::{
    explain::{about, assert_agrees, explained},
    support::{
        Ask, DEADLINE, HOST, HeldPort, Process, Reply, Service, ServiceMapping, Suite, World,
        client_config, connect_head, dial, exchange, open_service, open_service_from, ping, put,
        wait_until,
    },
};

pub fn add(suite: &mut Suite) {
    suite.all("a_service_that_wants_it_is_told_who_is_there_before_the_first_byte", header);
    suite.both("a_mapping_is_for_the_addresses_it_allows_and_others_get_403", sources);
    if Command::new("haproxy").arg("-v").output().is_ok_and(|output| output.status.success()) {
        suite.all("haproxy_takes_the_header_and_knows_who_asked_for_what", haproxy);
    } else {
        eprintln!("SKIPPED: the header read by HAProxy, its tests are not run: no haproxy");
    }
}

/// Writes a mapping with annotations.
fn map(world: &World, service: &str, address: SocketAddr, annotations: &str) {
    put_mapping(world, &ServiceMapping::new(service, address), annotations);
}

fn put_mapping(world: &World, mapping: &ServiceMapping<'_>, annotations: &str) {
    let with = format!("metadata:\n  annotations:\n{annotations}");
    let text = mapping.text().replace("metadata:\n", &with);
    put(&world.path(&format!("mappings/{}.yaml", mapping.name)), &text);
}

const INTRODUCED: &str = "    causeway.io/proxy-protocol: v2\n";

/// What a header says, read as the specification says and by nothing of ours.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    source: SocketAddr,
    destination: SocketAddr,
    entries: Vec<(u8, Vec<u8>)>,
}

impl Told {
    fn read(stream: &mut impl Read) -> Self {
        let mut prefix = [0; 16];
        stream.read_exact(&mut prefix).unwrap();
        assert_eq!(prefix[..13], *b"\r\n\r\n\0\r\nQUIT\n\x21");
        let mut rest = vec![0; usize::from(u16::from_be_bytes([prefix[14], prefix[15]]))];
        stream.read_exact(&mut rest).unwrap();
        let mut rest = rest.as_slice();
        let mut take = |bytes: usize| {
            let (taken, left) = rest.split_at(bytes);
            rest = left;
            taken.to_vec()
        };
        let mut ip = || -> IpAddr {
            match prefix[13] {
                0x11 => Ipv4Addr::from(<[u8; 4]>::try_from(take(4)).unwrap()).into(),
                0x21 => Ipv6Addr::from(<[u8; 16]>::try_from(take(16)).unwrap()).into(),
                other => panic!("family {other:#x}"),
            }
        };
        let (from, to) = (ip(), ip());
        let mut number = || u16::from_be_bytes(take(2).try_into().unwrap());
        let (source, destination) = ((from, number()).into(), (to, number()).into());
        let mut entries = Vec::new();
        while !rest.is_empty() {
            let length = usize::from(u16::from_be_bytes([rest[1], rest[2]]));
            entries.push((rest[0], rest[3..3 + length].to_vec()));
            rest = &rest[3 + length..];
        }
        Self { source, destination, entries }
    }

    fn entry(&self, kind: u8) -> &[u8] {
        let found = self.entries.iter().find(|(found, _)| *found == kind);
        &found.unwrap_or_else(|| panic!("no {kind:#x} in {self:?}")).1
    }
}

/// An echo service that wants to be told first.
fn introduced_echo() -> (Service, Receiver<Told>) {
    let (told, tellings) = channel();
    let service = Service::start(move |mut stream| {
        told.send(Told::read(&mut stream)).unwrap();
        let mut bytes = [0; 4096];
        while let Ok(read @ 1..) = stream.read(&mut bytes) {
            if stream.write_all(&bytes[..read]).is_err() {
                return;
            }
        }
        let _ = stream.shutdown(std::net::Shutdown::Write);
    });
    (service, tellings)
}

fn header(kind: Kind) {
    let (service, tellings) = introduced_echo();
    let mut world = World::new(kind);
    map(&world, "echo", service.address, INTRODUCED);
    world.start_proxy("");
    let (_connector, channels) = world.connector(&["echo"]);
    for text in ["first", "second"] {
        assert_eq!(exchange(channels[0], text).unwrap(), text);
        let told = tellings.recv_timeout(DEADLINE).unwrap();
        assert!(told.source.ip().is_loopback() && told.source.port() > 0, "{told:?}");
        assert_eq!(told.destination, world.proxy_address());
        assert_eq!(told.entry(0x02), b"echo");
        assert_eq!(told.entry(0x20), [7, 0, 0, 0, 0]);
        assert_eq!(told.entry(0xE0), b"a");
        assert_eq!(told.entry(0xE1), b"");
        assert!(told.entry(0xE2).iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b':'));
    }
    // Bytes that come with the head stay behind the header.
    let config = client_config(&world, Some(&world.client("a", Some("north"))));
    let mapping = ServiceMapping::new("echo", service.address);
    put_mapping(&world, &ServiceMapping { locations: Some(&["north"]), ..mapping }, INTRODUCED);
    let location = "SAP-Connectivity-SCC-Location_ID: north";
    let head = format!("CONNECT echo:80 HTTP/1.1\r\nHost: echo\r\n{location}\r\n\r\n");
    wait_until("the location is allowed", DEADLINE, || {
        let mut tls = dial(world.proxy_address(), HOST, &config);
        tls.write_all(format!("{head}early").as_bytes()).unwrap();
        let mut status = [0; 12];
        tls.read_exact(&mut status).unwrap();
        status == *b"HTTP/1.1 200"
    });
    assert_eq!(tellings.recv_timeout(DEADLINE).unwrap().entry(0xE1), b"north");
}

fn sources(kind: Kind) {
    let echo = Service::echo();
    let mut world = World::new(kind);
    map(&world, "echo", echo.address, "    causeway.io/allowed-sources: 127.0.0.2, 10.0.0.0/8\n");
    world.start_proxy("");
    let config = client_config(&world, Some(&world.client("a", None)));
    let mut allowed = open_service_from([127, 0, 0, 2], &world, &config, "echo");
    ping(&mut allowed, "from an allowed address");
    let mut tls = dial(world.proxy_address(), HOST, &config);
    let reply = Reply::to(&mut tls, &connect_head("echo"));
    let from = |peer: &str| Question { peer: Some(peer.parse().unwrap()), ..about("echo") };
    assert_agrees(&world, &from("127.0.0.1"), &reply, Some("source_not_allowed"));
    assert_agrees(&world, &about("echo"), &reply, Some("source_not_allowed"));
    assert_eq!(explained(&world, &from("127.0.0.2"))["status"], 200);
    assert_eq!(world.counted(Count::Refused("source_not_allowed")), 1);
    // A wrong list disables the mapping, it does not open it.
    map(&world, "echo", echo.address, "    causeway.io/allowed-sources: localhost\n");
    let files = world.client("a", None);
    let ask = || Ask::for_service("echo").send(&world, &files).status();
    wait_until("the mapping is out of force", DEADLINE, || ask() == 404);
    let said = wait_end(&mut allowed);
    assert!(said, "a stream whose mapping is gone ends");
    map(&world, "echo", echo.address, "    causeway.io/allowed-sources: 127.0.0.0/8\n");
    wait_until("both may", DEADLINE, || ask() == 200);
    let mut stays = open_service_from([127, 0, 0, 2], &world, &config, "echo");
    let mut goes = open_service(&world, &config, "echo");
    ping(&mut stays, "both");
    ping(&mut goes, "both");
    // Taken from one of the two, it ends the other's streams alone.
    map(&world, "echo", echo.address, "    causeway.io/allowed-sources: 127.0.0.2/32\n");
    assert!(wait_end(&mut goes), "a stream from an address that may not any more");
    ping(&mut stays, "still allowed");
}

/// Whether the stream ends other than by its peer finishing.
fn wait_end(stream: &mut impl Read) -> bool {
    let read = stream.read(&mut [0; 16]);
    !matches!(read, Ok(1..))
}

fn haproxy(kind: Kind) {
    let held = HeldPort::new();
    let mut world = World::new(kind);
    let config = format!(
        "defaults\n  mode http\n  timeout client 20s\n  timeout connect 20s\n  timeout server 20s\n\
         frontend f\n  bind {} accept-proxy\n  http-request return status 200 content-type \
         text/plain lf-string \"%[fc_pp_authority] %[src] %[dst_port]\"\n",
        held.address
    );
    fs::write(world.path("haproxy.cfg"), config).unwrap();
    let file = world.path("haproxy.cfg").display().to_string();
    let _haproxy = Process::start(Command::new("haproxy").args(["-db", "-f", &file]));
    wait_until("HAProxy listens", DEADLINE, || std::net::TcpStream::connect(held.address).is_ok());
    map(&world, "web", held.address, INTRODUCED);
    world.start_proxy("");
    let (_connector, channels) = world.connector(&["web"]);
    let request = "GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";
    let mut stream = std::net::TcpStream::connect(channels[0]).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let expected = format!("web 127.0.0.1 {}", world.proxy_address().port());
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(&expected), "{answer}");
}
