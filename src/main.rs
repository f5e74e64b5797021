//! The program: see the library for what it does.

use std::process::ExitCode;

/// Gives memory back, and keeps small blocks tight.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    skyrelay::cli::main()
}
