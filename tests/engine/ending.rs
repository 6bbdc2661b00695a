//! How a connection ends from our side: `shutdown` politely, `abort` with a reset.

use std::{
    io::{ErrorKind, Read},
    net::TcpStream,
};

use causeway::engine::{SizeClass, Socket};
use tokio::task::JoinHandle;

use crate::{
    on_both_engines,
    world::{World, elsewhere, is_reset},
};

on_both_engines!(
    aborting_ends_a_pending_receive,
    aborting_ends_a_receive_that_waits_without_a_buffer,
    aborting_ends_a_blocked_send,
    aborting_shows_the_peer_a_reset_and_never_an_end,
    what_the_peer_had_before_an_abort_it_can_still_read,
    aborting_twice_and_closing_afterwards_is_safe,
    an_aborted_socket_does_nothing_more,
    aborting_after_our_end_was_sent_still_resets,
    shutting_down_ends_a_pending_receive,
    shutting_down_ends_a_blocked_send,
    shutting_down_is_an_end_to_the_peer,
    a_peer_that_is_gone_has_hung_up,
    a_peers_reset_is_an_error_to_receive_and_send,
);

fn receiving(world: &World, socket: &Socket) -> JoinHandle<std::io::Result<usize>> {
    let (socket, pool) = (socket.clone(), world.pool.clone());
    tokio::task::spawn_local(async move { Ok(socket.recv(&pool, SizeClass::Small).await?.len()) })
}

/// A send that cannot end before the peer reads: more than both socket buffers hold.
async fn blocked_send(
    world: &World,
    socket: &Socket,
    peer: &TcpStream,
) -> JoinHandle<std::io::Result<()>> {
    socket2::SockRef::from(peer).set_recv_buffer_size(4096).unwrap();
    let (socket_, pool) = (socket.clone(), world.pool.clone());
    let sending = tokio::task::spawn_local(async move {
        loop {
            let mut buffer = pool.take(SizeClass::Large);
            buffer.fill(buffer.capacity());
            socket_.send_all(buffer).await.0?;
        }
    });
    // Blocked once the kernel's queue stands still while the event loop goes idle again and again.
    let mut still = 0;
    let mut unsent = 0;
    while still < 20 {
        world.round().await;
        let now = socket.unsent_bytes();
        still = if now == unsent && now > 0 { still + 1 } else { 0 };
        unsent = now;
    }
    assert!(!sending.is_finished(), "the send is blocked");
    sending
}

fn read_to_the_end(mut peer: TcpStream) -> (Vec<u8>, std::io::Result<usize>) {
    let mut bytes = Vec::new();
    let end = peer.read_to_end(&mut bytes);
    (bytes, end)
}

async fn aborting_ends_a_pending_receive(world: World) {
    for (ours, _theirs) in [world.pair(), world.greedy_pair().await] {
        let receive = receiving(&world, &ours);
        world.round().await;
        ours.abort();
        assert!(receive.await.unwrap().is_err());
        assert_eq!(world.pool.bytes_in_use(), 0);
    }
}

async fn aborting_ends_a_receive_that_waits_without_a_buffer(world: World) {
    let (ours, _theirs) = world.greedy_pair().await;
    let receive = receiving(&world, &ours);
    world.until_it_receives().await;
    ours.release_idle();
    world.until(|| !world.ring_receives()).await;
    ours.abort();
    assert!(receive.await.unwrap().is_err());
}

async fn aborting_ends_a_blocked_send(world: World) {
    let (ours, theirs) = world.pair();
    let send = blocked_send(&world, &ours, &theirs).await;
    let receive = receiving(&world, &ours);
    world.round().await;
    ours.abort();
    assert!(send.await.unwrap().is_err());
    assert!(receive.await.unwrap().is_err());
    assert_eq!(world.pool.bytes_in_use(), 0);
}

async fn aborting_shows_the_peer_a_reset_and_never_an_end(world: World) {
    let (ours, theirs) = world.greedy_pair().await;
    let receive = receiving(&world, &ours);
    let peer = tokio::task::spawn_blocking(move || read_to_the_end(theirs));
    world.round().await;
    ours.abort();
    drop(ours);
    let (bytes, end) = peer.await.unwrap();
    assert!(bytes.is_empty());
    assert!(is_reset(end.unwrap_err().kind()));
    assert!(receive.await.unwrap().is_err());
}

