//! A policy's limits, its figures, and what it learns, in races of closures.

#![cfg(feature = "policy")]

use crate::support::core::{SOON, crew, eventually, next, soon, until_canceled};
use crossbeam_channel::unbounded;
use headstart::event::{RaceEnd, SkipReason};
use headstart::policy::{Bounds, Delay, Policy, PolicySettings};
use headstart::race::{Hedging, Primary};
use headstart::{Attempt, Crew, Outcome, Race};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Hedges that are due at once, as many as there are primaries.
fn at_once() -> PolicySettings {
    PolicySettings::new(Delay::After(Duration::ZERO)).budget(1.0).unwrap()
}

/// A hedge that is due long after a test.
fn far() -> PolicySettings {
    at_once().after(Delay::After(SOON * 10))
}

/// A race whose hedge, if it is due at once, is asked about before the primary begins.
fn race(crew: &Crew, hedging: &Arc<impl Hedging + 'static>) -> Race {
    Race::new(crew).limit(soon()).primary(Primary::OnCaller).hedging(hedging.clone())
}

fn policy(settings: PolicySettings) -> Arc<Policy> {
    Arc::new(Policy::new(settings))
}

/// A hedge waits until the primary has won.
fn succeed(attempt: &Attempt) -> Result<(), ()> {
    if attempt.number() == 0 {
        return Ok(());
    }
    until_canceled(attempt);
    Err(())
}

/// The primary waits until a hedge wins.
fn hedge_wins(attempt: &Attempt) -> Result<(), ()> {
    if attempt.number() > 0 {
        return Ok(());
    }
    until_canceled(attempt);
    Err(())
}

fn skipped(policy: &Policy, reason: SkipReason) -> u64 {
    policy.figures().skipped.iter().find(|(other, _)| *other == reason).unwrap().1
}

#[test]
fn hedges_stay_within_the_budget_and_those_beyond_it_have_a_reason() {
    let crew = crew(4);
    let policy = policy(at_once().budget(0.1).unwrap().min_rate(0.0).unwrap());
    for _ in 0..50 {
        race(&crew, &policy).first(succeed);
    }
    let figures = policy.figures();
    assert_eq!((figures.primaries_sent, figures.recent_primaries), (50, 50));
    // A hedge is asked about before its primary is counted: the eleventh race is the first to have room for one.
    assert_eq!((figures.recent_hedges, figures.budget_left), (4, 1));
    assert_eq!(skipped(&policy, SkipReason::Budget), 46);
}

#[test]
fn a_hedge_without_room_is_sent_when_the_settings_change_while_its_race_runs() {
    let crew = crew(4);
    let policy = policy(at_once().budget(0.0).unwrap().min_rate(0.0).unwrap());
    let changed = policy.clone();
    let outcome = race(&crew, &policy).first(move |attempt| {
        if attempt.number() == 0 {
            changed.change(at_once());
        }
        hedge_wins(attempt)
    });
    assert_eq!(outcome.winner().map(|winner| winner.attempt), Some(1));
    assert_eq!(skipped(&policy, SkipReason::Budget), 0, "it was sent after all");
}

#[test]
fn other_settings_hold_for_the_next_race_and_what_was_learnt_stays() {
    let bounds = |from, to| Bounds::new(Duration::from_millis(from), Duration::from_millis(to)).unwrap();
    let quantile = |from, to| at_once().after(Delay::quantile(0.95, bounds(from, to)).unwrap());
    let (crew, policy) = (crew(2), policy(quantile(200, 900)));
    let delay = || policy.figures().places[0].delay;
    race(&crew, &policy).first(succeed);
    assert_eq!(delay(), Some(Duration::from_millis(900)), "too few were seen");
    for _ in 0..60 {
        race(&crew, &policy).first(succeed);
    }
    policy.change(quantile(300, 900));
    assert_eq!(delay(), Some(Duration::from_millis(300)));
    policy.change(quantile(400, 900));
    assert_eq!(delay(), Some(Duration::from_millis(400)));
    policy.change(at_once().after(Delay::Off));
    assert_eq!(delay(), None);
    let outcome = race(&crew, &policy).first(|attempt| Ok::<_, ()>(attempt.has_rival()));
    assert!(!outcome.winner().unwrap().value, "a hedge is to come");
    policy.change(at_once());
    assert_eq!(race(&crew, &policy).first(hedge_wins).winner().map(|winner| winner.attempt), Some(1));
}

