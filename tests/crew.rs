//! Threads are reused, bounded, refused without harm, counted while stuck, and all come home.

use crate::support::core::{SOON, crew, crew_keeping, eventually, job, next, occupy};
use crossbeam_channel::unbounded;
use headstart::{CancelReason, CancelToken, Claim, Crew, CrewSettings, Error, Job};
use std::time::{Duration, Instant};

#[test]
fn a_thread_that_is_done_takes_the_next_job() {
    let (crew, (tx, ran)) = (crew(4), unbounded());
    for _ in 0..20 {
        let tx = tx.clone();
        crew.spawn(Claim::Request, job(move || tx.send(std::thread::current().id()).unwrap())).unwrap();
        next(&ran);
        eventually("the thread is idle", || crew.stats().idle == 1);
    }
    let stats = crew.stats();
    assert_eq!((stats.threads, stats.started, stats.peak), (1, 1, 1));
}

#[test]
fn near_the_bound_hedges_are_refused_first_and_requests_last() {
    let crew = crew_keeping(4, 2);
    let first = occupy(&crew, Claim::Hedge).unwrap();
    let second = occupy(&crew, Claim::Hedge).unwrap();
    assert!(matches!(occupy(&crew, Claim::Hedge), Err(Error::NoThread { bound: 2 })));
    let third = occupy(&crew, Claim::Request).unwrap();
    let fourth = occupy(&crew, Claim::Request).unwrap();
    assert!(matches!(occupy(&crew, Claim::Request), Err(Error::NoThread { bound: 4 })));
    let stats = crew.stats();
    assert_eq!((stats.threads, stats.refused_hedges, stats.refused_requests), (4, 1, 1));

    drop((first, second, third, fourth));
    eventually("all threads are idle", || crew.stats().idle == 4);
    occupy(&crew, Claim::Hedge).expect("a hedge finds an idle thread again");
    assert_eq!(crew.shutdown(SOON), 0);
}

#[test]
fn a_hedge_that_would_take_a_requests_file_is_refused() {
    let settings = CrewSettings::default().max_threads(16).max_files(6);
    let crew = Crew::new(settings).unwrap();
    let request = occupy(&crew, Claim::Request).unwrap();
    let hedges: Vec<_> = (0..4).map(|_| occupy(&crew, Claim::Hedge).unwrap()).collect();
    assert!(
        matches!(occupy(&crew, Claim::Hedge), Err(Error::TooFewFiles { limit: 6 })),
        "two for the request, four hedges"
    );
    assert_eq!(crew.stats().refused_hedges, 1);
    let _another = occupy(&crew, Claim::Request).expect("requests are not refused for files");
    drop(hedges);
    eventually("hedges are begun again", || {
        matches!(occupy(&crew, Claim::Hedge), Ok(_release)) // what is released at once leaves room at once
    });
    drop(request);
}

#[test]
fn a_small_crew_hedges_whatever_is_kept_by_default() {
    let crew = Crew::new(CrewSettings::default().max_threads(4)).unwrap();
    occupy(&crew, Claim::Hedge).expect("at least half of the threads are for hedges too");
}

#[test]
fn a_job_that_panics_costs_nothing() {
    let (crew, (tx, ran)) = (crew(1), unbounded());
    crew.spawn(Claim::Request, job(|| panic!("as it does"))).unwrap();
    eventually("the thread is idle", || crew.stats().idle == 1);
    crew.spawn(Claim::Request, job(move || tx.send(()).unwrap())).unwrap();
    next(&ran);
    assert_eq!(crew.stats().started, 1);
}

#[test]
fn idle_threads_leave_after_a_while() {
    let settings = CrewSettings::default().max_threads(4).idle_timeout(Duration::from_millis(20));
    let crew = Crew::new(settings).unwrap();
    let busy: Vec<_> = (0..4).map(|_| occupy(&crew, Claim::Request).unwrap()).collect();
    assert_eq!(crew.stats().threads, 4);
    drop(busy);
    eventually("no thread is left", || crew.stats().threads == 0);
    occupy(&crew, Claim::Request).expect("a new one starts when it is needed");
}

#[test]
fn an_idle_timeout_too_long_for_the_clock_keeps_threads_for_good() {
    let settings = CrewSettings::default().max_threads(1).idle_timeout(Duration::MAX);
    let (crew, (tx, ran)) = (Crew::new(settings).unwrap(), unbounded());
    for _ in 0..2 {
        let tx = tx.clone();
        crew.spawn(Claim::Request, job(move || tx.send(()).unwrap())).unwrap();
        next(&ran);
        eventually("the thread is idle", || crew.stats().idle == 1);
    }
    assert_eq!(crew.shutdown(SOON), 0);
}

