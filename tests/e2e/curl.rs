//! Programs that know nothing of us: curl and openssl as connectors, and as clients of one.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
};

use causeway::{engine::Kind, telemetry::Count};
use sha2::{Digest, Sha256};

use crate::support::{ClientFiles, Finished, Service, Suite, World, connect_head, run};

pub fn add(suite: &mut Suite) {
    suite.both("curl_is_a_connector", as_connector);
    suite.both("curl_reads_why_it_is_refused", refused);
    suite.both("curl_reaches_a_service_through_a_channel", through_channel);
    suite.both("curl_moves_twenty_megabytes_each_way_unharmed", twenty_megabytes);
    suite.both("openssl_speaks_connect_by_hand", by_hand);
}

const LARGE_BYTES: usize = 20 * 1024 * 1024;

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes without a period that a lost or repeated buffer could hide in.
fn large() -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(20);
    let mut bytes = vec![0; LARGE_BYTES];
    random.fill(&mut bytes);
    bytes
}

/// An HTTP service: `/large` answers 20 MB, a request with a body answers its SHA-256, and
/// anything else what was asked for.
fn web_service() -> Service {
    let large = large();
    Service::start(move |mut stream| {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let field = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
        };
        let body = match field("Content-Length") {
            Some(length) => body(&mut stream, length.parse().unwrap()),
            None if head.starts_with("GET /large ") => large.clone(),
            None => {
                format!("{} at {}", head.lines().next().unwrap(), field("Host").unwrap()).into()
            }
        };
        let start = format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        // A client that has left sees nothing of this.
        let _ = stream.write_all(start.as_bytes()).and_then(|()| stream.write_all(&body));
    })
}

fn body(stream: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut body = vec![0; bytes];
    match stream.read_exact(&mut body) {
        Ok(()) => sha256(&body).into_bytes(),
        Err(error) => format!("the upload broke: {error}").into_bytes(),
    }
}

fn world(kind: Kind) -> World {
    World::with_services(kind, &[("echoserver", web_service().address)])
}

/// Runs curl through the proxy as a connector with these certificates.
fn curl(world: &World, files: Option<&ClientFiles>, more: &[&str]) -> Finished {
    let proxy = format!("https://localhost:{}", world.proxy_address().port());
    let ca = world.path("ca.crt");
    let mut arguments = vec!["-sS", "--max-time", "50", "--noproxy", "", "--proxytunnel"];
    arguments.extend(["--proxy", &proxy, "--proxy-cacert", ca.to_str().unwrap()]);
    if let Some(files) = files {
        arguments.extend(["--proxy-cert", files.certificate.to_str().unwrap()]);
        arguments.extend(["--proxy-key", files.private_key.to_str().unwrap()]);
    }
    arguments.extend(more);
    run("curl", &arguments, b"")
}

const STATUSES: [&str; 2] = ["-w", "\n%{http_connect} %{http_code}"];

fn as_connector(kind: Kind) {
    let world = world(kind);
    let files = world.client("a", None);
    let arguments = [&STATUSES[..], &["http://echoserver:80/x"]].concat();
    let done = curl(&world, Some(&files), &arguments);
    assert_eq!(done.text(), "GET /x HTTP/1.1 at echoserver\n200 200", "{done:?}");
    assert!(done.status.success(), "{done:?}");
    assert_eq!(done.stderr, "");
    world.wait_empty();
    // curl closes without waiting; what the service sent had arrived.
    assert_eq!(world.counted(Count::StreamsOpened), 1);
}

fn refused(kind: Kind) {
    let world = world(kind);
    let files = world.client("a", None);
    for (files, service, status) in [(None, "echoserver", "401"), (Some(&files), "nothing", "404")]
    {
        let url = format!("http://{service}:80/x");
        let done = curl(&world, files, &["-w", "%{http_connect}", &url]);
        assert_eq!(done.status.code(), Some(56), "{done:?}");
        assert!(done.stderr.contains(status), "{done:?}");
        assert!(done.text().ends_with(status), "{done:?}");
        let done = curl(&world, files, &["-v", &url]);
        assert!(done.stderr.contains("< Proxy-Status: causeway; error="), "{done:?}");
    }
    assert_eq!(world.counted(Count::Refused("no_certificate")), 2);
    assert_eq!(world.counted(Count::Refused("no_such_mapping")), 2);
    assert_eq!(world.counted(Count::StreamsOpened), 0);
}

