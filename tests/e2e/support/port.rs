//! A port that nobody else takes while a test needs it free.

use std::net::SocketAddr;

use socket2::{Domain, Socket, Type};

/// A port that refuses connections. Who sets SO_REUSEADDR, as every server here does, can listen
/// on it meanwhile, and again after that.
pub struct HeldPort {
    _socket: Socket,
    pub address: SocketAddr,
}

impl HeldPort {
    pub fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_reuse_address(true).unwrap();
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        Self { _socket: socket, address }
    }
}
