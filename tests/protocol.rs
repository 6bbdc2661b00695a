//! HTTP/1.1 heads as a whole: what is served, what is refused and how, and that no bytes at all
//! break a parser or reach a header they were not meant for.

// Helpers of tests may unwrap like the tests themselves.
#![allow(clippy::unwrap_used)]

use causeway::{
    limits::{HEAD_BYTES_MAX, HEAD_FIELDS_MAX},
    protocol::{
        ConnectRequest, Refusal, Request, RequestedType, Target,
        http1::{
            Answer, AnswerError, Parsed, parse_answer, parse_request, write_connect,
            write_established, write_healthy, write_proxy_connect, write_refusal,
        },
    },
    telemetry::names::{OTHER, REFUSAL_REASONS},
};

const CURL: &[u8] = b"CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\nUser-Agent: curl/8.5.0\r\n\
    Proxy-Connection: Keep-Alive\r\nSAP-Connectivity-SCC-Location_ID: plant-1\r\n\r\n";

fn request(head: impl AsRef<[u8]>) -> Result<Request, Refusal> {
    match parse_request(head.as_ref())? {
        Parsed::Done { value, .. } => Ok(value),
        Parsed::NeedMore => panic!("incomplete: {:?}", String::from_utf8_lossy(head.as_ref())),
    }
}

fn malformed(head: impl AsRef<[u8]>) -> bool {
    matches!(parse_request(head.as_ref()), Err(Refusal::Malformed(_)))
}

fn connect(line: &str, headers: &str) -> String {
    format!("CONNECT {line}\r\nHost: x\r\n{headers}\r\n")
}

fn every_refusal() -> Vec<Refusal> {
    let all = vec![
        Refusal::Malformed("text"),
        Refusal::NoCertificate,
        Refusal::BadIdentity,
        Refusal::LocationNotAllowed,
        Refusal::SourceNotAllowed,
        Refusal::NoSuchMapping,
        Refusal::NotConnect,
        Refusal::WrongServerName,
        Refusal::TenantLimit("streams"),
        Refusal::TenantLimit("tunnels"),
        Refusal::TenantLimit("opens a second"),
        Refusal::ServiceRefused("ECONNREFUSED".to_owned()),
        Refusal::ServiceUnreachable("EHOSTUNREACH".to_owned()),
        Refusal::Unresolvable,
        Refusal::DialTimeout,
        Refusal::Draining,
        Refusal::Overloaded("dials"),
    ];
    // A new variant does not compile here until the list above and this match know it.
    for refusal in &all {
        match refusal {
            Refusal::Malformed(_)
            | Refusal::NoCertificate
            | Refusal::BadIdentity
            | Refusal::LocationNotAllowed
            | Refusal::SourceNotAllowed
            | Refusal::NoSuchMapping
            | Refusal::NotConnect
            | Refusal::WrongServerName
            | Refusal::TenantLimit(_)
            | Refusal::ServiceRefused(_)
            | Refusal::ServiceUnreachable(_)
            | Refusal::Unresolvable
            | Refusal::DialTimeout
            | Refusal::Draining
            | Refusal::Overloaded(_) => {}
        }
    }
    all
}

#[test]
fn what_curl_sends_is_understood_and_early_bytes_are_left_to_the_tunnel() {
    let mut bytes = CURL.to_vec();
    bytes.extend_from_slice(b"\x16\x03\x01early");
    let Ok(Parsed::Done { value: Request::Connect(connect), consumed }) = parse_request(&bytes)
    else {
        panic!("curl is not understood");
    };
    assert_eq!(consumed, CURL.len());
    assert_eq!(connect.target, Target { service: "db".to_owned(), port: 5432 });
    assert_eq!(connect.location, "plant-1");
    assert_eq!(connect.service_type, RequestedType::Tcp);
}

#[test]
fn every_cut_of_a_head_needs_more() {
    for cut in 0..CURL.len() {
        assert_eq!(parse_request(&CURL[..cut]), Ok(Parsed::NeedMore), "cut at {cut}");
    }
}

#[test]
fn http_1_0_clients_are_served() {
    for line in ["CONNECT db:1 HTTP/1.0\r\n\r\n", "CONNECT db:1 HTTP/1.0\r\nHost: db\r\n\r\n"] {
        assert!(matches!(request(line), Ok(Request::Connect(_))), "{line}");
    }
}

