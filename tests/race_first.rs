//! The first success wins, from any attempt; the others are told; failures are kept and wait for the hedges.

use crate::support::core as support;
use crate::support::core::{FAR, Forwards, SOON, crew, end_of, ends, eventually, next, schedule, soon, until_canceled};
use crossbeam_channel::unbounded;
use headstart::event::{AttemptEnd, RaceEnd};
use headstart::race::Cause;
use headstart::{AfterFailure, CancelReason, Error, Race, Schedule, Threads};
use std::time::{Duration, Instant};

fn the_first_success_wins_and_the_others_are_superseded(threads: Threads) {
    let (crew, (began_tx, began), (told_tx, told)) = (crew(3), unbounded(), unbounded());
    let outcome =
        Race::new(&crew).threads(threads).schedule(schedule(&[0, 0, 0])).limit(soon()).first(move |attempt| {
            if attempt.number() == 1 {
                next(&began);
                next(&began);
                return Ok("won");
            }
            began_tx.send(()).unwrap();
            told_tx.send(until_canceled(attempt)).unwrap();
            Err(())
        });
    assert_eq!(outcome.end, RaceEnd::Won);
    assert_eq!(outcome.begun, 3);
    let winner = outcome.winner().unwrap();
    assert_eq!((winner.attempt, winner.value), (1, "won"));
    assert_eq!([next(&told), next(&told)], [CancelReason::Superseded; 2]);
}

fn a_success_that_comes_too_late_changes_nothing(threads: Threads) {
    let (crew, (observer, seen), (began_tx, began)) = (crew(2), Forwards::new(), unbounded());
    let race = Race::new(&crew).threads(threads).schedule(schedule(&[0, 0])).limit(soon()).observer(observer);
    let outcome = race.first(move |attempt| {
        if attempt.number() == 0 {
            began_tx.send(()).unwrap();
            until_canceled(attempt);
            return Ok::<_, ()>("late");
        }
        next(&began);
        Ok("in time")
    });
    assert_eq!(outcome.successes.len(), 1);
    assert_eq!(outcome.winner().unwrap().value, "in time");
    assert_eq!(ends(2, &seen), [AttemptEnd::Late, AttemptEnd::Succeeded]);
}

fn the_answer_does_not_wait_for_the_cleanups_of_the_losers(threads: Threads) {
    let (crew, (registered_tx, registered), (answered, answer)) = (crew(2), unbounded(), unbounded::<()>());
    let race = Race::new(&crew).threads(threads).schedule(schedule(&[0, 0])).limit(soon());
    let outcome = race.first(move |attempt| {
        if attempt.number() == 0 {
            let answer = answer.clone();
            let _cleanup = attempt.token().on_cancel(move |_| assert!(answer.recv_timeout(SOON / 2).is_ok()));
            registered_tx.send(()).unwrap();
            return Err(until_canceled(attempt));
        }
        next(&registered);
        Ok(Instant::now())
    });
    let won_at = outcome.winner().unwrap().value;
    assert!(won_at.elapsed() < SOON / 2, "the cleanup that waits for the answer held it up");
    answered.send(()).unwrap();
    assert_eq!(crew.shutdown(SOON), 0);
}

fn a_slow_primary_can_still_win(threads: Threads) {
    let (crew, (began_tx, began)) = (crew(2), unbounded());
    let outcome = Race::new(&crew).threads(threads).schedule(schedule(&[0, 20])).limit(soon()).first(move |attempt| {
        if attempt.number() == 0 {
            next(&began);
            return Ok("slow");
        }
        began_tx.send(()).unwrap();
        Err(until_canceled(attempt))
    });
    assert_eq!(outcome.winner().unwrap().attempt, 0);
    assert_eq!(outcome.begun, 2);
}

fn an_early_success_begins_no_hedge_and_needs_no_other_thread(threads: Threads) {
    let crew = crew(8);
    let race = Race::new(&crew).threads(threads).schedule(schedule(&[0, 5_000])).limit(soon());
    for _ in 0..200 {
        let outcome = race.clone().first(|attempt| Ok::<_, ()>(attempt.number()));
        assert_eq!((outcome.winner().unwrap().value, outcome.begun), (0, 1));
    }
    let started = crew.stats().started;
    assert!(started < 8, "{started} threads for one call at a time");
}

fn a_failure_waits_for_the_hedge_that_is_due_later(threads: Threads) {
    let (crew, start) = (crew(2), Instant::now());
    let race = Race::new(&crew).threads(threads).schedule(schedule(&[0, 60])).limit(soon());
    let outcome = race.first(|attempt| match attempt.number() {
        0 => Err("failed at once"),
        hedge => Ok(hedge),
    });
    assert!(start.elapsed() >= Duration::from_millis(60), "the hedge began too early");
    assert_eq!(outcome.winner().unwrap().attempt, 1);
    assert!(matches!(outcome.failures[0].cause, Cause::Error("failed at once")));
}

fn a_failure_hurries_the_hedges_when_asked_to(threads: Threads) {
    let crew = crew(3);
    let schedule = Schedule::new(&[Duration::ZERO, FAR, FAR]).unwrap();
    let race = Race::new(&crew).threads(threads).schedule(schedule).after_failure(AfterFailure::Hedge).limit(soon());
    let outcome = race.first(|attempt| match attempt.number() {
        2 => Ok("third"),
        number => Err(number),
    });
    assert_eq!(outcome.end, RaceEnd::Won);
    assert_eq!(outcome.winner().unwrap().value, "third");
    assert_eq!((outcome.failures.len(), outcome.begun), (2, 3));
}

