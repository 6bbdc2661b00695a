//! A TCP relay between connector and proxy that can be cut like a cable.

use std::{net::SocketAddr, thread, time::Duration};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::watch,
};

use super::DEADLINE;

/// How connections are cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// close(2) on both sides.
    Close,
    /// An RST to both sides.
    Reset,
    /// A FIN to both sides, and whatever they still send is read: truncation.
    Fin,
}

/// A running relay; ends when dropped.
pub struct CutRelay {
    pub address: SocketAddr,
    cut: watch::Sender<Option<Cut>>,
}

impl CutRelay {
    /// Relays to `target`.
    pub fn start(target: SocketAddr) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (cut, cutting) = watch::channel(None);
        thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            runtime.enable_all().build().unwrap().block_on(accept(listener, target, cutting));
        });
        Self { address, cut }
    }

    /// Cuts every connection there is, and each that comes later.
    pub fn cut(&self, how: Cut) {
        self.cut.send_replace(Some(how));
    }
}

async fn accept(
    listener: std::net::TcpListener,
    target: SocketAddr,
    cutting: watch::Receiver<Option<Cut>>,
) {
    let listener = TcpListener::from_std(listener).unwrap();
    let mut test = cutting.clone();
    // Fails once the sender is gone: the test is over, and with the runtime every connection.
    let over = test.wait_for(|_| false);
    tokio::pin!(over);
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (near, _) = accepted.unwrap();
                tokio::spawn(relay(near, target, cutting.clone()));
            }
            _ = &mut over => return,
        }
    }
}

async fn relay(mut near: TcpStream, target: SocketAddr, mut cutting: watch::Receiver<Option<Cut>>) {
    let Ok(mut far) = TcpStream::connect(target).await else { return };
    let (_, _) = (near.set_nodelay(true), far.set_nodelay(true));
    let cut = tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => return,
        cut = cutting.wait_for(Option::is_some) => match cut {
            Ok(cut) => *cut,
            Err(_) => return,
        },
    };
    match cut {
        Some(Cut::Reset) => {
            for side in [&near, &far] {
                SockRef::from(side).set_linger(Some(Duration::ZERO)).unwrap();
            }
        }
        Some(Cut::Fin) => {
            tokio::join!(end(near), end(far));
        }
        Some(Cut::Close) | None => {}
    }
}

/// A FIN, then everything that still comes, so that closing does not reset.
async fn end(mut side: TcpStream) {
    let _ = side.shutdown().await;
    let mut bytes = vec![0; 64 * 1024];
    let drained = async { while let Ok(1..) = side.read(&mut bytes).await {} };
    let _ = tokio::time::timeout(DEADLINE, drained).await;
}
