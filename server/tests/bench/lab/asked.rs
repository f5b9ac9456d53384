//! The command line, and what it means.

use crate::contenders::{self, Contender};
use crate::harness::Result;
use crate::scenario::{Scenario, Size};
use crate::scenarios;
use crate::trial::asked::Asked;

pub(crate) const HELP: &str = "\
Usage: cargo bench --bench lab -- [OPTIONS]

  --quick              1 round of short scenarios, under two minutes
  --rounds N           rounds in which every contender meets every scenario once (default 3)
  --only A,B           these scenarios only: 1 to 10, 5-hangs, 7-50, or the estimators
  --contenders A,B     these contenders only: none, fixed, policy, p90, p95, p99, go-fixed, go-p90, envoy

Tables go to standard output. A run of everything puts tables and plots into docs/lab/, another one into target/lab/.
";

/// The word for the comparison that needs no process.
const ESTIMATORS: &str = "estimators";

pub(crate) struct Options {
    pub(crate) size: Size,
    pub(crate) rounds: usize,
    pub(crate) scenarios: Vec<Scenario>,
    pub(crate) contenders: Vec<&'static Contender>,
    pub(crate) estimators: bool,
    /// Whether everything was asked for, at its full size.
    pub(crate) is_complete: bool,
    /// The command line, to be typed again.
    pub(crate) command: String,
}

pub(crate) fn options(asked: Asked) -> Result<Options> {
    let Asked::Bench(mut words) = asked else { return smoke() };
    let mut command = "cargo bench --bench lab".to_owned();
    let size = if words.take("--quick") { Size::Quick } else { Size::Full };
    if size == Size::Quick {
        command += " -- --quick";
    }
    let rounds = words.take_value("--rounds")?.unwrap_or(size.of(3, 1, 1));
    if rounds == 0 {
        return Err("--rounds cannot be 0".into());
    }
    let mut options = Options {
        size,
        rounds,
        scenarios: scenarios::all(size),
        contenders: contenders::ALL.iter().collect(),
        estimators: true,
        is_complete: size == Size::Full,
        command,
    };
    if let Some(only) = words.take_value::<String>("--only")? {
        let wanted: Vec<&str> = only.split(',').collect();
        let is = |scenario: &Scenario, word: &str| scenario.id == word || scenario.number.to_string() == word;
        let is_known = |word: &str| word == ESTIMATORS || options.scenarios.iter().any(|scenario| is(scenario, word));
        if let Some(unknown) = wanted.iter().find(|word| !is_known(word)) {
            return Err(format!("no scenario is called '{unknown}': there are 1 to 10 and {ESTIMATORS}").into());
        }
        options.scenarios.retain(|scenario| wanted.iter().any(|word| is(scenario, word)));
        options.estimators = wanted.contains(&ESTIMATORS);
        options.is_complete = false;
    }
    if let Some(only) = words.take_value::<String>("--contenders")? {
        let wanted: Vec<&str> = only.split(',').collect();
        if let Some(unknown) = wanted.iter().find(|name| !contenders::ALL.iter().any(|known| known.name == **name)) {
            let names: Vec<&str> = contenders::ALL.iter().map(|known| known.name).collect();
            return Err(format!("no contender is called '{unknown}': there are {}", names.join(", ")).into());
        }
        options.contenders.retain(|contender| wanted.contains(&contender.name));
        options.is_complete = false;
    }
    words.end()?;
    Ok(options)
}

/// A moment of each scenario, with what needs no installation.
fn smoke() -> Result<Options> {
    Ok(Options {
        size: Size::Smoke,
        rounds: 1,
        scenarios: scenarios::all(Size::Smoke),
        contenders: contenders::ALL.iter().filter(|contender| contender.is_ours()).collect(),
        estimators: true,
        is_complete: false,
        command: "cargo test --bench lab".to_owned(),
    })
}
