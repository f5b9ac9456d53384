//! What is made of one contender's run.

use crate::harness::Result;
use crate::heat::Told;
use crate::load::{End, Request};
use crate::metrics::Ledger;
use crate::scenario::Scenario;
use crate::upstream::seen::BIN;
use serde_json::Value;
use std::time::Duration;

/// The window in which extra load is judged.
pub(crate) const WINDOW: Duration = Duration::from_secs(10);
/// Hedges per second that are allowed beside the budget.
const MIN_RATE: f64 = 1.0;
/// How soon a dead replica has to be avoided.
const NOTICED: Duration = Duration::from_secs(5);
/// This part of a fair share counts as one.
const FAIR: f64 = 0.8;

pub(crate) struct Figures {
    pub(crate) sent: usize,
    /// Reads that count for the times.
    pub(crate) counted: usize,
    /// Without a right answer in time.
    pub(crate) failed: usize,
    /// Milliseconds of all that count; a failure counts as the timeout.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    /// Attempts at the upstream after the first, over first ones: of all that count, and in the worst window.
    pub(crate) extra: f64,
    pub(crate) worst: f64,
    /// As `worst`, without the hedges that are allowed beside the budget.
    pub(crate) beyond: f64,
    pub(crate) ledger: Ledger,
    /// The p99 that was foreseen for each delay.
    pub(crate) advice: Vec<(f64, f64)>,
    pub(crate) cpu_us: f64,
    /// By how much the upstream answered later than it should, in microseconds: p50, p99, most.
    pub(crate) late_us: [f64; 3],
    pub(crate) dead: Option<Dead>,
    pub(crate) seconds: Vec<Second>,
    /// Shares of requests and milliseconds.
    pub(crate) percentiles: Vec<(f64, f64)>,
}

/// How the contender got along with a dead replica.
#[derive(Clone, Copy)]
pub(crate) struct Dead {
    /// Attempts at it over requests, from five seconds after its death until its return.
    pub(crate) share: f64,
    /// The time from its return until it had a fair share of a second, if it had.
    pub(crate) back: Option<f64>,
}

/// One second of the run.
#[derive(Clone, Copy, Default)]
pub(crate) struct Second {
    /// Right answers that came in it.
    pub(crate) right: f64,
    /// Milliseconds of those that were due in it.
    pub(crate) p99: f64,
    /// Extra attempts in it.
    pub(crate) again: f64,
    /// The first replica's share of the attempts.
    pub(crate) share: f64,
}

/// The points of a plot's line.
const SHARES: [f64; 14] = [0.0, 0.25, 0.5, 0.684, 0.8, 0.9, 0.937, 0.96, 0.975, 0.984, 0.99, 0.996, 0.999, 0.9999];

/// Attempts in one bin: first, again, refused.
type Bin = [f64; 3];

impl Figures {
    pub(crate) fn of(scenario: &Scenario, told: &Told) -> Result<Figures> {
        let replicas = bins(&told.upstream)?;
        let all = added(&replicas);
        let times = times(scenario, &told.requests);
        if times.is_empty() {
            return Err("no request counts".into());
        }
        let at = |share| quantile(&times, share);
        let count = |key: &str| told.upstream[key].as_f64().ok_or_else(|| format!("no number called {key}"));
        let late = told.upstream["late_us"].as_array().ok_or("no lateness")?;
        let late = |nth: usize| late.get(nth).and_then(Value::as_f64).unwrap_or(f64::NAN);
        let shares = SHARES.into_iter().filter(|share| (1.0 - share) * times.len() as f64 >= 1.0);
        Ok(Figures {
            sent: told.requests.len(),
            counted: times.len(),
            failed: told.requests.iter().filter(|request| !is_right(scenario, request)).count(),
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            extra: count("again")? / count("first")?.max(1.0),
            worst: worst(scenario, &all, 0.0),
            beyond: worst(scenario, &all, MIN_RATE),
            ledger: told.ledger,
            advice: told.advice.clone(),
            cpu_us: told.cpu.as_secs_f64() * 1e6 / told.requests.len().max(1) as f64,
            late_us: [late(0), late(1), late(2)],
            dead: (scenario.number == 5).then(|| dead(scenario, &replicas, &all)).flatten(),
            seconds: seconds(scenario, &told.requests, &replicas, &all),
            percentiles: shares.map(|share| (share, at(share))).collect(),
        })
    }
}

fn is_right(scenario: &Scenario, request: &Request) -> bool {
    request.end == End::Right && request.took <= scenario.patience()
}

fn millis(scenario: &Scenario, request: &Request) -> f64 {
    let took = if is_right(scenario, request) { request.took } else { scenario.timeout };
    took.as_secs_f64() * 1_000.0
}

