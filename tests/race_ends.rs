//! The deadline and the caller's token end a race whatever its attempts do, and calls that run on are not forgotten.

use crate::support::core::{Forwards, SOON, crew, ends, eventually, next, schedule, soon, until_canceled};
use crossbeam_channel::unbounded;
use headstart::event::{AttemptEnd, RaceEnd};
use headstart::{AfterFailure, CancelReason, CancelToken, Deadline, Error, Outcome, Phase, Race, Threads, TimeLimit};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

fn the_deadline_ends_a_race_whose_attempts_ignore_it_and_their_calls_stay_in_sight(threads: Threads) {
    let (crew, (release, released), start) = (crew(2), unbounded::<()>(), Instant::now());
    let outcome: Outcome<(), ()> = Race::new(&crew)
        .threads(threads)
        .schedule(schedule(&[0, 0]))
        .label("stubborn")
        .limit(Duration::from_millis(300))
        .first(move |_| {
            let _ = released.recv_timeout(SOON);
            Err(())
        });
    let elapsed = start.elapsed();
    assert_eq!(outcome.end, RaceEnd::Canceled(CancelReason::DeadlineExceeded));
    assert!(elapsed >= Duration::from_millis(300), "over too early, after {elapsed:?}");
    assert!(elapsed < SOON / 2, "the attempts held the caller up for {elapsed:?}");

    let stuck = crew.stats().stuck;
    assert_eq!(stuck.len(), 2);
    for call in &stuck {
        assert_eq!(&*call.label, "stubborn");
        assert!(call.age >= call.overdue);
    }
    drop(release);
    eventually("the calls are home", || crew.stats().stuck.is_empty() && crew.stats().idle == crew.stats().threads);
}

fn a_race_whose_attempts_end_by_the_deadline_themselves_has_not_failed_but_timed_out(threads: Threads) {
    let crew = crew(4);
    // Many rounds: whether the attempt or the race is first to see that the time is over is a matter of microseconds.
    for _ in 0..50 {
        let outcome: Outcome<(), ()> =
            Race::new(&crew).threads(threads).schedule(schedule(&[0])).limit(Duration::from_millis(2)).first(
                |attempt| {
                    while !attempt.deadline().has_passed() {
                        std::hint::spin_loop();
                    }
                    Err(())
                },
            );
        assert_eq!(outcome.end, RaceEnd::Canceled(CancelReason::DeadlineExceeded));
    }
}

fn what_succeeded_by_the_deadline_is_kept_and_what_came_later_is_not(threads: Threads) {
    let (crew, (observer, seen)) = (crew(2), Forwards::new());
    let deadline = Deadline::after(Duration::from_millis(300));
    let race = Race::new(&crew).threads(threads).schedule(schedule(&[0, 0])).limit(deadline).observer(observer);
    let outcome = race.all(|attempt| {
        if attempt.number() == 0 {
            return Ok::<_, ()>("in time");
        }
        until_canceled(attempt);
        Ok("late")
    });
    assert_eq!(outcome.end, RaceEnd::Canceled(CancelReason::DeadlineExceeded));
    assert_eq!(outcome.winner().unwrap().value, "in time");
    assert_eq!(outcome.successes.len(), 1);
    assert_eq!(ends(2, &seen), [AttemptEnd::Succeeded, AttemptEnd::Late]);
}

fn a_cleanup_that_blocks_does_not_hold_up_the_deadline(threads: Threads) {
    let (crew, (began_tx, began), (hold, held)) = (crew(4), unbounded(), unbounded::<()>());
    let cleaning = crew.clone();
    let race = Race::new(&crew).schedule(schedule(&[0])).threads(threads).limit(Duration::from_millis(30));
    let outcome: Outcome<(), _> = race.first(move |attempt| {
        let (began_tx, held) = (began_tx.clone(), held.clone());
        let _cleanup = attempt.token().on_cancel_blocking(&cleaning, move |_| {
            began_tx.send(()).unwrap();
            held.recv_timeout(SOON).unwrap();
        });
        let reason = until_canceled(attempt);
        next(&began); // the cleanup frees the call
        Err(reason)
    });
    assert_eq!(outcome.end, RaceEnd::Canceled(CancelReason::DeadlineExceeded));
    // Had the race waited for the cleanup, that would be over: nobody has let it go.
    eventually("the cleanup runs", || crew.stats().stuck.iter().any(|call| &*call.label == "cleanup"));
    hold.send(()).unwrap();
    assert_eq!(crew.shutdown(SOON), 0);
}

fn the_callers_token_ends_the_race_and_its_attempts_with_its_reason(threads: Threads) {
    for reason in [CancelReason::ClientGone, CancelReason::Shutdown, CancelReason::DeadlineExceeded] {
        let (crew, token) = (crew(2), CancelToken::new());
        let ((observer, seen), (began_tx, began)) = (Forwards::new(), unbounded());
        let canceler = thread::spawn({
            let token = token.clone();
            move || {
                next(&began);
                next(&began);
                token.cancel(reason)
            }
        });
        let race = Race::new(&crew)
            .threads(threads)
            .schedule(schedule(&[0, 0]))
            .limit(TimeLimit::new(soon(), &token))
            .observer(observer);
        let outcome: Outcome<(), _> = race.first(move |attempt| {
            began_tx.send(()).unwrap();
            Err(until_canceled(attempt))
        });
        assert_eq!(outcome.end, RaceEnd::Canceled(reason));
        assert!(canceler.join().unwrap());
        assert_eq!(ends(2, &seen), [AttemptEnd::Canceled(reason); 2]);
    }
}