#[test]
fn nothing_is_hedged_while_attempts_fail_until_enough_succeed() {
    let (crew, policy) = (crew(2), policy(at_once()));
    let fail = |_: &Attempt| Err::<(), _>(());
    // Two failures each, of ten tokens five are too many.
    for _ in 0..3 {
        assert_eq!(race(&crew, &policy).first(fail).end, RaceEnd::Finished);
        eventually("the hedge is over", || policy.figures().running_hedges == 0);
    }
    assert_eq!(policy.figures().hedges_sent, 3);
    // Four are left, and eleven successes make more than five.
    for _ in 0..11 {
        race(&crew, &policy).first(succeed);
    }
    assert_eq!(skipped(&policy, SkipReason::Throttle), 11);
    assert_eq!(policy.figures().hedges_sent, 3);
    assert_eq!(race(&crew, &policy).first(hedge_wins).winner().map(|winner| winner.attempt), Some(1));
}

#[test]
fn a_failure_waits_for_no_hedge_that_would_not_be_sent() {
    let crew = crew(2);
    let fails = |race: Race| {
        let outcome: Outcome<(), _> = race.first(|_| Err(()));
        assert_eq!((outcome.end, outcome.begun), (RaceEnd::Finished, 1));
    };
    let dry = policy(far().dry_run(true));
    fails(race(&crew, &dry));
    assert_eq!(skipped(&dry, SkipReason::DryRun), 1);

    let chained = policy(far());
    let plan = Arc::new(chained.plan(chained.place("place")).chained(true));
    fails(race(&crew, &plan));
    assert_eq!(skipped(&chained, SkipReason::Chain), 1);

    let throttled = policy(at_once());
    for _ in 0..3 {
        race(&crew, &throttled).first(|_| Err::<(), _>(()));
        eventually("the hedge is over", || throttled.figures().running_hedges == 0);
    }
    throttled.change(far());
    fails(race(&crew, &throttled));
    assert_eq!(skipped(&throttled, SkipReason::Throttle), 1);
}

#[test]
fn no_hedge_is_sent_that_cannot_end_in_the_time_that_is_left() {
    const USUAL: Duration = Duration::from_millis(60);
    let (crew, policy) = (crew(2), policy(far()));
    race(&crew, &policy).first(|_| {
        thread::sleep(USUAL);
        Ok::<_, ()>(())
    });
    policy.change(at_once());
    let outcome: Outcome<(), _> = race(&crew, &policy).limit(USUAL / 2).first(|attempt| Err(until_canceled(attempt)));
    assert_eq!(outcome.begun, 1);
    assert_eq!(skipped(&policy, SkipReason::Deadline), 1);
    assert_eq!(race(&crew, &policy).first(hedge_wins).winner().map(|winner| winner.attempt), Some(1));
}

#[test]
fn a_dry_run_decides_and_counts_and_sends_nothing() {
    let (crew, policy) = (crew(2), policy(at_once().budget(0.5).unwrap().min_rate(0.0).unwrap().dry_run(true)));
    for _ in 0..9 {
        assert_eq!(race(&crew, &policy).first(succeed).begun, 1);
    }
    let figures = policy.figures();
    assert_eq!((figures.hedges_sent, figures.recent_hedges, figures.running_hedges), (0, 4, 0));
    assert_eq!((skipped(&policy, SkipReason::DryRun), skipped(&policy, SkipReason::Budget)), (4, 5));
    assert_eq!(crew.stats().started, 0);
}

#[test]
fn so_many_hedges_run_at_a_time_and_no_more() {
    let (crew, policy) = (crew(4), policy(at_once().max_concurrent(1)));
    let ((running_tx, running), (release, released)) = (unbounded(), unbounded::<()>());
    thread::scope(|scope| {
        let first = scope.spawn(|| {
            race(&crew, &policy).first(move |attempt| {
                if attempt.number() == 1 {
                    running_tx.send(()).unwrap();
                    return released.recv_timeout(SOON);
                }
                until_canceled(attempt);
                released.recv_timeout(SOON)
            })
        });
        next(&running);
        assert_eq!(policy.figures().running_hedges, 1);
        assert_eq!(race(&crew, &policy).first(succeed).begun, 1);
        assert_eq!(skipped(&policy, SkipReason::Concurrency), 1);
        release.send(()).unwrap();
        release.send(()).unwrap();
        assert_eq!(first.join().unwrap().winner().map(|winner| winner.attempt), Some(1));
    });
    eventually("the slot is free", || policy.figures().running_hedges == 0);
    assert_eq!(race(&crew, &policy).first(hedge_wins).winner().map(|winner| winner.attempt), Some(1));
}

