//! Forecasts of distributions whose answers can be had by hand.

use super::*;

/// Rows around these milliseconds, with so many that finished and were ended there.
fn times(rows: &[(u64, u64, u64)]) -> Times {
    let row = |(at, finished, ended): &(u64, u64, u64)| {
        let from = Duration::from_millis(*at);
        Observed { from, to: from + Duration::from_nanos(100), finished: *finished, ended: *ended }
    };
    Times::of(&rows.iter().map(row).collect::<Vec<_>>())
}

fn assert_within(quantile: Quantile, millis: f64) {
    match quantile {
        Quantile::Within(seconds) => assert!((seconds * 1e3 - millis).abs() < 0.01, "{seconds} s, not {millis} ms"),
        other => panic!("{other:?}, not {millis} ms"),
    }
}

fn assert_near(value: f64, expected: f64) {
    assert!((value - expected).abs() < 1e-5 + expected.abs() * 1e-3, "{value}, not {expected}");
}

#[test]
fn a_twentieth_that_is_ten_times_as_slow() {
    let seen = times(&[(5, 9_500, 0), (50, 500, 0)]);
    let races = Races { primary: &seen, hedge: &seen, hedges: 1 };

    let none = races.unhedged();
    assert_within(none.p50, 5.0);
    assert_within(none.p99, 50.0);
    assert_eq!((none.extra_load, none.saved, none.wasted), (0.0, 0.0, 0.0));

    // A twentieth is hedged after 10 ms; a twentieth of those hedges is slow too, and then the primary is first.
    let hedged = races.after(0.010);
    assert_within(hedged.p50, 5.0);
    assert_within(hedged.p99, 15.0);
    assert_within(hedged.p999, 50.0);
    assert_near(hedged.extra_load, 0.05);
    assert_near(hedged.saved, 0.0475 * 0.035);
    assert_near(hedged.wasted, 0.0475 * 0.015 + 0.0025 * 0.040);

    // After the last answer there is nothing to hedge.
    let late = races.after(0.060);
    assert_within(late.p999, 50.0);
    assert_near(late.extra_load + late.saved + late.wasted, 0.0);
}

#[test]
fn a_second_hedge_is_sent_if_the_first_is_late_too() {
    let seen = times(&[(5, 900, 0), (100, 100, 0)]);
    let races = Races { primary: &seen, hedge: &seen, hedges: 2 };
    let hedged = races.after(0.010);
    assert_near(hedged.extra_load, 0.1 + 0.01);
    assert_within(hedged.p99, 15.0);
    assert_within(hedged.p999, 25.0);
    // The first hedge wins, or the second, or the primary after all.
    assert_near(hedged.wasted, 0.09 * 0.015 + 0.009 * (0.025 + 0.015) + 0.001 * (0.090 + 0.080));
    assert_near(hedged.saved, 0.09 * 0.085 + 0.009 * 0.075);
}

#[test]
fn what_is_spread_evenly_is_integrated_exactly() {
    let row = Observed { from: Duration::ZERO, to: Duration::from_secs(1), finished: 10_000, ended: 0 };
    let seen = Times::of(&[row]);
    let races = Races { primary: &seen, hedge: &seen, hedges: 1 };
    // Both at once: the smaller of two even chances is a third on average, and half is saved of that.
    let at_once = races.after(0.0);
    assert_near(at_once.extra_load, 1.0);
    assert_near(at_once.saved, 0.5 - 1.0 / 3.0);
    assert_near(at_once.wasted, 1.0 / 3.0);
    let Quantile::Within(p99) = at_once.p99 else { panic!("{at_once:?}") };
    assert_near(p99, 0.9);
    assert_near(seen.mean_left(0.0, 1.0), 0.5);
    assert_near(seen.mean_left(0.5, 1.0), 0.25);
    assert_near(seen.mean_left(0.0, 0.1), 0.095);
}

#[test]
fn longer_than_was_waited_for_nothing_is_known() {
    // A twentieth was ended after 20 ms: it takes longer, and nobody knows how long.
    let seen = times(&[(5, 9_500, 0), (20, 0, 500)]);
    let races = Races { primary: &seen, hedge: &seen, hedges: 1 };
    let none = races.unhedged();
    assert_within(none.p50, 5.0);
    let Quantile::Beyond(known) = none.p99 else { panic!("{none:?}") };
    assert_near(known, 0.020);
    // A hedge tells nevertheless: one in twenty of one in twenty.
    let hedged = races.after(0.010);
    assert_within(hedged.p99, 15.0);
    assert!(matches!(hedged.p999, Quantile::Beyond(_)), "{hedged:?}");
    // Only what is known to be saved is counted.
    assert_near(hedged.saved, 0.0475 * 0.005);
}

#[test]
fn hedges_have_their_own_times() {
    let primary = times(&[(5, 9_500, 0), (50, 500, 0)]);
    let hedge = times(&[(30, 500, 0)]);
    let hedged = Races { primary: &primary, hedge: &hedge, hedges: 1 }.after(0.010);
    assert_within(hedged.p99, 40.0);
    assert_within(hedged.p999, 40.0);
}

