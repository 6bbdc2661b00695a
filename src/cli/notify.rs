//! Tells the service manager how we are, by the protocol of sd_notify(3): datagrams to the socket
//! that it names in the environment. Without one everything here does nothing.

use std::{
    env, io,
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    sync::Arc,
    thread::{self, JoinHandle},
    time::Duration,
};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

/// The service manager, if there is one that listens.
#[derive(Clone, Debug, Default)]
pub(super) struct Manager(Option<Arc<UnixDatagram>>);

impl Manager {
    /// The one that started us.
    pub(super) fn of_environment() -> Self {
        let Some(name) = env::var_os("NOTIFY_SOCKET") else {
            return Self::default();
        };
        match connect(name.as_bytes()) {
            Ok(socket) => Self(Some(Arc::new(socket))),
            Err(error) => {
                tracing::warn!(%error, ?name, "the service manager cannot be told how we are");
                Self::default()
            }
        }
    }

    /// We serve.
    pub(super) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// We are about to end.
    pub(super) fn stopping(&self, status: &str) {
        self.tell(&format!("STOPPING=1\nSTATUS={status}"));
    }

    /// Says again and again that we live, for as long as `alive` says so and the returned value is
    /// kept; half as long apart as the manager waits. Nothing where it does not wait for that.
    ///
    /// # Errors
    /// When no thread can be made.
    pub(super) fn keep_alive(
        &self,
        alive: impl Fn() -> bool + Send + 'static,
    ) -> io::Result<Option<KeptAlive>> {
        let Some(patience) = watchdog_time().filter(|_| self.0.is_some()) else {
            return Ok(None);
        };
        let manager = self.clone();
        let (stop, stopped) = bounded::<()>(0);
        let thread = thread::Builder::new().name("keep-alive".to_owned()).spawn(move || {
            loop {
                if alive() {
                    manager.tell("WATCHDOG=1");
                }
                match stopped.recv_timeout(patience / 2) {
                    Err(RecvTimeoutError::Timeout) => {}
                    _ => return,
                }
            }
        })?;
        Ok(Some(KeptAlive { stop: Some(stop), thread: Some(thread) }))
    }

    fn tell(&self, state: &str) {
        if let Some(socket) = &self.0 {
            // A manager that is being restarted misses a word; it asks for nothing twice.
            let _ = socket.send(state.as_bytes());
        }
    }
}

/// Ends the thread that says we live when it is dropped.
pub(super) struct KeptAlive {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for KeptAlive {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A panic over there has been printed over there.
            let _ = thread.join();
        }
    }
}

/// A path, or a name in the abstract namespace behind an `@`.
fn connect(name: &[u8]) -> io::Result<UnixDatagram> {
    let address = match name {
        [b'@', rest @ ..] => SocketAddr::from_abstract_name(rest)?,
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path))?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

/// How long the manager waits for a sign of life, if it does and means this process.
fn watchdog_time() -> Option<Duration> {
    let number = |name: &str| env::var(name).ok()?.parse::<u64>().ok();
    let meant = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    let micros = number("WATCHDOG_USEC").filter(|micros| *micros > 0 && meant)?;
    Some(Duration::from_micros(micros))
}
