//! Plain TCP: the socket under every kind of target.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use crate::failure::{Failure, While as _};

/// A connection without Nagle's delay: small messages are what is measured.
pub(super) async fn dial(address: SocketAddr) -> Result<TcpStream, Failure> {
    let socket = TcpStream::connect(address).await.during(format!("connecting to {address}"))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}
