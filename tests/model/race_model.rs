//! The race: one end, the caller always returns, and nothing begins once it has.

use crate::cancel::{CancelReason, CancelToken};
use crate::crew::Crew;
use crate::deadline::Deadline;
use crate::event::{AttemptBegan, AttemptEnded, HedgeSkipped, Observer, RaceEnd, RaceEnded, SkipReason};
use crate::explore::{FAR, Plain, crew, explore};
use crate::limit::TimeLimit;
use crate::race::{AfterFailure, Attempt, Due, Hedging, Outcome, Primary, Race, Schedule, Threads, Verdict};
use crate::sync::Weakness;
use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A race of two attempts, the hedge so long after the primary.
fn race(crew: &Crew, hedge_after: Duration) -> Race {
    Race::new(crew).schedule(Schedule::new(&[Duration::ZERO, hedge_after]).unwrap())
}

fn wait_for_cancel(attempt: &Attempt) -> Result<usize, CancelReason> {
    Err(attempt.token().wait(Deadline::Never).expect("no deadline"))
}

/// Counts what it is told.
struct Counts {
    began: Plain,
    ended: Plain,
    races: Plain,
}

impl Counts {
    fn new() -> Arc<Counts> {
        Arc::new(Counts { began: Plain::new(), ended: Plain::new(), races: Plain::new() })
    }
}

impl Observer for Counts {
    fn attempt_began(&self, _event: &AttemptBegan) {
        self.began.add(1);
    }

    fn attempt_ended(&self, _event: &AttemptEnded) {
        self.ended.add(1);
    }

    fn race_ended(&self, _event: &RaceEnded) {
        self.races.add(1);
    }
}

#[test]
fn of_two_successes_one_wins_and_its_value_is_delivered() {
    explore(2, || {
        let crew = crew(2);
        let outcome = race(&crew, Duration::ZERO).first(|attempt| Ok::<_, ()>(10 + attempt.number()));
        assert_eq!(outcome.end, RaceEnd::Won);
        assert_eq!(outcome.successes.len(), 1);
        let winner = outcome.winner().unwrap();
        assert_eq!(winner.value, 10 + winner.attempt);
        assert_eq!(crew.shutdown(FAR), 0);
    });
}

#[test]
fn success_and_deadline_and_the_callers_token_make_exactly_one_end() {
    explore(2, || {
        let (crew, token, counts) = (crew(1), CancelToken::new(), Counts::new());
        let canceler = thread::spawn({
            let token = token.clone();
            move || token.cancel(CancelReason::ClientGone)
        });
        let outcome: Outcome<usize, ()> = Race::new(&crew)
            .schedule(Schedule::new(&[Duration::ZERO]).unwrap())
            .limit(TimeLimit::new(Deadline::after(FAR), &token))
            .observer(counts.clone())
            .first(|_| Ok(7));
        match outcome.end {
            RaceEnd::Won => assert_eq!(outcome.winner().unwrap().value, 7),
            RaceEnd::Canceled(CancelReason::DeadlineExceeded | CancelReason::ClientGone) => {
                assert!(outcome.winner().is_none());
            }
            other => panic!("not an end of this race: {other:?}"),
        }
        canceler.join().unwrap();
        assert_eq!(crew.shutdown(FAR), 0);
        assert_eq!(counts.races.get(), 1);
        assert_eq!(counts.began.get(), outcome.begun);
        assert_eq!(counts.ended.get(), outcome.begun);
    });
}

#[test]
fn nothing_begins_once_the_caller_has_returned() {
    explore(2, || {
        let (crew, calls) = (crew(2), Plain::new());
        let outcome = race(&crew, Duration::ZERO).first({
            let calls = calls.clone();
            move |_| {
                calls.add(1);
                Ok::<_, ()>(())
            }
        });
        assert_eq!(crew.shutdown(FAR), 0);
        assert_eq!(calls.get(), outcome.begun);
    });
}

#[test]
fn a_hedge_ends_the_primary_that_runs_on_the_caller() {
    explore(2, || {
        let crew = crew(1);
        let race = race(&crew, Duration::ZERO).primary(Primary::OnCaller);
        let outcome = race.first(|attempt| match attempt.number() {
            0 => wait_for_cancel(attempt),
            hedge => Ok(hedge),
        });
        assert_eq!(outcome.end, RaceEnd::Won);
        assert_eq!(outcome.winner().unwrap().value, 1);
        assert_eq!(crew.shutdown(FAR), 0);
    });
}