fn a_race_never_cancels_the_callers_token(threads: Threads) {
    let (crew, token) = (crew(2), CancelToken::new());
    let race = Race::new(&crew).threads(threads).limit(&token);
    race.clone().first(|_| Ok::<_, ()>(()));
    race.schedule(schedule(&[0])).limit(TimeLimit::new(Deadline::after(Duration::from_millis(1)), &token)).first(
        |attempt| {
            until_canceled(attempt);
            Err::<(), _>(())
        },
    );
    assert!(!token.is_canceled());
}

fn nothing_begins_in_a_race_that_is_over_before_it_starts(threads: Threads) {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let (crew, canceled) = (crew(2), CancelToken::new());
    canceled.cancel(CancelReason::Shutdown);
    let over = [
        (Race::new(&crew).threads(threads).limit(&canceled), CancelReason::Shutdown),
        (Race::new(&crew).threads(threads).limit(Duration::ZERO), CancelReason::DeadlineExceeded),
    ];
    for (race, reason) in over {
        let outcome = race.first(|_| Ok::<_, ()>(CALLS.fetch_add(1, Ordering::SeqCst)));
        assert_eq!((outcome.end, outcome.begun), (RaceEnd::Canceled(reason), 0));
    }
    assert_eq!(crew.stats().started, 0, "a thread for nothing");
    assert_eq!(CALLS.load(Ordering::SeqCst), 0);
}

fn a_failure_after_the_end_hurries_nothing(threads: Threads) {
    let crew = crew(1);
    let race = Race::new(&crew).threads(threads).schedule(schedule(&[0, 60_000])).after_failure(AfterFailure::Hedge);
    let outcome: Outcome<(), _> = race.limit(Duration::from_millis(300)).first(|attempt| Err(until_canceled(attempt)));
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Canceled(CancelReason::DeadlineExceeded), 1));
    assert_eq!(crew.shutdown(SOON), 0);
    assert_eq!(crew.stats().refused_hedges, 0, "a hedge was tried for nobody");
}

fn attempts_know_the_deadline_and_a_hedge_not_yet_due_never_begins(threads: Threads) {
    let (crew, deadline) = (crew(2), Deadline::after(Duration::from_millis(300)));
    let (tx, begun) = unbounded();
    let outcome: Outcome<(), _> =
        Race::new(&crew).threads(threads).schedule(schedule(&[0, 60_000])).limit(deadline).first(move |attempt| {
            tx.send((attempt.number(), attempt.deadline())).unwrap();
            Err(until_canceled(attempt))
        });
    assert_eq!(outcome.begun, 1);
    assert_eq!(crew.shutdown(SOON), 0);
    assert_eq!(begun.try_iter().collect::<Vec<_>>(), [(0, deadline)]);
}

fn a_call_within_an_attempt_ends_with_the_attempt(threads: Threads) {
    let (crew, deadline) = (crew(2), soon());
    let ((tx, ends), (began_tx, began)) = (unbounded(), unbounded());
    let outcome = Race::new(&crew).threads(threads).schedule(schedule(&[0, 0])).limit(deadline).first(move |attempt| {
        let limit = TimeLimit::from(attempt);
        assert_eq!(limit.deadline(), deadline);
        assert!(limit.check(Phase::Send).is_ok());
        if attempt.number() == 1 {
            next(&began);
            return Ok("won");
        }
        began_tx.send(()).unwrap();
        limit.token().wait(soon());
        tx.send(limit.check(Phase::Send)).unwrap();
        Err(())
    });
    assert_eq!(outcome.winner().unwrap().value, "won");
    assert!(matches!(next(&ends), Err(Error::Canceled(CancelReason::Superseded))));
}

on_all_threads! {
    a_call_within_an_attempt_ends_with_the_attempt,
    the_deadline_ends_a_race_whose_attempts_ignore_it_and_their_calls_stay_in_sight,
    a_race_whose_attempts_end_by_the_deadline_themselves_has_not_failed_but_timed_out,
    what_succeeded_by_the_deadline_is_kept_and_what_came_later_is_not,
    a_cleanup_that_blocks_does_not_hold_up_the_deadline,
    the_callers_token_ends_the_race_and_its_attempts_with_its_reason,
    a_race_never_cancels_the_callers_token,
    nothing_begins_in_a_race_that_is_over_before_it_starts,
    attempts_know_the_deadline_and_a_hedge_not_yet_due_never_begins;
    crew_only:
    a_failure_after_the_end_hurries_nothing = "fresh asks for the hedge's thread at the beginning",
}
