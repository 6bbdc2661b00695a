//! The `causeway` command.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: causeway::engine::Allocator = causeway::engine::Allocator;

fn main() -> ExitCode {
    causeway::cli::main()
}
