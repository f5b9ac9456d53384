//! A race of one attempt on the calling thread, and whether an attempt has rivals.

use crate::support::core::{FAR, Forwards, SOON, Seen, crew, next, schedule, soon, until_canceled};
use headstart::event::{AttemptEnd, RaceEnd};
use headstart::race::{Cause, Primary};
use headstart::{Attempt, CancelReason, CancelToken, Deadline, Race, TimeLimit};
use headstart_testing::eventually;
use std::time::{Duration, Instant};

#[test]
fn a_single_attempt_runs_on_the_calling_thread_and_may_use_what_is_its_own() {
    let crew = crew(1);
    let (observer, seen) = Forwards::new();
    let mut calls = Vec::new();
    let outcome = Race::new(&crew).schedule(schedule(&[0, 0])).observer(observer).limit(SOON).single(|attempt| {
        assert!(!attempt.has_rival());
        calls.push((attempt.number(), std::thread::current().id()));
        Ok::<_, ()>(7)
    });
    assert_eq!(calls, [(0, std::thread::current().id())]);
    assert_eq!((outcome.end, outcome.winner().unwrap().value, outcome.begun), (RaceEnd::Won, 7, 1));
    assert!(matches!(next(&seen), Seen::Began(began) if began.attempt == 0));
    assert!(matches!(next(&seen), Seen::Ended(ended) if ended.end == AttemptEnd::Succeeded));
    assert!(matches!(next(&seen), Seen::Race(race) if race.winner == Some(0) && race.begun == 1));
    assert_eq!(crew.stats().started, 0);
}

#[test]
fn a_failure_and_a_panic_of_a_single_attempt_are_its_outcome() {
    let crew = crew(1);
    let failed = Race::new(&crew).single(|_| Err::<(), _>("no"));
    assert_eq!(failed.end, RaceEnd::Finished);
    assert!(matches!(failed.failures[0].cause, Cause::Error("no")));
    let panicked = Race::new(&crew).single(|_| -> Result<(), ()> { panic!("oh") });
    assert_eq!(panicked.end, RaceEnd::Finished);
    assert!(matches!(&panicked.failures[0].cause, Cause::Panicked(message) if message == "oh"));
}

#[test]
fn a_single_attempt_is_ended_by_its_deadline_and_by_the_token_of_its_limit() {
    let crew = crew(1);
    let limit = Duration::from_millis(50);
    let began = Instant::now();
    let outcome = Race::new(&crew).limit(limit).single(|attempt| Err::<(), _>(until_canceled(attempt)));
    assert_eq!(outcome.end, RaceEnd::Canceled(CancelReason::DeadlineExceeded));
    assert!(outcome.failures.is_empty() && began.elapsed() >= limit);

    let outer = CancelToken::new();
    let outcome = Race::new(&crew).limit(TimeLimit::new(soon(), &outer)).single(|attempt| {
        outer.cancel(CancelReason::ClientGone);
        Err::<(), _>(until_canceled(attempt))
    });
    assert_eq!(outcome.end, RaceEnd::Canceled(CancelReason::ClientGone));
    let never = |_: &Attempt| -> Result<(), ()> { panic!("begun") };
    let outcome = Race::new(&crew).limit(&outer).single(never);
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Canceled(CancelReason::ClientGone), 0));
    let outcome = Race::new(&crew).limit(Deadline::At(Instant::now())).single(never);
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Canceled(CancelReason::DeadlineExceeded), 0));
}

#[test]
fn a_success_that_comes_after_the_end_is_too_late() {
    let (observer, seen) = Forwards::new();
    let outer = CancelToken::new();
    let outcome = Race::new(&crew(1)).observer(observer).limit(&outer).single(|_| {
        outer.cancel(CancelReason::ClientGone);
        Ok::<_, ()>(())
    });
    assert_eq!((outcome.end, outcome.successes.len()), (RaceEnd::Canceled(CancelReason::ClientGone), 0));
    next(&seen);
    assert!(matches!(next(&seen), Seen::Ended(ended) if ended.end == AttemptEnd::Late));
}

#[test]
fn an_attempt_has_rivals_until_all_others_are_over_those_to_come_included() {
    let crew = crew(8);
    for (offsets, primary) in [(&[0, 0, 0][..], Primary::OnCaller), (&[0, 0, 0], Primary::OnCrew)] {
        let outcome = Race::new(&crew).schedule(schedule(offsets)).primary(primary).first(|attempt| {
            if attempt.number() > 0 {
                return Err(());
            }
            eventually("the others are over", || !attempt.has_rival());
            Ok(())
        });
        assert_eq!(outcome.end, RaceEnd::Won);
    }
    let far = FAR.as_millis() as u64;
    let outcome = Race::new(&crew)
        .schedule(schedule(&[0, far]))
        .primary(Primary::OnCaller)
        .first(|attempt| Ok::<_, ()>(attempt.has_rival()));
    assert!(outcome.winner().unwrap().value, "one is yet to start");
    let alone = Race::new(&crew).schedule(schedule(&[0])).first(|attempt| Ok::<_, ()>(attempt.has_rival()));
    assert!(!alone.winner().unwrap().value);
}

#[test]
fn an_attempt_that_found_no_thread_is_no_rival() {
    let crew = crew(1);
    let _busy = crate::support::core::occupy(&crew, headstart::Claim::Request).unwrap();
    let outcome = Race::new(&crew).schedule(schedule(&[0, 0])).primary(Primary::OnCaller).first(|attempt| {
        eventually("the hedge is refused", || !attempt.has_rival());
        Ok::<_, ()>(())
    });
    assert_eq!((outcome.end, outcome.winner().unwrap().attempt), (RaceEnd::Won, 0));
}
