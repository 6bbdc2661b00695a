//! A tunnel that is cut on its way is an abort for both ends, whatever the cut looks like.

use std::{
    io::Read,
    net::{Shutdown, SocketAddr, TcpStream},
    sync::mpsc,
};

use causeway::{connector::RunningConnector, engine::Kind};

use crate::support::{
    Cut, CutRelay, DEADLINE, End, Pattern, Service, Suite, World, bounded, connect, read_to_end,
    wait_until, write_until_aborted, write_up_to,
};

pub fn add(suite: &mut Suite) {
    suite.all("a_cut_tunnel_is_an_abort_for_both_ends", quiet);
    suite.all("a_tunnel_cut_under_upload_is_an_abort_for_both_ends", under_upload);
    suite.all("a_tunnel_cut_under_download_is_an_abort_for_both_ends", under_download);
    suite.all("a_tunnel_cut_after_the_clients_end_is_an_abort", after_the_clients_end);
    suite.all("a_tunnel_cut_after_the_services_end_is_an_abort", after_the_services_end);
}

const UP: Pattern = Pattern(31);
const DOWN: Pattern = Pattern(32);
const CUTS: [Cut; 3] = [Cut::Close, Cut::Reset, Cut::Fin];

/// One stream whose tunnel goes over a cable that can be cut.
struct Cable {
    relay: CutRelay,
    client: TcpStream,
    service: TcpStream,
    _connector: RunningConnector,
    _world: World,
    _service: Service,
}

fn cable(kind: Kind) -> Cable {
    let (hand, accepted) = mpsc::channel();
    let service = Service::start(move |stream| {
        // A test that is over no longer listens.
        let _ = hand.send(bounded(stream));
    });
    let world = World::with_services(kind, &[("s", service.address)]);
    let relay = CutRelay::start(world.proxy_address());
    let files = world.client("a", None);
    let (connector, channels): (_, Vec<SocketAddr>) =
        world.connector_with("a", "", &files, relay.address.port(), &["s"], "");
    let client = connect(channels[0]);
    let accepted = accepted.recv_timeout(DEADLINE).unwrap();
    Cable {
        relay,
        client,
        service: accepted,
        _connector: connector,
        _world: world,
        _service: service,
    }
}

fn quiet(kind: Kind) {
    for cut in CUTS {
        let mut cable = cable(kind);
        write_up_to(&mut cable.client, UP, 0, 1000);
        write_up_to(&mut cable.service, DOWN, 0, 1000);
        crate::support::read_up_to(&mut cable.service, UP, 0, 1000);
        cable.relay.cut(cut);
        assert_eq!(read_to_end(&mut cable.client, DOWN, 0).1, End::Aborted, "client, {cut:?}");
        assert_eq!(read_to_end(&mut cable.service, UP, 1000), (1000, End::Aborted), "{cut:?}");
    }
}

fn under_upload(kind: Kind) {
    for cut in CUTS {
        let Cable { relay, client, service, .. } = &mut cable(kind);
        let sending = client.try_clone().unwrap();
        let uploading = std::thread::spawn(move || write_until_aborted(&mut &sending));
        service.read_exact(&mut vec![0; 8 << 20]).unwrap();
        relay.cut(cut);
        assert_eq!(zeros_to_end(service), End::Aborted, "service, {cut:?}");
        assert!(uploading.join().unwrap(), "client, {cut:?}");
    }
}

fn under_download(kind: Kind) {
    for cut in CUTS {
        let Cable { relay, client, service, .. } = &mut cable(kind);
        let sending = service.try_clone().unwrap();
        let downloading = std::thread::spawn(move || write_until_aborted(&mut &sending));
        client.read_exact(&mut vec![0; 8 << 20]).unwrap();
        relay.cut(cut);
        assert_eq!(zeros_to_end(client), End::Aborted, "client, {cut:?}");
        assert!(downloading.join().unwrap(), "service, {cut:?}");
    }
}

fn zeros_to_end(stream: &mut TcpStream) -> End {
    let mut bytes = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut bytes) {
            Ok(0) => return End::Eof,
            Ok(read) => assert!(bytes[..read].iter().all(|byte| *byte == 0)),
            Err(error) => {
                assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
                return End::Aborted;
            }
        }
    }
}

/// The proxy only sends now: it must notice all the same, and without sending anything. A FIN
/// after close_notify is a half-close that foreign clients use, so that cut cannot be told.
fn after_the_clients_end(kind: Kind) {
    let mut cable = cable(kind);
    write_up_to(&mut cable.client, UP, 0, 1000);
    cable.client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut cable.service, UP, 0), (1000, End::Eof));
    cable.relay.cut(Cut::Reset);
    assert_eq!(read_to_end(&mut cable.client, DOWN, 0), (0, End::Aborted));
    assert_error(&cable.service);
}

fn after_the_services_end(kind: Kind) {
    let mut cable = cable(kind);
    write_up_to(&mut cable.service, DOWN, 0, 1000);
    cable.service.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read_to_end(&mut cable.client, DOWN, 0), (1000, End::Eof));
    cable.relay.cut(Cut::Reset);
    assert_eq!(read_to_end(&mut cable.service, UP, 0), (0, End::Aborted));
    assert_error(&cable.client);
}

/// The stream has read its end already, so only its error tells.
fn assert_error(stream: &TcpStream) {
    wait_until("the socket has an error", std::time::Duration::from_secs(5), || {
        stream.take_error().unwrap().is_some()
    });
}