/// What a hedge that wins after this time has saved and cost, where attempts take 80 ms.
fn saved_and_wasted(after: Duration, hedging: impl Fn(&Arc<Policy>) -> Arc<dyn Hedging>) -> (Duration, Duration) {
    const USUAL: Duration = Duration::from_millis(80);
    let (crew, policy) = (crew(2), policy(far()));
    let race = |hedging| Race::new(&crew).limit(soon()).primary(Primary::OnCaller).hedging(hedging);
    race(hedging(&policy)).first(|_| {
        thread::sleep(USUAL);
        Ok::<_, ()>(())
    });
    assert_eq!((policy.figures().saved, policy.figures().wasted), (Duration::ZERO, Duration::ZERO));
    policy.change(at_once());
    let (began_tx, began) = unbounded();
    race(hedging(&policy)).first(move |attempt| {
        match attempt.number() {
            0 => began_tx.send(()).unwrap(),
            _ => {
                next(&began);
                thread::sleep(after);
            }
        }
        hedge_wins(attempt)
    });
    (policy.figures().saved, policy.figures().wasted)
}

#[test]
fn what_hedging_saves_and_what_it_costs_is_told() {
    const AFTER: Duration = Duration::from_millis(20);
    let (saved, wasted) = saved_and_wasted(AFTER, |policy| policy.clone());
    assert!(saved > Duration::ZERO && saved < Duration::from_secs(10), "{saved:?}");
    assert!(wasted >= AFTER, "the primary has worked in vain for {wasted:?}");
}

#[test]
fn a_plan_tells_what_it_saves_although_the_primary_was_ended_before_the_race_was_told_of() {
    let (crew, policy) = (crew(2), policy(far()));
    let place = policy.place("place");
    let plan = || Arc::new(policy.plan(place.clone()));
    let visiting = plan();
    let of = place.clone();
    race(&crew, &visiting.clone()).first(move |attempt| {
        let visit = visiting.visit(&of, attempt);
        thread::sleep(Duration::from_millis(80));
        visit.succeeded();
        Ok::<_, ()>(())
    });
    policy.change(at_once());
    let (began_tx, began) = unbounded();
    race(&crew, &plan()).first(move |attempt| {
        match attempt.number() {
            0 => began_tx.send(()).unwrap(),
            _ => next(&began),
        }
        hedge_wins(attempt)
    });
    let saved = policy.figures().saved;
    assert!(saved > Duration::ZERO, "nothing is saved");
    // A primary that failed would never have come.
    let outcome = race(&crew, &plan()).first(|attempt| match attempt.number() {
        0 => Err(()),
        _ => {
            eventually("the primary has failed", || !attempt.has_rival());
            Ok(())
        }
    });
    assert_eq!(outcome.winner().map(|winner| winner.attempt), Some(1));
    assert_eq!(policy.figures().saved, saved);
}

#[test]
fn a_place_that_asks_to_be_left_alone_ends_its_race_and_gets_no_hedges() {
    let (crew, policy) = (crew(2), policy(far()));
    let places = [policy.place("one"), policy.place("other")];
    let plan = Arc::new(policy.plan(places[0].clone()));
    let outcome: Outcome<(), _> = race(&crew, &plan).first({
        let (plan, place) = (plan.clone(), places[0].clone());
        move |_| {
            plan.push_back(&place, SOON);
            Err(())
        }
    });
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Finished, 1), "nothing is waited for");
    assert_eq!(skipped(&policy, SkipReason::Pushback), 1);
    let hedged = || policy.choose_other(places.iter().map(|place| &**place), |at| at == 1);
    assert!((0..50).all(|_| hedged() == 1), "a hedge goes where one is running rather than where none is wanted");

    plan.push_back(&places[1], SOON);
    policy.change(at_once());
    let next = Arc::new(policy.plan(places[1].clone()));
    assert_eq!(race(&crew, &next).first(succeed).begun, 1);
    assert_eq!(skipped(&policy, SkipReason::Pushback), 2);
}
