//! What can be typed after `causeway top`.

use std::{
    io::{IsTerminal, stdout},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use super::{client::Client, run};
use crate::cli::node::{Failure, report};

/// Watches a running proxy or connector: tunnels, streams, throughput, latencies.
#[derive(Debug, clap::Args)]
pub(in crate::cli) struct TopArgs {
    /// Its admin server.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9494")]
    pub(super) admin: String,
    /// The file with the token that it demands.
    #[arg(long, value_name = "FILE")]
    pub(super) token_file: Option<PathBuf>,
    /// The authority its certificate comes from; https needs it.
    #[arg(long, value_name = "FILE")]
    pub(super) ca: Option<PathBuf>,
    /// A client certificate to show it, with its key.
    #[arg(long, value_name = "FILE", requires = "private_key")]
    pub(super) certificate: Option<PathBuf>,
    /// The key of that certificate.
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub(super) private_key: Option<PathBuf>,
    /// Seconds between two looks.
    #[arg(long, value_name = "SECONDS", default_value_t = 1,
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(super) interval: u64,
    /// Print one screen as text, after two looks, and end.
    #[arg(long)]
    pub(super) once: bool,
}

impl TopArgs {
    /// Runs until `q`; with `--once` until one screen is printed.
    #[must_use]
    pub(in crate::cli) fn run(self) -> ExitCode {
        report(self.watch())
    }

    fn watch(&self) -> Result<(), Failure> {
        let client = Client::new(self).map_err(Failure)?;
        let interval = Duration::from_secs(self.interval);
        if self.once {
            print!("{}", run::once(&client, interval).map_err(Failure)?);
            return Ok(());
        }
        if !stdout().is_terminal() {
            return Err(Failure(
                "this is no terminal; --once prints one screen as text".to_owned(),
            ));
        }
        run::live(client, interval)?;
        Ok(())
    }
}
