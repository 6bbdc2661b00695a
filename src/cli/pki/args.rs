//! The command line of `causeway pki`.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;
use std::{io, iter};

use clap::{Args, Subcommand};

use crate::cli::pki::{PkiError, command};

/// Makes certificates: a CA, and certificates for proxies and connectors signed by it.
#[derive(Debug, Args)]
pub struct PkiArgs {
    #[command(subcommand)]
    command: PkiCommand,
}

#[derive(Debug, Subcommand)]
enum PkiCommand {
    /// Make a CA: ca.crt and ca.key.
    Init(InitArgs),
    /// Issue a proxy's certificate.
    Server(ServerArgs),
    /// Issue a connector's certificate.
    Connector(ConnectorArgs),
    /// Take a certificate back: writes ca.crl.
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
pub(super) struct Place {
    /// The CA's directory; everything is read from and written to it.
    #[arg(long)]
    pub(super) dir: PathBuf,
    /// Overwrite files that exist.
    #[arg(long)]
    pub(super) force: bool,
}

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    #[command(flatten)]
    pub(super) place: Place,
    /// The CA's common name.
    #[arg(long, default_value = "Causeway CA")]
    pub(super) name: String,
    /// Days the CA is valid.
    #[arg(long, default_value_t = 3650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(super) days: u32,
}

#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    #[command(flatten)]
    pub(super) place: Place,
    /// A host name or IP address that connectors dial; may be given several times.
    #[arg(long = "host", required = true)]
    pub(super) hosts: Vec<String>,
    /// Name of the two files, without extension.
    #[arg(long, default_value = "server")]
    pub(super) out_name: String,
    /// Days the certificate is valid.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(super) days: u32,
}

#[derive(Debug, Args)]
pub(super) struct ConnectorArgs {
    #[command(flatten)]
    pub(super) place: Place,
    /// The subaccount the connector belongs to.
    #[arg(long)]
    pub(super) subaccount: String,
    /// The only location id the connector may claim; without it, any.
    #[arg(long)]
    pub(super) location: Option<String>,
    /// Name of the two files, without extension.
    #[arg(long, default_value = "connector")]
    pub(super) out_name: String,
    /// Days the certificate is valid.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(super) days: u32,
}

#[derive(Debug, Args)]
pub(super) struct RevokeArgs {
    /// The CA's directory.
    #[arg(long)]
    pub(super) dir: PathBuf,
    /// The certificate's file.
    pub(super) certificate: PathBuf,
    /// Days until the list is due to be written anew.
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(super) days: u32,
}

impl PkiArgs {
    /// Does it, and says what was written.
    #[must_use]
    pub fn run(self) -> ExitCode {
        let done = self.execute(SystemTime::now());
        let (text, code) = match &done {
            Ok(lines) => (lines.clone(), ExitCode::SUCCESS),
            Err(error) => {
                let why = iter::once(format!("causeway pki: {error}"));
                (why.collect(), ExitCode::FAILURE)
            }
        };
        let write = |out: &mut dyn Write| text.iter().try_for_each(|line| writeln!(out, "{line}"));
        let written =
            if done.is_ok() { write(&mut io::stdout()) } else { write(&mut io::stderr()) };
        // A reader that went away early (`| head -1`) is no failure of what was done.
        match written {
            Ok(()) => code,
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => code,
            Err(_) => ExitCode::FAILURE,
        }
    }

    /// Does it as if at `now`; the lines tell what was written and what to type next.
    ///
    /// # Errors
    /// Why nothing was made; files that were there are as before.
    pub fn execute(self, now: SystemTime) -> Result<Vec<String>, PkiError> {
        match self.command {
            PkiCommand::Init(args) => command::init(&args, now),
            PkiCommand::Server(args) => command::server(&args, now),
            PkiCommand::Connector(args) => command::connector(&args, now),
            PkiCommand::Revoke(args) => command::revoke(&args, now),
        }
    }
}
