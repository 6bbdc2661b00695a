//! `causeway man`: manual pages from the command line's own definition.

use std::{
    fs,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Command};
use clap_mangen::Man;

use super::node::{Failure, report};

/// Prints the manual page, or writes one for each subcommand as well.
#[derive(Args, Debug)]
pub(super) struct ManArgs {
    /// Write causeway.1, causeway-proxy.1 and so on into this directory, which is made.
    #[arg(value_name = "DIR")]
    directory: Option<PathBuf>,
}

impl ManArgs {
    pub(super) fn run(self, command: Command) -> ExitCode {
        report(match self.directory {
            None => print(command),
            Some(directory) => write_all(&directory, command),
        })
    }
}

fn print(command: Command) -> Result<(), Failure> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    io::stdout().write_all(&page)?;
    Ok(())
}

fn write_all(directory: &Path, command: Command) -> Result<(), Failure> {
    let in_directory = |error: io::Error| Failure(format!("{}: {error}", directory.display()));
    fs::create_dir_all(directory).map_err(in_directory)?;
    clap_mangen::generate_to(command, directory).map_err(in_directory)?;
    Ok(())
}