async fn what_the_peer_had_before_an_abort_it_can_still_read(world: World) {
    let (ours, theirs) = world.pair();
    ours.send_all(world.filled(SizeClass::Small, b"last words")).await.0.unwrap();
    // Acknowledged: it is in the peer's receive queue.
    world.until(|| ours.unsent_bytes() == 0).await;
    ours.abort();
    let (bytes, end) = elsewhere(move || read_to_the_end(theirs)).await;
    assert_eq!(bytes, b"last words");
    assert!(is_reset(end.unwrap_err().kind()));
}

async fn aborting_twice_and_closing_afterwards_is_safe(world: World) {
    let (ours, theirs) = world.pair();
    ours.abort();
    ours.abort();
    ours.shutdown();
    drop(ours);
    let (_, end) = elsewhere(move || read_to_the_end(theirs)).await;
    assert!(is_reset(end.unwrap_err().kind()));
}

async fn an_aborted_socket_does_nothing_more(world: World) {
    let (ours, _theirs) = world.pair();
    ours.abort();
    let refused = ErrorKind::ConnectionAborted;
    assert_eq!(ours.recv(&world.pool, SizeClass::Small).await.unwrap_err().kind(), refused);
    let (sent, buffer) = ours.send_all(world.filled(SizeClass::Small, b"late")).await;
    assert_eq!(sent.unwrap_err().kind(), refused);
    assert_eq!(buffer.filled(), b"late", "what was not sent comes back");
    assert_eq!(ours.connected().await.unwrap_err().kind(), refused);
    assert_eq!(ours.try_recv(&mut [0; 8]).unwrap_err().kind(), refused);
}

async fn aborting_after_our_end_was_sent_still_resets(world: World) {
    let (ours, mut theirs) = world.pair();
    ours.shutdown_write().unwrap();
    // The peer has read our end and can still send; the reset tells it that nobody listens.
    let mut theirs = elsewhere(move || {
        assert_eq!(theirs.read(&mut [0; 8]).unwrap(), 0);
        theirs
    })
    .await;
    let receive = receiving(&world, &ours);
    world.round().await;
    ours.abort();
    assert!(receive.await.unwrap().is_err());
    let write = elsewhere(move || std::io::Write::write(&mut theirs, b"anyone?")).await;
    // A peer that has read our end learns of the reset as EPIPE, any other as ECONNRESET.
    let kind = write.unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind}");
}

async fn shutting_down_ends_a_pending_receive(world: World) {
    for (ours, _theirs) in [world.pair(), world.greedy_pair().await] {
        let receive = receiving(&world, &ours);
        world.round().await;
        ours.shutdown();
        assert_eq!(receive.await.unwrap().unwrap(), 0);
    }
}

async fn shutting_down_ends_a_blocked_send(world: World) {
    let (ours, theirs) = world.pair();
    let send = blocked_send(&world, &ours, &theirs).await;
    ours.shutdown();
    assert!(send.await.unwrap().is_err());
}

async fn shutting_down_is_an_end_to_the_peer(world: World) {
    let (ours, theirs) = world.pair();
    ours.send_all(world.filled(SizeClass::Small, b"bye")).await.0.unwrap();
    ours.shutdown();
    let (bytes, end) = elsewhere(move || read_to_the_end(theirs)).await;
    assert_eq!((bytes.as_slice(), end.unwrap()), (b"bye".as_slice(), 3));
}

async fn a_peer_that_is_gone_has_hung_up(world: World) {
    let (ours, theirs) = world.pair();
    assert!(!ours.hung_up());
    drop(theirs);
    world.until(|| ours.hung_up()).await;
}

async fn a_peers_reset_is_an_error_to_receive_and_send(world: World) {
    let (ours, theirs) = world.greedy_pair().await;
    let receive = receiving(&world, &ours);
    world.round().await;
    socket2::SockRef::from(&theirs).set_linger(Some(std::time::Duration::ZERO)).unwrap();
    drop(theirs);
    assert!(is_reset(receive.await.unwrap().unwrap_err().kind()));
    let (sent, _) = ours.send_all(world.filled(SizeClass::Small, b"late")).await;
    assert_eq!(sent.unwrap_err().kind(), ErrorKind::BrokenPipe);
}
