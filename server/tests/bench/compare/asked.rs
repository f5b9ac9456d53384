//! The command line, and what it means.

use crate::contenders;
use crate::harness::Result;
use crate::harness::contender::Contender;
use crate::loads::Load;
use crate::trial::asked::Asked;
use std::time::Duration;

pub(crate) const HELP: &str = "\
Usage: cargo bench --bench compare -- [OPTIONS]

  --quick         1 round, short windows, the smallest sizes only: under two minutes
  --rounds N      rounds in which every contender meets every load once (default 5)
  --load A,B      these loads only: a saturation, b 500/s, c heavy tail, d in flight, e burst,
                  proxy-small, proxy-large
  --only NAME     this contender only; may be given several times

Tables go to standard output; target/compare/ gets results.md, results.json, readme.md and the plots.
";

pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) warm_up: Duration,
    pub(crate) measured: Duration,
    pub(crate) loads: Vec<Load>,
    pub(crate) contenders: Vec<&'static Contender>,
    pub(crate) purpose: Purpose,
    /// The command line, to be typed again.
    pub(crate) command: String,
}

#[derive(PartialEq, Eq)]
pub(crate) enum Purpose {
    Figures,
    /// A test of the machinery: nothing is printed or stored, and every contender has to be present and right.
    Test,
}

const FULL: [Load; 11] = [
    Load::Saturation { connections: 64 },
    Load::Saturation { connections: 256 },
    Load::Rate,
    Load::Tail,
    Load::InFlight { requests: 1_000 },
    Load::InFlight { requests: 2_000 },
    Load::InFlight { requests: 5_000 },
    Load::InFlight { requests: 10_000 },
    Load::Burst { connections: 500 },
    Load::ProxySmall { connections: 64 },
    Load::ProxyLarge,
];

const QUICK: [Load; 7] = [
    Load::Saturation { connections: 64 },
    Load::Rate,
    Load::Tail,
    Load::InFlight { requests: 1_000 },
    Load::Burst { connections: 500 },
    Load::ProxySmall { connections: 64 },
    Load::ProxyLarge,
];

const SMOKE: [Load; 7] = [
    Load::Saturation { connections: 4 },
    Load::Rate,
    Load::Tail,
    Load::InFlight { requests: 50 },
    Load::Burst { connections: 50 },
    Load::ProxySmall { connections: 4 },
    Load::ProxyLarge,
];

static ALL: [Contender; 14] = contenders::ALL;

pub(crate) fn options(asked: Asked) -> Result<Options> {
    let mut options = Options {
        rounds: 5,
        warm_up: Duration::from_secs(1),
        measured: Duration::from_secs(4),
        loads: FULL.to_vec(),
        contenders: ALL.iter().collect(),
        purpose: Purpose::Figures,
        command: "cargo bench --bench compare".to_owned(),
    };
    let Asked::Bench(mut words) = asked else {
        options.contenders.retain(|contender| contenders::SMOKE.contains(&contender.name));
        let (warm_up, measured) = (Duration::from_millis(50), Duration::from_millis(200));
        return Ok(Options { rounds: 1, warm_up, measured, loads: SMOKE.to_vec(), purpose: Purpose::Test, ..options });
    };
    if words.take("--quick") {
        let (warm_up, measured) = (Duration::from_millis(200), Duration::from_millis(800));
        let command = format!("{} -- --quick", options.command);
        options = Options { rounds: 1, warm_up, measured, loads: QUICK.to_vec(), command, ..options };
    }
    if let Some(rounds) = words.take_value("--rounds")? {
        options.rounds = rounds;
    }
    if let Some(letters) = words.take_value::<String>("--load")? {
        let unknown = letters.split(',').find(|letter| !FULL.iter().any(|load| load.letter() == *letter));
        if let Some(unknown) = unknown {
            return Err(
                format!("no load is called '{unknown}': there are a, b, c, d, e, proxy-small, proxy-large").into()
            );
        }
        options.loads.retain(|load| letters.split(',').any(|letter| load.letter() == letter));
    }
    let mut only: Vec<String> = Vec::new();
    while let Some(names) = words.take_value::<String>("--only")? {
        only.extend(names.split(',').map(str::to_owned));
    }
    if let Some(name) = only.iter().find(|name| !ALL.iter().any(|known| known.name == **name)) {
        let names: Vec<&str> = ALL.iter().map(|known| known.name).collect();
        return Err(format!("no contender is called '{name}': there are {}", names.join(", ")).into());
    }
    if !only.is_empty() {
        // The direct call, which the latency of the others is added to, is always measured.
        only.push(contenders::DIRECT.name.to_owned());
        options.contenders.retain(|contender| only.iter().any(|name| name == contender.name));
    }
    words.end()?;
    if options.rounds == 0 {
        return Err("--rounds cannot be 0".into());
    }
    Ok(options)
}
