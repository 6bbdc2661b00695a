//! The file watch against real files. Deadlines come from the channel; nothing sleeps.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use causeway::config::watch::FileWatch;
use causeway::limits;
use crossbeam_channel::{Receiver, unbounded};

/// What the watch promises.
const PROMISED: Duration = Duration::from_secs(1);
/// Longer than any settling, so that silence for this long means that nobody was called.
const SILENCE: Duration = limits::WATCH_SETTLE_MAX;
/// A machine that is busy with other things may be late; a promise of time is not broken by that.
const PATIENCE: Duration = Duration::from_secs(10);

struct Watched {
    _watch: FileWatch,
    calls: Receiver<()>,
}

fn watch(paths: &[&Path]) -> Watched {
    let (call, calls) = unbounded();
    let paths: Vec<PathBuf> = paths.iter().map(|path| path.to_path_buf()).collect();
    let watch =
        FileWatch::spawn(paths, move || call.send(()).unwrap_or_default()).expect("a thread");
    if let Some(why) = watch.degraded() {
        println!("the kernel refuses to notify ({why}); what is tested is looking again");
    }
    Watched { _watch: watch, calls }
}

impl Watched {
    /// Makes a change and waits for the call.
    fn expect(&self, what: &str, change: impl FnOnce()) {
        // A change that settles in two steps may have called twice.
        self.calls.try_iter().for_each(drop);
        change();
        let start = Instant::now();
        self.calls.recv_timeout(PATIENCE).unwrap_or_else(|error| panic!("{what}: {error}"));
        let took = start.elapsed();
        println!("{what}: {took:?}");
        if took > PROMISED {
            println!("{what} took longer than promised; is the machine busy?");
        }
    }

    fn expect_silence(&self, what: &str, change: impl FnOnce()) {
        change();
        assert!(self.calls.recv_timeout(SILENCE).is_err(), "{what} called");
    }
}

#[test]
fn an_edit_in_place_calls_once() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.toml");
    fs::write(&file, "one").unwrap();
    let watched = watch(&[&file]);
    watched.expect("an edit of the same length", || fs::write(&file, "two").unwrap());
    watched.expect_silence("what is over", || {});
    watched.expect("a burst", || {
        for round in 0..20 {
            fs::write(&file, "x".repeat(round)).unwrap();
        }
    });
    watched.expect_silence("the rest of a burst", || {});
    watched.expect_silence("reading", || drop(fs::read(&file).unwrap()));
    watched.expect_silence("a neighbour's change", || {
        fs::write(directory.path().join("b.toml"), "x").unwrap();
    });
}

#[test]
fn a_file_replaced_by_renaming_is_noticed_every_time() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.toml");
    fs::write(&file, "0").unwrap();
    let watched = watch(&[&file]);
    for round in 1..4 {
        watched.expect("a rename over", || {
            let new = directory.path().join(".a.toml.swp");
            fs::write(&new, round.to_string()).unwrap();
            fs::rename(&new, &file).unwrap();
        });
    }
}

#[test]
fn a_file_deleted_and_made_again_is_noticed_both_times() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.toml");
    fs::write(&file, "one").unwrap();
    let watched = watch(&[&file]);
    watched.expect("a deletion", || fs::remove_file(&file).unwrap());
    watched.expect("a creation", || fs::write(&file, "one").unwrap());
    watched.expect("a change after it", || fs::write(&file, "three").unwrap());
}

#[test]
fn a_directory_stands_for_its_files() {
    let directory = tempfile::tempdir().unwrap();
    let mappings = directory.path().join("mappings");
    fs::create_dir(&mappings).unwrap();
    let watched = watch(&[&mappings]);
    watched.expect("a new file", || fs::write(mappings.join("a.yaml"), "x").unwrap());
    watched.expect("a changed file", || fs::write(mappings.join("a.yaml"), "y").unwrap());
    watched.expect_silence("a hidden file", || fs::write(mappings.join(".a.swp"), "x").unwrap());
    watched.expect("a removed file", || fs::remove_file(mappings.join("a.yaml")).unwrap());
}

#[test]
fn a_directory_that_comes_goes_and_comes_back_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let deep = directory.path().join("not/yet/there");
    let file = deep.join("a.yaml");
    let watched = watch(&[&deep]);
    watched.expect("a first file", || {
        fs::create_dir_all(&deep).unwrap();
        fs::write(&file, "x").unwrap();
    });
    watched.expect("its change", || fs::write(&file, "y").unwrap());
    watched.expect("the directory's removal", || {
        fs::remove_dir_all(directory.path().join("not")).unwrap();
    });
    watched.expect("its return", || {
        fs::create_dir_all(&deep).unwrap();
        fs::write(&file, "x").unwrap();
    });
    watched.expect("a change in the returned", || fs::write(&file, "y").unwrap());
}

/// Kubernetes mounts a secret as links through `..data`, which it swaps for a new version.
#[test]
fn a_swap_of_the_directory_behind_links_is_noticed_every_time() {
    for by_directory in [false, true] {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let version = |name: &str| {
            fs::create_dir(at(name)).unwrap();
            fs::write(at(name).join("tls.crt"), "same").unwrap();
            symlink(name, at("..data_tmp")).unwrap();
            fs::rename(at("..data_tmp"), at("..data")).unwrap();
        };
        version("..1");
        symlink("..data/tls.crt", at("tls.crt")).unwrap();
        let file = at("tls.crt");
        let watched = watch(&[if by_directory { directory.path() } else { &file }]);
        for (old, new) in [("..1", "..2"), ("..2", "..3"), ("..3", "..4")] {
            watched.expect("a swap", || {
                version(new);
                fs::remove_dir_all(at(old)).unwrap();
            });
        }
    }
}

#[test]
fn a_change_where_a_link_leads_is_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for name in ["live", "archive"] {
        fs::create_dir(at(name)).unwrap();
    }
    fs::write(at("archive/1.pem"), "x").unwrap();
    symlink("../archive/1.pem", at("live/cert.pem")).unwrap();
    for path in [at("live/cert.pem"), at("live")] {
        let watched = watch(&[&path]);
        watched.expect("a change behind the link", || {
            fs::write(at("archive/1.pem"), "yy").unwrap();
        });
        watched.expect("a change back", || fs::write(at("archive/1.pem"), "x").unwrap());
    }
}

#[test]
fn changes_that_never_pause_are_reported_all_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.toml");
    let watched = watch(&[&file]);
    let start = Instant::now();
    let mut written = 0_usize;
    while watched.calls.is_empty() {
        assert!(start.elapsed() < PATIENCE, "nobody called in {written} changes");
        written += 1;
        fs::write(&file, "x".repeat(written % 100)).unwrap();
    }
    println!("called after {:?} and {written} changes", start.elapsed());
}

#[test]
fn dropping_the_watch_ends_its_thread_and_its_calls() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("a.toml");
    let watched = watch(&[&file]);
    let Watched { _watch, calls } = watched;
    drop(_watch);
    // The thread owned the callback and with it the only sender.
    assert!(matches!(calls.recv_timeout(PATIENCE), Err(error) if error.is_disconnected()));
    fs::write(&file, "x").unwrap();
    assert!(calls.is_empty());
}
