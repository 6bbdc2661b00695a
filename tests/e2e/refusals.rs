//! Requests that are answered with no: the exact status, the reason in every place it belongs, a
//! clean end that loses no byte of the answer, and nobody else disturbed.

use std::{io::Write, sync::Arc};

use causeway::{engine::Kind, telemetry::Count, tls::Authority};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, SanType};
use rustls::ClientConfig;

use crate::{
    hostile::Siege,
    support::{
        ClientFiles, HOST, Reply, Service, Suite, World, client_config, connect_head, dial,
        expect_established, open_service, ping, valid_now,
    },
};

pub fn add(suite: &mut Suite) {
    suite.both("every_request_that_is_refused_reads_why", every_refusal);
    suite.both("requests_at_the_limits_are_served", at_the_limits);
    suite.both("a_refusal_arrives_although_the_client_keeps_sending", keeps_sending);
    suite.both("a_client_without_certificate_reads_401_whatever_it_sends", strangers);
    suite.both("a_certificate_without_one_subaccount_reads_401", without_subaccount);
    suite.both("the_server_name_is_checked_where_it_can_be", server_names);
}

/// What is sent, and the status and reason of the answer.
type Case = (Vec<u8>, u16, &'static str);

/// A CONNECT for the echo service with these lines, each ended by CR LF, after its Host.
fn with_lines(lines: &str) -> Vec<u8> {
    format!("CONNECT echo:80 HTTP/1.1\r\nHost: echo:80\r\n{lines}\r\n").into_bytes()
}

fn to_authority(authority: &str) -> Vec<u8> {
    format!("CONNECT {authority} HTTP/1.1\r\nHost: echo:80\r\n\r\n").into_bytes()
}

/// What is not `host:port`.
pub const BAD_AUTHORITIES: [&str; 23] = [
    "echo",
    "echo:",
    ":80",
    "echo:0",
    "echo:65536",
    "echo:-1",
    "echo:+80",
    "echo:http",
    "user@echo:80",
    "user:word@echo:80",
    "/",
    "*",
    "http://echo:80/",
    "echo:80/",
    "[::1]",
    "[::1:80",
    "[echo]:80",
    "ec%68o:80",
    "echo:80?x",
    "echo:80#x",
    "..%2f:80",
    "ech\u{f6}:80",
    "ec\u{1}ho:80",
];

fn malformed() -> Vec<Vec<u8>> {
    let long = "a".repeat(10_000);
    let mut cases: Vec<Vec<u8>> = [
        // Heads over a limit.
        format!("X: {}\r\n", "a".repeat(17 * 1024)),
        (0..64).map(|n| format!("X-{n}: 1\r\n")).collect(),
        // Bodies.
        "Content-Length: 5\r\n\r\nhello".to_owned(),
        "Content-Length: 0\r\nContent-Length: 0\r\n".to_owned(),
        "Content-Length: -1\r\n".to_owned(),
        "Transfer-Encoding: chunked\r\n\r\n0\r\n".to_owned(),
        "TRANSFER-ENCODING: identity\r\n".to_owned(),
        // Fields that contradict each other or themselves.
        "Host: other:80\r\n".to_owned(),
        "Connectivity-Service-Type: UDP\r\n".to_owned(),
        "Connectivity-Service-Type: TCP\r\nConnectivity-Service-Type: RFC\r\n".to_owned(),
        format!("SAP-Connectivity-SCC-Location_ID: {long}\r\n"),
        "SAP-Connectivity-SCC-Location_ID: a\r\nsap-connectivity-scc-location_id: b\r\n".to_owned(),
        // Bytes that end a line or a string for some readers and not for others.
        "X: a\0b\r\n".to_owned(),
        "X: a\rb\r\n".to_owned(),
        "X: a\r\r\n".to_owned(),
        "X\0: a\r\n".to_owned(),
        "X : a\r\n".to_owned(),
        "X: a\r\n folded\r\n".to_owned(),
        ": no name\r\n".to_owned(),
        "no colon\r\n".to_owned(),
    ]
    .iter()
    .map(|lines| with_lines(lines))
    .collect();
    cases.extend(BAD_AUTHORITIES.into_iter().map(to_authority));
    cases.push(to_authority(&format!("{long}:80")));
    cases.extend(broken_lines());
    cases
}

fn broken_lines() -> impl Iterator<Item = Vec<u8>> {
    let others: [&[u8]; 8] = [
        b"CONNECT echo:80 HTTP/1.1\r\n\r\n",
        b"CONNECT echo:80 HTTP/2.0\r\nHost: echo:80\r\n\r\n",
        b"CONNECT echo:80\r\n\r\n",
        b"CONNECT  echo:80 HTTP/1.1\r\nHost: echo:80\r\n\r\n",
        b"CONNECT echo:80\0 HTTP/1.1\r\nHost: echo:80\r\n\r\n",
        b"CONNECT echo:80 HTTP/1.1\rHost: echo:80\r\r",
        b"CON\0NECT echo:80 HTTP/1.1\r\nHost: echo:80\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ];
    others.into_iter().map(<[u8]>::to_vec)
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> =
        malformed().into_iter().map(|request| (request, 400, "malformed")).collect();
    let methods =
        ["GET / ", "GET http://echo/ ", "POST / ", "OPTIONS * ", "connect echo:80 ", "X /"];
    let method = |line: &str| {
        let request = format!("{} HTTP/1.1\r\nHost: echo:80\r\n\r\n", line.trim_end());
        (request.into_bytes(), 405, "not_connect")
    };
    cases.extend(methods.map(method));
    cases.push((to_authority("nothing:80"), 404, "no_such_mapping"));
    cases.push((to_authority("theirs:80"), 404, "no_such_mapping"));
    cases.push((to_authority("[::1]:80"), 404, "no_such_mapping"));
    cases.push((to_authority("127.0.0.1:80"), 404, "no_such_mapping"));
    cases.push((with_lines("Connectivity-Service-Type: RFC\r\n"), 404, "no_such_mapping"));
    cases.push((to_authority("elsewhere:80"), 403, "location_not_allowed"));
    cases
}

fn every_refusal(kind: Kind) {
    let echo = Service::echo();
    let mut world = World::new(kind);
    let address = echo.address.to_string();
    world.map("a", "echo", &address, None);
    world.map("a", "elsewhere", &address, Some(&["site"]));
    world.map("b", "theirs", &address, None);
    world.start_proxy("");
    let siege = Siege::of(world);
    let mut counted = std::collections::BTreeMap::<&str, u64>::new();
    for (request, status, reason) in cases() {
        let mut tls = dial(siege.world.proxy_address(), HOST, &siege.honest);
        let shown = request[..request.len().min(200)].escape_ascii().to_string();
        let reply = Reply::to(&mut tls, &request);
        assert_eq!(reply.status, status, "to {shown}: {reply:?}");
        reply.assert_refusal(status, reason);
        assert_eq!(reply.field("Allow").is_some(), status == 405, "{reply:?}");
        *counted.entry(reason).or_default() += 1;
    }
    for (reason, times) in counted {
        siege.world.wait_counted(Count::Refused(reason), times);
    }
    assert_eq!(echo.accepted(), 1, "no refused request reached the service");
    siege.end();
}

fn at_the_limits(kind: Kind) {
    let siege = Siege::begin(kind);
    let ten_thousand = "a".repeat(10_000);
    let head = with_lines("X: \r\n").len();
    let lines = [
        format!("X: {ten_thousand}\r\ntraceparent: {}\r\n", &ten_thousand[..5000]),
        format!("X: {}\r\n", "a".repeat(16 * 1024 - head)),
        (0..63).map(|n| format!("X-{n}: 1\r\n")).collect(),
        "Content-Length: 0\r\n".to_owned(),
        "X: \t\u{f6} obs-text\r\nX: \r\n".to_owned(),
    ];
    for lines in lines {
        for piece in [1000, usize::MAX] {
            let request = with_lines(&lines);
            let mut tls = dial(siege.world.proxy_address(), HOST, &siege.honest);
            for part in request.chunks(piece) {
                tls.write_all(part).unwrap();
            }
            expect_established(&mut tls);
            ping(&mut tls, "served");
        }
    }
    siege.end();
}

fn keeps_sending(kind: Kind) {
    let siege = Siege::begin(kind);
    let rest = vec![b'x'; 4 * 1024 * 1024];
    for (request, status, reason) in [
        (to_authority("nothing:80"), 404, "no_such_mapping"),
        (with_lines(&format!("X: {}", "a".repeat(16 * 1024))), 400, "malformed"),
    ] {
        let mut tls = dial(siege.world.proxy_address(), HOST, &siege.honest);
        tls.write_all(&request).unwrap();
        // More than all socket buffers hold: the proxy must go on reading to be heard.
        tls.write_all(&rest).unwrap();
        Reply::read(&mut tls).assert_refusal(status, reason);
    }
    siege.end();
}

fn strangers(kind: Kind) {
    let siege = Siege::begin(kind);
    let nobody = client_config(&siege.world, None);
    let requests = [
        connect_head("echo"),
        connect_head("nothing"),
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        with_lines("X: a\0b\r\n"),
        vec![b'\n', b'\0'],
    ];
    let ask = |request: &Vec<u8>| {
        Reply::to(&mut dial(siege.world.proxy_address(), HOST, &nobody), request)
    };
    let replies: Vec<Reply> = requests.iter().map(ask).collect();
    for reply in &replies {
        reply.assert_refusal(401, "no_certificate");
        assert!(reply.field("WWW-Authenticate").is_some(), "{reply:?}");
        assert_eq!(reply, &replies[0], "a stranger learns nothing");
    }
    siege.world.wait_counted(Count::Refused("no_certificate"), replies.len() as u64);
    siege.end();
}

/// A client certificate with this common name, if any, and these URIs.
pub fn odd_certificate(
    world: &World,
    ca: (&str, &str),
    name: Option<&str>,
    uris: &[&str],
) -> ClientFiles {
    let issuer = Issuer::from_ca_cert_pem(ca.0, KeyPair::from_pem(ca.1).unwrap()).unwrap();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "none");
    if let Some(name) = name {
        params.distinguished_name.push(DnType::CommonName, name);
    }
    let uri = |uri: &&str| SanType::URI((*uri).try_into().unwrap());
    params.subject_alt_names = uris.iter().map(uri).collect();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let key = KeyPair::generate().unwrap();
    let issued = causeway::tls::Issued {
        certificate_pem: params.signed_by(&key, &issuer).unwrap().pem(),
        private_key_pem: key.serialize_pem(),
    };
    world.write_pair("odd", &issued)
}

fn without_subaccount(kind: Kind) {
    let mut world = World::new(kind);
    let (_, ca) = Authority::create("the other CA", valid_now()).unwrap();
    let both = format!("{}{}", world.authority.certificate_pem(), ca.certificate_pem);
    std::fs::write(world.path("ca.crt"), both).unwrap();
    world.map("a", "echo", &Service::echo().address.to_string(), None);
    world.start_proxy("");
    let siege = Siege::of(world);
    let ca = (ca.certificate_pem.as_str(), ca.private_key_pem.as_str());
    let (a, b) = ("urn:causeway:subaccount:a", "urn:causeway:subaccount:b");
    let odd: [(Option<&str>, &[&str]); 6] = [
        (None, &[]),
        (Some(""), &[]),
        (Some("a"), &[a, b]),
        (None, &["urn:causeway:subaccount:"]),
        (None, &["urn:causeway:location:a"]),
        (None, &["urn:causeway:subaccount:a%00"]),
    ];
    for ((name, uris), times) in odd.into_iter().zip(1..) {
        let files = odd_certificate(&siege.world, ca, name, uris);
        let config = client_config(&siege.world, Some(&files));
        let mut tls = dial(siege.world.proxy_address(), HOST, &config);
        Reply::to(&mut tls, &connect_head("echo")).assert_refusal(401, "bad_identity");
        siege.world.wait_counted(Count::Refused("bad_identity"), times);
    }
    let files = odd_certificate(&siege.world, ca, Some("a"), &["https://example.com"]);
    ping(&mut open_service(&siege.world, &client_config(&siege.world, Some(&files)), "echo"), "ok");
    siege.end();
}

fn server_names(kind: Kind) {
    // (strict_sni, external_host, name asked for, whether it is served); an address is no SNI.
    let cases = [
        (true, HOST, "127.0.0.1", false),
        (true, HOST, "other.test", false),
        (true, HOST, "LocalHost", true),
        (false, HOST, "127.0.0.1", true),
        (false, HOST, "other.test", true),
        (true, "127.0.0.1", "127.0.0.1", true),
        (true, "127.0.0.1", "other.test", true),
    ];
    for (strict, host, asked, served) in cases {
        let mut world = World::new(kind);
        let names = [HOST, "127.0.0.1", "other.test"];
        world.write_pair("server", &world.authority.issue_server(&names, valid_now()).unwrap());
        world.map("a", "echo", &Service::echo().address.to_string(), None);
        let mut config = world.proxy_config("");
        config.tunnel.strict_sni = strict;
        config.tunnel.external_host = host.to_owned();
        world.start_proxy_with(&config);
        let files = world.client("a", None);
        for client in [Some(&files), None] {
            let config: Arc<ClientConfig> = client_config(&world, client);
            let mut tls = dial(world.proxy_address(), asked, &config);
            tls.write_all(&connect_head("echo")).unwrap();
            match (served, client) {
                (true, Some(_)) => expect_established(&mut tls),
                (true, None) => Reply::read(&mut tls).assert_refusal(401, "no_certificate"),
                (false, _) => Reply::read(&mut tls).assert_refusal(421, "wrong_server_name"),
            }
        }
        let refused = if served { 0 } else { 2 };
        world.wait_counted(Count::Refused("wrong_server_name"), refused);
    }
}
