//! When threads run short, hedges go first and requests last, and every race is answered.

use crate::support::core::{
    Forwards, SOON, crew, crew_keeping, end_of, eventually, occupy, schedule, soon, until_canceled,
};
use headstart::event::{AttemptEnd, RaceEnd};
use headstart::race::Cause;
use headstart::{Claim, Crew, CrewSettings, Error, Outcome, Race, Threads};
use std::thread;
use std::time::Duration;

fn is_shed<T, E>(outcome: &Outcome<T, E>, attempt: usize) -> bool {
    outcome
        .failures
        .iter()
        .any(|failure| failure.attempt == attempt && matches!(failure.cause, Cause::Shed(Error::NoThread { .. })))
}

fn hedges_without_a_thread_are_failures_and_the_primary_answers(threads: Threads) {
    let (crew, (observer, seen)) = (crew(1), Forwards::new());
    let race = Race::new(&crew).threads(threads).schedule(schedule(&[0, 0, 0])).limit(soon()).observer(observer);
    let outcome = race.all(move |attempt| {
        // Holds the only thread until the hedges have been refused theirs.
        assert_eq!([1, 2].map(|hedge| end_of(hedge, &seen).end), [AttemptEnd::Shed; 2]);
        Ok::<_, ()>(attempt.number())
    });
    assert_eq!(outcome.end, RaceEnd::Finished);
    assert_eq!((outcome.winner().unwrap().attempt, outcome.begun), (0, 1));
    assert!(is_shed(&outcome, 1) && is_shed(&outcome, 2));
    assert_eq!(crew.stats().refused_hedges, 2);
}

fn a_hedge_finds_no_thread_where_a_request_still_does(threads: Threads) {
    let crew = crew_keeping(4, 2);
    let _busy = [occupy(&crew, Claim::Request).unwrap(), occupy(&crew, Claim::Request).unwrap()];
    let race = Race::new(&crew).threads(threads).schedule(schedule(&[0, 0])).limit(soon());
    let outcome = race.all(|attempt| Ok::<_, ()>(attempt.number()));
    assert_eq!(outcome.winner().unwrap().attempt, 0);
    assert!(is_shed(&outcome, 1));
    let stats = crew.stats();
    assert_eq!((stats.refused_hedges, stats.refused_requests), (1, 0));
}

fn a_full_crew_refuses_the_whole_race_at_once(threads: Threads) {
    let crew = crew(1);
    let busy = occupy(&crew, Claim::Request).unwrap();
    let race = Race::new(&crew).threads(threads).schedule(schedule(&[0, 0, 0]));
    let outcome = race.clone().first(|attempt| Ok::<_, ()>(attempt.number()));
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Finished, 0));
    assert!((0..3).all(|attempt| is_shed(&outcome, attempt)));

    drop(busy);
    eventually("the thread is idle", || crew.stats().idle == 1);
    assert_eq!(race.first(|attempt| Ok::<_, ()>(attempt.number())).winner().unwrap().attempt, 0);
}

fn threads_the_system_refuses_end_the_race_and_not_the_process(threads: Threads) {
    // No address space holds such a stack.
    let crew = Crew::new(CrewSettings::default().stack_size(1 << 50)).unwrap();
    let outcome =
        Race::new(&crew).threads(threads).schedule(schedule(&[0, 0, 10])).limit(soon()).first(|_| Ok::<_, ()>(()));
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Finished, 0));
    let refused = |cause: &Cause<()>| matches!(cause, Cause::Shed(Error::ThreadStart(_)));
    assert!(outcome.failures.len() == 3 && outcome.failures.iter().all(|failure| refused(&failure.cause)));
}

fn a_hedge_due_later_finds_the_thread_that_came_free(threads: Threads) {
    let crew = crew(1);
    let race = Race::new(&crew).threads(threads).schedule(schedule(&[0, 300])).limit(soon());
    let outcome = race.first(|attempt| if attempt.number() == 0 { Err(()) } else { Ok(()) });
    assert_eq!(outcome.winner().unwrap().attempt, 1);
}

fn many_races_on_few_threads_are_all_answered(threads: Threads) {
    const RACES: usize = 64;
    let crew = crew_keeping(12, 6);
    let racers: Vec<_> = (0..RACES)
        .map(|number| {
            let race = Race::new(&crew).threads(threads).schedule(schedule(&[0, 1, 2])).limit(soon());
            thread::spawn(move || {
                race.first(move |attempt| match (number + attempt.number()) % 3 {
                    0 => Ok(number),
                    1 => Err(()),
                    _ if attempt.number() == 2 => Err(()),
                    _ => {
                        attempt.token().wait(headstart::Deadline::after(Duration::from_millis(20)));
                        Err(())
                    }
                })
            })
        })
        .collect();
    for (number, racer) in racers.into_iter().enumerate() {
        let outcome = racer.join().unwrap();
        match outcome.end {
            RaceEnd::Won => assert_eq!(outcome.winner().unwrap().value, number),
            RaceEnd::Finished => assert_eq!(outcome.failures.len(), 3),
            other => panic!("race {number} was not answered: {other:?}"),
        }
    }
    assert!(crew.stats().peak <= 12);
    assert_eq!(crew.shutdown(SOON), 0);
}

fn a_crew_that_shuts_down_while_a_race_runs_lets_it_end(threads: Threads) {
    let crew = crew(4);
    let race = Race::new(&crew).threads(threads).schedule(schedule(&[0, 30])).limit(soon());
    let racer = thread::spawn({
        let race = race.clone();
        move || {
            race.first(|attempt| {
                let patience = headstart::Deadline::after(Duration::from_millis(100));
                attempt.token().wait(patience).map_or(Ok("the primary"), Err)
            })
        }
    });
    eventually("the primary has begun", || crew.stats().threads >= 1);
    assert_eq!(crew.shutdown(SOON), 0);
    let outcome = racer.join().unwrap();
    assert_eq!(outcome.winner().unwrap().value, "the primary");
    assert!(outcome.failures.iter().all(|failure| matches!(failure.cause, Cause::Shed(Error::Canceled(_)))));

    let refused: Outcome<(), _> = race.first(|attempt| Err(until_canceled(attempt)));
    assert_eq!((refused.end, refused.begun), (RaceEnd::Finished, 0));
}

on_all_threads! {
    hedges_without_a_thread_are_failures_and_the_primary_answers,
    a_hedge_finds_no_thread_where_a_request_still_does,
    a_full_crew_refuses_the_whole_race_at_once,
    threads_the_system_refuses_end_the_race_and_not_the_process,
    many_races_on_few_threads_are_all_answered,
    a_crew_that_shuts_down_while_a_race_runs_lets_it_end;
    crew_only:
    a_hedge_due_later_finds_the_thread_that_came_free = "fresh asks for the hedge's thread at the beginning",
}
