//! What to do about one route: a forecast for each delay worth a look, the best of them, and whether it is worth it.
//!
//! An earlier hedge is never slower, so the tail alone would choose the earliest that the budget allows. Most of that
//! load buys nothing: the best delay here is the latest whose tail is within a twentieth of what the budget can buy.
//! What holds now stays the best as long as it is as good as that.
//!
//! Hedging does not help where a new attempt takes as long as what is left of the old one. Two causes have to be told
//! apart: all attempts are equally fast, or the tail hits every upstream at once. The second shows in the hedges that
//! were sent: they are slower than primaries are, and no faster than what the primaries they raced had left.

use super::figures::Figures;
use super::forecast::{ENOUGH_FOR_P50, ENOUGH_FOR_P99, Forecast, Quantile, Races, Times};

/// Fewer hedges say nothing of how long hedges take. Those that were ended count: they say that they take longer.
const ENOUGH_HEDGES: u64 = 200;

/// A tail that gets shorter by less is none that a person would pay for.
const WORTH_IT: f64 = 0.95;

/// The extra load of a delay that is pointed out although it is above the budget. More than this is known to make
/// services slower instead of faster at loads that are common (Vulimiri et al., "Low Latency via Redundancy", 2013).
const MOST_LOAD: f64 = 0.25;

/// What is left of a primary counts as no longer than a hedge if a hedge takes this share of it.
const NO_FASTER: f64 = 0.9;

/// Hedges are slower than primaries if they take so many times as long.
const SLOWER: f64 = 1.5;

/// Delays that differ by less, as a share, are one.
const SAME: f64 = 0.005;

/// No shorter delay can be set, in seconds.
const SHORTEST: f64 = 0.001;

/// A round delay tells nothing new that is as near to one of another kind: rows of times are as wide.
const NEAR: f64 = 0.03;

/// Delays that every service is asked about, in milliseconds.
const ROUND: [u64; 13] = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000];

/// Quantiles of the attempts' times, in percent.
const QUANTILES: [f64; 7] = [50.0, 75.0, 90.0, 95.0, 98.0, 99.0, 99.5];

/// Advice on one route.
#[derive(Debug)]
pub(super) struct Advice {
    /// Primaries and hedges that are known by their times.
    pub(super) primaries: u64,
    pub(super) hedges: u64,
    /// Hedges per primary.
    pub(super) budget: f64,
    pub(super) hedges_are: HedgesAre,
    /// The longest time that any primary was waited for, in seconds.
    pub(super) longest: f64,
    /// Without hedging. `None` if there is too little for any figure.
    pub(super) unhedged: Option<Forecast>,
    /// In ascending order of the delay.
    pub(super) rows: Vec<Row>,
    pub(super) verdict: Verdict,
}

/// Where the forecast has the times of hedges from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum HedgesAre {
    /// From hedges that were sent.
    Seen,
    /// Too few were sent: they are thought to be as fast as primaries, whatever these are doing.
    Assumed,
}

/// A delay and what comes of it.
#[derive(Debug)]
pub(super) struct Row {
    /// Such as `p95`; none for a round figure.
    pub(super) names: Vec<String>,
    /// In seconds.
    pub(super) delay: f64,
    pub(super) forecast: Forecast,
    pub(super) is_now: bool,
    pub(super) is_best: bool,
}

/// Whether hedging helps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Verdict {
    /// The row marked as the best makes the tail shorter.
    Helps,
    /// So many attempts were seen; so many are needed to tell.
    TooFew { seen: u64, needed: u64 },
    /// The tail hits every upstream at once: a hedge takes so long where what is left of its primary takes so long, and
    /// a primary from its beginning so long. In seconds, on average, as far as all three are known.
    AllAtOnce { hedge: f64, left: f64, primary: f64 },
    /// All attempts are equally fast: the tail is but so many times the median.
    EquallyFast { tail: f64 },
    /// A hedge is no faster than what is left of its primary.
    NoFaster,
    /// Nothing within the budget makes the tail shorter. A hedge after so many seconds does, with such an extra load.
    SmallBudget { delay: f64, load: f64 },
    /// More attempts than the budget allows hedges for take longer than any was waited for: that share.
    OverBudget { least: f64 },
}

