//! The service behind a contestant: sink, source and echo on one port, in the harness itself.
//!
//! The first byte that a client sends says which it wants, so every contestant needs one mapping
//! only. The echo returns that byte as well: a load on an echo of somebody else works the same.

use std::{
    cell::Cell,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    rc::Rc,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::yield_now,
};

/// Everything is read and thrown away.
pub(crate) const SINK: u8 = b'S';
/// Bytes are written until the client goes.
pub(crate) const SOURCE: u8 = b'G';
/// Sink and source at the same time.
pub(crate) const BOTH: u8 = b'B';
/// Everything else is echoed.
pub(crate) const ECHO: u8 = b'E';

/// Where small messages wait; a sink takes larger pieces.
const ECHO_BUFFER_BYTES: usize = 32 * 1024;
const BULK_BUFFER_BYTES: usize = 256 * 1024;

/// What the sinks of a service have received.
#[derive(Debug, Default)]
pub(crate) struct Swallowed(Cell<u64>);

impl Swallowed {
    pub(crate) fn bytes(&self) -> u64 {
        self.0.get()
    }
}

/// A free port of loopback.
pub(crate) const ANY_PORT: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Listens, and serves in tasks of the current `LocalSet`.
pub(crate) async fn serve(listen: SocketAddr) -> io::Result<(SocketAddr, Rc<Swallowed>)> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    let swallowed = Rc::new(Swallowed::default());
    let counter = Rc::clone(&swallowed);
    tokio::task::spawn_local(async move {
        loop {
            // An accept fails where descriptors run out: the client sees it, and is counted.
            if let Ok((client, _)) = listener.accept().await {
                let counter = Rc::clone(&counter);
                // How a client ends is judged by the client.
                tokio::task::spawn_local(async move { drop(attend(client, &counter).await) });
            } else {
                yield_now().await;
            }
        }
    });
    Ok((address, swallowed))
}

async fn attend(mut client: TcpStream, swallowed: &Swallowed) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut first = vec![0; ECHO_BUFFER_BYTES];
    let length = client.read(&mut first).await?;
    if length == 0 {
        return Ok(());
    }
    swallowed.0.set(swallowed.0.get() + length as u64);
    match first[0] {
        SINK => sink(client.into_split().0, swallowed).await,
        SOURCE => source(client.into_split().1).await,
        BOTH => {
            let (read, write) = client.into_split();
            tokio::try_join!(sink(read, swallowed), source(write)).map(|_| ())
        }
        _ => echo(client, first, length, swallowed).await,
    }
}

async fn sink(mut read: OwnedReadHalf, swallowed: &Swallowed) -> io::Result<()> {
    let mut buffer = vec![0; BULK_BUFFER_BYTES];
    loop {
        let length = read.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        swallowed.0.set(swallowed.0.get() + length as u64);
        // Otherwise one client has the thread for as long as its socket is never empty.
        yield_now().await;
    }
}

async fn source(mut write: OwnedWriteHalf) -> io::Result<()> {
    let bytes = vec![SOURCE; BULK_BUFFER_BYTES];
    loop {
        write.write_all(&bytes).await?;
        yield_now().await;
    }
}

async fn echo(
    mut client: TcpStream,
    mut buffer: Vec<u8>,
    mut length: usize,
    swallowed: &Swallowed,
) -> io::Result<()> {
    while length > 0 {
        client.write_all(&buffer[..length]).await?;
        length = client.read(&mut buffer).await?;
        swallowed.0.set(swallowed.0.get() + length as u64);
    }
    client.shutdown().await
}
