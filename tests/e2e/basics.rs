//! The main job: a client on the connector's local port reaches a service behind the proxy.

use std::{
    io::{Read, Write},
    net::{Shutdown, TcpStream},
};

use causeway::engine::Kind;

use crate::support::{DEADLINE, Service, Suite, World, tls_connect};

pub fn add(suite: &mut Suite) {
    suite.all("client_reaches_service_through_connector_and_proxy", client_reaches_service);
    suite.all("any_connect_client_with_a_certificate_is_a_connector", plain_connect_client);
    suite.all("healthcheck_answers_clients_and_its_own_machine", healthcheck);
}

fn client_reaches_service(kind: Kind) {
    let service = Service::echo();
    let world = World::with_services(kind, &[("echo", service.address)]);
    let (_connector, channels) = world.connector(&["echo"]);
    for round in 0..10_u32 {
        let mut client = TcpStream::connect(channels[0]).unwrap();
        client.set_read_timeout(Some(DEADLINE)).unwrap();
        let sent = format!("round {round}");
        client.write_all(sent.as_bytes()).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, sent);
    }
    assert_eq!(service.accepted(), 10);
}

fn plain_connect_client(kind: Kind) {
    let service = Service::http("hello");
    let world = World::with_services(kind, &[("web", service.address)]);
    let files = world.client("a", None);
    let address = world.proxy_address();
    let mut tls = tls_connect(address, "localhost", &world.path("ca.crt"), Some(&files));
    // The request for the service follows the head in the same record: early bytes are kept.
    tls.write_all(b"CONNECT web:80 HTTP/1.1\r\nHost: web:80\r\n\r\nGET / HTTP/1.1\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    tls.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("hello"), "{answer}");
}

fn healthcheck(kind: Kind) {
    let world = World::with_services(kind, &[]);
    let files = world.client("a", None);
    let ask = |client| {
        let address = world.proxy_address();
        let mut tls = tls_connect(address, "localhost", &world.path("ca.crt"), client);
        tls.write_all(b"GET /healthcheck HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        tls.read_to_string(&mut answer).unwrap();
        answer
    };
    assert!(ask(Some(&files)).starts_with("HTTP/1.1 200 "));
    // Somebody on this machine needs no certificate; from elsewhere it is `is_neighbour`'s to say.
    assert!(ask(None).starts_with("HTTP/1.1 200 "));
}