impl Advice {
    /// `budget` is hedges per primary.
    pub(super) fn on(figures: &Figures, budget: f64) -> Advice {
        let (primary, hedge) = (Times::of(&figures.primaries), Times::of(&figures.hedges));
        let hedges_are = match hedge.curve().attempts() >= ENOUGH_HEDGES {
            true => HedgesAre::Seen,
            false => HedgesAre::Assumed,
        };
        let mut advice = Advice {
            primaries: primary.curve().attempts(),
            hedges: hedge.curve().attempts(),
            budget,
            hedges_are,
            longest: primary.longest(),
            unhedged: None,
            rows: Vec::new(),
            verdict: Verdict::TooFew { seen: primary.curve().attempts(), needed: ENOUGH_FOR_P50 },
        };
        if advice.primaries < ENOUGH_FOR_P50 {
            return advice;
        }
        let races = Races {
            primary: &primary,
            hedge: if hedges_are == HedgesAre::Seen { &hedge } else { &primary },
            hedges: figures.most.max(1),
        };
        let now = figures.now.delay.map(|delay| delay.as_secs_f64());
        let unhedged = races.unhedged();
        advice.unhedged = Some(unhedged);
        advice.rows = rows(&races, budget, now);
        advice.verdict = match now.filter(|_| hedges_are == HedgesAre::Seen) {
            _ if advice.primaries < ENOUGH_FOR_P99 => {
                Verdict::TooFew { seen: advice.primaries, needed: ENOUGH_FOR_P99 }
            }
            Some(now) => all_at_once(&races, now).unwrap_or_else(|| choose(&mut advice.rows, unhedged, budget, &races)),
            None => choose(&mut advice.rows, unhedged, budget, &races),
        };
        advice
    }

    pub(super) fn best(&self) -> Option<&Row> {
        self.rows.iter().find(|row| row.is_best)
    }
}

/// The delays worth a look, each once, in ascending order.
fn rows(races: &Races<'_>, budget: f64, now: Option<f64>) -> Vec<Row> {
    let quantile = |percent: &f64| Some((races.primary.curve().quantile(percent / 100.0)?, format!("p{percent}")));
    let mut delays: Vec<(f64, String)> =
        QUANTILES.iter().filter_map(quantile).map(|(delay, name)| (delay.as_secs_f64(), name)).collect();
    delays.extend(spends(races, budget).map(|delay| (delay, "auto".to_owned())));
    delays.retain(|(delay, _)| *delay >= SHORTEST);
    delays.extend(now.map(|delay| (delay, String::new())));
    let is_near = |round: f64, (delay, _): &(f64, String)| (delay - round).abs() <= round * NEAR;
    let round = ROUND.iter().map(|millis| *millis as f64 / 1e3);
    let round: Vec<f64> = round.filter(|round| !delays.iter().any(|delay| is_near(*round, delay))).collect();
    delays.extend(round.into_iter().map(|delay| (delay, String::new())));
    delays.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let mut rows: Vec<(f64, Vec<String>)> = Vec::new();
    for (delay, name) in delays {
        let names = Some(name).filter(|name| !name.is_empty());
        match rows.last_mut().filter(|(last, _)| delay - *last <= delay * SAME) {
            // The later one: where many attempts take the same time, it is the one that lets them finish.
            Some((last, before)) => {
                *last = delay;
                before.extend(names);
            }
            None => rows.push((delay, names.into_iter().collect())),
        }
    }
    let is_now = |delay: f64| now.is_some_and(|now| (delay - now).abs() <= delay * SAME);
    let row =
        |(delay, names)| Row { names, delay, forecast: races.after(delay), is_now: is_now(delay), is_best: false };
    rows.into_iter().map(row).collect()
}

