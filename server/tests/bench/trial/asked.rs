//! The command line.
//!
//! Cargo calls a bench with libtest's flags: `cargo bench` adds `--bench`; `cargo test --benches` does not, and
//! expects a test: it is called `smoke`, and is as short as possible.

use super::Result;
use std::process::ExitCode;
use std::str::FromStr;

/// The words after `--bench`.
pub(crate) struct Words(Vec<String>);

/// How a trial was started.
pub(crate) enum Asked {
    /// By `cargo bench`, with these options.
    Bench(Words),
    /// By `cargo test`.
    Smoke,
}

/// A trial's `main`: `run` says whether every promise was kept.
pub(crate) fn main(help: &str, run: impl FnOnce(Asked) -> Result<bool>) -> ExitCode {
    let typed: Vec<String> = std::env::args().skip(1).collect();
    let has = |word: &str| typed.iter().any(|typed| typed == word);
    let asked = if has("--help") || has("-h") {
        print!("{help}");
        return ExitCode::SUCCESS;
    } else if has("--bench") {
        Asked::Bench(Words(typed.into_iter().filter(|word| word != "--bench").collect()))
    } else {
        let is_wanted = typed.iter().all(|word| word.starts_with('-') || "smoke".contains(word.as_str()));
        if !is_wanted || has("--ignored") {
            return ExitCode::SUCCESS;
        }
        if has("--list") {
            println!("smoke: test");
            return ExitCode::SUCCESS;
        }
        Asked::Smoke
    };
    match run(asked) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

impl Words {
    /// Removes the switch `flag`, and returns whether it was there.
    pub(crate) fn take(&mut self, flag: &str) -> bool {
        let at = self.0.iter().position(|word| word == flag);
        at.map(|at| self.0.remove(at)).is_some()
    }

    /// Removes `flag` and its value.
    pub(crate) fn take_value<T: FromStr>(&mut self, flag: &str) -> Result<Option<T>> {
        let Some(at) = self.0.iter().position(|word| word == flag) else { return Ok(None) };
        self.0.remove(at);
        if at == self.0.len() {
            return Err(format!("{flag} needs a value").into());
        }
        let value = self.0.remove(at);
        value.parse().map(Some).map_err(|_| format!("{flag} cannot be '{value}'").into())
    }

    /// Refuses arguments that are left.
    pub(crate) fn end(self) -> Result<()> {
        match self.0.first() {
            None => Ok(()),
            Some(word) => Err(format!("'{word}' is not an option: --help lists them").into()),
        }
    }
}
