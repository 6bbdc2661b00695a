//! A stream that waits holds no memory, and nothing is lost by taking it away.

use std::io::{Read, Write};

use causeway::engine::{Kind, SizeClass, Socket};

use crate::{
    on_both_engines,
    world::{World, elsewhere},
};

on_both_engines!(
    an_idle_receive_gives_its_buffer_back_and_later_data_arrives,
    an_idle_receive_without_a_buffer_sees_the_end,
    releasing_twice_is_like_releasing_once,
    releasing_while_data_arrives_loses_nothing,
    releasing_leaves_a_send_in_flight_alone,
    releasing_when_nothing_waits_does_nothing,
);

fn receive_all(world: &World, socket: &Socket) -> tokio::task::JoinHandle<Vec<u8>> {
    let (socket, pool) = (socket.clone(), world.pool.clone());
    tokio::task::spawn_local(async move {
        let mut all = Vec::new();
        loop {
            let heard = socket.recv(&pool, SizeClass::Medium).await.unwrap();
            if heard.is_empty() {
                return all;
            }
            all.extend_from_slice(heard.filled());
        }
    })
}

async fn an_idle_receive_gives_its_buffer_back_and_later_data_arrives(world: World) {
    let (ours, mut theirs) = world.greedy_pair().await;
    let receive = receive_all(&world, &ours);
    world.until_it_receives().await;
    ours.release_idle();
    world.until(|| !world.ring_receives()).await;
    let sent: Vec<u8> = (0..100_000_u32).map(|at| (at % 253) as u8).collect();
    theirs.write_all(&sent).unwrap();
    drop(theirs);
    assert!(receive.await.unwrap() == sent);
}

async fn an_idle_receive_without_a_buffer_sees_the_end(world: World) {
    let (ours, theirs) = world.greedy_pair().await;
    let receive = receive_all(&world, &ours);
    world.until_it_receives().await;
    ours.release_idle();
    world.until(|| !world.ring_receives()).await;
    drop(theirs);
    assert!(receive.await.unwrap().is_empty());
}

async fn releasing_twice_is_like_releasing_once(world: World) {
    let (ours, mut theirs) = world.greedy_pair().await;
    let receive = receive_all(&world, &ours);
    for round in 0..20_u8 {
        world.round().await;
        ours.release_idle();
        ours.release_idle();
        world.until(|| !world.ring_receives()).await;
        theirs.write_all(&[round]).unwrap();
    }
    drop(theirs);
    assert_eq!(receive.await.unwrap(), (0..20).collect::<Vec<u8>>());
}

async fn releasing_while_data_arrives_loses_nothing(world: World) {
    const ROUNDS: usize = 1000;
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (ours, mut theirs) = world.pair();
    let receive = receive_all(&world, &ours);
    // The peer writes from another thread, so that its bytes meet the cancellation anywhere.
    let (go, rounds) = std::sync::mpsc::channel::<usize>();
    let peer = tokio::task::spawn_blocking(move || {
        let mut sent = Vec::new();
        for bytes in rounds {
            let from = sent.len();
            sent.extend((from..from + bytes).map(|at| (at % 251) as u8));
            theirs.write_all(&sent[from..]).unwrap();
        }
        sent
    });
    let mut met = 0;
    for _ in 0..ROUNDS {
        if random.bool() {
            world.round().await;
        }
        go.send(random.usize(1..400_000)).unwrap();
        for _ in 0..random.usize(0..300) {
            std::hint::spin_loop();
        }
        met += usize::from(world.ring_receives());
        ours.release_idle();
        if random.bool() {
            tokio::task::yield_now().await;
        }
    }
    drop(go);
    let sent = peer.await.unwrap();
    let received = receive.await.unwrap();
    assert_eq!(received.len(), sent.len());
    assert!(received == sent, "the bytes differ");
    assert!(met > 0 || world.driver.kind() == Kind::Epoll, "no receive of the ring was met");
}

async fn releasing_leaves_a_send_in_flight_alone(world: World) {
    // More than both socket buffers grow to.
    const BUFFERS: usize = 60;
    let (ours, mut theirs) = world.greedy_pair().await;
    let receive = receive_all(&world, &ours);
    let (sender, pool) = (ours.clone(), world.pool.clone());
    let send = tokio::task::spawn_local(async move {
        for _ in 0..BUFFERS {
            let mut buffer = pool.take(SizeClass::Large);
            buffer.spare_mut().fill(9);
            buffer.fill(buffer.capacity());
            sender.send_all(buffer).await.0.unwrap();
        }
        sender.shutdown_write().unwrap();
    });
    for _ in 0..20 {
        world.round().await;
        ours.release_idle();
    }
    assert!(!send.is_finished(), "the peer does not read yet");
    let heard = elsewhere(move || {
        let mut all = Vec::new();
        theirs.read_to_end(&mut all).unwrap();
        all
    })
    .await;
    send.await.unwrap();
    assert_eq!(heard.len(), BUFFERS * SizeClass::Large.bytes());
    assert!(receive.await.unwrap().is_empty());
}

async fn releasing_when_nothing_waits_does_nothing(world: World) {
    let (ours, mut theirs) = world.pair();
    ours.release_idle();
    theirs.write_all(b"hello").unwrap();
    let heard = ours.recv(&world.pool, SizeClass::Small).await.unwrap();
    ours.release_idle();
    assert_eq!(heard.filled(), b"hello");
}
