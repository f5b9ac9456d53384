//! The alarm: a due call is made exactly once or taken back, its thread wakes for what comes first, and it ends.

use crate::cancel::{CancelReason, CancelToken};
use crate::deadline::Deadline;
use crate::explore::{FAR, Plain, crew, explore};
use crate::sync::Weakness;
use loom::thread;
use std::time::Instant;

#[test]
fn a_due_call_is_made_exactly_once() {
    explore(3, || {
        let (crew, calls, called) = (crew(1), Plain::new(), CancelToken::new());
        let guard = crew.alarm().set(Instant::now(), {
            let (calls, called) = (calls.clone(), called.clone());
            move || {
                calls.add(1);
                called.cancel(CancelReason::Shutdown);
            }
        });
        called.wait(Deadline::Never);
        drop((guard, crew));
        assert_eq!(calls.get(), 1);
    });
}

#[test]
fn a_call_that_is_taken_back_is_made_at_most_once_and_never_after_the_alarm_has_ended() {
    explore(3, || {
        let (crew, calls) = (crew(1), Plain::new());
        let due = calls.clone();
        drop(crew.alarm().set(Instant::now(), move || due.add(1)));
        drop(crew);
        assert!(calls.get() <= 1);
    });
}

#[test]
fn what_is_due_first_wakes_the_thread_that_sleeps_for_something_later() {
    explore(2, || {
        let (crew, called) = (crew(1), CancelToken::new());
        let later = crew.alarm().set(Instant::now() + FAR, || panic!("not yet due"));
        let other = thread::spawn({
            let crew = crew.clone();
            move || drop(crew.alarm().set(Instant::now() + FAR, || panic!("not yet due")))
        });
        let due = called.clone();
        let first = crew.alarm().set(Instant::now(), move || assert!(due.cancel(CancelReason::Shutdown)));
        called.wait(Deadline::Never);
        other.join().unwrap();
        drop((later, first));
    });
}

#[test]
fn two_threads_schedule_and_take_back() {
    explore(2, || {
        let crew = crew(1);
        let other = thread::spawn({
            let crew = crew.clone();
            move || drop(crew.alarm().set(Instant::now() + FAR, || panic!("not yet due")))
        });
        drop(crew.alarm().set(Instant::now() + FAR, || panic!("not yet due")));
        other.join().unwrap();
    });
}

#[test]
fn the_thread_ends_with_the_crew() {
    // Loom fails a model with a thread that never ends.
    explore(3, || drop(crew(1)));
}

#[test]
fn the_thread_ends_when_the_last_handle_goes_in_a_call_of_its_own() {
    explore(3, || {
        let crew = crew(1);
        let last = crew.clone();
        std::mem::forget(crew.alarm().set(Instant::now(), move || drop(last)));
        drop(crew);
    });
}

weakened!(
    an_alarm_without_a_lock_is_noticed,
    Weakness::NoLock("Schedule"),
    two_threads_schedule_and_take_back,
    "two threads in one critical section"
);
weakened!(
    an_alarm_that_is_not_woken_for_a_call_is_noticed,
    Weakness::LostNotifyOne("alarm"),
    what_is_due_first_wakes_the_thread_that_sleeps_for_something_later,
    "deadlock"
);
weakened!(
    an_alarm_that_unlocks_too_early_is_noticed,
    Weakness::LateWait("alarm"),
    a_due_call_is_made_exactly_once,
    "deadlock"
);
weakened!(
    an_alarm_that_is_not_woken_to_end_is_noticed,
    Weakness::LostNotifyOne("alarm"),
    the_thread_ends_with_the_crew,
    "deadlock"
);
