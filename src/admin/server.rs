//! The admin server's thread, its listeners and its bounds.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
    time::SystemTime,
};

use axum::{Extension, Router, extract::ConnectInfo, middleware::from_fn_with_state};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    pin,
    runtime::{self, Runtime},
    select,
    sync::{Semaphore, oneshot},
    time::{sleep, timeout},
};

use super::{
    Source,
    api::Desk,
    guard::{Guard, ShownCertificate, Visitor, check},
    routes,
    token::Token,
};
use crate::{
    config::{AdminConfig, ListenerTls, watch::FileWatch},
    limits::{
        ADMIN_CONNECTION_AGE_MAX, ADMIN_CONNECTIONS_MAX, ADMIN_HANDSHAKE_TIMEOUT,
        ADMIN_HEAD_BYTES_MAX, ADMIN_HEAD_TIMEOUT, ADMIN_NICE, LINGER_TIMEOUT,
        WORKER_ANSWER_TIMEOUT,
    },
    tls::{HttpsServer, shown_certificate},
    worker::stand_back,
};

/// The running admin server; dropping it ends it.
#[derive(Debug)]
pub struct Admin {
    addr: Option<SocketAddr>,
    probes: Option<SocketAddr>,
    /// Dropped to stop the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// What follows its token and its certificate.
    _watches: Vec<FileWatch>,
}

impl Admin {
    /// Where it listens, if for more than probes; tells the port when port 0 was asked for.
    pub fn address(&self) -> Option<SocketAddr> {
        self.addr
    }

    /// The one address of a server that was started by [`serve`].
    pub fn addr(&self) -> SocketAddr {
        self.addr.or(self.probes).expect("a server listens somewhere")
    }

    /// Where it answers probes apart, if it does.
    pub fn probes(&self) -> Option<SocketAddr> {
        self.probes
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

/// Serves everything to whoever reaches `listen`, over plain HTTP; for loopback.
///
/// # Errors
/// An address that cannot be had is an error here and now.
pub fn serve(listen: SocketAddr, source: Arc<dyn Source>) -> io::Result<Admin> {
    serve_with(&AdminConfig::local(listen), source)
}

/// Binds, starts the thread and returns.
///
/// # Errors
/// Addresses that cannot be had, and certificates or a token that cannot be used, are errors here
/// and now.
pub fn serve_with(config: &AdminConfig, source: Arc<dyn Source>) -> io::Result<Admin> {
    serve_around(config, source, |routes| routes)
}

/// The same with something around the routes of the main listener: what `around` makes of them is
/// served. Its requests tell where they come from (`ConnectInfo`); those it marks [`Admitted`] are
/// let through without a token or certificate.
///
/// # Errors
/// As of [`serve_with`].
///
/// [`Admitted`]: super::Admitted
pub fn serve_around(
    config: &AdminConfig,
    source: Arc<dyn Source>,
    around: impl FnOnce(Router) -> Router,
) -> io::Result<Admin> {
    let mut watches = Vec::new();
    let token = match &config.token_file {
        None => None,
        Some(file) => {
            let (token, watch) = Token::follow(file)?;
            watches.push(watch);
            Some(token)
        }
    };
    let tls = match &config.tls {
        None => None,
        Some(tls) => {
            let (server, watch) = follow(tls)?;
            watches.push(watch);
            Some(server)
        }
    };
    let guard = Arc::new(Guard {
        token,
        // Where there are accounts, a certificate is an account's.
        certificates: !config.accounts
            && config.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some()),
        accounts: config.accounts,
        open_metrics: config.open_metrics,
        own: config.listen.map(|listen| listen.ip()),
    });
    let listener = config.listen.map(|listen| bind(listen, "[admin] listen")).transpose()?;
    let probes = match &config.probes {
        None => None,
        Some(probes) => Some((bind(probes.listen, "[admin.probes] listen")?, probes.metrics)),
    };
    let runtime = runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("admin-ask")
        .build()?;
    let addr = listener.as_ref().map(TcpListener::local_addr).transpose()?;
    let probes_addr = probes.as_ref().map(|(listener, _)| listener.local_addr()).transpose()?;
    let mut doors = Vec::new();
    if let Some(listener) = listener {
        let routes = routes::router(source.clone())
            .layer(from_fn_with_state(guard, check))
            .layer(Extension(Arc::new(Desk::new())));
        let routes = around(routes);
        doors.push(Door { routes, listener: adopt(&runtime, listener)?, tls });
    }
    if let Some((listener, metrics)) = probes {
        let listener = adopt(&runtime, listener)?;
        doors.push(Door { listener, routes: routes::probes(source, metrics), tls: None });
    }
    let (stop, stopped) = oneshot::channel();
    let thread = thread::Builder::new()
        .name("admin".to_owned())
        .spawn(move || run(runtime, doors, stopped))?;
    let (stop, thread) = (Some(stop), Some(thread));
    Ok(Admin { addr, probes: probes_addr, stop, thread, _watches: watches })
}

/// A listener and what is served there.
struct Door {
    listener: tokio::net::TcpListener,
    routes: Router,
    tls: Option<Certificate>,
}

/// The certificate in use, which follows its files.
type Certificate = Arc<Mutex<HttpsServer>>;

/// Questions to the workers, and to the disk, that wait at a time; more queue up behind them.
const BLOCKING_THREADS: usize = 4;

fn follow(tls: &ListenerTls) -> io::Result<(Certificate, FileWatch)> {
    let files = tls.clone();
    let load = move || {
        let client_ca = files.client_ca.as_deref();
        let now = SystemTime::now();
        let (server, facts) =
            HttpsServer::load(&files.certificate, &files.private_key, client_ca, now)?;
        for warning in &facts.warnings {
            tracing::warn!(target: "causeway::admin", "admin server: {warning}");
        }
        Ok::<_, crate::tls::MaterialError>(server)
    };
    let server = Arc::new(Mutex::new(load().map_err(io::Error::other)?));
    let current = server.clone();
    let mut paths = vec![tls.certificate.clone(), tls.private_key.clone()];
    paths.extend(tls.client_ca.clone());
    let watch = FileWatch::spawn(paths, move || match load() {
        Ok(server) => {
            *current.lock().unwrap_or_else(PoisonError::into_inner) = server;
            tracing::info!(target: "causeway::admin", "the admin server's certificate changed");
        }
        Err(error) => tracing::error!(
            target: "causeway::admin", %error, "keeping the admin server's certificate in use"
        ),
    })?;
    Ok((server, watch))
}

fn bind(listen: SocketAddr, key: &str) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(listen).map_err(|error| explain(listen, key, &error))?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

fn adopt(runtime: &Runtime, listener: TcpListener) -> io::Result<tokio::net::TcpListener> {
    let _entered = runtime.enter();
    tokio::net::TcpListener::from_std(listener)
}

fn explain(listen: SocketAddr, key: &str, error: &io::Error) -> io::Error {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => format!("another process listens there; change {key}"),
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege; change the port".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
        _ => format!("check {key}"),
    };
    io::Error::new(error.kind(), format!("the admin server cannot use {listen}: {error}; {advice}"))
}

