//! `causeway completions`: what a shell needs to complete our command line.

use std::{io, process::ExitCode};

use clap::{Args, Command};
use clap_complete::{Shell, generate};

/// Prints a shell's completions.
#[derive(Args, Debug)]
pub(super) struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

impl CompletionsArgs {
    pub(super) fn run(self, mut command: Command) -> ExitCode {
        let name = command.get_name().to_owned();
        generate(self.shell, &mut command, name, &mut io::stdout());
        ExitCode::SUCCESS
    }
}
