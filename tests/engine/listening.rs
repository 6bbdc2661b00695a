//! Listening: groups of listeners on one port, accepting, closing.

use std::{
    io::{ErrorKind, Read},
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream},
};

use causeway::engine::{Listener, SizeClass, Socket, Tuning};

use crate::{
    on_both_engines,
    world::{World, elsewhere},
};

on_both_engines!(
    an_accepted_connection_tells_its_peer_and_carries_bytes,
    closing_ends_a_pending_accept_and_frees_the_port,
    every_listener_of_a_group_gets_connections,
    a_second_group_on_the_same_port_is_refused,
    connections_in_time_wait_do_not_keep_a_restart_out,
    a_dropped_accept_loses_no_connection,
    accepted_connections_inherit_the_listeners_options,
    the_wildcard_of_ipv6_takes_ipv4_too,
);

fn anywhere() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 0).into()
}

fn one(addr: SocketAddr) -> (SocketAddr, Listener) {
    let (addr, mut group) = Listener::bind_group(addr, 1).unwrap();
    (addr, Listener::adopt(group.remove(0)).unwrap())
}

async fn an_accepted_connection_tells_its_peer_and_carries_bytes(world: World) {
    let (addr, listener) = one(anywhere());
    for _ in 0..3 {
        let mut theirs = TcpStream::connect(addr).unwrap();
        let (fd, from) = listener.accept().await.unwrap();
        assert_eq!(from, theirs.local_addr().unwrap());
        let ours = Socket::adopt(&world.driver, fd).unwrap();
        ours.send_all(world.filled(SizeClass::Small, b"welcome")).await.0.unwrap();
        drop(ours);
        let mut heard = String::new();
        theirs.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "welcome");
    }
}

async fn closing_ends_a_pending_accept_and_frees_the_port(world: World) {
    let (addr, listener) = one(anywhere());
    let accepting = listener.clone();
    let accepting = tokio::task::spawn_local(async move { accepting.accept().await });
    world.round().await;
    listener.close();
    assert!(accepting.await.unwrap().is_err());
    assert!(listener.accept().await.is_err(), "and every accept after it");
    let refused = TcpStream::connect(addr).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    drop(listener);
    Listener::bind_group(addr, 2).unwrap();
}

async fn every_listener_of_a_group_gets_connections(_world: World) {
    const CONNECTIONS: usize = 200;
    let (addr, group) = Listener::bind_group(anywhere(), 3).unwrap();
    let counts: Vec<_> = group
        .into_iter()
        .map(|fd| {
            let listener = Listener::adopt(fd).unwrap();
            let accepting = listener.clone();
            let count = tokio::task::spawn_local(async move {
                let mut count = 0;
                while accepting.accept().await.is_ok() {
                    count += 1;
                }
                count
            });
            (listener, count)
        })
        .collect();
    let streams: Vec<TcpStream> =
        elsewhere(move || (0..CONNECTIONS).map(|_| TcpStream::connect(addr).unwrap()).collect())
            .await;
    // Each is accepted once its peer sees it closed.
    elsewhere(move || {
        for mut stream in streams {
            assert_eq!(stream.read(&mut [0; 1]).unwrap(), 0);
        }
    })
    .await;
    let mut total = 0;
    for (listener, count) in counts {
        listener.close();
        let count = count.await.unwrap();
        assert!(count > 0, "the kernel spreads over all of a group");
        total += count;
    }
    assert_eq!(total, CONNECTIONS);
}

async fn a_second_group_on_the_same_port_is_refused(_: World) {
    let (addr, first) = Listener::bind_group(anywhere(), 2).unwrap();
    for count in [1, 2] {
        let refused = Listener::bind_group(addr, count).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AddrInUse);
    }
    drop(first);
    Listener::bind_group(addr, 2).unwrap();
}

async fn connections_in_time_wait_do_not_keep_a_restart_out(_world: World) {
    let (addr, listener) = one(anywhere());
    let mut theirs = TcpStream::connect(addr).unwrap();
    let (fd, _) = listener.accept().await.unwrap();
    // Who closes first keeps the connection in TIME_WAIT.
    drop(fd);
    assert_eq!(theirs.read(&mut [0; 1]).unwrap(), 0);
    drop(theirs);
    listener.close();
    drop(listener);
    Listener::bind_group(addr, 2).unwrap();
}

async fn a_dropped_accept_loses_no_connection(world: World) {
    let (addr, listener) = one(anywhere());
    for _ in 0..10 {
        tokio::select! {
            biased;
            _ = listener.accept() => panic!("nobody has connected"),
            () = world.round() => {}
        }
        let theirs = TcpStream::connect(addr).unwrap();
        let (_, from) = listener.accept().await.unwrap();
        assert_eq!(from, theirs.local_addr().unwrap());
    }
}

async fn accepted_connections_inherit_the_listeners_options(_world: World) {
    let (addr, listener) = one(anywhere());
    let tuning = Tuning::default();
    listener.tune(&tuning).unwrap();
    let _theirs = TcpStream::connect(addr).unwrap();
    let (fd, _) = listener.accept().await.unwrap();
    let options = socket2::SockRef::from(&fd);
    assert!(options.tcp_nodelay().unwrap() && options.keepalive().unwrap());
    assert_eq!(options.tcp_keepalive_time().unwrap(), tuning.keepalive_idle);
    assert_eq!(options.tcp_user_timeout().unwrap(), Some(tuning.user_timeout));
}

async fn the_wildcard_of_ipv6_takes_ipv4_too(_world: World) {
    let Ok((addr, mut group)) = Listener::bind_group((Ipv6Addr::UNSPECIFIED, 0).into(), 1) else {
        eprintln!("SKIPPED: no IPv6 here");
        return;
    };
    let listener = Listener::adopt(group.remove(0)).unwrap();
    let theirs = TcpStream::connect((Ipv4Addr::LOCALHOST, addr.port())).unwrap();
    let (_, from) = listener.accept().await.unwrap();
    assert_eq!(from.port(), theirs.local_addr().unwrap().port());
}
