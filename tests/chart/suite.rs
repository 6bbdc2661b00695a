//! The list of tests, and what of them can run here.

use std::{
    path::Path,
    process::{Command, Stdio},
};

use libtest_mimic::Trial;

use crate::helm;

/// Where the repository is.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Collects tests.
pub struct Suite {
    trials: Vec<Trial>,
    helm: bool,
}

impl Suite {
    /// Finds out what this machine can run.
    pub fn new() -> Self {
        let helm = helm::found();
        if !helm {
            eprintln!(
                "SKIPPED: every test that needs Helm 3, they are not counted as passed: there is \
                 none in $HELM, in $PATH or where .ci/run installs it"
            );
        }
        Self { trials: Vec::new(), helm }
    }

    /// Adds a test that needs nothing.
    pub fn plain(&mut self, name: &str, test: fn()) {
        self.when(true, name, test);
    }

    /// Adds a test that needs Helm.
    pub fn helm(&mut self, name: &str, test: fn()) {
        self.when(self.helm, name, test);
    }

    /// Adds a test that needs Helm and something else, which says itself why it is missing.
    pub fn helm_and(&mut self, there: bool, name: &str, test: fn()) {
        self.when(self.helm && there, name, test);
    }

    /// Adds a test that is skipped unless it can run.
    pub fn when(&mut self, runs: bool, name: &str, test: fn()) {
        let body = move || {
            test();
            Ok(())
        };
        self.trials.push(Trial::test(name, body).with_ignored_flag(!runs));
    }

    pub fn into_trials(self) -> Vec<Trial> {
        assert!(self.trials.len() > 10, "only {} tests", self.trials.len());
        self.trials
    }
}

/// Whether a program can be started.
pub fn runs(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