/// Milliseconds of all reads that count, in ascending order.
fn times(scenario: &Scenario, requests: &[Request]) -> Vec<f64> {
    let counted = requests.get(scenario.uncounted..).unwrap_or_default();
    let slowest = |read: &[Request]| read.iter().map(|request| millis(scenario, request)).fold(0.0, f64::max);
    let mut times: Vec<f64> = counted.chunks_exact(scenario.reads_of).map(slowest).collect();
    times.sort_by(f64::total_cmp);
    times
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(f64::NAN)
}

fn bins(upstream: &Value) -> Result<Vec<Vec<Bin>>> {
    let bin = |bin: &Value| -> Option<Bin> { Some([bin[0].as_f64()?, bin[1].as_f64()?, bin[2].as_f64()?]) };
    let replica = |bins: &Value| bins.as_array()?.iter().map(bin).collect::<Option<Vec<Bin>>>();
    let replicas = upstream["bins"].as_array().ok_or("no bins")?;
    replicas.iter().map(replica).collect::<Option<_>>().ok_or_else(|| "not bins".into())
}

fn added(replicas: &[Vec<Bin>]) -> Vec<Bin> {
    let mut sum = vec![[0.0; 3]; replicas.iter().map(Vec::len).max().unwrap_or(0)];
    for bins in replicas {
        for (sum, bin) in sum.iter_mut().zip(bins) {
            (0..3).for_each(|which| sum[which] += bin[which]);
        }
    }
    sum
}

/// The most extra attempts over first ones in any ten seconds, or in all of a shorter run, `allowed` per second left
/// out.
fn worst(scenario: &Scenario, bins: &[Bin], allowed: f64) -> f64 {
    let per_second = 1.0 / BIN.as_secs_f64();
    // What comes after the load's end has no first attempts to be compared with.
    let lasts = scenario.lasts().map_or(bins.len(), |lasts| (lasts.as_secs_f64() * per_second) as usize);
    let bins = &bins[..bins.len().min(lasts)];
    let width = bins.len().min((WINDOW.as_secs_f64() * per_second) as usize).max(1);
    let share = |window: &[Bin]| {
        let sum = |which: usize| window.iter().map(|bin| bin[which]).sum::<f64>();
        (sum(1) - allowed * width as f64 / per_second).max(0.0) / sum(0).max(1.0)
    };
    bins.windows(width).map(share).fold(0.0, f64::max)
}

fn dead(scenario: &Scenario, replicas: &[Vec<Bin>], all: &[Bin]) -> Option<Dead> {
    let (from, to) = scenario.trouble?;
    let bin = |at: Duration| (at.as_millis() / BIN.as_millis()) as usize;
    let of = |bins: &[Bin], from: usize, to: usize, which: &[usize]| -> f64 {
        let bins = bins.get(from..to.min(bins.len())).unwrap_or_default();
        bins.iter().map(|bin| which.iter().map(|which| bin[*which]).sum::<f64>()).sum()
    };
    let (noticed, end) = (bin(from + NOTICED), bin(to));
    let share = of(&replicas[0], noticed, end, &[0, 1, 2]) / of(all, noticed, end, &[0]).max(1.0);
    let width = bin(Duration::from_secs(1));
    let back = (end..all.len().saturating_sub(width)).find(|begin| {
        let attempts = of(all, *begin, begin + width, &[0, 1]);
        of(&replicas[0], *begin, begin + width, &[0, 1]) >= attempts * FAIR / replicas.len() as f64
    });
    Some(Dead { share, back: back.map(|begin| (begin - end) as f64 * BIN.as_secs_f64()) })
}

fn seconds(scenario: &Scenario, requests: &[Request], replicas: &[Vec<Bin>], all: &[Bin]) -> Vec<Second> {
    let Some(lasts) = scenario.lasts() else { return Vec::new() };
    let mut seconds = vec![Second::default(); lasts.as_secs() as usize];
    let mut due: Vec<Vec<f64>> = vec![Vec::new(); seconds.len()];
    for request in requests {
        if let Some(due) = due.get_mut(request.due.as_secs() as usize) {
            due.push(millis(scenario, request));
        }
        if is_right(scenario, request)
            && let Some(second) = seconds.get_mut((request.due + request.took).as_secs() as usize)
        {
            second.right += 1.0;
        }
    }
    let width = (1.0 / BIN.as_secs_f64()) as usize;
    for (at, (second, mut times)) in seconds.iter_mut().zip(due).enumerate() {
        times.sort_by(f64::total_cmp);
        second.p99 = quantile(&times, 0.99);
        let of = |bins: &[Bin]| bins.iter().skip(at * width).take(width).copied().collect::<Vec<Bin>>();
        let sum = |bins: &[Bin]| bins.iter().map(|bin| bin.iter().sum::<f64>()).sum::<f64>();
        second.again = of(all).iter().map(|bin| bin[1]).sum();
        second.share = sum(&of(&replicas[0])) / sum(&of(all)).max(1.0);
    }
    seconds
}
