//! What the parts come to together, over simulated traffic: time is an argument, and chance has a seed.

use super::budget::Budget;
use super::curve::Curve;
use super::pace;
use super::place::Place;
use super::settings::{Bounds, Delay, PolicySettings};
use proptest::prelude::*;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// SplitMix64.
struct Chance(u64);

impl Chance {
    /// From 0, excluded, to 1.
    fn share(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (((z ^ (z >> 31)) >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// The time of an attempt: 5 ms, lognormal, and in one of twenty ten times as long.
    fn time(&mut self) -> Duration {
        let normal = (-2.0 * self.share().ln()).sqrt() * (std::f64::consts::TAU * self.share()).cos();
        let factor = if self.share() <= 0.05 { 10.0 } else { 1.0 };
        Duration::from_secs_f64(0.005 * factor * (0.4 * normal).exp())
    }
}

/// The attempts of a simulated policy with two places.
struct Simulation {
    chance: Chance,
    places: [Place; 2],
    settings: PolicySettings,
    /// What is seen at which moment: at which place, after what time, and whether that was the answer.
    to_come: BinaryHeap<Reverse<(Duration, usize, Duration, bool)>>,
}

impl Simulation {
    fn new(settings: PolicySettings) -> Simulation {
        let places = ["one", "other"].map(|label| Place::new(label.into(), Instant::now()));
        Simulation { chance: Chance(1), places, settings, to_come: BinaryHeap::new() }
    }

    /// One race: whether it is hedged. Its loser is ended when the winner has its answer.
    fn race(&mut self, at: Duration, primary: usize, factor: f64) -> bool {
        while self.to_come.peek().is_some_and(|seen| seen.0.0 <= at) {
            let Reverse((at, place, time, is_answer)) = self.to_come.pop().expect("it was there");
            match is_answer {
                true => self.places[place].finished(time),
                false => self.places[place].ended(time),
            }
            self.places[place].look(at, |curve: &Curve| pace::delay(&self.settings, self.settings.share(), curve));
        }
        let Delay::Quantile { bounds, .. } = self.settings.delay else { panic!("not simulated") };
        let delay = self.places[primary].delay().unwrap_or(bounds.longest);
        let time = self.chance.time().mul_f64(factor);
        if time <= delay {
            self.to_come.push(Reverse((at + time, primary, time, true)));
            return false;
        }
        let hedge = self.chance.time().mul_f64(factor);
        let end = time.min(delay + hedge);
        self.to_come.push(Reverse((at + end, primary, end, time == end)));
        self.to_come.push(Reverse((at + end, 1 - primary, end - delay, time != end)));
        true
    }

    /// The share of hedged races of `count`, one each millisecond.
    fn rate(&mut self, from: u64, count: u64, factor: f64) -> f64 {
        let hedged = (from..from + count)
            .filter(|number| self.race(Duration::from_millis(*number), (number % 2) as usize, factor))
            .count();
        hedged as f64 / count as f64
    }
}

#[test]
fn a_quantile_hedges_as_often_as_it_says_although_losers_are_ended() {
    for share in [0.9, 0.95, 0.99] {
        let settings = PolicySettings::new(Delay::quantile(share, Bounds::default()).unwrap());
        let mut simulation = Simulation::new(settings);
        simulation.rate(0, 2_000, 1.0);
        let asked = 1.0 - share;
        // Each quarter for itself: it does not run away.
        for quarter in 0..4 {
            let rate = simulation.rate(2_000 + quarter * 5_000, 5_000, 1.0);
            let (least, most) = if share < 0.99 { (0.8, 1.2) } else { (0.6, 1.4) };
            assert!((least * asked..most * asked).contains(&rate), "p{share}, quarter {quarter}: {rate}");
        }
        let rate = simulation.rate(22_000, 20_000, 1.0);
        assert!((0.8 * asked..1.2 * asked).contains(&rate), "p{share}: {rate}");
    }
}

#[test]
fn a_quantile_follows_times_that_change() {
    let settings = PolicySettings::new(Delay::quantile(0.9, Bounds::default()).unwrap());
    let mut simulation = Simulation::new(settings);
    simulation.rate(0, 10_000, 1.0);
    let before = simulation.places[0].delay().unwrap();
    // All that was seen before falls out of the window.
    simulation.rate(10_000, 40_000, 4.0);
    let after = simulation.places[0].delay().unwrap();
    let growth = after.as_secs_f64() / before.as_secs_f64();
    assert!((3.0..5.0).contains(&growth), "from {before:?} to {after:?}");
    let rate = simulation.rate(50_000, 20_000, 4.0);
    assert!((0.08..0.12).contains(&rate), "{rate}");
}

/// How many of `times` are in the last `length` before and at `now`.
fn within(times: &[u64], now: u64, length: u64) -> f64 {
    times.iter().filter(|at| **at <= now && **at + length > now).count() as f64
}

proptest! {
    #[test]
    fn hedges_never_exceed_the_budget_in_any_ten_seconds(
        share in 0.0..1.0_f64,
        min_rate in prop_oneof![Just(0.0), 0.1..5.0_f64],
        bursts in prop::collection::vec((0..4_000_u64, 0..40_usize, 0..20_usize), 1..40),
    ) {
        let budget = Budget::new();
        let (mut now, mut primaries, mut hedges) = (0, Vec::new(), Vec::new());
        for (pause, sent, wanted) in bursts {
            now += pause;
            let clock = Duration::from_millis(now);
            (0..sent).for_each(|_| budget.count_primary(clock));
            primaries.extend((0..sent).map(|_| now));
            for _ in 0..wanted {
                if !budget.take(clock, share, min_rate) {
                    continue;
                }
                hedges.push(now);
                // The window is known up to a slot.
                let sent = within(&hedges, now, 9_900);
                if min_rate == 0.0 {
                    prop_assert!(sent <= share * within(&primaries, now, 10_000), "{sent} at {now}");
                } else {
                    // What the budget has granted last was for primaries of the ten seconds before that.
                    let allowed = share * within(&primaries, now, 20_000) + (10.0 * min_rate).ceil();
                    prop_assert!(sent <= allowed, "{sent} of {allowed} at {now}");
                }
            }
        }
    }
}
