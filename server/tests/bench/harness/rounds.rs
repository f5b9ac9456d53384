//! Every contender once, then every contender again.
//!
//! A machine's speed drifts with heat and with other work on it. Measured in turns, contenders share the drift; and
//! each round begins with another one, so that none always runs after the same one.

use super::contender::Contender;
use super::cpus::Halves;
use super::measure::{Figures, measure};
use super::options::Options;
use super::{Result, child};

/// A contender and its results, one per round.
pub(crate) struct Entry<'a> {
    pub(crate) contender: &'a Contender,
    pub(crate) rounds: Vec<Figures>,
    /// Why it could not be measured; it is left out from then on.
    pub(crate) absent: Option<String>,
}

/// The results of a run. The first entry is ours, unless it was left out.
pub(crate) struct Results<'a> {
    pub(crate) halves: Halves,
    pub(crate) ours: &'static str,
    pub(crate) entries: Vec<Entry<'a>>,
}

pub(crate) fn run<'a>(options: &Options, contenders: &'a [Contender]) -> Result<Results<'a>> {
    child::clear_log()?;
    let halves = Halves::of_this_process()?;
    if !halves.are_apart() {
        eprintln!("note: one core only, so the contenders share it with their load");
    }
    let wanted = contenders.iter().filter(|contender| options.wants(contender));
    let mut entries: Vec<Entry<'_>> =
        wanted.map(|contender| Entry { contender, rounds: Vec::new(), absent: None }).collect();
    for round in 0..options.rounds {
        for turn in 0..entries.len() {
            let at = (round + turn) % entries.len();
            let entry = &mut entries[at];
            if entry.absent.is_some() {
                continue;
            }
            eprint!("round {}/{}: {:<10} ", round + 1, options.rounds, entry.contender.name);
            match measure(entry.contender, options, &halves) {
                Ok(figures) => {
                    eprintln!("{:7.1} µs of CPU per request, {:7.0} requests/s", figures.cpu_us, figures.throughput);
                    entry.rounds.push(figures);
                }
                Err(error) => {
                    eprintln!("absent: {error}");
                    entry.absent = Some(error.to_string());
                }
            }
        }
    }
    let ours = contenders.first().ok_or("no contenders")?.name;
    Ok(Results { halves, ours, entries })
}

/// Whether the figures are valid: every contender took part, and every answer was right.
pub(crate) fn verify(results: &Results<'_>) -> Result<()> {
    for entry in &results.entries {
        let name = entry.contender.name;
        if let Some(why) = &entry.absent {
            return Err(format!("{name} could not be measured: {why}").into());
        }
        for figures in &entry.rounds {
            if figures.wrong > 0 {
                let first = figures.first_wrong.as_deref().unwrap_or("not kept");
                return Err(format!("{name} gave {} wrong answers, the first: {first}", figures.wrong).into());
            }
        }
    }
    Ok(())
}
