//! `causeway-loadtest`: puts load on one target, or on several side by side, and reports.

mod compare;
mod contestants;
mod failure;
mod generator;
mod machine;
mod pki;
mod profile;
mod record;
mod relay;
mod report;
mod run;
mod scenario;
mod service;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;

/// Load tests of Causeway: one target by itself, or several side by side.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Put one scenario's load on one target.
    Run(run::RunArgs),
    /// Be the service behind a target: sink, source and echo on one port, until interrupted.
    Serve(run::ServeArgs),
    /// Start Causeway and what people would use instead, and measure them in turns.
    Compare(compare::CompareArgs),
    /// The plain Rust relay that `compare` starts.
    #[command(hide = true)]
    Relay(relay::RelayArgs),
    /// The plain Rust relay's side of the clients, for whole chains.
    #[command(hide = true)]
    RelayClient(relay::RelayClientArgs),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(arguments) => arguments.run(),
        Command::Serve(arguments) => arguments.run(),
        Command::Compare(arguments) => arguments.run(),
        Command::Relay(arguments) => arguments.run(),
        Command::RelayClient(arguments) => arguments.run(),
    };
    match done {
        Ok(code) => code,
        Err(Failure(words)) => {
            eprintln!("causeway-loadtest: {words}");
            ExitCode::FAILURE
        }
    }
}