#[test]
fn the_callers_token_ends_the_primary_that_runs_on_the_caller() {
    explore(2, || {
        let (crew, token) = (crew(1), CancelToken::new());
        let canceler = thread::spawn({
            let token = token.clone();
            move || token.cancel(CancelReason::Shutdown)
        });
        let race = race(&crew, FAR).primary(Primary::OnCaller).limit(&token);
        let outcome = race.first(wait_for_cancel);
        assert_eq!(outcome.end, RaceEnd::Canceled(CancelReason::Shutdown));
        canceler.join().unwrap();
        assert_eq!(crew.shutdown(FAR), 0);
    });
}

#[test]
fn attempts_that_see_the_end_before_it_is_told_do_not_pass_for_failures() {
    explore(2, || {
        let (crew, token) = (crew(1), CancelToken::new());
        let canceler = thread::spawn({
            let token = token.clone();
            move || token.cancel(CancelReason::Shutdown)
        });
        let race = Race::new(&crew).schedule(Schedule::new(&[Duration::ZERO]).unwrap()).limit(&token);
        let outcome = race.first(wait_for_cancel);
        assert_eq!(outcome.end, RaceEnd::Canceled(CancelReason::Shutdown));
        canceler.join().unwrap();
        assert_eq!(crew.shutdown(FAR), 0);
    });
}

#[test]
fn the_deadline_ends_an_attempt_that_would_wait_for_ever() {
    explore(3, || {
        let crew = crew(1);
        let race = race(&crew, FAR).limit(FAR);
        let outcome: Outcome<usize, _> = race.first(wait_for_cancel);
        assert_eq!(outcome.end, RaceEnd::Canceled(CancelReason::DeadlineExceeded));
        assert_eq!(crew.shutdown(FAR), 0);
    });
}

#[test]
fn a_failure_and_the_schedule_begin_a_hedge_once() {
    explore(2, || {
        let (crew, hedges) = (crew(2), Plain::new());
        let outcome = race(&crew, Duration::ZERO).after_failure(AfterFailure::Hedge).all({
            let hedges = hedges.clone();
            move |attempt| match attempt.number() {
                0 => Err(()),
                hedge => {
                    hedges.add(1);
                    Ok(hedge)
                }
            }
        });
        assert_eq!(outcome.end, RaceEnd::Finished);
        assert_eq!((outcome.successes.len(), outcome.failures.len(), outcome.begun), (1, 1, 2));
        assert_eq!(hedges.get(), 1);
        assert_eq!(crew.shutdown(FAR), 0);
    });
}

#[test]
fn a_failure_hurries_a_hedge_that_is_not_due() {
    explore(2, || {
        let crew = crew(2);
        let race = race(&crew, FAR).after_failure(AfterFailure::Hedge);
        let outcome = race.first(|attempt| match attempt.number() {
            0 => Err(()),
            hedge => Ok(hedge),
        });
        assert_eq!(outcome.end, RaceEnd::Won);
        assert_eq!((outcome.failures.len(), outcome.begun), (1, 2));
        assert_eq!(crew.shutdown(FAR), 0);
    });
}

#[test]
fn on_fresh_threads_the_end_wakes_a_hedge_that_sleeps_and_nothing_begins_after_it() {
    explore(2, || {
        let (crew, calls) = (crew(2), Plain::new());
        let outcome = race(&crew, FAR).threads(Threads::Fresh).first({
            let calls = calls.clone();
            move |attempt| {
                calls.add(1);
                Ok::<_, ()>(attempt.number())
            }
        });
        assert_eq!(outcome.end, RaceEnd::Won);
        assert_eq!(crew.shutdown(FAR), 0);
        assert_eq!(calls.get(), outcome.begun);
    });
}