fn through_channel(kind: Kind) {
    let world = world(kind);
    let (_connector, channels) = world.connector(&["echoserver"]);
    let url = format!("http://{}/test", channels[0]);
    let arguments = ["-sS", "--max-time", "50", "-w", "\n%{http_code}", &url];
    let done = run("curl", &[&arguments[..], &["-H", "Host: echoserver.test"]].concat(), b"");
    assert_eq!(done.text(), "GET /test HTTP/1.1 at echoserver.test\n200", "{done:?}");
    assert!(done.status.success(), "{done:?}");
}

fn twenty_megabytes(kind: Kind) {
    let world = world(kind);
    let files = world.client("a", None);
    let (_connector, channels) = world.connector(&["echoserver"]);
    let large = large();
    let expected = sha256(&large);
    let path = world.path("large");
    fs::write(&path, &large).unwrap();
    let path = path.to_str().unwrap();
    let data = format!("@{path}");
    let uploads: [&[&str]; 2] =
        [&["-H", "Expect:", "-T", path], &["-H", "Expect:", "--data-binary", &data]];
    for upload in uploads {
        let done = curl(&world, Some(&files), &[upload, &["http://echoserver:80/up"]].concat());
        assert_eq!(done.text(), expected, "{}", done.stderr);
        let url = format!("http://{}/up", channels[0]);
        let done = run("curl", &[&["-sS", "--max-time", "50"], upload, &[&url]].concat(), b"");
        assert_eq!(done.text(), expected, "{}", done.stderr);
    }
    let done = curl(&world, Some(&files), &["http://echoserver:80/large"]);
    assert_eq!((done.stdout.len(), sha256(&done.stdout)), (LARGE_BYTES, expected.clone()));
    let url = format!("http://{}/large", channels[0]);
    let done = run("curl", &["-sS", "--max-time", "50", &url], b"");
    assert_eq!((done.stdout.len(), sha256(&done.stdout)), (LARGE_BYTES, expected));
    assert!(done.status.success(), "{}", done.stderr);
}

fn by_hand(kind: Kind) {
    let world = world(kind);
    let files = world.client("a", None);
    let address = world.proxy_address().to_string();
    let ca = world.path("ca.crt");
    let mut input = connect_head("echoserver");
    input.extend_from_slice(b"GET /hand HTTP/1.1\r\nHost: me\r\n\r\n");
    let speak = |version: &str, files: Option<&ClientFiles>| {
        let mut arguments = vec!["s_client", "-connect", &address, "-servername", "localhost"];
        arguments.extend(["-CAfile", ca.to_str().unwrap(), "-verify_return_error", version]);
        arguments.extend(["-quiet", "-ign_eof"]);
        if let Some(files) = files {
            arguments.extend(["-cert", files.certificate.to_str().unwrap()]);
            arguments.extend(["-key", files.private_key.to_str().unwrap()]);
        }
        run("openssl", &arguments, &input)
    };
    let done = speak("-tls1_3", Some(&files));
    let text = done.text();
    assert!(
        text.starts_with("HTTP/1.1 200 Connection established\r\n\r\nHTTP/1.1 200"),
        "{done:?}"
    );
    assert!(text.ends_with("GET /hand HTTP/1.1 at me"), "{done:?}");
    assert!(done.status.success(), "{done:?}");
    let done = speak("-tls1_3", None);
    assert!(done.text().starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{done:?}");
    assert!(done.text().contains("401 no_certificate: "), "{done:?}");
    let done = speak("-tls1_2", Some(&files));
    assert_eq!(done.text(), "");
    assert!(!done.status.success() && done.stderr.contains("alert protocol version"), "{done:?}");
    world.wait_counted(Count::HandshakesFailed("protocol_version"), 1);
}
