//! Every load for every contender, repeated in rounds.
//!
//! A machine's speed drifts with heat and with other work on it. Measured in turns, contenders share the drift; and
//! each round begins with another one, so that none always runs after the same one.

use crate::asked::Options;
use crate::contenders::DIRECT;
use crate::harness::contender::Contender;
use crate::harness::cpus::Halves;
use crate::harness::{Result, child};
use crate::loads::{Figures, Load};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::time::Instant;

/// A contender under a load.
pub(crate) struct Entry {
    pub(crate) load: Load,
    pub(crate) contender: &'static Contender,
    pub(crate) rounds: Vec<Figures>,
    /// Why it could not be measured; it is left out from then on.
    pub(crate) failed: Option<String>,
}

pub(crate) struct Results {
    pub(crate) halves: Halves,
    pub(crate) entries: Vec<Entry>,
    /// Contenders that cannot start, and why.
    pub(crate) absent: Vec<(&'static Contender, String)>,
    /// The most files that each process may have open.
    pub(crate) files: u64,
    pub(crate) seconds: f64,
}

pub(crate) fn run(options: &Options) -> Result<Results> {
    child::clear_log()?;
    let halves = Halves::of_this_process()?;
    if !halves.are_apart() {
        eprintln!("note: one core only, so the contenders share it with their load");
    }
    let files = raise_files();
    let (mut absent, mut present) = (Vec::new(), Vec::new());
    for contender in &options.contenders {
        match (contender.prepare)() {
            Ok(()) => present.push(*contender),
            Err(error) => {
                eprintln!("{}: absent: {error}", contender.name);
                absent.push((*contender, error.to_string()));
            }
        }
    }
    let began = Instant::now();
    let entry = |load, contender| Entry { load, contender, rounds: Vec::new(), failed: None };
    let mut entries = Vec::new();
    for load in &options.loads {
        let suited = present.iter().filter(|contender| load.suits(contender));
        entries.extend(suited.map(|contender| entry(*load, *contender)));
    }
    for round in 0..options.rounds {
        for load in &options.loads {
            let mut turns: Vec<&mut Entry> = entries.iter_mut().filter(|entry| entry.load == *load).collect();
            let first = round % turns.len().max(1);
            turns.rotate_left(first);
            for entry in turns.into_iter().filter(|entry| entry.failed.is_none()) {
                take_turn(entry, options, &halves, round);
            }
        }
    }
    add_to_direct(&mut entries);
    Ok(Results { halves, entries, absent, files, seconds: began.elapsed().as_secs_f64() })
}

fn take_turn(entry: &mut Entry, options: &Options, halves: &Halves, round: usize) {
    let size = entry.load.size().map(|size| size.to_string()).unwrap_or_default();
    let (rounds, letter, name) = (options.rounds, entry.load.letter(), entry.contender.name);
    eprint!("round {}/{rounds}, ({letter}) {size:<6} {name:<10} ", round + 1);
    match entry.load.measure(entry.contender, options, halves) {
        Ok(figures) => {
            let told = entry.load.columns().iter().take(5).filter_map(|(key, title, decimals)| {
                figures.numbers.get(key).map(|value| format!("{title} {value:.decimals$}"))
            });
            eprintln!("{}", told.collect::<Vec<_>>().join(", "));
            entry.rounds.push(figures);
        }
        Err(error) => {
            eprintln!("failed: {error}");
            entry.failed = Some(error.to_string());
        }
    }
}

/// The latency added to a direct call of the upstream in the same round.
fn add_to_direct(entries: &mut [Entry]) {
    let is_direct = |entry: &&Entry| entry.load == Load::Rate && entry.contender.name == DIRECT.name;
    let Some(direct) = entries.iter().find(is_direct) else { return };
    let of = |key| -> Vec<f64> { direct.rounds.iter().map(|figures| figures.numbers[key]).collect() };
    let (p50, p99) = (of("p50"), of("p99"));
    for entry in entries.iter_mut().filter(|entry| entry.load == Load::Rate && entry.contender.name != DIRECT.name) {
        for (figures, (p50, p99)) in entry.rounds.iter_mut().zip(p50.iter().zip(&p99)) {
            figures.set("added_p50", figures.numbers["p50"] - p50);
            figures.set("added_p99", figures.numbers["p99"] - p99);
        }
    }
}

/// Raises the limit of open files of this process and its children as far as allowed, and returns it. Three attempts
/// for each of 10,000 requests in flight take 40,000 of the contender's.
fn raise_files() -> u64 {
    const WANTED: u64 = 65_536;
    let now = getrlimit(Resource::Nofile);
    let most = now.maximum.unwrap_or(WANTED);
    // The second is for a process that may not raise the hard limit.
    for limit in [WANTED.max(most), most] {
        let both = Rlimit { current: Some(limit), maximum: Some(limit) };
        if setrlimit(Resource::Nofile, both).is_ok() {
            return limit;
        }
    }
    now.current.unwrap_or(most)
}

/// Whether the machinery works: no selected contender failed, and no answer was wrong.
pub(crate) fn verify(results: &Results) -> Result<()> {
    for Entry { load, contender, rounds, failed } in &results.entries {
        let at = format!("{} under load ({})", contender.name, load.letter());
        if let Some(why) = failed {
            return Err(format!("{at}: {why}").into());
        }
        if let Some(figures) = rounds.iter().find(|figures| figures.wrong > 0) {
            let first = figures.first_bad.as_deref().unwrap_or("not kept");
            return Err(format!("{at}: {} wrong answers, the first: {first}", figures.wrong).into());
        }
    }
    Ok(())
}