#[test]
fn of_too_few_no_quantile_is_told() {
    let of = |count: u64| {
        let seen = times(&[(5, count, 0)]);
        let forecast = Races { primary: &seen, hedge: &seen, hedges: 1 }.unhedged();
        [forecast.p50, forecast.p99, forecast.p999].map(|quantile| quantile != Quantile::TooFew)
    };
    assert_eq!(of(49), [false, false, false]);
    assert_eq!(of(50), [true, false, false]);
    assert_eq!(of(999), [true, true, false]);
    assert_eq!(of(1_000), [true, true, true]);
}

#[test]
fn an_earlier_hedge_is_never_slower_and_never_cheaper() {
    let seen = times(&[(1, 3_000, 0), (3, 3_000, 0), (8, 2_000, 40), (20, 1_500, 30), (90, 400, 20), (400, 60, 10)]);
    for hedges in 1..=3 {
        let races = Races { primary: &seen, hedge: &seen, hedges };
        let forecasts: Vec<Forecast> = (0..80).map(|step| races.after(f64::from(step) * 0.005)).collect();
        for pair in forecasts.windows(2) {
            let [earlier, later] = [pair[0], pair[1]];
            assert!(earlier.extra_load >= later.extra_load - 1e-9 && earlier.saved >= later.saved - 1e-9, "{pair:?}");
            assert!(earlier.p99.rank() <= later.p99.rank().map(|rank| rank + 1e-9), "{pair:?}");
        }
    }
}

#[test]
fn a_few_that_are_left_do_not_speak_for_all_that_were_ended() {
    let rows = [(5, 9_800, 0), (8, 0, 195), (13, 3, 0), (30, 2, 0)];
    let seen = times(&rows);
    let none = Races { primary: &seen, hedge: &seen, hedges: 0 }.unhedged();
    let Quantile::Beyond(known) = none.p99 else { panic!("{none:?}") };
    assert_near(known, 0.013);
    assert_eq!(seen.curve().attempts(), 10_000);
    // Nobody was ended: the last one speaks for itself.
    let seen = times(&[(5, 9_800, 0), (8, 195, 0), (13, 3, 0), (30, 2, 0)]);
    assert_eq!(seen.longest(), 0.030_000_1);
}

/// Even chances, the same in each run.
struct Chances(u64);

impl Chances {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// About 5 ms, more or less by a third; one in twenty takes ten times as long.
    fn millis(&mut self) -> f64 {
        let bell: f64 = (0..12).map(|_| self.next()).sum::<f64>() - 6.0;
        let slow = if self.next() < 0.05 { 10.0 } else { 1.0 };
        slow * 5.0 * (bell / 3.0).exp()
    }
}

/// What races take whose hedge is sent after `delay`, in milliseconds, and rows of their primaries and hedges.
fn raced(delay: f64, chances: &mut Chances) -> (Vec<f64>, [Vec<Observed>; 2]) {
    let mut seen = [vec![(0_u64, 0_u64); 40_000], vec![(0, 0); 40_000]];
    let mut count = |attempt: usize, millis: f64, has_finished: bool| {
        let row = &mut seen[attempt][(millis * 20.0) as usize];
        *(if has_finished { &mut row.0 } else { &mut row.1 }) += 1;
    };
    let mut races: Vec<f64> = (0..50_000)
        .map(|_| {
            let primary = chances.millis();
            let hedge = if primary > delay { chances.millis() } else { f64::INFINITY };
            let race = primary.min(delay + hedge);
            count(0, race, primary <= race);
            if primary > delay {
                count(1, race - delay, primary > race);
            }
            race
        })
        .collect();
    races.sort_by(f64::total_cmp);
    let rows = seen.map(|rows| {
        let row = |(at, &(finished, ended)): (usize, &(u64, u64))| {
            let from = Duration::from_micros(at as u64 * 50);
            Observed { from, to: from + Duration::from_micros(50), finished, ended }
        };
        rows.iter().enumerate().map(row).collect()
    });
    (races, rows)
}

#[test]
fn what_is_forecast_from_one_delay_comes_true_with_another() {
    let mut chances = Chances(7);
    for (seen_with, asked) in [(1_000.0, 10.0), (20.0, 10.0), (10.0, 30.0), (40.0, 8.0)] {
        let (_, [primaries, hedges]) = raced(seen_with, &mut chances);
        let (primary, hedge) = (Times::of(&primaries), Times::of(&hedges));
        let hedge = if hedge.curve().attempts() > 0 { &hedge } else { &primary };
        let forecast = Races { primary: &primary, hedge, hedges: 1 }.after(asked / 1e3);
        let (races, [_, hedges]) = raced(asked, &mut chances);
        let sent: u64 = hedges.iter().map(|row| row.finished + row.ended).sum();
        assert!(
            (forecast.extra_load * 5e4 / sent as f64 - 1.0).abs() < 0.1,
            "{seen_with} {asked}: {sent} {forecast:?}"
        );
        for (quantile, share) in [(forecast.p50, 0.5), (forecast.p99, 0.99), (forecast.p999, 0.999)] {
            let came = races[(races.len() as f64 * share) as usize];
            let Quantile::Within(seconds) = quantile else { panic!("{seen_with} {asked}: {forecast:?}") };
            let error = seconds * 1e3 / came - 1.0;
            assert!(error.abs() < 0.15, "{share} from {seen_with} for {asked} ms: {came} ms came, {forecast:?}");
        }
    }
}