#[test]
fn the_health_check_is_one_path_and_one_method() {
    let head = |line: &str| format!("{line} HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_eq!(request(head("GET /healthcheck")), Ok(Request::Healthcheck));
    for line in [
        "GET /",
        "GET /healthcheck?x=1",
        "GET /healthcheck/",
        "GET http://x/healthcheck",
        "POST /healthcheck",
        "HEAD /healthcheck",
        "OPTIONS *",
        "connect db:1",
    ] {
        assert_eq!(request(head(line)), Err(Refusal::NotConnect), "{line}");
    }
    assert!(malformed("GET /healthcheck HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"));
}

#[test]
fn a_connect_that_names_no_authority_is_malformed() {
    for target in
        ["db", "db:", "db:0", "db:99999", ":1", "/", "/db:1", "*", "http://db:1", "http://db/:1"]
    {
        assert!(malformed(connect(&format!("{target} HTTP/1.1"), "")), "{target}");
    }
    assert!(malformed("CONNECT  db:1 HTTP/1.1\r\nHost: x\r\n\r\n"));
    assert!(malformed("CONNECT db:1\r\nHost: x\r\n\r\n"));
    assert!(malformed("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"));
}

#[test]
fn nothing_that_moves_the_end_of_the_head_is_accepted() {
    for headers in [
        "Content-Length: 1\r\n",
        "Content-Length: 00\r\n",
        "Content-Length: 0\r\nContent-Length: 0\r\n",
        "Content-Length: 0, 0\r\n",
        "transfer-encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Host: y\r\n",
        "A: b\r\n folded\r\n",
        "no colon\r\n",
        "A\0: b\r\n",
        "A: b\0\r\n",
        "A: b\rC: d\r\n",
        ": b\r\n",
    ] {
        assert!(malformed(connect("db:1 HTTP/1.1", headers)), "{headers:?}");
    }
    assert!(malformed("CONNECT db:1 HTTP/1.1\r\n\r\n"), "HTTP/1.1 needs a Host");
    assert!(request(connect("db:1 HTTP/1.1", "Content-Length: 0\r\n")).is_ok());
}

#[test]
fn a_head_is_bounded_in_bytes_and_fields_however_it_is_cut() {
    let start = "CONNECT db:1 HTTP/1.1\r\nHost: x\r\nX-Fill: ";
    let fill = |bytes: usize| format!("{start}{}", "a".repeat(bytes - start.len()));
    let fits = format!("{}\r\n\r\n", fill(HEAD_BYTES_MAX - 4));
    assert!(matches!(request(&fits), Ok(Request::Connect(_))));
    let over = format!("{}\r\n\r\n", fill(HEAD_BYTES_MAX - 3));
    assert!(malformed(&over));
    assert!(malformed(&over[..HEAD_BYTES_MAX]));
    assert_eq!(parse_request(&over.as_bytes()[..HEAD_BYTES_MAX - 1]), Ok(Parsed::NeedMore));
    let fields = |count: usize| connect("db:1 HTTP/1.1", &"A: b\r\n".repeat(count - 1));
    assert!(request(fields(HEAD_FIELDS_MAX)).is_ok());
    assert!(malformed(fields(HEAD_FIELDS_MAX + 1)));
}

#[test]
fn every_refusal_is_a_complete_answer_its_reader_understands() {
    for refusal in every_refusal() {
        let mut out = Vec::new();
        write_refusal(&refusal, &mut out);
        let Ok(Parsed::Done { value, consumed }) = parse_answer(&out) else {
            panic!("{refusal} is not an answer");
        };
        assert_eq!(value.status, refusal.status());
        assert!(!value.established());
        assert_eq!(value.proxy_status, Some(refusal.proxy_status()));
        let busy = matches!(refusal.status(), 429 | 503);
        assert_eq!(value.retry_after.is_some(), busy, "{refusal}");
        let (head, body) = out.split_at(consumed);
        let head = String::from_utf8(head.to_vec()).unwrap();
        assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
        assert!(head.contains("Connection: close\r\n"), "{head}");
        assert_eq!(head.contains("Allow: CONNECT\r\n"), refusal.status() == 405, "{head}");
        assert_eq!(head.contains("WWW-Authenticate: "), refusal.status() == 401, "{head}");
        let line = String::from_utf8(body.to_vec()).unwrap();
        assert!(line.contains(refusal.reason()) && line.ends_with('\n'), "{line}");
        assert_eq!(line.lines().count(), 1);
    }
}

#[test]
fn every_status_is_the_one_the_design_fixes() {
    let statuses: Vec<u16> = every_refusal().iter().map(Refusal::status).collect();
    let denied = [400, 401, 401, 403, 403, 404, 405, 421];
    let wanted = [&denied[..], &[429, 429, 429], &[502, 502, 502, 504, 503, 503]].concat();
    assert_eq!(statuses, wanted);
}

#[test]
fn every_refusal_uses_an_error_type_of_rfc_9209() {
    const REGISTERED: [&str; 9] = [
        "destination_not_found",
        "destination_unavailable",
        "connection_refused",
        "connection_timeout",
        "connection_limit_reached",
        "dns_error",
        "http_request_denied",
        "http_request_error",
        "proxy_internal_response",
    ];
    for refusal in every_refusal() {
        let status = refusal.proxy_status();
        let error = status.strip_prefix("causeway; error=").unwrap();
        let (error, details) = error.split_once("; details=\"").unwrap();
        assert!(REGISTERED.contains(&error), "{status}");
        assert!(details.len() > 1 && details.ends_with('"'), "{status}");
    }
}

#[test]
fn telemetry_knows_every_reason() {
    for refusal in every_refusal() {
        let known = REFUSAL_REASONS.iter().filter(|reason| **reason == refusal.reason());
        assert_eq!(known.count(), 1, "{}", refusal.reason());
        assert_ne!(refusal.reason(), OTHER);
    }
}

#[test]
fn yes_is_exactly_200_without_a_body() {
    let mut out = Vec::new();
    write_established(&mut out);
    let length = out.len();
    assert!(out.starts_with(b"HTTP/1.1 200 ") && out.iter().filter(|b| **b == b'\n').count() == 2);
    out.extend_from_slice(b"tunnel bytes");
    let answer = Answer { status: 200, proxy_status: None, retry_after: None };
    assert!(answer.established());
    assert_eq!(parse_answer(&out), Ok(Parsed::Done { value: answer, consumed: length }));
    let mut healthy = Vec::new();
    write_healthy(&mut healthy);
    assert!(healthy.ends_with(b"Content-Length: 3\r\nConnection: close\r\n\r\nok\n"));
}

#[test]
fn a_written_connect_reads_back_as_it_was_meant() {
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (service, location) in [("db", ""), ("my-svc_2", "plant 1"), ("2001:db8::1", "wörk")] {
        let mut out = Vec::new();
        let extra = [("traceparent", trace), ("Connectivity-Service-Type", "RFC")];
        write_connect(service, 5432, location, &extra, &mut out).unwrap();
        let wanted = ConnectRequest {
            target: Target { service: service.to_owned(), port: 5432 },
            location: location.to_owned(),
            service_type: RequestedType::Rfc,
            traceparent: Some(trace.to_owned()),
        };
        assert_eq!(request(&out), Ok(Request::Connect(wanted)));
    }
}

#[test]
fn what_would_not_arrive_as_meant_is_not_written() {
    let mut out = Vec::new();
    for service in ["", "a b", "a\r\nX: y", "[::1]", "a:b", "a@b", "a/b", "é", "a\0"] {
        assert!(write_connect(service, 1, "", &[], &mut out).is_err(), "{service:?}");
        assert!(write_proxy_connect(service, 1, None, &mut out).is_err(), "{service:?}");
    }
    assert!(write_connect("db", 0, "", &[], &mut out).is_err());
    for text in ["a\r\nX: y", "a\0", " a", "a "] {
        assert!(write_connect("db", 1, text, &[], &mut out).is_err(), "{text:?}");
        assert!(write_connect("db", 1, "", &[("A", text)], &mut out).is_err(), "{text:?}");
        assert!(write_connect("db", 1, "", &[(text, "a")], &mut out).is_err(), "{text:?}");
    }
    assert!(write_proxy_connect("p", 1, Some(("a:b", "c")), &mut out).is_err());
    assert!(write_proxy_connect("p", 1, Some(("a", "c\n")), &mut out).is_err());
    assert!(out.is_empty());
}

#[test]
fn an_outbound_proxy_is_given_its_credentials() {
    let mut out = Vec::new();
    let credentials = Some(("Aladdin", "open sesame"));
    write_proxy_connect("2001:db8::1", 443, credentials, &mut out).unwrap();
    let wanted = "CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n\
        Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), wanted);
}

#[test]
fn interim_answers_are_skipped_and_other_answers_refused() {
    let bytes = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 407 No\r\nRetry-After: 7\r\n\
        Proxy-Status: a\x1b\xffb\r\n\r\nrest";
    let bytes: Vec<u8> = bytes.iter().map(|b| if *b == 0x1b { 0xfe } else { *b }).collect();
    let Ok(Parsed::Done { value, consumed }) = parse_answer(&bytes) else { panic!("no answer") };
    assert_eq!((value.status, value.retry_after.unwrap().as_secs()), (407, 7));
    assert_eq!(value.proxy_status.as_deref(), Some("a??b"));
    assert_eq!(&bytes[consumed..], b"rest");
    let switched = b"HTTP/1.1 101 Switching\r\n\r\n";
    assert_eq!(parse_answer(switched), Err(AnswerError::Switched));
    for bad in ["SSH-2.0-x\r\n", "HTTP/2 200\r\n\r\n", "HTTP/1.1 999 X\r\n\r\n"] {
        assert!(matches!(parse_answer(bad.as_bytes()), Err(AnswerError::Malformed(_))), "{bad}");
    }
    let endless = "HTTP/1.1 100 Continue\r\n\r\n".repeat(HEAD_BYTES_MAX);
    assert_eq!(parse_answer(endless.as_bytes()), Err(AnswerError::TooLarge));
}

/// Bytes that look enough like heads to get past the first line.
fn mutated(random: &mut fastrand::Rng) -> Vec<u8> {
    const SEEDS: [&[u8]; 5] = [
        CURL,
        b"GET /healthcheck HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT [::1]:1 HTTP/1.1\r\nHost: x\r\nConnectivity-Service-Type: RFC\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 503 No\r\nProxy-Status: causeway; error=x\r\nRetry-After: 1\r\n\r\n",
    ];
    const PIECES: [&[u8]; 9] =
        [b"\r\n", b"\n", b"\0", b":", b" ", b"\xff", b"[", b"\r\n\r\n", b"Host: x\r\n"];
    if random.u8(..) < 16 {
        let length = random.usize(..300);
        return std::iter::repeat_with(|| random.u8(..)).take(length).collect();
    }
    let mut bytes = SEEDS[random.usize(..SEEDS.len())].to_vec();
    for _ in 0..random.usize(..6) {
        let at = random.usize(..=bytes.len());
        match random.u8(..4) {
            0 if at < bytes.len() => bytes[at] = random.u8(..),
            1 => bytes.truncate(at),
            2 => {
                let end = (at + random.usize(..8)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let piece = PIECES[random.usize(..PIECES.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
        }
    }
    bytes
}

#[test]
fn no_bytes_break_a_parser_and_a_verdict_stands_however_the_bytes_are_cut() {
    let seed = match std::env::var("CAUSEWAY_TEST_SEED") {
        Ok(seed) => seed.parse().expect("CAUSEWAY_TEST_SEED is a number"),
        Err(_) => fastrand::u64(..),
    };
    println!("CAUSEWAY_TEST_SEED={seed} repeats this run");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut done, mut refused) = (0, 0);
    for round in 0..60_000 {
        let bytes = mutated(&mut random);
        let whole = parse_request(&bytes);
        let cut = random.usize(..=bytes.len());
        match parse_request(&bytes[..cut]) {
            Ok(Parsed::NeedMore) => {}
            verdict => assert_eq!(verdict, whole, "round {round}: {bytes:?} cut at {cut}"),
        }
        match whole {
            Ok(Parsed::Done { consumed, value }) => {
                done += 1;
                assert!(consumed <= bytes.len());
                if let Request::Connect(connect) = value {
                    assert!(connect.target.service.is_ascii() && connect.target.port > 0);
                    assert!(!connect.location.chars().any(char::is_control));
                }
            }
            Err(refusal) => {
                refused += 1;
                let mut out = Vec::new();
                write_refusal(&refusal, &mut out);
                assert!(matches!(parse_answer(&out), Ok(Parsed::Done { .. })));
            }
            Ok(Parsed::NeedMore) => {}
        }
        match (parse_answer(&bytes[..cut]), parse_answer(&bytes)) {
            (Ok(Parsed::NeedMore), _) => {}
            (verdict, whole) => assert_eq!(verdict, whole, "round {round}: {bytes:?} at {cut}"),
        }
    }
    assert!(done > 1000 && refused > 1000, "the inputs reach too little: {done} {refused}");
}
