//! Tells when files change: notified by the kernel where it does that, and by looking again
//! every [`limits::WATCH_RESCAN`] where it does not (network file systems).
//!
//! A notification is only a hint to look; what counts is whether the files' fingerprint differs.
//! So reading a file, or a change beside it, calls nobody, and a link swapped far up the path
//! (Kubernetes' `..data`) is noticed like an edit in place.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded, select};
use notify::event::{AccessKind, AccessMode};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::fingerprint::{Fingerprint, is_hidden};
use crate::limits;

/// The paths that are watched. Clones are the same ones.
#[derive(Clone, Debug, Default)]
pub struct WatchedPaths(Arc<Mutex<Arc<[PathBuf]>>>);

impl WatchedPaths {
    /// Watches these from the next look on, [`limits::WATCH_RESCAN`] away at most. A change of the
    /// list counts as a change of files. A path that cannot be made absolute is left out.
    pub fn set(&self, paths: &[PathBuf]) {
        let absolute = paths.iter().filter_map(|path| std::path::absolute(path).ok());
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = absolute.collect();
    }

    fn get(&self) -> Arc<[PathBuf]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Watches files on a thread of its own until it is dropped.
#[derive(Debug)]
pub struct FileWatch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    degraded: Option<String>,
}

impl FileWatch {
    /// Calls back, on the watch's thread, when any of the paths may have changed: once for
    /// changes in quick succession. A directory stands for all files in it that are not hidden;
    /// a path need not exist yet. Changes count from the moment this returns, so watch first,
    /// then load.
    pub fn spawn(
        paths: Vec<PathBuf>,
        on_change: impl FnMut() + Send + 'static,
    ) -> io::Result<Self> {
        let watched = WatchedPaths::default();
        watched.set(&paths);
        Self::spawn_on(watched, on_change)
    }

    /// Like [`FileWatch::spawn`], with paths that can change meanwhile.
    pub fn spawn_on(
        paths: WatchedPaths,
        on_change: impl FnMut() + Send + 'static,
    ) -> io::Result<Self> {
        Self::start(paths, on_change, Notifier::new)
    }

