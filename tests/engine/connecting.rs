//! Connecting: made, refused, ended by us.

use std::{
    io::ErrorKind,
    net::{Ipv4Addr, SocketAddr, TcpListener},
};

use causeway::engine::{SizeClass, Socket, Tuning};
use socket2::{Domain, SockRef, Type};

use crate::{on_both_engines, world::World};

on_both_engines!(
    a_connection_is_made_and_carries_bytes,
    a_refused_connection_says_so,
    shutting_down_ends_a_connection_being_made,
    aborting_ends_a_connection_being_made,
    tuning_sets_every_option,
);

/// A listener whose queue is full: the kernel drops further SYNs, nobody answers.
struct BlackHole {
    listener: socket2::Socket,
    _waiting: Vec<Socket>,
}

impl BlackHole {
    async fn new(world: &World) -> Self {
        let listener = socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let mut hole = Self { listener, _waiting: Vec::new() };
        // A queue of length 0 holds one; a second may be half-way in.
        for _ in 0..3 {
            hole._waiting.push(Socket::open(&world.driver, hole.addr()).unwrap());
        }
        hole._waiting[0].connected().await.unwrap();
        hole
    }

    fn addr(&self) -> SocketAddr {
        self.listener.local_addr().unwrap().as_socket().unwrap()
    }
}

async fn a_connection_is_made_and_carries_bytes(world: World) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addr = listener.local_addr().unwrap();
    let ours = Socket::open(&world.driver, addr).unwrap();
    ours.connected().await.unwrap();
    assert_eq!(ours.peer_addr().unwrap(), addr);
    let (theirs, from) = listener.accept().unwrap();
    assert_eq!(ours.local_addr().unwrap(), from);
    let theirs = Socket::adopt(&world.driver, theirs.into()).unwrap();
    ours.send_all(world.filled(SizeClass::Small, b"hello")).await.0.unwrap();
    let heard = theirs.recv(&world.pool, SizeClass::Small).await.unwrap();
    assert_eq!(heard.filled(), b"hello");
}

async fn a_refused_connection_says_so(world: World) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let nobody = listener.local_addr().unwrap();
    drop(listener);
    let outcome = match Socket::open(&world.driver, nobody) {
        Ok(socket) => socket.connected().await,
        Err(error) => Err(error),
    };
    assert_eq!(outcome.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

async fn ended_by(world: World, end: impl Fn(&Socket)) {
    let hole = BlackHole::new(&world).await;
    let socket = Socket::open(&world.driver, hole.addr()).unwrap();
    let connecting = socket.clone();
    let connecting = tokio::task::spawn_local(async move { connecting.connected().await });
    for _ in 0..20 {
        world.round().await;
    }
    assert!(!connecting.is_finished(), "nobody answers");
    end(&socket);
    assert!(connecting.await.unwrap().is_err());
}

async fn shutting_down_ends_a_connection_being_made(world: World) {
    ended_by(world, Socket::shutdown).await;
}

async fn aborting_ends_a_connection_being_made(world: World) {
    ended_by(world, Socket::abort).await;
}

async fn tuning_sets_every_option(world: World) {
    let (ours, _theirs) = world.pair();
    let tuning = Tuning::default();
    ours.tune(&tuning).unwrap();
    let fd = ours.into_fd().unwrap();
    let options = SockRef::from(&fd);
    assert!(options.tcp_nodelay().unwrap());
    assert!(options.keepalive().unwrap());
    assert_eq!(options.tcp_keepalive_time().unwrap(), tuning.keepalive_idle);
    assert_eq!(options.tcp_keepalive_interval().unwrap(), tuning.keepalive_interval);
    assert_eq!(options.tcp_user_timeout().unwrap(), Some(tuning.user_timeout));
}
