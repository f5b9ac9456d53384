//! A primary on the calling thread costs no other thread, and is still hedged and ended in time.

use headstart::event::{AttemptEnded, Observer, RaceEnd};
use headstart::{
    AfterFailure, Attempt, CancelReason, CancelToken, Crew, CrewSettings, Deadline, Outcome, Primary, Race, Schedule,
    Threads,
};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use headstart_testing::PATIENCE as SOON;

fn race(crew: &Crew, hedge_after_ms: u64) -> Race {
    let schedule = Schedule::new(&[Duration::ZERO, Duration::from_millis(hedge_after_ms)]).unwrap();
    Race::new(crew).schedule(schedule).primary(Primary::OnCaller)
}

fn crew() -> Crew {
    Crew::new(CrewSettings::default().max_threads(4)).unwrap()
}

fn until_canceled(attempt: &Attempt) -> CancelReason {
    attempt.token().wait(Deadline::after(SOON)).expect("canceled in time")
}

#[test]
fn a_primary_that_succeeds_early_runs_on_the_caller_and_needs_no_other_thread() {
    let (crew, caller) = (crew(), thread::current().id());
    for _ in 0..100 {
        let race = race(&crew, 60_000).limit(SOON);
        let outcome = race.first(|_| Ok::<_, ()>(thread::current().id()));
        assert_eq!((outcome.winner().unwrap().value, outcome.begun), (caller, 1));
    }
    assert_eq!(crew.stats().started, 0);
}

#[test]
fn on_fresh_threads_the_primary_has_one_of_its_own_all_the_same() {
    let (crew, caller) = (crew(), thread::current().id());
    let race = race(&crew, 60_000).threads(Threads::Fresh);
    let counted = crew.clone();
    let outcome = race.first(move |_| {
        headstart_testing::eventually("the hedge has a thread, too", || counted.stats().started == 2);
        Ok::<_, ()>(thread::current().id())
    });
    assert_ne!(outcome.winner().unwrap().value, caller);
    assert_eq!((outcome.begun, crew.stats().started), (1, 2));
}

#[test]
fn a_hedge_begins_when_it_is_due_and_ends_the_primary() {
    let (crew, start) = (crew(), Instant::now());
    let outcome = race(&crew, 40).first(|attempt| match attempt.number() {
        0 => Err(until_canceled(attempt)),
        hedge => Ok(hedge),
    });
    assert!(start.elapsed() >= Duration::from_millis(40), "the hedge began too early");
    assert_eq!((outcome.end, outcome.winner().unwrap().value), (RaceEnd::Won, 1));
}

#[test]
fn the_deadline_ends_the_primary_before_and_after_the_hedges_are_due() {
    for hedge_after_ms in [0, 20, 60_000] {
        let (crew, start, timeout) = (crew(), Instant::now(), Duration::from_millis(80));
        let race = race(&crew, hedge_after_ms).limit(timeout);
        let outcome: Outcome<(), _> = race.first(|attempt| Err(until_canceled(attempt)));
        assert_eq!(outcome.end, RaceEnd::Canceled(CancelReason::DeadlineExceeded));
        assert!(start.elapsed() >= timeout, "over too early");
    }
}

#[test]
fn the_callers_token_ends_the_primary() {
    let (crew, token) = (crew(), CancelToken::new());
    let canceler = token.clone();
    let race = race(&crew, 60_000).limit(&token);
    let outcome: Outcome<(), _> = race.all(move |attempt| {
        let canceler = canceler.clone();
        let other = thread::spawn(move || canceler.cancel(CancelReason::ClientGone));
        let reason = until_canceled(attempt);
        assert!(other.join().unwrap());
        Err(reason)
    });
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Canceled(CancelReason::ClientGone), 1));
}

#[test]
fn a_primary_that_panics_is_a_failure_and_hurries_the_hedge() {
    let crew = crew();
    let race = race(&crew, 60_000).after_failure(AfterFailure::Hedge);
    let outcome = race.first(|attempt| match attempt.number() {
        0 => panic!("as it does"),
        hedge => Ok::<_, ()>(hedge),
    });
    assert_eq!((outcome.winner().unwrap().value, outcome.failures.len()), (1, 1));
}

#[test]
fn a_primary_that_ends_by_the_deadline_before_the_alarm_rings_does_not_pass_for_a_failure() {
    let (crew, (release, released)) = (crew(), crossbeam_channel::bounded::<()>(0));
    let (rings, rung) = crossbeam_channel::bounded(1);
    // Another race's deadline is kept by the alarm as well, whose thread a cleanup then holds up. It is long enough for
    // the race to begin on a busy machine.
    let other = race(&crew, 60_000).limit(Duration::from_millis(200));
    let other = thread::spawn(move || {
        other.first(move |attempt| {
            let (rings, released) = (rings.clone(), released.clone());
            let _cleanup = attempt.token().on_cancel(move |_| {
                rings.send(()).unwrap();
                assert!(released.recv_timeout(SOON).is_err());
            });
            Err::<(), _>(until_canceled(attempt))
        })
    });
    rung.recv_timeout(SOON).unwrap();
    let only = Schedule::new(&[Duration::ZERO]).unwrap();
    let race = Race::new(&crew).schedule(only).primary(Primary::OnCaller).limit(Duration::from_millis(20));
    let outcome: Outcome<(), _> = race.first(|attempt| {
        while !attempt.deadline().has_passed() {
            thread::yield_now();
        }
        Err("timed out")
    });
    assert_eq!(outcome.end, RaceEnd::Canceled(CancelReason::DeadlineExceeded));
    drop(release);
    assert_eq!(other.join().unwrap().end, RaceEnd::Canceled(CancelReason::DeadlineExceeded));
}

/// Tells when an attempt has ended.
struct TellsEnds(crossbeam_channel::Sender<usize>);

impl Observer for TellsEnds {
    fn attempt_ended(&self, event: &AttemptEnded) {
        let _ = self.0.send(event.attempt);
    }
}

#[test]
fn the_cancelers_message_finds_room_beside_those_of_the_attempts() {
    let (crew, token) = (crew(), CancelToken::new());
    let ((ends_tx, ends), (outcome_tx, outcome)) = (crossbeam_channel::unbounded(), crossbeam_channel::bounded(1));
    let race = race(&crew, 0).limit(&token).observer(Arc::new(TellsEnds(ends_tx)));
    // On a thread of its own: without that message it would never return.
    thread::spawn(move || {
        let outcome: Outcome<(), _> = race.first(move |attempt| {
            if attempt.number() == 0 {
                assert_eq!(ends.recv_timeout(SOON), Ok(1), "the hedge's message is in the inbox");
                token.cancel(CancelReason::ClientGone); // so is the canceler's
            }
            Err(attempt.number())
        });
        outcome_tx.send(outcome).unwrap();
    });
    let outcome = outcome.recv_timeout(SOON).expect("the race has an end");
    assert_eq!(outcome.end, RaceEnd::Canceled(CancelReason::ClientGone));
    assert_eq!((outcome.begun, outcome.failures.len()), (2, 1));
}
