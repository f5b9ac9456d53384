//! Every scenario with every contender, then all again.
//!
//! A machine's speed drifts, and other work comes and goes. Rounds lie one after the other, and within a round each
//! scenario begins with another contender, so that what disturbs one disturbs all.

use crate::asked::Options;
use crate::contenders::Contender;
use crate::figures::Figures;
use crate::harness::cpus::Halves;
use crate::harness::{Result, child};
use crate::heat::Heat;
use std::time::Instant;

pub(crate) struct Results {
    pub(crate) halves: Halves,
    pub(crate) entries: Vec<Entry>,
    /// Those that are not installed, with the command that installs them.
    pub(crate) absent: Vec<(&'static Contender, String)>,
    pub(crate) seconds: f64,
}

/// A contender in a scenario.
pub(crate) struct Entry {
    /// Its place among the scenarios.
    pub(crate) scenario: usize,
    pub(crate) contender: &'static Contender,
    pub(crate) rounds: Vec<Figures>,
    /// Why a round has no figures.
    pub(crate) failed: Option<String>,
}

impl Results {
    pub(crate) fn entry(&self, scenario: usize, contender: &str) -> Option<&Entry> {
        let mut entries = self.entries.iter().filter(|entry| !entry.rounds.is_empty());
        entries.find(|entry| entry.scenario == scenario && entry.contender.name == contender)
    }
}

pub(crate) fn run(options: &Options) -> Result<Results> {
    child::clear_log()?;
    let began = Instant::now();
    let halves = Halves::of_this_process()?;
    let mut absent = Vec::new();
    let mut present = options.contenders.clone();
    present.retain(|contender| match contender.program() {
        Ok(_) => true,
        Err(why) => {
            eprintln!("{}: {why}", contender.name);
            absent.push((*contender, why.to_string()));
            false
        }
    });
    let mut entries = Vec::new();
    for (scenario, what) in options.scenarios.iter().enumerate() {
        for contender in present.iter().filter(|contender| contender.is_in(what)) {
            entries.push(Entry { scenario, contender, rounds: Vec::new(), failed: None });
        }
    }
    for round in 0..options.rounds {
        for scenario in 0..options.scenarios.len() {
            let mine: Vec<usize> = (0..entries.len()).filter(|at| entries[*at].scenario == scenario).collect();
            turn(options, &halves, round, scenario, &mine, &mut entries);
        }
    }
    Ok(Results { halves, entries, absent, seconds: began.elapsed().as_secs_f64() })
}

/// One scenario in one round. `mine` are the places of its entries.
fn turn(options: &Options, halves: &Halves, round: usize, scenario: usize, mine: &[usize], entries: &mut [Entry]) {
    let what = &options.scenarios[scenario];
    let heat = Heat { scenario: what, size: options.size, round, halves };
    let mut order = mine.to_vec();
    order.rotate_left(round % mine.len().max(1));
    eprintln!("round {}/{}: {}: {}", round + 1, options.rounds, what.id, what.title);
    for lanes in order.chunks(what.lanes) {
        let contenders: Vec<&Contender> = lanes.iter().map(|at| entries[*at].contender).collect();
        for (at, told) in lanes.iter().zip(heat.run(&contenders)) {
            let entry = &mut entries[*at];
            match told.and_then(|told| Figures::of(what, &told)) {
                Ok(figures) => {
                    eprintln!(
                        "  {:<9} {:6} sent, {:4} failed, p50 {:7.2}, p99 {:7.2}, p99.9 {:7.2} ms, extra {:5.1} %, \
                         upstream late by {:.2} ms (p99)",
                        entry.contender.name,
                        figures.sent,
                        figures.failed,
                        figures.p50,
                        figures.p99,
                        figures.p999,
                        figures.extra * 100.0,
                        figures.late_us[1] / 1_000.0,
                    );
                    entry.rounds.push(figures);
                }
                Err(error) => {
                    eprintln!("  {:<9} failed: {error}", entry.contender.name);
                    entry.failed.get_or_insert(error.to_string());
                }
            }
        }
    }
}
