//! The list of tests. Where io_uring cannot be had, those that need it are ignored, aloud.

use std::cell::Cell;

use causeway::engine::{Kind, preflight};
use libtest_mimic::Trial;

thread_local! {
    /// The mode of the channels of the test on this thread.
    static MODE: Cell<&'static str> = const { Cell::new("direct") };
}

/// Sets the mode for a thread of a test's own.
pub fn set_mode(mode: &'static str) {
    MODE.set(mode);
}

/// The mode of the channels of the test on this thread.
pub fn mode() -> &'static str {
    MODE.get()
}

/// Collects tests.
pub struct Suite {
    trials: Vec<Trial>,
    io_uring: Result<(), String>,
}

impl Suite {
    /// Finds out what this machine can run.
    pub fn new() -> Self {
        let io_uring = preflight::choose(preflight::Wanted::IoUring, 1).map(drop);
        if let Err(why) = &io_uring {
            eprintln!("SKIPPED: every io_uring test, they are not counted as passed: {why}");
        }
        Self { trials: Vec::new(), io_uring }
    }

    /// Adds a behaviour that both engines must have.
    pub fn both(&mut self, name: &str, test: fn(Kind)) {
        for kind in [Kind::IoUring, Kind::Epoll] {
            let skipped = kind == Kind::IoUring && self.io_uring.is_err();
            let trial = Trial::test(format!("{name}::{kind}"), move || {
                MODE.set("direct");
                test(kind);
                Ok(())
            });
            self.trials.push(trial.with_ignored_flag(skipped));
        }
    }

    /// Adds a behaviour that both engines must have, and that can only be seen where `possible`.
    pub fn both_where(&mut self, name: &str, possible: &Result<(), String>, test: fn(Kind)) {
        let before = self.trials.len();
        self.both(name, test);
        if let Err(why) = possible {
            eprintln!("SKIPPED: {name}, it is not counted as passed: {why}");
            let added: Vec<Trial> = self.trials.drain(before..).collect();
            self.trials.extend(added.into_iter().map(|trial| trial.with_ignored_flag(true)));
        }
    }

    /// Adds a behaviour of connectors that both engines must have in both modes.
    pub fn all(&mut self, name: &str, test: fn(Kind)) {
        for mode in ["direct", "multiplexed"] {
            for kind in [Kind::IoUring, Kind::Epoll] {
                let skipped = kind == Kind::IoUring && self.io_uring.is_err();
                let trial = Trial::test(format!("{name}::{kind}::{mode}"), move || {
                    MODE.set(mode);
                    test(kind);
                    Ok(())
                });
                self.trials.push(trial.with_ignored_flag(skipped));
            }
        }
    }

    /// Adds a behaviour of mode `multiplexed` that both engines must have.
    pub fn multiplexed(&mut self, name: &str, test: fn(Kind)) {
        for kind in [Kind::IoUring, Kind::Epoll] {
            let skipped = kind == Kind::IoUring && self.io_uring.is_err();
            let trial = Trial::test(format!("{name}::{kind}::multiplexed"), move || {
                MODE.set("multiplexed");
                test(kind);
                Ok(())
            });
            self.trials.push(trial.with_ignored_flag(skipped));
        }
    }

    /// Adds a measurement of both modes on both engines, which runs only when asked for with
    /// `--ignored`: its figures mean nothing beside other tests.
    pub fn measurement(&mut self, name: &str, test: fn(Kind)) {
        for kind in [Kind::IoUring, Kind::Epoll] {
            let trial = Trial::test(format!("{name}::{kind}"), move || {
                test(kind);
                Ok(())
            });
            self.trials.push(trial.with_ignored_flag(true));
        }
    }

    /// Adds a test that does not depend on the engine.
    pub fn once(&mut self, name: &str, test: fn()) {
        self.trials.push(Trial::test(name.to_owned(), move || {
            test();
            Ok(())
        }));
    }

    /// Counts a test as skipped that has nothing to run with; why is said where that is found out.
    pub fn skipped(&mut self, name: &str) {
        let trial = Trial::test(name.to_owned(), || Err("what it needs is not there".into()));
        self.trials.push(trial.with_ignored_flag(true));
    }

    /// All of them; an empty suite would pass without having tested anything.
    pub fn into_trials(self) -> Vec<Trial> {
        assert!(!self.trials.is_empty(), "the suite has no tests");
        self.trials
    }
}
