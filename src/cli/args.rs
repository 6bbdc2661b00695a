//! What can be typed.

use std::{path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

use super::{
    check::CheckArgs, completions::CompletionsArgs, connector, crd, demo::DemoArgs, doctor,
    man::ManArgs, pki::PkiArgs, proxy, top::TopArgs,
};

/// Carries TCP from your network into Kubernetes services over mutual TLS.
#[derive(Debug, Parser)]
#[command(name = "causeway", version, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the cloud side: terminate tunnels, authorise, dial services.
    Proxy(RunArgs),
    /// Run the on-premise side: open local ports and tunnel them to the proxy.
    Connector(RunArgs),
    /// Show it work on this machine: throw-away PKI, echo service, proxy and connector.
    Demo(DemoArgs),
    /// Watch a running proxy or connector: tunnels, streams, throughput, latencies.
    Top(TopArgs),
    /// Check a configuration file, and the mappings it names, without running it.
    Check(CheckArgs),
    /// Examine what this machine offers: io_uring, memory limits, cores, open files.
    Doctor,
    /// Make certificates: a CA, a proxy's, a connector's.
    Pki(PkiArgs),
    /// Print the ServiceMapping resource, to be installed in a cluster with kubectl.
    Crd,
    /// Print what a shell needs to complete this command line.
    Completions(CompletionsArgs),
    /// Print the manual page, or write those of all subcommands.
    Man(ManArgs),
}

/// How a role is started.
#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// The configuration file; the annotated one in config/ is the manual.
    #[arg(long, value_name = "FILE")]
    pub(super) config: PathBuf,
}

/// Runs the command line; the exit code says how it went (0 well, 1 failed, 2 wrong usage).
#[must_use]
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Proxy(args) => proxy::run(&args),
        Command::Connector(args) => connector::run(&args),
        Command::Demo(args) => args.run(),
        Command::Top(args) => args.run(),
        Command::Check(args) => args.run(),
        Command::Doctor => doctor::run(),
        Command::Pki(args) => args.run(),
        Command::Crd => crd::run(),
        Command::Completions(args) => args.run(Cli::command()),
        Command::Man(args) => args.run(Cli::command()),
    }
}
