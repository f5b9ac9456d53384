//! Services whose best delay, or whose lack of one, is known.

use super::super::figures::Now;
use super::*;
use headstart::policy::Observed;
use std::time::Duration;

/// Rows from these tenths of a millisecond on, a tenth wide, with so many that finished and were ended.
fn rows_of(rows: &[(u64, u64, u64)]) -> Vec<Observed> {
    let row = |(at, finished, ended): &(u64, u64, u64)| {
        let from = Duration::from_micros(at * 100);
        Observed { from, to: from + Duration::from_micros(100), finished: *finished, ended: *ended }
    };
    rows.iter().map(row).collect()
}

fn service(primaries: &[(u64, u64, u64)], hedges: &[(u64, u64, u64)], delay: Option<u64>) -> Figures {
    Figures {
        primaries: rows_of(primaries),
        hedges: rows_of(hedges),
        most: 1,
        now: Now { delay: delay.map(Duration::from_millis), ..Now::default() },
        ..Figures::default()
    }
}

fn best(advice: &Advice) -> &Row {
    assert_eq!(advice.verdict, Verdict::Helps, "{advice:#?}");
    advice.best().unwrap_or_else(|| panic!("{advice:#?}"))
}

#[test]
fn the_best_delay_lets_the_quick_ones_finish() {
    let advice = Advice::on(&service(&[(50, 95_000, 0), (500, 5_000, 0)], &[], None), 0.1);
    let best = best(&advice);
    assert!(best.names.contains(&"p95".to_owned()) && (0.005..0.0052).contains(&best.delay), "{best:?}");
    assert!((best.forecast.extra_load - 0.05).abs() < 0.001, "{best:?}");
    assert_eq!(advice.hedges_are, HedgesAre::Assumed);
    assert!(advice.rows.windows(2).all(|pair| pair[0].delay < pair[1].delay), "{:#?}", advice.rows);
}

#[test]
fn a_smaller_budget_is_kept() {
    let seen = service(&[(30, 50_000, 0), (60, 40_000, 0), (120, 8_000, 0), (900, 2_000, 0)], &[], None);
    for budget in [0.025, 0.05, 0.2] {
        let advice = Advice::on(&seen, budget);
        let best = best(&advice);
        assert!(best.forecast.extra_load <= budget * 1.000_01, "{budget}: {best:?}");
    }
    // The slow ones are 2 %, and no 1 % of them can be told apart.
    let advice = Advice::on(&seen, 0.01);
    let Verdict::SmallBudget { delay, load } = advice.verdict else { panic!("{advice:#?}") };
    assert!(delay < 0.089 && (0.019..0.021).contains(&load), "{delay} {load}");
}

#[test]
fn what_holds_now_stays_if_it_is_as_good() {
    let advice = Advice::on(&service(&[(50, 95_000, 0), (500, 5_000, 0)], &[], Some(5)), 1.0);
    assert!(!best(&advice).is_now, "{advice:#?}");
    let seen = service(&[(50, 95_000, 0), (500, 5_000, 0)], &[(50, 4_750, 250)], None);
    let now = Now { delay: Some(Duration::from_micros(5_110)), ..Now::default() };
    let advice = Advice::on(&Figures { now, ..seen }, 0.1);
    assert!(best(&advice).is_now, "{advice:#?}");
}

#[test]
fn a_tail_that_hits_every_upstream_at_once_is_found() {
    // A twentieth meets a stall that ends for both at once: the primary is first, its hedge is ended 40 ms later.
    let primaries = [(50, 95_000, 0), (500, 5_000, 0)];
    let advice = Advice::on(&service(&primaries, &[(400, 0, 5_000)], Some(10)), 0.1);
    assert!(matches!(advice.verdict, Verdict::AllAtOnce { .. }) && advice.best().is_none(), "{advice:#?}");
    // The slow replica's twin is as slow from the beginning.
    let advice = Advice::on(&service(&primaries, &[(50, 200, 0), (400, 0, 4_000), (500, 800, 0)], Some(10)), 0.1);
    assert!(matches!(advice.verdict, Verdict::AllAtOnce { .. }), "{advice:#?}");
}

#[test]
fn hedges_that_are_as_fast_as_primaries_are_no_common_tail() {
    // What is won by hedges is ended 5 ms after the delay.
    let primaries = [(50, 95_000, 0), (150, 0, 4_750), (500, 250, 0)];
    let advice = Advice::on(&service(&primaries, &[(50, 4_750, 0), (400, 0, 250)], Some(10)), 0.1);
    assert_eq!(advice.hedges_are, HedgesAre::Seen);
    assert!(best(&advice).forecast.p99.rank() < Some(0.016), "{advice:#?}");
}

#[test]
fn hedges_that_were_seen_to_be_slow_shorten_less_than_is_assumed_without_them() {
    let primaries = [(50, 95_000, 0), (500, 5_000, 0)];
    let slow_half = [(50, 2_500, 0), (400, 0, 2_500)];
    let [seen, assumed] = [&slow_half[..], &[]].map(|hedges| {
        let advice = Advice::on(&service(&primaries, hedges, Some(10)), 0.1);
        let row = advice.rows.iter().find(|row| row.is_now).unwrap();
        row.forecast.saved
    });
    assert!(seen < assumed * 0.6 && seen > assumed * 0.4, "{seen} {assumed}");
}

#[test]
fn where_all_are_equally_fast_there_is_nothing_to_gain() {
    let even: Vec<_> = (50..55).map(|at| (at, 2_000, 0)).collect();
    let advice = Advice::on(&service(&even, &[], None), 0.1);
    assert!(matches!(advice.verdict, Verdict::EquallyFast { tail } if tail < 1.2), "{advice:#?}");
    // A spread without a tail: a new attempt takes longer than what is left of the old one.
    let spread: Vec<_> = (50..=450).map(|at| (at, 25, 0)).collect();
    let advice = Advice::on(&service(&spread, &[], None), 0.02);
    assert!(matches!(advice.verdict, Verdict::NoFaster | Verdict::EquallyFast { .. }), "{advice:#?}");
}

#[test]
fn too_few_attempts_tell_nothing() {
    let advice = Advice::on(&service(&[(50, 49, 0)], &[], None), 0.1);
    assert_eq!((advice.verdict, advice.rows.len()), (Verdict::TooFew { seen: 49, needed: 50 }, 0));
    let advice = Advice::on(&service(&[(50, 90, 0), (500, 9, 0)], &[], None), 0.1);
    assert_eq!(advice.verdict, Verdict::TooFew { seen: 99, needed: 100 });
    assert!(advice.rows.len() > 10 && advice.best().is_none());
    let advice = Advice::on(&service(&[(50, 95, 0), (500, 5, 0)], &[], None), 0.1);
    assert_eq!(best(&advice).forecast.p999, Quantile::TooFew);
}

#[test]
fn a_tail_that_was_never_waited_for_can_cost_more_than_the_budget() {
    // A fifth was ended after 20 ms, and nobody knows how long it takes.
    let advice = Advice::on(&service(&[(50, 8_000, 0), (200, 0, 2_000)], &[], None), 0.1);
    assert!(matches!(advice.verdict, Verdict::OverBudget { least } if (least - 0.2).abs() < 0.01), "{advice:#?}");
}
