//! A token is decided once, its cleanups free what blocks, and a guard gives the resource back for good.

use crate::support::core::{SOON, crew, eventually, next, occupy, soon};
use crossbeam_channel::{bounded, unbounded};
use headstart::{CancelReason, CancelToken, Claim, Deadline, Error, Phase, TimeLimit};
use std::io::Read;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn the_first_cancel_decides_and_later_ones_change_nothing() {
    let token = CancelToken::new();
    assert_eq!(token.reason(), None);
    assert!(token.cancel(CancelReason::ClientGone));
    assert!(!token.cancel(CancelReason::Shutdown));
    assert_eq!(token.clone().reason(), Some(CancelReason::ClientGone));
}

#[test]
fn cleanups_run_once_in_the_order_of_their_registration() {
    let (token, (tx, ran)) = (CancelToken::new(), unbounded());
    let guards: Vec<_> = (0..5)
        .map(|number| {
            let tx = tx.clone();
            token.on_cancel(move |reason| tx.send((number, reason)).unwrap())
        })
        .collect();
    token.cancel(CancelReason::Shutdown);
    token.cancel(CancelReason::Shutdown);
    drop((guards, tx));
    let expected: Vec<_> = (0..5).map(|number| (number, CancelReason::Shutdown)).collect();
    assert_eq!(ran.iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_cleanup_registered_too_late_runs_at_once_on_the_registering_thread() {
    let (token, (tx, ran)) = (CancelToken::new(), unbounded());
    token.cancel(CancelReason::DeadlineExceeded);
    let _guard = token.on_cancel(move |reason| tx.send((reason, thread::current().id())).unwrap());
    assert_eq!(ran.try_recv(), Ok((CancelReason::DeadlineExceeded, thread::current().id())));
}

#[test]
fn a_cleanup_that_was_taken_back_never_runs_and_lets_go_of_what_it_held() {
    let (token, held) = (CancelToken::new(), Arc::new(()));
    let guard = token.on_cancel({
        let held = held.clone();
        move |_| panic!("taken back, holding {held:?}")
    });
    assert_eq!(Arc::strong_count(&held), 2);
    drop(guard);
    assert_eq!(Arc::strong_count(&held), 1);
    assert!(token.cancel(CancelReason::Shutdown));
}

#[test]
fn a_cleanup_that_panics_hides_nothing() {
    let (token, (tx, ran)) = (CancelToken::new(), unbounded());
    let _first = token.on_cancel(|_| panic!("as it does"));
    let _second = token.on_cancel(move |_| tx.send(()).unwrap());
    assert!(token.cancel(CancelReason::Shutdown));
    assert_eq!(ran.try_recv(), Ok(()));
}

#[test]
fn a_guard_waits_for_its_cleanup_when_that_runs_at_that_moment() {
    let token = CancelToken::new();
    let ((began_tx, began), (release, released), (dropped_tx, dropped)) = (bounded(1), bounded::<()>(1), bounded(1));
    let guard = token.on_cancel(move |_| {
        began_tx.send(()).unwrap();
        released.recv_timeout(SOON).unwrap();
    });
    let canceler = thread::spawn({
        let token = token.clone();
        move || token.cancel(CancelReason::Superseded)
    });
    next(&began);
    let dropper = thread::spawn(move || {
        drop(guard);
        dropped_tx.send(()).unwrap();
    });
    assert!(dropped.recv_timeout(Duration::from_millis(50)).is_err(), "the guard is gone before the cleanup");
    release.send(()).unwrap();
    next(&dropped);
    assert!(canceler.join().unwrap());
    dropper.join().unwrap();
}

#[test]
fn a_cleanup_that_blocks_holds_up_neither_who_cancels_nor_the_other_cleanups() {
    let (crew, token) = (crew(2), CancelToken::new());
    let ((hold, held), (tx, ran)) = (bounded::<()>(0), unbounded());
    let slow = token.on_cancel_blocking(&crew, {
        let tx = tx.clone();
        move |reason| {
            held.recv_timeout(SOON).unwrap();
            tx.send(("slow", reason)).unwrap();
        }
    });
    let quick = token.on_cancel(move |reason| tx.send(("quick", reason)).unwrap());
    token.cancel(CancelReason::ClientGone);
    assert_eq!(ran.try_iter().collect::<Vec<_>>(), [("quick", CancelReason::ClientGone)]);
    eventually("it is listed meanwhile", || crew.stats().stuck.iter().any(|call| &*call.label == "cleanup"));
    hold.send_timeout((), SOON).unwrap();
    assert_eq!(next(&ran), ("slow", CancelReason::ClientGone));
    drop((slow, quick));
    assert_eq!(crew.shutdown(SOON), 0);
    assert!(ran.is_empty(), "exactly once");
}

#[test]
fn a_guard_waits_for_a_cleanup_that_runs_on_the_crew() {
    let (crew, token) = (crew(1), CancelToken::new());
    let ((began_tx, began), (hold, held)) = (bounded(0), bounded::<()>(0));
    let guard = token.on_cancel_blocking(&crew, move |_| {
        began_tx.send(()).unwrap();
        held.recv_timeout(SOON).unwrap();
    });
    token.cancel(CancelReason::Superseded);
    next(&began);
    let (gone_tx, gone) = bounded(1);
    let dropping = thread::spawn(move || {
        drop(guard);
        gone_tx.send(()).unwrap();
    });
    assert!(gone.recv_timeout(Duration::from_millis(20)).is_err(), "the guard is gone while the cleanup runs");
    hold.send_timeout((), SOON).unwrap();
    next(&gone);
    dropping.join().unwrap();
}

#[test]
fn a_cleanup_for_the_crew_that_has_not_begun_is_taken_back() {
    let (crew, token, held) = (crew(1), CancelToken::new(), Arc::new(()));
    let taken_back = |held: &Arc<()>| {
        let held = held.clone();
        token.on_cancel_blocking(&crew, move |_| panic!("taken back, holding {held:?}"))
    };
    drop(taken_back(&held));
    assert_eq!(Arc::strong_count(&held), 1);
    token.cancel(CancelReason::Shutdown);
    assert_eq!(crew.stats().started, 0);
}

#[test]
fn a_cleanup_for_the_crew_registered_too_late_runs_there_at_once() {
    let (crew, token, (tx, ran)) = (crew(1), CancelToken::new(), unbounded());
    token.cancel(CancelReason::Shutdown);
    let _guard = token.on_cancel_blocking(&crew, move |reason| tx.send((reason, thread::current().id())).unwrap());
    let (reason, thread) = next(&ran);
    assert_eq!(reason, CancelReason::Shutdown);
    assert_ne!(thread, thread::current().id());
}

#[test]
fn a_cleanup_that_blocks_runs_on_the_canceling_thread_when_there_is_no_other() {
    let (crew, token, (tx, ran)) = (crew(1), CancelToken::new(), unbounded());
    let _busy = occupy(&crew, Claim::Request).unwrap();
    let _guard = token.on_cancel_blocking(&crew, move |_| tx.send(thread::current().id()).unwrap());
    token.cancel(CancelReason::Shutdown);
    assert_eq!(ran.try_recv(), Ok(thread::current().id()));
}

#[test]
fn a_cleanup_on_the_crew_may_drop_its_own_guard_and_may_panic() {
    let (crew, token) = (crew(1), CancelToken::new());
    let (slot, (tx, ran)) = (Arc::new(std::sync::Mutex::new(None)), unbounded());
    let guard = token.on_cancel_blocking(&crew, {
        let slot = slot.clone();
        move |_| {
            drop(slot.lock().unwrap().take());
            tx.send(()).unwrap();
            panic!("as it does");
        }
    });
    *slot.lock().unwrap() = Some(guard);
    token.cancel(CancelReason::Shutdown);
    next(&ran);
    assert_eq!(crew.shutdown(SOON), 0);
}

#[test]
fn a_cleanup_frees_a_thread_that_blocks_in_a_read() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let socket = Arc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    socket.set_read_timeout(Some(SOON)).unwrap();
    let (token, (registered_tx, registered)) = (CancelToken::new(), bounded(1));
    let blocked = thread::spawn({
        let token = token.clone();
        move || {
            let handle = socket.clone();
            let _guard = token.on_cancel(move |_| drop(handle.shutdown(Shutdown::Both)));
            registered_tx.send(()).unwrap();
            (&*socket).read(&mut [0; 1])
        }
    });
    next(&registered);
    token.cancel(CancelReason::ClientGone);
    assert_eq!(blocked.join().unwrap().unwrap(), 0);
}

#[test]
fn waiting_ends_with_the_reason_or_at_the_deadline_and_not_before() {
    let token = CancelToken::new();
    let start = Instant::now();
    assert_eq!(token.wait(Deadline::after(Duration::from_millis(30))), None);
    assert!(start.elapsed() >= Duration::from_millis(30));

    let waiter = thread::spawn({
        let token = token.clone();
        move || token.wait(soon())
    });
    token.cancel(CancelReason::Shutdown);
    assert_eq!(waiter.join().unwrap(), Some(CancelReason::Shutdown));
}

#[test]
fn one_token_ends_thousands_of_calls_that_come_and_go() {
    let (token, runs) = (CancelToken::new(), Arc::new(()));
    let mut guards: Vec<_> = (0..20_000)
        .map(|_| {
            let runs = runs.clone();
            Some(token.on_cancel(move |_| std::mem::forget(runs)))
        })
        .collect();
    guards.iter_mut().step_by(2).for_each(|guard| drop(guard.take()));
    token.cancel(CancelReason::Shutdown);
    assert_eq!(Arc::strong_count(&runs), 1 + 10_000, "those not taken back ran, and only those");
}

#[test]
fn who_cancels_a_limit_cancels_its_clones_whichever_was_made_first() {
    let limit = TimeLimit::from(Deadline::Never);
    let (clone, other) = (limit.clone(), TimeLimit::from(&limit));
    limit.token().cancel(CancelReason::Shutdown);
    for limit in [limit.clone(), clone, other] {
        assert!(matches!(limit.check(Phase::Wait), Err(Error::Canceled(CancelReason::Shutdown))));
    }
}

#[test]
fn a_timeout_too_long_for_the_clock_is_no_deadline() {
    assert_eq!(Deadline::after(Duration::MAX), Deadline::Never);
    assert!(!Deadline::Never.has_passed());
    assert!(Deadline::after(Duration::ZERO).has_passed());
}

#[test]
fn a_reason_is_one_word_for_metrics_and_a_phrase_for_people() {
    use CancelReason::{ClientGone, DeadlineExceeded, Shutdown, Superseded};
    let words = [Superseded, DeadlineExceeded, ClientGone, Shutdown].map(CancelReason::as_str);
    assert_eq!(words, ["superseded", "deadline_exceeded", "client_gone", "shutdown"]);
    let phrases = [Superseded, DeadlineExceeded, ClientGone, Shutdown].map(|reason| reason.to_string());
    assert_eq!(phrases, ["superseded by another attempt", "deadline exceeded", "client gone", "shutting down"]);
}
