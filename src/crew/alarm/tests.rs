//! What is due is called in order, not before its moment; what was taken back never; a panic costs nothing.

use crate::crew::{Crew, CrewSettings};
use crossbeam_channel::{Receiver, unbounded};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The bound of every wait for something that happens at once on a machine with time to spare.
const SOON: Duration = Duration::from_secs(20);
/// So far ahead that no test gets there.
const FAR: Duration = Duration::from_secs(100_000);
const MS: Duration = Duration::from_millis(1);

fn crew(max_threads: usize) -> Crew {
    Crew::new(CrewSettings::default().max_threads(max_threads)).unwrap()
}

fn next<T>(messages: &Receiver<T>) -> T {
    messages.recv_timeout(SOON).expect("a message in time")
}

#[test]
fn calls_are_made_in_the_order_of_their_moments_and_not_before() {
    let (crew, (tx, called)) = (crew(1), unbounded());
    let now = Instant::now();
    let guards: Vec<_> = [40, 10, 30, 20]
        .map(|after| {
            let (tx, at) = (tx.clone(), now + after * MS);
            crew.alarm().set(at, move || tx.send((after, at, Instant::now())).unwrap())
        })
        .into();
    for expected in [10, 20, 30, 40] {
        let (after, due, called_at) = next(&called);
        assert_eq!(after, expected);
        assert!(called_at >= due, "{:?} too early", due - called_at);
    }
    drop(guards);
}

#[test]
fn calls_of_the_same_moment_are_made_in_the_order_they_were_set() {
    let (crew, (tx, called)) = (crew(1), unbounded());
    let at = Instant::now() + 20 * MS;
    let guards = [1, 2, 3].map(|number| {
        let tx = tx.clone();
        crew.alarm().set(at, move || tx.send(number).unwrap())
    });
    assert_eq!([next(&called), next(&called), next(&called)], [1, 2, 3]);
    drop(guards);
}

#[test]
fn a_call_that_was_taken_back_is_never_made_and_lets_go_of_what_it_held() {
    let (crew, (tx, called), held) = (crew(1), unbounded(), Arc::new(()));
    let at = Instant::now() + 20 * MS;
    let taken_back = crew.alarm().set(at, {
        let (tx, held) = (tx.clone(), held.clone());
        move || tx.send(("taken back", held)).unwrap()
    });
    assert_eq!(Arc::strong_count(&held), 2);
    drop(taken_back);
    assert_eq!(Arc::strong_count(&held), 1);
    let _later = crew.alarm().set(at + MS, move || tx.send(("later", Arc::new(()))).unwrap());
    assert_eq!(next(&called).0, "later");
}

#[test]
fn what_is_due_first_is_called_although_the_thread_sleeps_for_something_later() {
    let (crew, (tx, called)) = (crew(1), unbounded());
    let _later = crew.alarm().set(Instant::now() + FAR, || panic!("not yet due"));
    let _past = crew.alarm().set(Instant::now(), move || tx.send(()).unwrap());
    next(&called);
}

#[test]
fn a_call_that_panics_costs_nothing_else() {
    let (crew, (tx, called)) = (crew(1), unbounded());
    let now = Instant::now();
    let _first = crew.alarm().set(now, || panic!("as it does"));
    let _second = crew.alarm().set(now + MS, move || tx.send(()).unwrap());
    next(&called);
}

#[test]
fn a_call_may_set_another() {
    let (crew, (tx, called)) = (crew(1), unbounded());
    let handle: Crew = crew.clone();
    let _first = crew.alarm().set(Instant::now(), move || {
        std::mem::forget(handle.alarm().set(Instant::now(), move || tx.send(()).unwrap()));
    });
    next(&called);
}

#[test]
fn what_is_scheduled_when_the_crew_goes_is_let_go() {
    let (crew, held) = (crew(1), Arc::new(()));
    let guard = crew.alarm().set(Instant::now() + FAR, {
        let held = held.clone();
        move || drop(held)
    });
    drop(crew);
    drop(guard);
    assert_eq!(Arc::strong_count(&held), 1, "somebody holds on to it");
}

#[test]
fn dropping_the_crew_waits_for_a_call_that_has_begun() {
    let (crew, (began_tx, began), (release, released)) = (crew(1), unbounded(), unbounded::<()>());
    let _call = crew.alarm().set(Instant::now(), move || {
        began_tx.send(()).unwrap();
        released.recv_timeout(SOON).unwrap();
    });
    next(&began);
    let (dropped_tx, dropped) = unbounded();
    let dropper = std::thread::Builder::new().spawn(move || {
        drop(crew);
        dropped_tx.send(()).unwrap();
    });
    let dropper = dropper.unwrap();
    assert!(dropped.recv_timeout(50 * MS).is_err(), "the crew is gone before its alarm's thread");
    release.send(()).unwrap();
    next(&dropped);
    dropper.join().unwrap();
}

#[test]
fn the_last_handle_of_a_crew_may_go_in_a_scheduled_call() {
    let (crew, (tx, called)) = (crew(1), unbounded());
    let last = crew.clone();
    let _call = crew.alarm().set(Instant::now() + 20 * MS, move || {
        drop(last);
        tx.send(()).unwrap();
    });
    drop(crew);
    next(&called);
}