#[test]
fn a_thread_the_system_refuses_is_an_error_and_the_job_never_runs() {
    // No address space holds such a stack.
    let crew = Crew::new(CrewSettings::default().max_threads(4).stack_size(1 << 50)).unwrap();
    let (tx, ran) = unbounded::<()>();
    for _ in 0..10 {
        let tx = tx.clone();
        let refused = crew.spawn(Claim::Request, job(move || tx.send(()).unwrap()));
        assert!(matches!(refused, Err(Error::ThreadStart(_))), "{refused:?}");
    }
    drop(tx);
    assert!(ran.recv_timeout(SOON).is_err(), "the refused jobs are gone");
    assert_eq!(crew.stats().threads, 0, "a refused thread takes no seat");
    assert_eq!(crew.shutdown(SOON), 0);
}

#[test]
fn a_call_that_runs_on_after_its_cancellation_is_counted_and_named_until_it_comes_home() {
    let (crew, token) = (crew(2), CancelToken::new());
    let ((began_tx, began), (release, released)) = (unbounded(), unbounded::<()>());
    let run = Box::new(move || {
        began_tx.send(()).unwrap();
        let _ = released.recv_timeout(SOON);
    });
    crew.spawn(Claim::Request, Job { label: "stubborn".into(), token: Some(token.clone()), run }).unwrap();
    next(&began);
    assert!(crew.stats().stuck.is_empty(), "not canceled, so not stuck");

    token.cancel(CancelReason::DeadlineExceeded);
    let before = crew.stats().stuck.pop().expect("a stuck call");
    assert_eq!(&*before.label, "stubborn");
    assert!(before.age >= before.overdue);
    let later = crew.stats().stuck.pop().expect("still stuck");
    assert!(later.overdue > before.overdue && later.age > before.age);

    drop(release);
    eventually("the call is home", || crew.stats().stuck.is_empty() && crew.stats().idle == 1);
}

#[test]
fn a_shutdown_says_how_many_are_still_busy_and_later_that_all_are_home() {
    let crew = crew(3);
    let [first, second, third] = [(); 3].map(|()| occupy(&crew, Claim::Request).unwrap());
    drop(first);
    eventually("one thread is idle", || crew.stats().idle == 1);
    assert_eq!(crew.shutdown(Duration::from_millis(50)), 2);
    let late = crew.spawn(Claim::Request, job(|| panic!("never runs")));
    assert!(matches!(late, Err(Error::Canceled(CancelReason::Shutdown))));
    drop((second, third));
    assert_eq!(crew.shutdown(SOON), 0);
}

#[test]
fn a_shutdown_returns_as_soon_as_all_are_home() {
    let crew = crew(2);
    occupy(&crew, Claim::Request).unwrap();
    let began = Instant::now();
    assert_eq!(crew.shutdown(SOON), 0);
    assert!(began.elapsed() < SOON / 2, "it waited for nobody");
}

#[test]
fn the_default_bound_leaves_the_system_room() {
    let (threads, setting) = CrewSettings::default().bound();
    assert!(threads > 0);
    assert!(!setting.is_empty());
    assert_eq!(Crew::new(CrewSettings::default()).unwrap().stats().max_threads, threads);
    assert_eq!(CrewSettings::default().max_threads(threads - 1).bound(), (threads - 1, "max_threads"));
    assert_eq!(CrewSettings::default().max_threads(threads + 1).bound(), (threads + 1, setting));
}

#[test]
fn a_fresh_thread_ends_with_its_job_and_is_counted_like_the_others() {
    let (crew, (tx, ran)) = (crew(2), unbounded());
    for _ in 0..10 {
        let tx = tx.clone();
        crew.spawn_fresh(Claim::Request, job(move || tx.send(()).unwrap())).unwrap();
        next(&ran);
        eventually("the thread has left", || crew.stats().threads == 0);
    }
    assert_eq!(crew.stats().started, 10);
    let _busy = [occupy(&crew, Claim::Request).unwrap(), occupy(&crew, Claim::Request).unwrap()];
    assert!(matches!(crew.spawn_fresh(Claim::Request, job(|| ())), Err(Error::NoThread { bound: 2 })));
}

#[test]
fn an_idle_thread_makes_room_for_a_fresh_one() {
    let (crew, (tx, ran)) = (crew(1), unbounded());
    crew.spawn(Claim::Request, job(|| ())).unwrap();
    eventually("the thread is idle", || crew.stats().idle == 1);
    crew.spawn_fresh(Claim::Request, job(move || tx.send(()).unwrap())).unwrap();
    next(&ran);
    eventually("both have left", || crew.stats().threads == 0);
}
