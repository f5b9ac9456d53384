//! The token: decided once, seen by all, its cleanups run once or are taken back.

use crate::cancel::{CancelReason, CancelToken};
use crate::deadline::Deadline;
use crate::explore::{FAR, Plain, crew, explore};
use crate::sync::Weakness;
use loom::thread;

#[test]
fn exactly_one_canceler_decides() {
    explore(3, || {
        let token = CancelToken::new();
        let other = thread::spawn({
            let token = token.clone();
            move || token.cancel(CancelReason::ClientGone)
        });
        let mine = token.cancel(CancelReason::Shutdown);
        let theirs = other.join().unwrap();
        assert!(mine != theirs, "one of the two decides");
        let expected = if mine { CancelReason::Shutdown } else { CancelReason::ClientGone };
        assert_eq!(token.reason(), Some(expected));
    });
}

#[test]
fn who_sees_the_reason_sees_what_was_written_before() {
    explore(3, || {
        let (token, written) = (CancelToken::new(), Plain::new());
        let canceler = thread::spawn({
            let (token, written) = (token.clone(), written.clone());
            move || {
                written.set(1);
                token.cancel(CancelReason::Superseded);
            }
        });
        if token.is_canceled() {
            assert_eq!(written.get(), 1, "the reason is seen before what led to it");
        }
        canceler.join().unwrap();
    });
}

#[test]
fn who_loses_the_decision_sees_what_the_winner_wrote() {
    explore(3, || {
        let (token, written) = (CancelToken::new(), Plain::new());
        let canceler = thread::spawn({
            let (token, written) = (token.clone(), written.clone());
            move || {
                written.set(1);
                token.cancel(CancelReason::Superseded);
            }
        });
        if !token.cancel(CancelReason::Shutdown) {
            assert_eq!(written.get(), 1, "the decision is seen before what led to it");
        }
        canceler.join().unwrap();
    });
}

#[test]
fn a_cleanup_runs_once_or_is_taken_back_and_never_outlives_its_guard() {
    explore(3, || {
        let (token, began, returned) = (CancelToken::new(), Plain::new(), Plain::new());
        let canceler = thread::spawn({
            let token = token.clone();
            move || token.cancel(CancelReason::Superseded)
        });
        let guard = token.on_cancel({
            let (began, returned) = (began.clone(), returned.clone());
            move |_| {
                began.add(1);
                returned.add(1);
            }
        });
        drop(guard);
        let (began_before, returned_before) = (began.get(), returned.get());
        assert_eq!(began_before, returned_before, "the cleanup runs while its resource is the caller's again");
        canceler.join().unwrap();
        assert_eq!(began.get(), began_before, "the cleanup runs although it was taken back");
        assert!(began_before <= 1, "the cleanup runs twice");
    });
}

#[test]
fn registering_while_it_is_canceled_never_loses_the_cleanup() {
    explore(3, || {
        let (token, runs) = (CancelToken::new(), Plain::new());
        let canceler = thread::spawn({
            let token = token.clone();
            move || token.cancel(CancelReason::Superseded)
        });
        let count = |runs: &Plain| {
            let runs = runs.clone();
            move |_| runs.add(1)
        };
        let guards = [token.on_cancel(count(&runs)), token.on_cancel(count(&runs))];
        canceler.join().unwrap();
        assert_eq!(runs.get(), 2, "each cleanup runs once");
        drop(guards);
    });
}

#[test]
fn two_threads_take_back_and_register_while_a_third_cancels() {
    explore(2, || {
        let (token, runs) = (CancelToken::new(), Plain::new());
        let caller = |token: &CancelToken, runs: &Plain| {
            let (token, runs) = (token.clone(), runs.clone());
            move || drop(token.on_cancel(move |_| runs.add(1)))
        };
        let threads = [thread::spawn(caller(&token, &runs)), thread::spawn(caller(&token, &runs))];
        assert!(token.cancel(CancelReason::Shutdown));
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(runs.get() <= 2, "a cleanup runs twice");
    });
}

#[test]
fn a_cleanup_may_drop_its_own_guard() {
    explore(2, || {
        let token = CancelToken::new();
        let slot = std::sync::Arc::new(std::sync::Mutex::new(None));
        let guard = token.on_cancel({
            let slot = slot.clone();
            move |_| drop(slot.lock().unwrap().take())
        });
        *slot.lock().unwrap() = Some(guard);
        thread::spawn(move || token.cancel(CancelReason::Shutdown)).join().unwrap();
        assert!(slot.lock().unwrap().is_none());
    });
}

/// A blocking cleanup that counts its beginnings and its ends, on a crew of so many threads.
fn a_blocking_cleanup_runs_once_or_is_taken_back(threads: usize) {
    let (crew, token, began, returned) = (crew(threads), CancelToken::new(), Plain::new(), Plain::new());
    let canceler = thread::spawn({
        let token = token.clone();
        move || token.cancel(CancelReason::Superseded)
    });
    let guard = token.on_cancel_blocking(&crew, {
        let (began, returned) = (began.clone(), returned.clone());
        move |_| {
            began.add(1);
            returned.add(1);
        }
    });
    drop(guard);
    let (began_before, returned_before) = (began.get(), returned.get());
    assert_eq!(began_before, returned_before, "the cleanup runs while its resource is the caller's again");
    canceler.join().unwrap();
    assert_eq!(crew.shutdown(FAR), 0);
    assert_eq!(began.get(), began_before, "the cleanup runs although it was taken back");
    assert!(began_before <= 1, "the cleanup runs twice");
}

