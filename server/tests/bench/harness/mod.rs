//! Runs contenders under the same load, one at a time, and reports what they cost.
//!
//! ```text
//! options -> rounds -> measure -> stage -> child: upstream | contender | load, paced      one process each
//!                   \                      cpus, procfs, used                   where they run, what they used
//!                    report
//! ```
//!
//! The binary starts itself again for every part that needs its own process (`role`). The harness knows no contender
//! by name; a bench hands them in, ours first.
//!
//! What it does not do: talk to anything but 127.0.0.1, or leave a process behind, however it ends.

mod account;
mod answer;
pub(crate) mod chance;
pub(crate) mod child;
pub(crate) mod contender;
pub(crate) mod cpus;
mod delay;
pub(crate) mod large;
pub(crate) mod load;
pub(crate) mod measure;
mod options;
mod paced;
mod percentiles;
pub(crate) mod procfs;
pub(crate) mod report;
pub(crate) mod role;
mod rounds;
pub(crate) mod stage;
pub(crate) mod timer;
pub(crate) mod upstream;
pub(crate) mod used;

use contender::Contender;
use options::Asked;
use std::process::ExitCode;

/// The bench is a program, not a library: its errors are sentences for its user.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The `main` of a process that a bench started; the bench's own options are skipped.
pub(crate) fn play_role(typed: &[String], contenders: &[Contender]) -> ExitCode {
    match role::Arguments::parse(typed).and_then(|arguments| role::take(&arguments, contenders)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The bench's `main`: runs a role, or measures the contenders. The first one is ours.
pub(crate) fn main(contenders: &[Contender]) -> ExitCode {
    match options::parse(std::env::args().skip(1), contenders) {
        Ok(asked) => run(asked, contenders),
        Err(mistake) => {
            eprintln!("bench: {mistake}");
            ExitCode::from(2)
        }
    }
}

fn run(asked: Asked, contenders: &[Contender]) -> ExitCode {
    let done = match asked {
        Asked::Print(text) => {
            print!("{text}");
            Ok(())
        }
        Asked::Role(arguments) => role::take(&arguments, contenders),
        Asked::Rounds(options) => rounds::run(&options, contenders).and_then(|results| {
            println!("{}", report::markdown(&options, &results)?);
            rounds::verify(&results)
        }),
        Asked::Smoke(options) => {
            rounds::run(&options, contenders).and_then(|results| {
                // Not shown: a few hundredths of a second measure the machinery, not the contenders.
                report::markdown(&options, &results)?;
                rounds::verify(&results)
            })
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}
