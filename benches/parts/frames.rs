//! HTTP/2 over the in-memory wire: from one session's DATA to the other's reader, and the guard
//! that looks at frame heads before them.

use std::{future::poll_fn, rc::Rc, time::Instant};

use bytes::Bytes;
use causeway::{
    limits,
    protocol::http2::{
        Guard, RecvStream, SendStream, Windows, Wire, client_builder, server_builder, write_connect,
    },
};
use criterion::{BenchmarkId, Criterion, Throughput};
use tokio::{runtime::Builder, task::LocalSet};

const SIZES: [usize; 4] = [64, 1024, limits::FRAME_PAYLOAD_BYTES, 4 * limits::FRAME_PAYLOAD_BYTES];

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

/// One direction of the network between two sessions.
async fn carry(from: Rc<Wire<Bytes>>, to: Rc<Wire<Bytes>>) {
    while let Some(bytes) = poll_fn(|cx| from.poll_output(cx)).await {
        to.deliver(bytes.freeze());
    }
}

/// Two sessions with one stream between them.
async fn stream() -> (SendStream<Bytes>, RecvStream) {
    let windows = Windows { stream: 16 << 20, connection: 32 << 20 };
    let (near, near_io) = Wire::new();
    let (far, far_io) = Wire::new();
    let (near, far) = (Rc::new(near), Rc::new(far));
    tokio::task::spawn_local(carry(near.clone(), far.clone()));
    tokio::task::spawn_local(carry(far, near));
    let opened = tokio::task::spawn_local(async move {
        let mut server = server_builder(windows, 10).handshake::<_, Bytes>(far_io).await.unwrap();
        let (request, mut answer) = server.accept().await.unwrap().unwrap();
        tokio::task::spawn_local(async move { while server.accept().await.is_some() {} });
        answer.send_response(http::Response::new(()), false).unwrap();
        (request.into_body(), answer)
    });
    let (mut requests, connection) =
        client_builder(windows).handshake::<_, Bytes>(near_io).await.unwrap();
    tokio::task::spawn_local(connection);
    let request = write_connect(("echo", 80), "", false, TRACE).unwrap();
    let (answer, sender) = requests.send_request(request, false).unwrap();
    answer.await.unwrap();
    // The session lives as long as somebody may ask for streams.
    std::mem::forget(requests);
    (sender, opened.await.unwrap().0)
}

async fn send_and_receive(sender: &mut SendStream<Bytes>, body: &mut RecvStream, bytes: &Bytes) {
    sender.send_data(bytes.clone(), false).unwrap();
    let mut left = bytes.len();
    while left > 0 {
        let got = body.data().await.unwrap().unwrap().len();
        body.flow_control().release_capacity(got).unwrap();
        left -= got;
    }
}

pub(crate) fn frames_in_and_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("HTTP/2 DATA out and in");
    for size in SIZES {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let tasks = LocalSet::new();
        let (mut sender, mut body) = tasks.block_on(&runtime, stream());
        let bytes = Bytes::from(vec![7; size]);
        group.throughput(Throughput::Bytes(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| {
                tasks.block_on(&runtime, send_and_receive(&mut sender, &mut body, &bytes));
            });
        });
    }
    group.finish();
}

pub(crate) fn guard(criterion: &mut Criterion) {
    const FRAMES: usize = 16;
    let mut group = criterion.benchmark_group("frame heads looked at before the crate");
    for size in SIZES {
        let mut frame = (size as u32).to_be_bytes()[1..].to_vec();
        // DATA without flags on stream 1.
        frame.extend([0, 0, 0, 0, 0, 1]);
        frame.resize(9 + size, 7);
        let bytes = frame.repeat(FRAMES);
        let now = Instant::now();
        let mut guard = Guard::for_server_bytes(now);
        group.throughput(Throughput::Elements(FRAMES as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| guard.inspect(&bytes, now).unwrap());
        });
    }
    group.finish();
}