#[test]
fn a_cleanup_on_the_crew_runs_once_or_is_taken_back_and_never_outlives_its_guard() {
    explore(2, || a_blocking_cleanup_runs_once_or_is_taken_back(1));
}

#[test]
fn a_cleanup_that_finds_no_thread_runs_once_or_is_taken_back_and_never_outlives_its_guard() {
    explore(3, || a_blocking_cleanup_runs_once_or_is_taken_back(0));
}

#[test]
fn a_cleanup_on_the_crew_is_never_lost_while_its_guard_is_kept() {
    explore(2, || {
        let (crew, token, runs) = (crew(1), CancelToken::new(), Plain::new());
        let canceler = thread::spawn({
            let token = token.clone();
            move || token.cancel(CancelReason::Superseded)
        });
        let guard = token.on_cancel_blocking(&crew, {
            let runs = runs.clone();
            move |_| runs.add(1)
        });
        canceler.join().unwrap();
        assert_eq!(crew.shutdown(FAR), 0);
        assert_eq!(runs.get(), 1, "the cleanup runs once");
        drop(guard);
    });
}

#[test]
fn a_cleanup_on_the_crew_is_over_or_never_begins_once_its_guard_is_gone() {
    explore(2, || {
        let (crew, token, began, returned) = (crew(1), CancelToken::new(), Plain::new(), Plain::new());
        let guard = token.on_cancel_blocking(&crew, {
            let (began, returned) = (began.clone(), returned.clone());
            move |_| {
                began.add(1);
                returned.add(1);
            }
        });
        token.cancel(CancelReason::Superseded);
        drop(guard);
        let before = began.get();
        assert_eq!(before, returned.get(), "the cleanup runs while its resource is the caller's again");
        assert_eq!(crew.shutdown(FAR), 0);
        assert_eq!(began.get(), before, "the cleanup runs although it was taken back");
    });
}

#[test]
fn a_guard_waits_for_a_cleanup_that_has_begun_on_the_crew() {
    explore(2, || {
        let (crew, token, began, returned) = (crew(1), CancelToken::new(), CancelToken::new(), Plain::new());
        let guard = token.on_cancel_blocking(&crew, {
            let (began, returned) = (began.clone(), returned.clone());
            move |reason| {
                began.cancel(reason);
                returned.add(1);
            }
        });
        token.cancel(CancelReason::Superseded);
        began.wait(Deadline::Never);
        drop(guard);
        assert_eq!(returned.get(), 1, "the cleanup runs while its resource is the caller's again");
        assert_eq!(crew.shutdown(FAR), 0);
    });
}

#[test]
fn waiting_always_wakes() {
    explore(3, || {
        let token = CancelToken::new();
        let waiters = [token.clone(), token.clone()].map(|token| thread::spawn(move || token.wait(Deadline::Never)));
        token.cancel(CancelReason::DeadlineExceeded);
        for waiter in waiters {
            assert_eq!(waiter.join().unwrap(), Some(CancelReason::DeadlineExceeded));
        }
    });
}

weakened!(
    a_relaxed_reason_is_noticed,
    Weakness::Relaxed,
    who_sees_the_reason_sees_what_was_written_before,
    "the reason is seen before what led to it"
);
weakened!(
    a_relaxed_failed_exchange_is_noticed,
    Weakness::Relaxed,
    who_loses_the_decision_sees_what_the_winner_wrote,
    "the decision is seen before what led to it"
);
weakened!(
    cleanups_without_a_lock_are_noticed,
    Weakness::NoLock("Cleanups"),
    registering_while_it_is_canceled_never_loses_the_cleanup,
    "two threads in one critical section"
);
weakened!(
    a_guard_that_is_not_woken_is_noticed,
    Weakness::LostNotifyAll("cancel"),
    a_cleanup_runs_once_or_is_taken_back_and_never_outlives_its_guard,
    "deadlock"
);
weakened!(
    a_stage_without_a_lock_is_noticed,
    Weakness::NoLock("Stage"),
    a_cleanup_on_the_crew_is_over_or_never_begins_once_its_guard_is_gone,
    "two threads in one critical section"
);
weakened!(
    a_guard_that_is_not_woken_after_a_cleanup_on_the_crew_is_noticed,
    Weakness::LostNotifyAll("handed_over"),
    a_guard_waits_for_a_cleanup_that_has_begun_on_the_crew,
    "deadlock"
);
weakened!(
    a_guard_that_unlocks_too_early_is_noticed,
    Weakness::LateWait("handed_over"),
    a_guard_waits_for_a_cleanup_that_has_begun_on_the_crew,
    "deadlock"
);
weakened!(a_waiter_that_is_not_woken_is_noticed, Weakness::LostNotifyAll("cancel"), waiting_always_wakes, "deadlock");
weakened!(a_waiter_that_unlocks_too_early_is_noticed, Weakness::LateWait("cancel"), waiting_always_wakes, "deadlock");
