//! What the policy promises, and whether it kept it.

use crate::asked::Options;
use crate::contenders::{ALL, FIXED, NONE, POLICY};
use crate::figures::Figures;
use crate::harness::report::Spread;
use crate::run::{Entry, Results};
use crate::scenario::{Scenario, Size};
use crate::table::spread;
use std::fmt;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Kept,
    /// The ranges of the rounds overlap, or nearly so.
    Even,
    Short,
    /// The run was too short, or not steady enough, to tell.
    Unjudged,
}

pub(crate) struct Promise {
    verdict: Verdict,
    what: String,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.verdict {
            Verdict::Kept => "kept",
            Verdict::Even => "even",
            Verdict::Short => "**short**",
            Verdict::Unjudged => "not judged",
        };
        write!(f, "{word}: {}", self.what)
    }
}

/// Milliseconds and per cent that somebody published.
struct Published {
    scenario: u32,
    who: &'static str,
    p99: Option<f64>,
    p999: Option<f64>,
    extra: Option<f64>,
}

/// Times of scenario 2 are a tenth of the published ones.
const PUBLISHED: [Published; 4] = [
    Published {
        scenario: 1,
        who: "fixed 10 ms in bhope/hedge's table",
        p99: Some(17.4),
        p999: Some(46.5),
        extra: Some(7.4),
    },
    Published { scenario: 1, who: "p90 in bhope/hedge's table", p99: Some(17.0), p999: Some(59.4), extra: Some(8.9) },
    Published { scenario: 2, who: "grpc-java's example", p99: Some(200.2), p999: Some(201.1), extra: None },
    Published { scenario: 3, who: "The Tail at Scale", p99: None, p999: Some(74.0), extra: Some(2.0) },
];

