//! The token: decided once, seen by all, its cleanups run once or are taken back.

use crate::cancel::{CancelReason, CancelToken};
use crate::deadline::Deadline;
use crate::explore::{Plain, explore};
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
weakened!(a_waiter_that_is_not_woken_is_noticed, Weakness::LostNotifyAll("cancel"), waiting_always_wakes, "deadlock");
weakened!(a_waiter_that_unlocks_too_early_is_noticed, Weakness::LateWait("cancel"), waiting_always_wakes, "deadlock");