fn when_all_fail_the_race_is_finished_with_every_failure(threads: Threads) {
    let crew = crew(3);
    let race = Race::new(&crew).threads(threads).schedule(schedule(&[0, 0, 10])).limit(soon());
    let outcome = race.first(|attempt| Err::<(), _>(attempt.number()));
    assert_eq!(outcome.end, RaceEnd::Finished);
    assert!(outcome.winner().is_none());
    let mut failed: Vec<_> = outcome.failures.iter().map(|failure| failure.attempt).collect();
    failed.sort_unstable();
    assert_eq!(failed, [0, 1, 2]);
}

fn all_successes_come_in_order_of_arrival(threads: Threads) {
    let (crew, (observer, seen)) = (crew(2), Forwards::new());
    let race = Race::new(&crew).threads(threads).schedule(schedule(&[0, 0])).limit(soon()).observer(observer);
    let outcome = race.all(move |attempt| {
        if attempt.number() == 0 {
            end_of(1, &seen);
        }
        Ok::<_, ()>(attempt.number())
    });
    assert_eq!(outcome.end, RaceEnd::Finished);
    let order: Vec<_> = outcome.successes.iter().map(|success| success.value).collect();
    assert_eq!(order, [1, 0]);
}

fn a_panic_is_a_failure_and_costs_nothing_else(threads: Threads) {
    let crew = crew(4);
    let race = Race::new(&crew).threads(threads).schedule(schedule(&[0, 0])).limit(soon());
    let outcome = race.clone().first(|attempt| match attempt.number() {
        0 => panic!("attempt {} panics", attempt.number()),
        hedge => Ok::<_, ()>(hedge),
    });
    assert_eq!(outcome.winner().unwrap().attempt, 1);

    let outcome = race.first(|attempt| -> Result<(), ()> { panic!("attempt {} panics", attempt.number()) });
    assert_eq!((outcome.end, outcome.failures.len()), (RaceEnd::Finished, 2));
    for failure in &outcome.failures {
        match &failure.cause {
            Cause::Panicked(message) => assert_eq!(*message, format!("attempt {} panics", failure.attempt)),
            other => panic!("not a panic: {other:?}"),
        }
    }
    assert_eq!(crew.shutdown(support::SOON), 0);
}

fn a_race_may_have_sixteen_attempts_and_no_more(threads: Threads) {
    let crew = crew(16);
    let sixteen = Schedule::new(&[Duration::ZERO; 16]).unwrap();
    let outcome =
        Race::new(&crew).threads(threads).schedule(sixteen).limit(soon()).all(|attempt| Ok::<_, ()>(attempt.number()));
    assert_eq!((outcome.successes.len(), outcome.begun), (16, 16));
    let offsets = |ms: &[u64]| ms.iter().map(|ms| Duration::from_millis(*ms)).collect::<Vec<_>>();
    for wrong in [&[0; 17][..], &[], &[1], &[0, 20, 10]] {
        assert!(matches!(Schedule::new(&offsets(wrong)), Err(Error::Setting { .. })), "{wrong:?}");
    }
}

fn a_hedge_too_late_for_the_clock_never_begins(threads: Threads) {
    let crew = crew(2);
    let never = Schedule::new(&[Duration::ZERO, Duration::MAX]).unwrap();
    let outcome =
        Race::new(&crew).threads(threads).schedule(never).limit(soon()).first(|attempt| Ok::<_, ()>(attempt.number()));
    assert_eq!((outcome.winner().unwrap().value, outcome.begun), (0, 1));
}

#[test]
fn fresh_threads_start_with_the_race_and_the_later_ones_sleep() {
    let crew = crew(4);
    let counted = crew.clone();
    let race = Race::new(&crew).schedule(schedule(&[0, 100_000, 100_000])).threads(Threads::Fresh);
    let outcome = race.first(move |_| {
        eventually("each attempt has its thread", || counted.stats().threads == 3);
        Ok::<_, ()>(())
    });
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Won, 1));
    assert_eq!(crew.stats().started, 3);
    eventually("the end wakes them, and they leave", || crew.stats().threads == 0);
}

#[test]
fn a_schedule_at_once_has_as_many_attempts_without_a_pause() {
    assert_eq!(schedule(&[0, 10, 20, 30]).at_once().offsets(), [Duration::ZERO; 4]);
}

on_all_threads! {
    the_first_success_wins_and_the_others_are_superseded,
    a_success_that_comes_too_late_changes_nothing,
    the_answer_does_not_wait_for_the_cleanups_of_the_losers,
    a_slow_primary_can_still_win,
    a_failure_waits_for_the_hedge_that_is_due_later,
    a_failure_hurries_the_hedges_when_asked_to,
    when_all_fail_the_race_is_finished_with_every_failure,
    all_successes_come_in_order_of_arrival,
    a_panic_is_a_failure_and_costs_nothing_else,
    a_race_may_have_sixteen_attempts_and_no_more,
    a_hedge_too_late_for_the_clock_never_begins;
    crew_only:
    an_early_success_begins_no_hedge_and_needs_no_other_thread = "a thread for each attempt is what fresh means",
}
