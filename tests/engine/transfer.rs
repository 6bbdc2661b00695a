//! Bytes arrive whole and in order, whatever the sizes and the kind of memory.

use std::{
    cell::Cell,
    io::{ErrorKind, Read, Write},
    net::Shutdown,
    rc::Rc,
};

use causeway::engine::{Buffer, BufferPool, Kind, Registration, SizeClass, Socket};

use crate::{
    on_both_engines,
    world::{World, elsewhere},
};

on_both_engines!(
    an_echo_of_every_class_is_the_same_bytes,
    pages_are_registered_with_the_ring_where_there_is_one,
    half_closing_ends_one_direction_only,
    an_empty_buffer_is_sent_without_a_peer_noticing,
    a_receive_is_capped,
    more_is_received_behind_what_is_there,
    trying_to_receive_never_waits,
    a_peer_that_reads_slowly_gets_everything,
    an_accepted_byte_counts_as_unsent_until_acknowledged,
    a_socket_that_is_always_ready_lets_others_in,
);

const TOTAL: usize = 6 * 1024 * 1024;

/// Byte `at` of the stream: no period that a buffer size divides.
fn pattern(at: usize) -> u8 {
    (at % 251) as u8 ^ (at / 65_537) as u8
}

fn fill(buffer: &mut Buffer, from: usize, total: usize) {
    let bytes = buffer.spare_len().min(total - from);
    let spare = &mut buffer.spare_mut()[..bytes];
    spare.iter_mut().enumerate().for_each(|(at, byte)| *byte = pattern(from + at));
    buffer.fill(bytes);
}

async fn send_pattern(socket: Socket, pool: BufferPool, class: SizeClass) {
    let mut at = 0;
    while at < TOTAL {
        let mut buffer = pool.take(class);
        fill(&mut buffer, at, TOTAL);
        at += buffer.len();
        let (sent, buffer) = socket.send_all(buffer).await;
        sent.unwrap();
        assert!(buffer.is_empty(), "a sent buffer comes back empty");
    }
    socket.shutdown_write().unwrap();
}

async fn echo(socket: Socket, pool: BufferPool, class: SizeClass) {
    loop {
        let heard = socket.recv(&pool, class).await.unwrap();
        if heard.is_empty() {
            return socket.shutdown_write().unwrap();
        }
        socket.send_all(heard).await.0.unwrap();
    }
}

async fn an_echo_of_every_class_is_the_same_bytes(world: World) {
    for pool in [world.pool.clone(), world.plain_pool()] {
        for class in SizeClass::ALL {
            let (near, far) = world.engine_pair();
            let echo = tokio::task::spawn_local(echo(far, pool.clone(), class));
            let send = tokio::task::spawn_local(send_pattern(near.clone(), pool.clone(), class));
            let mut at = 0;
            loop {
                let heard = near.recv(&pool, class).await.unwrap();
                if heard.is_empty() {
                    break;
                }
                for byte in heard.filled() {
                    assert_eq!(*byte, pattern(at), "byte {at} of {class:?}");
                    at += 1;
                }
            }
            assert_eq!(at, TOTAL);
            send.await.unwrap();
            echo.await.unwrap();
        }
        assert_eq!(pool.bytes_in_use(), 0);
    }
}

async fn pages_are_registered_with_the_ring_where_there_is_one(world: World) {
    match (world.driver.kind(), world.pool.registered()) {
        (Kind::IoUring, Registration::Registered(bytes)) => assert!(*bytes > 1024 * 1024),
        (Kind::IoUring, Registration::Plain(reason)) => {
            assert!(reason.contains("MEMLOCK"), "{reason}");
            eprintln!("SKIPPED registered buffers: {reason}");
        }
        (Kind::Epoll, registered) => assert!(matches!(registered, Registration::Plain(_))),
    }
    assert!(matches!(world.plain_pool().registered(), Registration::Plain(_)));
}

async fn half_closing_ends_one_direction_only(world: World) {
    let (ours, mut theirs) = world.pair();
    ours.send_all(world.filled(SizeClass::Small, b"question")).await.0.unwrap();
    ours.shutdown_write().unwrap();
    let question = elsewhere(move || {
        let mut question = Vec::new();
        theirs.read_to_end(&mut question).unwrap();
        theirs.write_all(b"answer").unwrap();
        theirs.shutdown(Shutdown::Write).unwrap();
        question
    })
    .await;
    assert_eq!(question, b"question");
    let answer = ours.recv(&world.pool, SizeClass::Small).await.unwrap();
    assert_eq!(answer.filled(), b"answer");
    assert!(ours.recv(&world.pool, SizeClass::Small).await.unwrap().is_empty());
}

async fn an_empty_buffer_is_sent_without_a_peer_noticing(world: World) {
    let (ours, theirs) = world.pair();
    ours.send_all(world.pool.take(SizeClass::Small)).await.0.unwrap();
    theirs.set_nonblocking(true).unwrap();
    let heard = (&theirs).read(&mut [0; 8]).unwrap_err();
    assert_eq!(heard.kind(), ErrorKind::WouldBlock);
}

