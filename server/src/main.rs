//! The binary: parses, runs and maps to an exit code. Everything else is in `cli`, `advise` and the library.

mod advise;
mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