#[test]
fn on_fresh_threads_a_failure_hurries_a_hedge_that_sleeps() {
    explore(1, || {
        let crew = crew(2);
        let race = race(&crew, FAR).threads(Threads::Fresh).after_failure(AfterFailure::Hedge);
        let outcome = race.first(|attempt| match attempt.number() {
            0 => Err(()),
            hedge => Ok(hedge),
        });
        assert_eq!(outcome.end, RaceEnd::Won);
        assert_eq!(outcome.winner().unwrap().value, 1);
        assert_eq!(crew.shutdown(FAR), 0);
    });
}

#[test]
fn on_fresh_threads_the_callers_token_ends_every_attempt() {
    explore(1, || {
        let (crew, token) = (crew(2), CancelToken::new());
        let canceler = thread::spawn({
            let token = token.clone();
            move || token.cancel(CancelReason::Shutdown)
        });
        let race = race(&crew, FAR).threads(Threads::Fresh).limit(&token);
        let outcome = race.first(wait_for_cancel);
        assert_eq!(outcome.end, RaceEnd::Canceled(CancelReason::Shutdown));
        canceler.join().unwrap();
        assert_eq!(crew.shutdown(FAR), 0);
    });
}

/// Cancels its token when it is dropped.
struct Bell(CancelToken);

impl Drop for Bell {
    fn drop(&mut self) {
        self.0.cancel(CancelReason::Superseded);
    }
}

#[test]
fn who_waits_until_no_rival_is_left_is_told() {
    explore(2, || {
        let crew = crew(1);
        let outcome = race(&crew, Duration::ZERO).primary(Primary::OnCaller).first(|attempt| match attempt.number() {
            0 => {
                let bell = CancelToken::new();
                attempt.without_rival(Bell(bell.clone()));
                bell.wait(Deadline::Never);
                assert!(!attempt.has_rival());
                Ok(0)
            }
            _ => Err(()),
        });
        assert_eq!((outcome.end, outcome.begun), (RaceEnd::Won, 2));
        assert_eq!(crew.shutdown(FAR), 0);
    });
}

/// Refuses each hedge for now; one that is asked about again may begin, if it says so.
struct Hesitates {
    begins: bool,
    asks: Plain,
    skips: Plain,
}

impl Hesitates {
    fn new(begins: bool) -> Arc<Hesitates> {
        Arc::new(Hesitates { begins, asks: Plain::new(), skips: Plain::new() })
    }
}

impl Observer for Hesitates {
    fn hedge_skipped(&self, event: &HedgeSkipped) {
        assert_eq!(event.reason, SkipReason::Budget);
        self.skips.add(1);
    }
}

impl Hedging for Hesitates {
    fn ask(&self, due: &Due) -> Verdict {
        assert!(due.attempt > 0);
        self.asks.add(1);
        match self.asks.get() > 1 && self.begins {
            true => Verdict::Begin(None),
            false => Verdict::Later { reason: SkipReason::Budget, after: FAR },
        }
    }
}

#[test]
fn a_hedge_that_is_held_back_while_the_primary_fails_is_neither_lost_nor_begun_twice() {
    static WAS: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];
    explore(2, || {
        let (crew, hesitates, hedges) = (crew(2), Hesitates::new(true), Plain::new());
        let outcome = race(&crew, Duration::ZERO).hedging(hesitates.clone()).first({
            let hedges = hedges.clone();
            move |attempt| match attempt.number() {
                0 => Err(()),
                hedge => {
                    hedges.add(1);
                    Ok(hedge)
                }
            }
        });
        assert_eq!(crew.shutdown(FAR), 0);
        let came = (outcome.end, hedges.get(), hesitates.asks.get(), hesitates.skips.get());
        // The failure came after the hedge was held back, and had it asked about once more; or before, and it was
        // refused.
        let is_held = came == (RaceEnd::Won, 1, 2, 0);
        assert!(is_held || came == (RaceEnd::Finished, 0, 1, 1), "{came:?}");
        WAS[usize::from(is_held)].store(true, Ordering::Relaxed);
    });
    assert!(WAS.iter().all(|was| was.load(Ordering::Relaxed)), "one of the two orders never came up");
}