/// What is compared, by its name.
type Figure = (&'static str, fn(&Figures) -> f64);

const COMPARED: [Figure; 3] =
    [("p99", |figures| figures.p99), ("p99.9", |figures| figures.p999), ("extra %", |figures| figures.extra * 100.0)];

/// Milliseconds, or percentage points, that are no difference; nor is a hundredth.
const ALIKE: f64 = 0.1;
/// A p99 of fewer than ten times as many is rather by chance; of fewer than this it is the worst.
const FEW: usize = 100;
/// How much worse than without hedging a p99 may be.
const NO_WORSE: f64 = 1.05;
/// How far from what came advice may be.
const FORESEEN: f64 = 0.15;
/// How far from what was asked a quantile's hedge rate may be.
const RATE: (f64, f64) = (0.8, 1.2);

pub(crate) fn judge(options: &Options, results: &Results) -> Vec<Promise> {
    let mut promises = Vec::new();
    for (place, scenario) in options.scenarios.iter().enumerate() {
        if let Some(policy) = results.entry(place, POLICY) {
            match scenario.number {
                1..=3 => compare(&mut promises, scenario, place, policy, results),
                4..=9 => bounds(&mut promises, scenario, policy, results.entry(place, NONE), options.size),
                _ => recovery(&mut promises, scenario, policy, results.entry(place, NONE)),
            }
        }
        rates(&mut promises, scenario, place, results);
        if let (Some(none), Some(fixed)) = (results.entry(place, NONE), results.entry(place, FIXED)) {
            foreseen(&mut promises, scenario, none, fixed);
        }
    }
    promises
}

/// What `headstart advise` foresaw for the fixed delay, from the run without hedging, and what came of it.
fn foreseen(promises: &mut Vec<Promise>, scenario: &Scenario, none: &Entry, fixed: &Entry) {
    let delay = scenario.hedging.fixed.as_secs_f64() * 1e3;
    let of_delay = |round: &Figures| round.advice.iter().find(|(at, _)| (at - delay).abs() < 1e-6).map(|(_, p99)| *p99);
    let (Some(said), Some(came)) = (spread(none, &of_delay), spread(fixed, &|round| Some(round.p99))) else { return };
    let is_near = (said.median / came.median - 1.0).abs() <= FORESEEN;
    let verdict = if is_near { Verdict::Kept } else { Verdict::Short };
    let what =
        format!("{}: advised for {delay:.0} ms a p99 of {:.1}, {:.1} came", scenario.id, said.median, came.median);
    promises.push(Promise { verdict, what });
}

/// Against each published and each measured row: all three figures at once.
fn compare(promises: &mut Vec<Promise>, scenario: &Scenario, place: usize, policy: &Entry, results: &Results) {
    let mut against = |who: String, theirs: [Option<Spread>; 3]| {
        let mut verdicts = Vec::new();
        let mut words = Vec::new();
        for ((name, figure), theirs) in COMPARED.iter().zip(theirs) {
            // A quantile of fewer is the worst one or two.
            let enough = [("p99", FEW), ("p99.9", 10 * FEW)].into_iter().find(|(known, _)| known == name);
            if enough.is_some_and(|(_, enough)| policy.rounds.iter().any(|round| round.counted < enough)) {
                verdicts.push(Verdict::Unjudged);
                continue;
            }
            let (Some(ours), Some(theirs)) = (spread(policy, &|round| Some(figure(round))), theirs) else { continue };
            let verdict = match () {
                () if ours.median <= theirs.median => Verdict::Kept,
                () if ours.smallest <= theirs.largest + ALIKE.max(theirs.largest / 100.0) => Verdict::Even,
                () => Verdict::Short,
            };
            words.push(format!("{name} {:.1} to {:.1}", ours.median, theirs.median));
            verdicts.push(verdict);
        }
        let worst =
            [Verdict::Short, Verdict::Unjudged, Verdict::Even].into_iter().find(|verdict| verdicts.contains(verdict));
        let what = format!("{}, policy to {who}: {}", scenario.id, words.join(", "));
        promises.push(Promise { verdict: worst.unwrap_or(Verdict::Kept), what });
    };
    for published in PUBLISHED.iter().filter(|published| published.scenario == scenario.number) {
        let theirs = [published.p99, published.p999, published.extra];
        against(format!("{}, as published", published.who), theirs.map(|figure| Spread::of(figure.into_iter())));
    }
    let rivals = ALL.iter().filter(|rival| ![NONE, POLICY].contains(&rival.name) && rival.asked_rate().is_none());
    for rival in rivals {
        if let Some(entry) = results.entry(place, rival.name) {
            let theirs = COMPARED.map(|(_, figure)| spread(entry, &|round| Some(figure(round))));
            against(format!("`{}`", rival.name), theirs);
        }
    }
}

/// Hedging costs what it may, and does no harm.
fn bounds(promises: &mut Vec<Promise>, scenario: &Scenario, policy: &Entry, none: Option<&Entry>, size: Size) {
    let kept = |is_kept: bool| if is_kept { Verdict::Kept } else { Verdict::Short };
    let mut promise = |verdict: Verdict, what: String| {
        promises.push(Promise { verdict, what: format!("{}: {what}", scenario.id) });
    };
    let allowed = scenario.hedging.budget + 1.0;
    if let Some(beyond) = spread(policy, &|round| Some(round.beyond * 100.0)) {
        let what = format!("{:.1} % extra in the worst 10 s beside one a second, {allowed:.0} allowed", beyond.largest);
        promise(kept(beyond.largest <= allowed), what);
    }
    if let Some(none) = none {
        let rounds = || policy.rounds.iter().zip(&none.rounds);
        let failed = rounds().map(|(policy, none)| policy.failed as f64 - none.failed as f64);
        if let Some(more) = Spread::of(failed) {
            promise(kept(more.median <= 0.0), format!("{:+.0} failures compared with no hedging", more.median));
        }
        if let Some(ratio) = Spread::of(rounds().map(|(policy, none)| policy.p99 / none.p99)) {
            let verdict = match () {
                () if ratio.median <= NO_WORSE => Verdict::Kept,
                () if policy.rounds.iter().any(|round| round.counted < 10 * FEW) => Verdict::Unjudged,
                () if ratio.smallest <= NO_WORSE => Verdict::Even,
                () => Verdict::Short,
            };
            promise(verdict, format!("p99 {ratio} of that without hedging"));
        }
    }
    if scenario.number == 5 && size == Size::Full {
        if let Some(share) = spread(policy, &|round| round.dead.map(|dead| dead.share * 100.0)) {
            promise(
                kept(share.largest < 3.0),
                format!("{:.1} % of requests at the dead replica after 5 s", share.largest),
            );
        }
        let back = spread(policy, &|round| round.dead.map(|dead| dead.back.unwrap_or(f64::INFINITY)));
        if let Some(back) = back {
            promise(kept(back.largest <= 35.0), format!("a fair share {:.1} s after its return", back.largest));
        }
    }
}

/// After the trouble the pool answers what it is asked.
fn recovery(promises: &mut Vec<Promise>, scenario: &Scenario, policy: &Entry, none: Option<&Entry>) {
    let (Some((_, end)), Some(none)) = (scenario.trouble, none) else { return };
    let after = end.as_secs() as usize + 1;
    let goodput = |round: &Figures| {
        let seconds = round.seconds.get(after..).filter(|seconds| !seconds.is_empty())?;
        Some(seconds.iter().map(|second| second.right).sum::<f64>() / seconds.len() as f64)
    };
    let (Some(ours), Some(theirs)) = (spread(policy, &goodput), spread(none, &goodput)) else { return };
    let verdict = if ours.median >= 0.95 * theirs.median { Verdict::Kept } else { Verdict::Short };
    let what = format!("{}: {ours} answers a second after the blip, {theirs} without hedging", scenario.id);
    promises.push(Promise { verdict, what });
}

/// Those that hedge at a quantile hedge as often as it says.
fn rates(promises: &mut Vec<Promise>, scenario: &Scenario, place: usize, results: &Results) {
    for contender in ALL.iter().filter(|_| scenario.is_steady) {
        let (Some(asked), Some(entry)) = (contender.asked_rate(), results.entry(place, contender.name)) else {
            continue;
        };
        let Some(rate) = spread(entry, &|round| Some(round.extra / asked)) else { continue };
        let hedges = entry.rounds.first().map_or(0.0, |round| round.sent as f64 * asked);
        let verdict = match () {
            // The rate of so few has a spread of its own.
            () if hedges < 200.0 => Verdict::Unjudged,
            () if rate.smallest >= RATE.0 && rate.largest <= RATE.1 => Verdict::Kept,
            () => Verdict::Short,
        };
        let what = format!("{}: `{}` hedges {rate} of what was asked", scenario.id, contender.name);
        promises.push(Promise { verdict, what });
    }
}
