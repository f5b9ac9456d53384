//! What requests take when hedges are sent after some delay, and what that costs.
//!
//! The problem: nobody can try all delays on a live service. The answer: a race lasts as long as the quickest of its
//! attempts, so the share of races that last longer than `t` is the product of the shares of its attempts that do, each
//! counted from its own beginning: `S(t) = P(t)·H(t − d)·H(t − 2d)…`, with `P` for primaries and `H` for hedges. All
//! else follows: quantiles from `S`, the load from the share that is still open when a hedge is due, the time saved
//! from the area between `P` and `S`, the time wasted from how long all attempts run less how long the winner does.
//!
//! The product holds for attempts that know nothing of each other. A tail that hits all upstreams at once breaks it;
//! where `H` is the curve of hedges that were sent, it has seen most of that, since hedges are sent when primaries are
//! slow. What this does not do: foresee that upstreams get slower under the load of hedges, or that attempts fail.

use headstart::policy::{Curve, Observed};
use std::time::Duration;

/// Who asks for a quantile of fewer gets one that is chance.
pub(super) const ENOUGH_FOR_P50: u64 = 50;
pub(super) const ENOUGH_FOR_P99: u64 = 100;
pub(super) const ENOUGH_FOR_P999: u64 = 1_000;

/// So few attempts cannot speak for more than [`MANY`] times as many that were ended before.
const FEW: u64 = 30;
const MANY: f64 = 5.0;

/// How long attempts take, and how long the longest was waited for.
#[derive(Debug)]
pub(super) struct Times {
    curve: Curve,
    /// Where the curve bends, in seconds.
    bends: Vec<f64>,
    longest: f64,
}

impl Times {
    pub(super) fn of(observed: &[Observed]) -> Times {
        let known = known(observed);
        let bends = known.iter().flat_map(|row| [row.from.as_secs_f64(), row.to.as_secs_f64()]).collect();
        let longest = known.last().map_or(0.0, |row| row.to.as_secs_f64());
        Times { curve: Curve::of(known), bends, longest }
    }

    pub(super) fn curve(&self) -> &Curve {
        &self.curve
    }

    /// The longest time that any attempt was waited for, in seconds.
    pub(super) fn longest(&self) -> f64 {
        self.longest
    }

    /// The share that takes longer than so many seconds.
    pub(super) fn longer_than(&self, seconds: f64) -> f64 {
        if seconds <= 0.0 { 1.0 } else { self.curve.longer_than(Duration::from_secs_f64(seconds)) }
    }

    /// How many seconds an attempt takes on average that has taken `since` already, if none is waited for more than
    /// `most` seconds longer.
    pub(super) fn mean_left(&self, since: f64, most: f64) -> f64 {
        let left = self.longer_than(since);
        let mut bends: Vec<f64> = self.bends.iter().map(|bend| bend - since).collect();
        bends.extend([0.0, most]);
        let pieces = pieces(bends, most);
        if left <= 0.0 { 0.0 } else { integral(&pieces, |time| self.longer_than(since + time)) / left }
    }
}

/// The rows up to where a few attempts would speak for many. Those few are taken for ended there.
///
/// When a hedge has won, its primary is ended: where hedges are sent early, hardly any primary is left to be seen later
/// on, and the one that happens to finish there would make all the others that were ended seem to.
fn known(observed: &[Observed]) -> Vec<Observed> {
    let mut rows: Vec<Observed> = observed.iter().filter(|row| row.finished + row.ended > 0).copied().collect();
    let all: u64 = rows.iter().map(|row| row.finished + row.ended).sum();
    let (mut at_risk, mut left) = (all, 1.0);
    for at in 0..rows.len() {
        let row = rows[at];
        if row.finished > 0 && at_risk < FEW && left * all as f64 > at_risk as f64 * MANY {
            let to = row.from + Duration::from_nanos(1);
            rows.truncate(at);
            rows.push(Observed { from: row.from, to, finished: 0, ended: at_risk });
            break;
        }
        // As the curve does it.
        let finished = row.finished as f64;
        left *= 1.0 - finished / (at_risk as f64 - row.ended as f64 / 2.0).max(finished).max(1.0);
        at_risk -= row.finished + row.ended;
    }
    rows
}

/// A time within which a share of requests is answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Quantile {
    /// In so many seconds.
    Within(f64),
    /// Not in so many seconds; longer was never waited for.
    Beyond(f64),
    /// So few were seen that any figure would be chance.
    TooFew,
}

impl Quantile {
    /// For comparisons: what is beyond is later than all that is within. `None` where nothing can be said.
    pub(super) fn rank(self) -> Option<f64> {
        match self {
            Quantile::Within(seconds) => Some(seconds),
            Quantile::Beyond(_) => Some(f64::INFINITY),
            Quantile::TooFew => None,
        }
    }
}

/// What would come of a delay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Forecast {
    pub(super) p50: Quantile,
    pub(super) p99: Quantile,
    pub(super) p999: Quantile,
    /// Hedges per primary.
    pub(super) extra_load: f64,
    /// Seconds that a request is answered earlier than without hedging, on average.
    pub(super) saved: f64,
    /// Seconds that upstreams work on losers, for each request, on average.
    pub(super) wasted: f64,
}

/// Races of a primary and hedges.
#[derive(Clone, Copy, Debug)]
pub(super) struct Races<'a> {
    pub(super) primary: &'a Times,
    pub(super) hedge: &'a Times,
    /// The most hedges of one race, each after the delay again.
    pub(super) hedges: u32,
}

