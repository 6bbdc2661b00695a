//! Tunnels through a company's own HTTP proxy.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, Mutex},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use causeway::{connector::RunningConnector, engine::Kind};

use crate::support::{Service, Suite, World, assert_reset, exchange, join, problem_of};

pub fn add(suite: &mut Suite) {
    suite.both("tunnels_pass_an_outbound_proxy_that_asks_for_credentials", with_credentials);
    suite.both("wrong_credentials_at_the_outbound_proxy_are_named", wrong_credentials);
    suite.both("an_outbound_proxy_that_does_not_answer_as_one_is_named", broken_answers);
}

/// A CONNECT proxy with Basic authentication; keeps the heads it was sent.
struct HttpProxy {
    service: Service,
    heads: Arc<Mutex<Vec<String>>>,
}

impl HttpProxy {
    /// Answers `otherwise` and closes when the credentials are not these.
    fn start(user_and_password: &str, otherwise: &'static [u8]) -> Self {
        let expected = format!("Basic {}", STANDARD.encode(user_and_password));
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = heads.clone();
        let service = Service::start(move |near| {
            let Some(head) = read_head(&near) else { return };
            seen.lock().unwrap().push(head.clone());
            serve(near, &head, &expected, otherwise);
        });
        Self { service, heads }
    }

    fn table(&self, credentials: Option<(&str, &str)>) -> String {
        let mut table = format!("[outbound_proxy]\nurl = \"http://{}\"\n", self.service.address);
        if let Some((username, password)) = credentials {
            table.push_str(&format!("username = \"{username}\"\npassword = \"{password}\"\n"));
        }
        table
    }
}

fn read_head(mut near: &TcpStream) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        near.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    String::from_utf8(head).ok()
}

fn serve(mut near: TcpStream, head: &str, expected: &str, otherwise: &[u8]) {
    let authorised = head.lines().any(|line| {
        line.split_once(": ").is_some_and(|(name, value)| {
            name.eq_ignore_ascii_case("Proxy-Authorization") && value == expected
        })
    });
    if !authorised {
        let _ = near.write_all(otherwise);
        return;
    }
    let authority = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let far = TcpStream::connect(authority.expect("a CONNECT")).unwrap();
    // In two pieces, as a proxy may.
    near.write_all(b"HTTP/1.1 200 Connection Estab").unwrap();
    near.write_all(b"lished\r\nVia: 1.1 company\r\n\r\n").unwrap();
    join(near, far, |_| ());
}

/// A connector of one channel to `echo` that dials through an outbound proxy.
fn connector(world: &World, outbound: &str) -> (RunningConnector, SocketAddr) {
    let files = world.client("a", None);
    let port = world.proxy_address().port();
    let (connector, channels) = world.connector_with("a", "", &files, port, &["echo"], outbound);
    (connector, channels[0])
}

const DENIED: &[u8] = b"HTTP/1.1 407 Proxy Authentication Required\r\n\
    Proxy-Authenticate: Basic realm=\"company\"\r\nContent-Length: 6\r\n\r\ndenied";

fn with_credentials(kind: Kind) {
    let echo = Service::echo();
    let world = World::with_services(kind, &[("echo", echo.address)]);
    let company = HttpProxy::start("cause:way: pass", DENIED);
    // A password may have colons, a user name may not (RFC 7617 §2).
    let outbound = company.table(Some(("cause", "way: pass")));
    let (connector, channel) = connector(&world, &outbound);
    let large = "through two proxies ".repeat(50_000);
    assert_eq!(exchange(channel, "hello").unwrap(), "hello");
    assert!(exchange(channel, &large).unwrap() == large);
    assert_eq!(connector.channels()[0].status.problem(), None);
    let authority = format!("localhost:{}", world.proxy_address().port());
    let heads = company.heads.lock().unwrap();
    assert!(heads.len() >= 2);
    for head in &*heads {
        assert!(head.starts_with(&format!("CONNECT {authority} HTTP/1.1\r\n")), "{head}");
        assert!(head.contains(&format!("\r\nHost: {authority}\r\n")), "{head}");
    }
}

fn wrong_credentials(kind: Kind) {
    let echo = Service::echo();
    let world = World::with_services(kind, &[("echo", echo.address)]);
    let company = HttpProxy::start("right:right", DENIED);
    for credentials in [None, Some(("right", "wrong")), Some(("left", "right"))] {
        let (connector, channel) = connector(&world, &company.table(credentials));
        assert_reset(channel);
        let problem = problem_of(&connector, 0);
        assert!(problem.contains("407") && problem.contains("outbound_proxy"), "{problem}");
        for secret in ["wrong", "right"] {
            assert!(!problem.contains(secret), "{problem}");
        }
    }
    assert_eq!(echo.accepted(), 0);
}

fn broken_answers(kind: Kind) {
    let echo = Service::echo();
    let world = World::with_services(kind, &[("echo", echo.address)]);
    let endless: &'static [u8] = Box::leak(
        [b"HTTP/1.1 200 OK\r\n".as_slice(), &b"X-Fill: 0123456789abcdef\r\n".repeat(4000)]
            .concat()
            .into_boxed_slice(),
    );
    let answers: [(&'static [u8], &str); 6] = [
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "not HTTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "the outbound proxy"),
        (b"", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\nVia: ", "closed the connection"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", "bytes of its own"),
        (endless, "the outbound proxy"),
    ];
    for (answer, says) in answers {
        let company = HttpProxy::start("nobody:can", answer);
        let (connector, channel) = connector(&world, &company.table(None));
        assert_reset(channel);
        let problem = problem_of(&connector, 0);
        assert!(problem.contains(says), "{says}: {problem}");
    }
    let silent = Service::start(|mut near| {
        let _ = near.read_to_end(&mut Vec::new());
    });
    let outbound = format!(
        "[outbound_proxy]\nurl = \"http://{}\"\n[limits]\ndial_timeout_seconds = 1\n",
        silent.address
    );
    let (connector, channel) = connector(&world, &outbound);
    assert_reset(channel);
    let problem = problem_of(&connector, 0);
    assert!(problem.contains("within 1 s"), "{problem}");
}
