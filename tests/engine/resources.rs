//! Nothing leaks: descriptors, buffers, operations left in flight when the event loop ends.
//! Descriptors are those of the whole process, so the cases run in a process of their own.

use std::{
    net::{Ipv4Addr, TcpStream},
    process::Command,
};

use causeway::engine::{Kind, Listener, SizeClass, Socket};

use crate::world::{World, run, std_pair};

/// Set in the process that runs a case alone.
const ALONE: &str = "CAUSEWAY_TEST_ALONE";

#[test]
fn io_uring_leaks_no_descriptor() {
    alone("resources::io_uring_leaks_no_descriptor", || leaks_no_descriptor(Kind::IoUring));
}

#[test]
fn epoll_leaks_no_descriptor() {
    alone("resources::epoll_leaks_no_descriptor", || leaks_no_descriptor(Kind::Epoll));
}

#[test]
fn operations_in_flight_end_with_the_event_loop() {
    for kind in [Kind::IoUring, Kind::Epoll] {
        for _ in 0..20 {
            run(kind, "operations in flight", leave_in_flight);
        }
    }
}

fn alone(name: &str, case: impl Fn()) {
    if std::env::var_os(ALONE).is_some() {
        return case();
    }
    let program = std::env::current_exe().unwrap();
    let output =
        Command::new(program).args(["--exact", name, "--nocapture"]).env(ALONE, "1").output();
    let output = output.unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn leaks_no_descriptor(kind: Kind) {
    // The first event loop makes what the process keeps, as for signals.
    run(kind, "descriptors", |_| async {});
    let before = descriptors();
    for _ in 0..3 {
        run(kind, "descriptors", all_kinds_of_ends);
        run(kind, "descriptors", leave_in_flight);
    }
    assert_eq!(descriptors(), before);
}

async fn all_kinds_of_ends(world: World) {
    let (addr, group) = Listener::bind_group((Ipv4Addr::LOCALHOST, 0).into(), 2).unwrap();
    let mut group = group.into_iter();
    let listener = Listener::adopt(group.next().unwrap()).unwrap();
    drop(group);
    let quiet = descriptors();
    for round in 0..50 {
        let near = Socket::open(&world.driver, addr).unwrap();
        near.connected().await.unwrap();
        let far = Socket::adopt(&world.driver, listener.accept().await.unwrap().0).unwrap();
        let receiving = near.clone();
        let pool = world.pool.clone();
        let receive = tokio::task::spawn_local(async move {
            receiving.recv(&pool, SizeClass::Small).await.is_ok_and(|buffer| buffer.is_empty())
        });
        world.round().await;
        match round % 5 {
            0 => near.abort(),
            1 => near.shutdown(),
            2 => far.abort(),
            3 => far.shutdown_write().unwrap(),
            _ => {
                near.release_idle();
                world.round().await;
                near.abort();
            }
        }
        assert_eq!(receive.await.unwrap(), matches!(round % 5, 1 | 3));
    }
    // The last completions may still be on their way.
    world.until(|| descriptors() == quiet).await;
    assert_eq!(world.pool.bytes_in_use(), 0);
}

/// Leaves every kind of operation pending when the event loop ends.
async fn leave_in_flight(world: World) {
    let (addr, group) = Listener::bind_group((Ipv4Addr::LOCALHOST, 0).into(), 1).unwrap();
    let listener = Listener::adopt(group.into_iter().next().unwrap()).unwrap();
    let plain = world.plain_pool();
    for pool in [world.pool.clone(), plain] {
        let (near, far) = std_pair();
        let near = Socket::adopt(&world.driver, near.into()).unwrap();
        let (receiving, receive_pool) = (near.clone(), pool.clone());
        tokio::task::spawn_local(async move {
            drop(receiving.recv(&receive_pool, SizeClass::Medium).await);
        });
        tokio::task::spawn_local(async move {
            let _unread: TcpStream = far;
            loop {
                let mut buffer = pool.take(SizeClass::Large);
                buffer.fill(buffer.capacity());
                if near.send_all(buffer).await.0.is_err() {
                    return;
                }
            }
        });
    }
    let accepting = listener.clone();
    tokio::task::spawn_local(async move { accepting.accept().await });
    world.round().await;
    // A connection that comes when nobody will look any more.
    let _late = TcpStream::connect(addr).unwrap();
}