/// The delay at which the budget is just spent, in seconds. `None` if every delay that is known costs more.
fn spends(races: &Races<'_>, budget: f64) -> Option<f64> {
    let (mut low, mut high) = (0.0, races.primary.longest());
    if races.extra_load(high) > budget {
        return None;
    }
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        match races.extra_load(middle) > budget {
            true => low = middle,
            false => high = middle,
        }
    }
    Some(high)
}

/// Whether hedges are no faster than what their primaries have left, where a primary from its beginning would be.
fn all_at_once(races: &Races<'_>, now: f64) -> Option<Verdict> {
    let most = races.hedge.longest().min(races.primary.longest() - now);
    if most <= 0.0 {
        return None;
    }
    let hedge = races.hedge.mean_left(0.0, most);
    let left = races.primary.mean_left(now, most);
    let primary = races.primary.mean_left(0.0, most);
    let is_common = left > 0.0 && hedge >= left * NO_FASTER && hedge >= primary * SLOWER;
    is_common.then_some(Verdict::AllAtOnce { hedge, left, primary })
}

/// Marks the best row within the budget, if any is worth it.
fn choose(rows: &mut [Row], unhedged: Forecast, budget: f64, races: &Races<'_>) -> Verdict {
    let fits = |row: &&Row| row.forecast.extra_load <= budget * 1.000_001;
    if !rows.iter().any(|row| fits(&row)) {
        return Verdict::OverBudget { least: races.extra_load(races.primary.longest()) };
    }
    let least = |quantile: fn(&Forecast) -> Quantile| {
        let ranks = rows.iter().filter(fits).filter_map(|row| quantile(&row.forecast).rank());
        ranks.min_by(f64::total_cmp)
    };
    let tails: [fn(&Forecast) -> Quantile; 2] = [|forecast| forecast.p99, |forecast| forecast.p999];
    let (gains, is_near): (Vec<bool>, Vec<_>) = tails
        .into_iter()
        .filter_map(|tail| Some((tail, least(tail)?, tail(&unhedged).rank()?)))
        .map(|(tail, least, before)| {
            let near = move |row: &&Row| tail(&row.forecast).rank().is_some_and(|rank| rank <= least / WORTH_IT);
            (least < before * WORTH_IT, near)
        })
        .unzip();
    if !gains.contains(&true) {
        let tail = [unhedged.p999, unhedged.p99].into_iter().find_map(Quantile::rank).zip(unhedged.p50.rank());
        let helps = |row: &&Row| {
            let shorter = |tail: &fn(&Forecast) -> Quantile| {
                let [after, before] = [row.forecast, unhedged].map(|forecast| tail(&forecast).rank());
                after.zip(before).is_some_and(|(after, before)| after < before * WORTH_IT)
            };
            row.forecast.extra_load <= MOST_LOAD && tails.iter().any(shorter)
        };
        return match (tail.map(|(tail, median)| tail / median), rows.iter().rfind(helps)) {
            (Some(tail), _) if tail < 2.0 => Verdict::EquallyFast { tail },
            (_, Some(row)) => Verdict::SmallBudget { delay: row.delay, load: row.forecast.extra_load },
            _ => Verdict::NoFaster,
        };
    }
    let good = |row: &&Row| fits(row) && is_near.iter().all(|near| near(row));
    let latest = rows.iter().rposition(|row| good(&row));
    let cheapest = latest.map_or(0.0, |latest| rows[latest].forecast.extra_load);
    let now = rows.iter().position(|row| row.is_now && good(&row) && row.forecast.extra_load <= cheapest + 0.01);
    if let Some(best) = now.or(latest) {
        rows[best].is_best = true;
    }
    Verdict::Helps
}

#[cfg(test)]
mod tests;