fn run(runtime: Runtime, doors: Vec<Door>, stopped: oneshot::Receiver<()>) {
    // Threads it makes begin where it stands.
    stand_back(ADMIN_NICE);
    runtime.block_on(async {
        for door in doors {
            tokio::spawn(accept(door));
        }
        // Dropped is told as well.
        let _ = stopped.await;
    });
    // A question under way may still wait for its workers; nobody hears the answer.
    runtime.shutdown_timeout(WORKER_ANSWER_TIMEOUT);
}

async fn accept(door: Door) {
    let connections = Arc::new(Semaphore::new(ADMIN_CONNECTIONS_MAX));
    loop {
        let Ok(permit) = connections.clone().acquire_owned().await else { return };
        match door.listener.accept().await {
            Ok((stream, peer)) => {
                let routes = door.routes.clone();
                let tls = door.tls.as_ref().map(|tls| {
                    // Never held longer than it takes to count one more user.
                    tls.lock().unwrap_or_else(PoisonError::into_inner).clone()
                });
                tokio::spawn(async move {
                    welcome(stream, peer, tls, routes).await;
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

/// Shakes hands where there is TLS, and serves the connection.
async fn welcome(stream: TcpStream, peer: SocketAddr, tls: Option<HttpsServer>, routes: Router) {
    let Some(tls) = tls else {
        return converse(stream, Visitor { peer, certified: false }, routes).await;
    };
    // What goes wrong is the peer's: it left, was too slow, or trusts others.
    if let Ok(Ok(stream)) = timeout(ADMIN_HANDSHAKE_TIMEOUT, tls.accept(stream)).await {
        let shown = shown_certificate(&stream);
        let visitor = Visitor { peer, certified: shown.is_some() };
        let routes = match shown {
            Some(shown) => routes.layer(Extension(ShownCertificate(shown.into()))),
            None => routes,
        };
        converse(stream, visitor, routes).await;
    }
}

/// Serves one connection, no longer than its age allows.
async fn converse<S>(stream: S, visitor: Visitor, routes: Router)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let routes = routes.layer(Extension(visitor)).layer(Extension(ConnectInfo(visitor.peer)));
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
