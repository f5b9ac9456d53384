//! Why the program ends before it is told to.

use crate::cli::mistake::Mistake;

/// Each kind has its exit code.
pub(super) enum Failure {
    /// The command line does not parse, or asks for help.
    CommandLine(clap::Error),
    /// The settings are wrong: code 2.
    Mistakes(Vec<Mistake>),
    /// It could not run: code 1.
    Run(String),
}
