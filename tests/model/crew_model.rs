//! The crew: each accepted job runs exactly once, the bound holds, shutdown waits.

use crate::crew::Claim;
use crate::error::Error;
use crate::explore::{FAR, Plain, crew, crew_with_patience, explore, job};
use crate::sync::Weakness;
use loom::thread;
use std::time::Duration;

#[test]
fn each_accepted_job_runs_exactly_once() {
    explore(2, || {
        let (crew, runs) = (crew(2), Plain::new());
        let spawn = |crew: &crate::crew::Crew, runs: &Plain| {
            let runs = runs.clone();
            crew.spawn(Claim::Request, job(move || runs.add(1))).unwrap();
        };
        let other = thread::spawn({
            let (crew, runs) = (crew.clone(), runs.clone());
            move || spawn(&crew, &runs)
        });
        spawn(&crew, &runs);
        other.join().unwrap();
        assert_eq!(crew.shutdown(FAR), 0);
        assert_eq!(runs.get(), 2);
    });
}

#[test]
fn an_idle_thread_takes_the_next_job() {
    explore(2, || {
        let (crew, runs) = (crew(1), Plain::new());
        let mut accepted = 0;
        for _ in 0..2 {
            let runs = runs.clone();
            accepted += usize::from(crew.spawn(Claim::Request, job(move || runs.add(1))).is_ok());
        }
        assert_eq!(crew.shutdown(FAR), 0);
        assert_eq!(runs.get(), accepted);
    });
}

#[test]
fn a_thread_that_leaves_while_it_is_called_still_runs_the_job() {
    explore(2, || {
        let (crew, runs) = (crew_with_patience(2, Duration::ZERO), Plain::new());
        for _ in 0..2 {
            let runs = runs.clone();
            crew.spawn(Claim::Request, job(move || runs.add(1))).unwrap();
        }
        assert_eq!(crew.shutdown(FAR), 0);
        assert_eq!(runs.get(), 2);
    });
}

#[test]
fn the_bound_is_never_exceeded() {
    explore(2, || {
        let (crew, running) = (crew(1), Plain::new());
        let spawn = |crew: &crate::crew::Crew, running: &Plain| {
            let running = running.clone();
            let accepted = crew.spawn(
                Claim::Request,
                job(move || {
                    running.add(1);
                    assert_eq!(running.get(), 1, "two jobs at a time");
                    running.set(0);
                }),
            );
            assert!(matches!(accepted, Ok(()) | Err(Error::NoThread { bound: 1 })));
            usize::from(accepted.is_ok())
        };
        let other = thread::spawn({
            let (crew, running) = (crew.clone(), running.clone());
            move || spawn(&crew, &running)
        });
        let accepted = spawn(&crew, &running) + other.join().unwrap();
        assert!(accepted >= 1, "the first to ask gets the thread");
        assert_eq!(crew.stats().peak, 1);
        assert_eq!(crew.shutdown(FAR), 0);
    });
}

#[test]
fn a_shutdown_waits_for_what_runs_and_refuses_what_comes_later() {
    explore(2, || {
        let (crew, runs) = (crew(2), Plain::new());
        let late = thread::spawn({
            let (crew, runs) = (crew.clone(), runs.clone());
            move || usize::from(crew.spawn(Claim::Request, job(move || runs.add(1))).is_ok())
        });
        let done = runs.clone();
        crew.spawn(Claim::Request, job(move || done.add(1))).unwrap();
        assert_eq!(crew.shutdown(FAR), 0);
        let at_shutdown = runs.get();
        assert!(at_shutdown >= 1, "shutdown does not wait for a job");
        let accepted = 1 + late.join().unwrap();
        assert_eq!(at_shutdown, accepted, "a job runs after the shutdown");
    });
}

weakened!(
    a_crew_without_a_lock_is_noticed,
    Weakness::NoLock("State"),
    each_accepted_job_runs_exactly_once,
    "two threads in one critical section"
);
weakened!(
    a_member_without_a_lock_is_noticed,
    Weakness::NoLock("Work"),
    an_idle_thread_takes_the_next_job,
    "deadlock" // the call comes between the look at its member and the wait
);
weakened!(
    a_thread_that_is_not_called_is_noticed,
    Weakness::LostNotifyOne("member"),
    an_idle_thread_takes_the_next_job,
    "deadlock"
);
weakened!(
    a_thread_that_unlocks_too_early_is_noticed,
    Weakness::LateWait("member"),
    an_idle_thread_takes_the_next_job,
    "deadlock"
);
weakened!(
    a_shutdown_that_is_not_woken_is_noticed,
    Weakness::LostNotifyAll("threads"),
    a_shutdown_waits_for_what_runs_and_refuses_what_comes_later,
    "deadlock"
);
