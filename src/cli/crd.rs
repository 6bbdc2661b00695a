//! `causeway crd`: the resource to install in a cluster.

use std::process::ExitCode;

use crate::kubernetes;

/// Prints the CustomResourceDefinition.
pub(super) fn run() -> ExitCode {
    print!("{}", kubernetes::definition());
    ExitCode::SUCCESS
}
