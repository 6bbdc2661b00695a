//! The `causeway` command.

use std::process::ExitCode;

/// Quick with the small allocations of a handshake, and gives memory back after a burst.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    causeway::cli::main()
}
