//! The command line, and what it means.
//!
//! Cargo calls a bench with libtest's flags: `cargo bench` adds `--bench`, `cargo test --all-targets` adds nothing and
//! passes on what the user typed for the other tests. So without `--bench` there is a test called `smoke`, which runs
//! every contender for a moment, and libtest's flags are understood.

use super::Result;
use super::contender::Contender;
use super::role::Arguments;
use std::time::Duration;

pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    pub(crate) connections: usize,
    /// Names of the contenders wanted; empty for all.
    pub(crate) only: Vec<String>,
}

impl Options {
    fn full() -> Options {
        Options {
            rounds: 5,
            warm_up: Duration::from_secs(1),
            measured: Duration::from_secs(3),
            connections: 64,
            only: Vec::new(),
        }
    }

    fn quick() -> Options {
        Options { rounds: 3, measured: Duration::from_secs(1), ..Options::full() }
    }

    fn smoke() -> Options {
        Options {
            rounds: 1,
            warm_up: Duration::from_millis(50),
            measured: Duration::from_millis(200),
            connections: 8,
            only: Vec::new(),
        }
    }

    pub(crate) fn wants(&self, contender: &Contender) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == contender.name)
    }
}

pub(crate) enum Asked {
    /// To run a role of a bench that already runs.
    Role(Arguments),
    /// The bench.
    Rounds(Options),
    /// A test of the bench.
    Smoke(Options),
    /// An answer that needs no run.
    Print(String),
}

const HELP: &str = "\
Usage: cargo bench [--bench request] -- [OPTIONS]

  --quick         3 rounds of 1 s, under 30 s in all
  --rounds N      rounds in which every contender is measured once (default 5)
  --seconds S     seconds measured per contender and round (default 3)
  --only NAME     this contender only; may be given several times
";

/// libtest's flags that take their value as a separate argument.
const LIBTEST_VALUES: [&str; 7] =
    ["--test-threads", "--skip", "--format", "--color", "--logfile", "--shuffle-seed", "-Z"];

pub(crate) fn parse(typed: impl Iterator<Item = String>, contenders: &[Contender]) -> Result<Asked> {
    let typed: Vec<String> = typed.collect();
    if typed.first().is_some_and(|first| first == "--role") {
        return Ok(Asked::Role(Arguments::parse(&typed)?));
    }
    if typed.iter().any(|word| word == "--help" || word == "-h") {
        return Ok(Asked::Print(HELP.to_owned()));
    }
    if typed.iter().any(|word| word == "--bench") { bench(&typed, contenders) } else { Ok(test(&typed)) }
}

fn bench(typed: &[String], contenders: &[Contender]) -> Result<Asked> {
    let mut options = if typed.iter().any(|word| word == "--quick") { Options::quick() } else { Options::full() };
    let mut words = typed.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value\n\n{HELP}"));
        match word.as_str() {
            "--bench" | "--quick" => {}
            "--rounds" => options.rounds = within(word, value()?, 1..=1_000)?,
            "--seconds" => options.measured = Duration::from_secs(within(word, value()?, 1..=600)?),
            "--only" => options.only.push(value()?.clone()),
            _ => return Err(format!("'{word}' is not an option\n\n{HELP}").into()),
        }
    }
    if let Some(name) = options.only.iter().find(|name| !contenders.iter().any(|known| known.name == **name)) {
        let names: Vec<&str> = contenders.iter().map(|known| known.name).collect();
        return Err(format!("no contender is called '{name}': there are {}", names.join(", ")).into());
    }
    Ok(Asked::Rounds(options))
}

fn within<T>(option: &str, typed: &str, allowed: std::ops::RangeInclusive<T>) -> Result<T>
where
    T: std::str::FromStr + PartialOrd + std::fmt::Display,
{
    typed.parse().ok().filter(|value| allowed.contains(value)).ok_or_else(|| {
        format!("{option} cannot be '{typed}': {} to {} is allowed", allowed.start(), allowed.end()).into()
    })
}

/// As in libtest: runs the tests that pass the filters, or lists them.
fn test(typed: &[String]) -> Asked {
    let mut filters = Vec::new();
    let mut words = typed.iter();
    while let Some(word) = words.next() {
        if LIBTEST_VALUES.contains(&word.as_str()) {
            words.next();
        } else if !word.starts_with('-') {
            filters.push(word);
        }
    }
    let ignored_only = typed.iter().any(|word| word == "--ignored");
    let wanted = !ignored_only && (filters.is_empty() || filters.iter().any(|filter| "smoke".contains(*filter)));
    let list = typed.iter().any(|word| word == "--list");
    match (wanted, list) {
        (true, false) => Asked::Smoke(Options::smoke()),
        (true, true) => Asked::Print("smoke: test\n".to_owned()),
        (false, _) => Asked::Print(String::new()),
    }
}