impl Races<'_> {
    /// What comes without any hedge.
    pub(super) fn unhedged(&self) -> Forecast {
        Races { hedges: 0, ..*self }.after(0.0)
    }

    /// Hedges per primary, if each waits for `delay` seconds.
    pub(super) fn extra_load(&self, delay: f64) -> f64 {
        // The sum of nothing would be a negative zero.
        (1..=self.hedges)
            .map(|hedge| self.open(delay, hedge, f64::from(hedge) * delay))
            .fold(0.0, |sum, open| sum + open)
    }

    /// What comes of hedges that wait for `delay` seconds each.
    pub(super) fn after(&self, delay: f64) -> Forecast {
        let attempts = self.primary.curve.attempts();
        let quantile = |share: f64, enough: u64| match attempts >= enough {
            true => self.quantile(delay, share),
            false => Quantile::TooFew,
        };
        let (saved, wasted) = self.saved_and_wasted(delay);
        Forecast {
            p50: quantile(0.5, ENOUGH_FOR_P50),
            p99: quantile(0.99, ENOUGH_FOR_P99),
            p999: quantile(0.999, ENOUGH_FOR_P999),
            extra_load: self.extra_load(delay),
            saved,
            wasted,
        }
    }

    /// The share of attempt `number` that takes longer than until `time` of the race.
    fn attempt(&self, delay: f64, number: u32, time: f64) -> f64 {
        match number {
            0 => self.primary.longer_than(time),
            number => self.hedge.longer_than(time - f64::from(number) * delay),
        }
    }

    /// The share of races that the first `attempts` attempts leave open at `time`.
    fn open(&self, delay: f64, attempts: u32, time: f64) -> f64 {
        (0..attempts).map(|number| self.attempt(delay, number, time)).product()
    }

    /// Where anything bends, up to the last time about which anything is known.
    fn pieces(&self, delay: f64) -> Vec<f64> {
        let mut bends = self.primary.bends.clone();
        for hedge in 1..=self.hedges {
            let begin = f64::from(hedge) * delay;
            bends.push(begin);
            bends.extend(self.hedge.bends.iter().map(|bend| begin + bend));
        }
        bends.push(0.0);
        let last = bends.iter().copied().fold(0.0, f64::max);
        pieces(bends, last)
    }

    fn quantile(&self, delay: f64, share: f64) -> Quantile {
        let attempts = self.hedges + 1;
        let left = 1.0 - share + 1e-12; // a product of shares that meets it exactly may miss it by rounding
        let last = self.primary.longest.max(f64::from(self.hedges) * delay + self.hedge.longest);
        if self.open(delay, attempts, last) > left {
            // All factors are known up to here; from here on some are only known not to be larger.
            let known = (1..=self.hedges).map(|hedge| f64::from(hedge) * delay + self.hedge.longest);
            return Quantile::Beyond(known.fold(self.primary.longest, f64::min));
        }
        let (mut low, mut high) = (0.0, last);
        for _ in 0..60 {
            let middle = (low + high) / 2.0;
            match self.open(delay, attempts, middle) > left {
                true => low = middle,
                false => high = middle,
            }
        }
        Quantile::Within(high)
    }

    /// All attempts together run for the sum of what each leaves open from its beginning on. The winner runs from its
    /// own beginning to the race's end, and the rest is wasted.
    fn saved_and_wasted(&self, delay: f64) -> (f64, f64) {
        let attempts = self.hedges + 1;
        let (mut saved, mut wasted) = (0.0, 0.0);
        for piece in self.pieces(delay).windows(2) {
            let [from, to] = [piece[0], piece[1]];
            let at = [from, (from + to) / 2.0, to];
            // Of each attempt the shares at the piece's beginning, middle and end.
            let shares: Vec<[f64; 3]> =
                (0..attempts).map(|number| at.map(|time| self.attempt(delay, number, time))).collect();
            let product = |left_out: Option<usize>| {
                let kept = || (0..shares.len()).filter(|number| Some(*number) != left_out);
                [0, 1, 2].map(|point| kept().map(|number| shares[number][point]).product::<f64>())
            };
            let open = (to - from) * mean(product(None));
            if to <= self.primary.longest {
                saved += (to - from) * mean(shares[0]) - open;
            }
            for (hedge, its) in shares.iter().enumerate().skip(1) {
                let begin = hedge as f64 * delay;
                if from >= begin {
                    wasted += open;
                }
                // Who wins here has left the time before its beginning to others.
                let finished = its[0] - its[2];
                if finished > 0.0 {
                    wasted += begin * finished * mean(product(Some(hedge)));
                }
            }
        }
        (saved.max(0.0), wasted)
    }
}

/// These, in order and once each, from 0 to `last`.
fn pieces(mut bends: Vec<f64>, last: f64) -> Vec<f64> {
    bends.retain(|bend| (0.0..=last).contains(bend));
    bends.sort_by(f64::total_cmp);
    bends.dedup();
    bends
}

fn integral(pieces: &[f64], value: impl Fn(f64) -> f64) -> f64 {
    let part = |from: f64, to: f64| (to - from) * mean([value(from), value((from + to) / 2.0), value(to)]);
    pieces.windows(2).map(|piece| part(piece[0], piece[1])).sum()
}

/// The mean between two points of what has these values at the first, in the middle and at the second (Simpson). It is
/// exact for the product of up to three lines.
fn mean([first, middle, second]: [f64; 3]) -> f64 {
    (first + 4.0 * middle + second) / 6.0
}

#[cfg(test)]
mod tests;
