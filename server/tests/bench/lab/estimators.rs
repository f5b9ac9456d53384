//! Which estimator of a quantile survives that its user ends the slow ones?
//!
//! A simulation, no process: requests come five hundred a second, each with a hedge after the delay, and once a second
//! the delay becomes the quantile of what was seen in the last thirty. What differs is what counts as seen. The share
//! of requests that is hedged in the second half of the run tells whether the estimator got what it was asked for.

use crate::harness::Result;
use crate::scenario::Size;
use crate::service::{Draw, LogNormal, Service};
use headstart::policy::{Curve, Observed};
use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Duration;

/// What counts as seen of a race.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Estimator {
    /// Every attempt; of one that was ended, that it takes longer than that.
    KaplanMeier,
    /// Every attempt, and one that was ended as if it had finished then.
    Finished,
    /// The attempt that won.
    Winners,
    /// The race, from its beginning to its winner's answer.
    Totals,
}

const ESTIMATORS: [(Estimator, &str); 4] = [
    (Estimator::KaplanMeier, "those that were ended as censored (Kaplan and Meier): headstart's"),
    (Estimator::Finished, "those that were ended as finished"),
    (Estimator::Winners, "winners only"),
    (Estimator::Totals, "totals of races"),
];

const SHARES: [f64; 3] = [0.9, 0.95, 0.99];
const PER_SECOND: u64 = 500;
const WINDOW: usize = 30;
/// The delay until so many attempts were seen, and where the quantile lies beyond what was ever waited for.
const ENOUGH: u64 = 50;
const LONGEST: Duration = Duration::from_secs(1);

pub(crate) fn markdown(size: Size) -> Result<String> {
    let log_normal = Service::LogNormal(LogNormal { mean_ms: 5.0, deviation_ms: 2.0, slow: 0.05 });
    const HEAVY: &[(f64, f64)] = &[(2.0, 1.0), (5.0, 0.5), (20.0, 0.1), (200.0, 0.01), (2_000.0, 0.001)];
    let services = [("log-normal, as in 1", log_normal), ("power law, p99 ten times p90", Service::Through(HEAVY))];
    let seconds = size.of(300, 120, 4);
    let mut text = format!(
        "Hedged requests, in per cent, when the delay is set to a quantile: {} simulated requests each, of which the \
         second half counts.\n\n| times | what counts | asked 10 % | 5 % | 1 % |\n|---|---|--:|--:|--:|\n",
        seconds * PER_SECOND
    );
    for (times, service) in &services {
        for (estimator, what) in ESTIMATORS {
            write!(text, "| {times} | {what} ")?;
            for share in SHARES {
                write!(text, "| {:.1} ", hedged(service, estimator, share, seconds) * 100.0)?;
            }
            writeln!(text, "|")?;
        }
    }
    Ok(text)
}

/// The share of requests that is hedged in the end.
fn hedged(service: &Service, estimator: Estimator, share: f64, seconds: u64) -> f64 {
    let mut window: VecDeque<Slot> = VecDeque::new();
    let (mut delay, mut hedges) = (LONGEST, 0);
    for second in 0..seconds {
        let mut slot = Slot::default();
        for number in second * PER_SECOND..(second + 1) * PER_SECOND {
            let takes = |attempt| service.takes(Draw { seed: 7, number, attempt });
            let (primary, hedge) = (takes(0), takes(1));
            let is_hedged = primary > delay;
            hedges += u64::from(is_hedged && second >= seconds / 2);
            slot.see(estimator, primary, is_hedged.then_some((delay, hedge)));
        }
        window.push_back(slot);
        if window.len() > WINDOW {
            window.pop_front();
        }
        let curve = curve(&window);
        let known = curve.quantile(share).filter(|_| curve.attempts() >= ENOUGH);
        delay = known.unwrap_or(LONGEST).min(LONGEST);
    }
    hedges as f64 / ((seconds - seconds / 2) * PER_SECOND) as f64
}

/// What was seen in a second: attempts that finished and that were ended, by how long they took, in steps of a per
/// cent.
#[derive(Default)]
struct Slot(Vec<(u64, u64)>);

const STEP: f64 = 1.01;

impl Slot {
    /// A race; with the delay and the time of its hedge, if there was one.
    fn see(&mut self, estimator: Estimator, primary: Duration, hedge: Option<(Duration, Duration)>) {
        let Some((delay, hedge)) = hedge else { return self.add(primary, true) };
        let total = primary.min(delay + hedge);
        let (won, lost) = match primary <= delay + hedge {
            true => (primary, total - delay),
            false => (hedge, total),
        };
        match estimator {
            Estimator::KaplanMeier => {
                self.add(won, true);
                self.add(lost, false);
            }
            Estimator::Finished => {
                self.add(won, true);
                self.add(lost, true);
            }
            Estimator::Winners => self.add(won, true),
            Estimator::Totals => self.add(total, true),
        }
    }

    fn add(&mut self, took: Duration, is_finished: bool) {
        let micros = took.as_secs_f64() * 1e6;
        let step = (micros.max(1.0).ln() / STEP.ln()) as usize;
        if self.0.len() <= step {
            self.0.resize(step + 1, (0, 0));
        }
        let (finished, ended) = &mut self.0[step];
        *if is_finished { finished } else { ended } += 1;
    }
}

fn curve(window: &VecDeque<Slot>) -> Curve {
    let steps = window.iter().map(|slot| slot.0.len()).max().unwrap_or(0);
    let micros = |step: usize| Duration::from_secs_f64(STEP.powi(step as i32) / 1e6);
    let seen = (0..steps).map(|step| {
        let of_slots = window.iter().filter_map(|slot| slot.0.get(step));
        let (finished, ended) = of_slots.fold((0, 0), |sum, seen| (sum.0 + seen.0, sum.1 + seen.1));
        Observed { from: micros(step), to: micros(step + 1), finished, ended }
    });
    Curve::of(seen)
}