    fn start(
        paths: WatchedPaths,
        on_change: impl FnMut() + Send + 'static,
        notifier: impl FnOnce(&WatchedPaths, Hint) -> notify::Result<Notifier>,
    ) -> io::Result<Self> {
        let (stop, stopped) = bounded(0);
        let (hint, hints) = bounded(1);
        let touched = Arc::new(AtomicBool::new(false));
        let hint = Hint { look: hint, touched: Arc::clone(&touched) };
        let (notifier, degraded) = match notifier(&paths, hint) {
            Ok(notifier) => (Some(notifier), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let mut watch =
            Watch { paths, notifier, hints, stopped, touched, known: Fingerprint::default() };
        watch.known = watch.look();
        let thread =
            thread::Builder::new().name("file-watch".to_owned()).spawn(|| watch.run(on_change))?;
        Ok(Self { stop: Some(stop), thread: Some(thread), degraded })
    }

    /// Why the kernel does not notify, if it refuses to; changes are then found by looking again.
    #[must_use]
    pub fn degraded(&self) -> Option<&str> {
        self.degraded.as_deref()
    }
}

impl Drop for FileWatch {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A callback that drops its own watch cannot wait for itself. A callback that
            // panicked has said so already.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// The thread's state.
struct Watch {
    paths: WatchedPaths,
    notifier: Option<Notifier>,
    hints: Receiver<()>,
    stopped: Receiver<()>,
    /// A watched file was written to. Two writes within one tick of the file system's clock
    /// leave equal fingerprints; this tells them apart.
    touched: Arc<AtomicBool>,
    known: Fingerprint,
}

/// Why a wait ended.
#[derive(PartialEq, Eq)]
enum Woken {
    Hint,
    Timeout,
    Stopped,
}

impl Watch {
    fn run(mut self, mut on_change: impl FnMut()) {
        let rescan = match self.notifier {
            Some(_) => limits::WATCH_RESCAN,
            None => limits::WATCH_RESCAN_UNNOTIFIED,
        };
        loop {
            match self.wait(rescan) {
                Woken::Stopped => return,
                Woken::Timeout if Fingerprint::of(&self.paths.get()) == self.known => continue,
                Woken::Hint | Woken::Timeout => {}
            }
            let Some(settled) = self.settle() else { return };
            let touched = self.touched.swap(false, Ordering::Relaxed);
            if touched || settled != self.known {
                self.known = settled;
                on_change();
            }
        }
    }

    /// Waits until nothing moves any more, or long enough; `None` when stopped meanwhile.
    fn settle(&mut self) -> Option<Fingerprint> {
        let give_up = Instant::now() + limits::WATCH_SETTLE_MAX;
        let mut before = self.look();
        loop {
            let woken = self.wait(limits::WATCH_SETTLE);
            if woken == Woken::Stopped {
                return None;
            }
            let after = self.look();
            if (woken == Woken::Timeout && after == before) || Instant::now() >= give_up {
                return Some(after);
            }
            before = after;
        }
    }

    /// Watches the directories that now matter, then looks: a change in between is in the
    /// fingerprint, a later one is notified.
    fn look(&mut self) -> Fingerprint {
        let paths = self.paths.get();
        let fingerprint = Fingerprint::of(&paths);
        let Some(notifier) = &mut self.notifier else { return fingerprint };
        if !notifier.watch(fingerprint.directories(&paths)) {
            return fingerprint;
        }
        Fingerprint::of(&paths)
    }

    fn wait(&self, timeout: std::time::Duration) -> Woken {
        let deadline = Instant::now() + timeout;
        select! {
            // Nothing is ever sent: the watch's owner drops the other end.
            recv(self.stopped) -> _ => Woken::Stopped,
            recv(self.hints) -> hint => match hint {
                Ok(()) => Woken::Hint,
                // Without a notifier no hint can come, only the time or the end.
                Err(_) => match self.stopped.recv_deadline(deadline) {
                    Err(crossbeam_channel::RecvTimeoutError::Timeout) => Woken::Timeout,
                    _ => Woken::Stopped,
                },
            },
            default(timeout) => Woken::Timeout,
        }
    }
}

/// How a notification reaches the thread.
struct Hint {
    look: Sender<()>,
    touched: Arc<AtomicBool>,
}

/// The kernel's notifications for a set of directories.
struct Notifier {
    watcher: RecommendedWatcher,
    directories: BTreeSet<PathBuf>,
}

impl Notifier {
    fn new(paths: &WatchedPaths, hint: Hint) -> notify::Result<Self> {
        let paths = paths.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            // An error is a reason to look, too: events may have been lost.
            if let Ok(event) = &event {
                if !is_change(event.kind) {
                    return;
                }
                if event.paths.iter().any(|changed| concerns(&paths.get(), changed)) {
                    hint.touched.store(true, Ordering::Relaxed);
                }
            }
            // Full means a hint is waiting already.
            let _ = hint.look.try_send(());
        })?;
        Ok(Self { watcher, directories: BTreeSet::new() })
    }

    /// Makes `wanted` the directories that are watched and says whether any is new. Known ones
    /// are watched again, because a directory that was replaced has taken its watch along.
    fn watch(&mut self, wanted: BTreeSet<PathBuf>) -> bool {
        for gone in self.directories.difference(&wanted) {
            // It fails where the directory is gone, and its watch with it.
            let _ = self.watcher.unwatch(gone);
        }
        let mut watched = BTreeSet::new();
        for directory in wanted {
            // What cannot be watched is found by looking again, and tried again then.
            if self.watcher.watch(&directory, RecursiveMode::NonRecursive).is_ok() {
                watched.insert(directory);
            }
        }
        let grown = !watched.is_subset(&self.directories);
        self.directories = watched;
        grown
    }
}

/// Whether an event can mean that a file changed; opening and reading one, as our own looking
/// does, cannot.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

/// Whether a path is watched, by itself or as a file of a watched directory.
fn concerns(paths: &[PathBuf], changed: &Path) -> bool {
    let directory = changed.parent();
    paths
        .iter()
        .any(|path| path == changed || (directory == Some(path.as_path()) && !is_hidden(changed)))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::Duration;

    use super::*;

    /// The public interface cannot be made to run into the kernel's limits.
    #[test]
    fn changes_are_found_where_the_kernel_notifies_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.toml");
        let (call, calls) = bounded(16);
        let watched = WatchedPaths::default();
        watched.set(std::slice::from_ref(&file));
        let refuse = |_: &WatchedPaths, _| Err(notify::Error::generic("refused"));
        let on_change = move || call.send(()).unwrap_or_default();
        let watch = FileWatch::start(watched, on_change, refuse).unwrap();
        assert_eq!(watch.degraded(), Some("refused"));
        for content in ["one", "three"] {
            fs::write(&file, content).unwrap();
            calls.recv_timeout(Duration::from_secs(10)).expect("nobody called");
        }
        drop(watch);
        assert!(calls.recv().is_err(), "called without a change, or the thread lives");
    }
}