async fn a_receive_is_capped(world: World) {
    let (ours, mut theirs) = world.pair();
    theirs.write_all(&[7; 100]).unwrap();
    let heard = ours.recv_up_to(&world.pool, SizeClass::Medium, 60).await.unwrap();
    assert_eq!(heard.filled(), [7; 60]);
    let heard = ours.recv_up_to(&world.pool, SizeClass::Medium, 60).await.unwrap();
    assert_eq!(heard.filled(), [7; 40]);
}

async fn more_is_received_behind_what_is_there(world: World) {
    let (ours, mut theirs) = world.pair();
    let mut buffer = world.filled(SizeClass::Small, b"one ");
    theirs.write_all(b"two").unwrap();
    let (received, returned) = ours.recv_more(buffer).await;
    assert_eq!(received.unwrap(), 3);
    assert_eq!(returned.filled(), b"one two");
    drop(theirs);
    buffer = returned;
    let (received, buffer) = ours.recv_more(buffer).await;
    assert_eq!(received.unwrap(), 0, "the end of the stream");
    assert_eq!(buffer.filled(), b"one two");
}

async fn trying_to_receive_never_waits(world: World) {
    let (ours, mut theirs) = world.pair();
    let mut into = [0; 8];
    assert_eq!(ours.try_recv(&mut into).unwrap_err().kind(), ErrorKind::WouldBlock);
    theirs.write_all(b"now").unwrap();
    assert_eq!(ours.try_recv(&mut into).unwrap(), 3);
    drop(theirs);
    world.until(|| ours.hung_up()).await;
    assert_eq!(ours.try_recv(&mut into).unwrap(), 0);
}

async fn a_peer_that_reads_slowly_gets_everything(world: World) {
    let (ours, mut theirs) = world.pair();
    let send = tokio::task::spawn_local(send_pattern(ours, world.pool.clone(), SizeClass::Large));
    let heard = elsewhere(move || {
        let (mut all, mut piece) = (Vec::new(), [0; 3000]);
        loop {
            match theirs.read(&mut piece).unwrap() {
                0 => return all,
                bytes => all.extend_from_slice(&piece[..bytes]),
            }
            std::thread::yield_now();
        }
    })
    .await;
    send.await.unwrap();
    assert_eq!(heard.len(), TOTAL);
    assert!(heard.iter().enumerate().all(|(at, byte)| *byte == pattern(at)));
}

async fn an_accepted_byte_counts_as_unsent_until_acknowledged(world: World) {
    let (ours, mut theirs) = world.pair();
    assert_eq!(ours.unsent_bytes(), 0);
    let (sending, pool) = (ours.clone(), world.pool.clone());
    let send = tokio::task::spawn_local(send_pattern(sending, pool, SizeClass::Large));
    world.until(|| ours.unsent_bytes() > 0).await;
    let heard = elsewhere(move || std::io::copy(&mut theirs, &mut std::io::sink())).await;
    assert_eq!(heard.unwrap(), TOTAL as u64);
    send.await.unwrap();
    world.until(|| ours.unsent_bytes() == 0).await;
}

/// One byte at a time from one socket of the loop to another, beside a reader that never has to
/// wait: how many of its reads does a byte sit out?
async fn a_socket_that_is_always_ready_lets_others_in(world: World) {
    const BYTES: usize = 50;
    let (ours, mut theirs) = world.pair();
    let supply = std::thread::spawn(move || {
        let bytes = vec![7; 1 << 20];
        while theirs.write_all(&bytes).is_ok() {}
    });
    let reads = Rc::new(Cell::new(0));
    let reader = {
        let (socket, pool, reads) = (ours.clone(), world.pool.clone(), reads.clone());
        tokio::task::spawn_local(async move {
            while let Ok(heard @ 1..) = socket.recv(&pool, SizeClass::Large).await.map(|b| b.len())
            {
                reads.set(reads.get() + usize::from(heard == SizeClass::Large.bytes()));
            }
        })
    };
    let (from, to) = world.engine_pair();
    let mut sat_out = Vec::new();
    for _ in 0..BYTES {
        world.round().await;
        let before = reads.get();
        let hearing = tokio::task::spawn_local({
            let (to, pool) = (to.clone(), world.pool.clone());
            async move { to.recv(&pool, SizeClass::Small).await.unwrap() }
        });
        from.send_all(world.filled(SizeClass::Small, b"x")).await.0.unwrap();
        assert_eq!(hearing.await.unwrap().filled(), b"x");
        sat_out.push(reads.get() - before);
    }
    ours.abort();
    reader.await.unwrap();
    elsewhere(move || supply.join().unwrap()).await;
    sat_out.sort_unstable();
    println!("reads beside a byte: {sat_out:?}");
    assert!(sat_out[BYTES - 1] <= 8, "{sat_out:?}");
}