#[test]
fn hedges_that_are_never_let_go_end_a_race_whose_attempts_fail() {
    explore(2, || {
        let (crew, hesitates) = (crew(2), Hesitates::new(false));
        let schedule = Schedule::new(&[Duration::ZERO; 3]).unwrap();
        let race = Race::new(&crew).schedule(schedule).after_failure(AfterFailure::Hedge);
        let outcome = race.hedging(hesitates.clone()).first(|_| Err::<(), _>(()));
        assert_eq!(crew.shutdown(FAR), 0);
        assert_eq!((outcome.end, outcome.begun, outcome.failures.len()), (RaceEnd::Finished, 1, 1));
        assert!((1..=2).contains(&hesitates.skips.get()), "{} were told of", hesitates.skips.get());
    });
}

#[test]
fn a_hedge_that_is_held_back_while_the_race_is_won_is_told_of_once() {
    explore(2, || {
        let (crew, hesitates) = (crew(2), Hesitates::new(false));
        let outcome = race(&crew, Duration::ZERO).hedging(hesitates.clone()).first(|_| Ok::<_, ()>(()));
        assert_eq!(crew.shutdown(FAR), 0);
        assert_eq!((outcome.end, outcome.begun), (RaceEnd::Won, 1));
        assert_eq!(hesitates.skips.get(), hesitates.asks.get());
    });
}

/// Has nothing begin any more once an attempt has failed.
struct Stops(Plain);

impl Observer for Stops {
    fn hedge_skipped(&self, _event: &HedgeSkipped) {
        self.0.add(1);
    }
}

impl Hedging for Stops {
    fn stop(&self) -> Option<SkipReason> {
        Some(SkipReason::Pushback)
    }
}

#[test]
fn on_fresh_threads_a_stop_wakes_a_hedge_that_sleeps_and_it_never_begins() {
    explore(2, || {
        let (crew, stops, calls) = (crew(2), Arc::new(Stops(Plain::new())), Plain::new());
        let race = race(&crew, FAR).threads(Threads::Fresh).hedging(stops.clone());
        let outcome = race.first({
            let calls = calls.clone();
            move |_| {
                calls.add(1);
                Err::<(), _>(())
            }
        });
        assert_eq!(crew.shutdown(FAR), 0);
        assert_eq!((outcome.end, outcome.begun, calls.get(), stops.0.get()), (RaceEnd::Finished, 1, 1, 1));
    });
}

weakened!(
    rivals_that_are_counted_without_a_lock_are_noticed,
    Weakness::NoLock("Tally"),
    who_waits_until_no_rival_is_left_is_told,
    "two threads in one critical section"
);
weakened!(
    starts_without_a_lock_are_noticed,
    Weakness::NoLock("Progress"),
    a_failure_and_the_schedule_begin_a_hedge_once,
    "two threads in one critical section"
);
weakened!(
    a_loser_that_is_not_woken_is_noticed,
    Weakness::LostNotifyAll("cancel"),
    a_hedge_ends_the_primary_that_runs_on_the_caller,
    "deadlock"
);
weakened!(
    a_loser_that_unlocks_too_early_is_noticed,
    Weakness::LateWait("cancel"),
    a_hedge_ends_the_primary_that_runs_on_the_caller,
    "deadlock"
);
weakened!(
    a_sleeper_that_is_not_woken_is_noticed,
    Weakness::LostNotifyAll("starts"),
    on_fresh_threads_a_failure_hurries_a_hedge_that_sleeps,
    "deadlock"
);
weakened!(
    a_sleeper_that_unlocks_too_early_is_noticed,
    Weakness::LateWait("starts"),
    on_fresh_threads_the_end_wakes_a_hedge_that_sleeps_and_nothing_begins_after_it,
    "deadlock"
);
weakened!(
    an_attempt_without_a_thread_is_noticed,
    Weakness::NoLock("State"),
    of_two_successes_one_wins_and_its_value_is_delivered,
    "two threads in one critical section"
);
weakened!(
    a_hedge_that_is_held_back_without_a_lock_is_noticed,
    Weakness::NoLock("Progress"),
    a_hedge_that_is_held_back_while_the_primary_fails_is_neither_lost_nor_begun_twice,
    "two threads in one critical section"
);
weakened!(
    a_sleeper_that_is_not_woken_by_a_stop_is_noticed,
    Weakness::LostNotifyAll("starts"),
    on_fresh_threads_a_stop_wakes_a_hedge_that_sleeps_and_it_never_begins,
    "deadlock"
);
