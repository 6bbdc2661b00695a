//! Sealing and opening TLS records, per size of what is handed over at once.

use std::{fs, path::Path, time::SystemTime};

use causeway::{
    limits,
    tls::{
        Alpn, Authority, ClientFiles, ServerFiles, Session, Validity, load_client, load_server,
        sealed_len,
    },
};
use criterion::{BenchmarkId, Criterion, Throughput};

const SIZES: [usize; 4] = [1024, 16 * 1024, 64 * 1024, 256 * 1024];

/// Both ends of a connection that has shaken hands.
fn pair(dir: &Path) -> [Box<dyn Session>; 2] {
    let now = SystemTime::now();
    let day = std::time::Duration::from_secs(24 * 3600);
    let validity = || Validity { not_before: now - day, not_after: now + day };
    let (authority, _) = Authority::create("bench", validity()).unwrap();
    let server = authority.issue_server(&["proxy.test"], validity()).unwrap();
    let client = authority.issue_connector("acme", None, validity()).unwrap();
    let ca = dir.join("ca.crt");
    fs::write(&ca, authority.certificate_pem()).unwrap();
    for (name, issued) in [("server", &server), ("client", &client)] {
        fs::write(dir.join(format!("{name}.crt")), &issued.certificate_pem).unwrap();
        fs::write(dir.join(format!("{name}.key")), &issued.private_key_pem).unwrap();
    }
    let server = ServerFiles {
        certificate: dir.join("server.crt"),
        private_key: dir.join("server.key"),
        client_ca: ca.clone(),
        crl: None,
    };
    let client = ClientFiles {
        certificate: dir.join("client.crt"),
        private_key: dir.join("client.key"),
        ca,
    };
    let server = load_server(&server, &[Alpn::H2], false, now).unwrap().tls;
    let client = load_client(&client, &[Alpn::H2], false, now).unwrap().tls;
    let mut ends = [client.connect("proxy.test").unwrap(), server.accept().unwrap()];
    let (mut to_client, mut to_server) = (Vec::new(), Vec::new());
    let mut done = [false; 2];
    while done != [true; 2] {
        if !done[0] {
            let step = ends[0].handshake(&mut to_client, &mut to_server);
            to_client.drain(..step.consumed);
            done[0] = step.state.unwrap();
        }
        if !done[1] {
            let step = ends[1].handshake(&mut to_server, &mut to_client);
            to_server.drain(..step.consumed);
            done[1] = step.state.unwrap();
        }
    }
    // What follows the handshake: session tickets.
    let _ticket = ends[0].open(&mut to_client, &mut [0; 1024], &mut Vec::new()).unwrap();
    ends
}

pub(crate) fn seal_and_open(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let mut group = criterion.benchmark_group("seal and open");
    for size in SIZES {
        let [mut client, mut server] = pair(dir.path());
        let plain = vec![7; size];
        let mut sealed = vec![0; sealed_len(size)];
        // Room is judged by records, before they are opened.
        let mut opened = vec![0; size + limits::RECORD_WIRE_BYTES_MAX];
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                let bytes = client.seal(&plain, &mut sealed).unwrap();
                let got = server.open(&mut sealed[..bytes], &mut opened, &mut Vec::new()).unwrap();
                assert_eq!((got.consumed, got.produced), (bytes, size));
            });
        });
    }
    group.finish();
}
