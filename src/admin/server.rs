//! The admin server's thread, its listener and its bounds.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    thread::{self, JoinHandle},
};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::TcpStream,
    pin,
    runtime::{self, Runtime},
    select,
    sync::{Semaphore, oneshot},
    time::{sleep, timeout},
};

use super::{Source, routes::router};
use crate::limits::{
    ADMIN_CONNECTION_AGE_MAX, ADMIN_CONNECTIONS_MAX, ADMIN_HEAD_BYTES_MAX, ADMIN_HEAD_TIMEOUT,
    LINGER_TIMEOUT, WORKER_ANSWER_TIMEOUT,
};

/// The running admin server; dropping it ends it.
#[derive(Debug)]
pub struct Admin {
    addr: SocketAddr,
    /// Dropped to stop the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Admin {
    /// Where it listens; tells the port when port 0 was asked for.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic over there has been printed over there.
            let _ = thread.join();
        }
    }
}

/// Binds, starts the thread and returns. An address that cannot be had is an error here and now.
pub fn serve(listen: SocketAddr, source: Arc<dyn Source>) -> io::Result<Admin> {
    let listener = bind(listen).map_err(|error| explain(listen, &error))?;
    let addr = listener.local_addr()?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("admin-ask")
        .build()?;
    let listener = {
        let _entered = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let (stop, stopped) = oneshot::channel();
    let routes = router(source);
    let thread = thread::Builder::new()
        .name("admin".to_owned())
        .spawn(move || run(runtime, listener, routes, stopped))?;
    Ok(Admin { addr, stop: Some(stop), thread: Some(thread) })
}

/// Questions to the workers that wait at the same time; more queue up behind them.
const BLOCKING_THREADS: usize = 4;

fn bind(listen: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn explain(listen: SocketAddr, error: &io::Error) -> io::Error {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "another process listens there; change [admin] listen",
        io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege; change the port",
        io::ErrorKind::AddrNotAvailable => "this machine has no such address",
        _ => "check [admin] listen",
    };
    io::Error::new(error.kind(), format!("the admin server cannot use {listen}: {error}; {advice}"))
}

fn run(
    runtime: Runtime,
    listener: tokio::net::TcpListener,
    routes: Router,
    stopped: oneshot::Receiver<()>,
) {
    runtime.block_on(async {
        select! {
            () = accept(&listener, &routes) => {}
            _ = stopped => {}
        }
    });
    drop(listener);
    // A question under way may still wait for its workers; nobody hears the answer.
    runtime.shutdown_timeout(WORKER_ANSWER_TIMEOUT);
}

async fn accept(listener: &tokio::net::TcpListener, routes: &Router) {
    let connections = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
    loop {
        let Ok(permit) = connections.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let routes = routes.clone();
                tokio::spawn(async move {
                    converse(stream, routes).await;
                    drop(permit);
                });
            }
            // Out of file descriptors, most likely: the connection stays in the backlog, and
            // trying at once would only spin.
            Err(error) => {
                tracing::warn!(%error, "the admin server cannot accept a connection");
                sleep(ADMIN_ACCEPT_PAUSE).await;
            }
        }
    }
}

/// After a failed accept.
const ADMIN_ACCEPT_PAUSE: std::time::Duration = std::time::Duration::from_millis(100);

/// Serves one connection, no longer than its age allows.
async fn converse(stream: TcpStream, routes: Router) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ADMIN_HEAD_TIMEOUT)
        .max_buf_size(ADMIN_HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes));
    pin!(connection);
    // Errors are the peer's: it went away, was too slow or sent no HTTP.
    select! {
        _ = connection.as_mut() => {}
        () = sleep(ADMIN_CONNECTION_AGE_MAX) => {
            connection.as_mut().graceful_shutdown();
            let _ = timeout(LINGER_TIMEOUT, connection).await;
        }
    }
}
