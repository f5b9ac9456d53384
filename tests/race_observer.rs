//! An observer sees each attempt's start, end, reason and timing, and the end of the race; it can do no harm.

use crate::support::core::{Forwards, SOON, Seen, crew, next, occupy, schedule, soon, until_canceled};
use headstart::event::{AttemptBegan, AttemptEnd, AttemptEnded, RaceEnd, RaceEnded};
use headstart::{CancelReason, Claim, Observer, Race, Threads};
use std::sync::Arc;
use std::time::Duration;

fn it_sees_each_attempt_and_the_race(threads: Threads) {
    const HEDGE: Duration = Duration::from_millis(30);
    let (crew, (observer, seen)) = (crew(3), Forwards::new());
    let race = Race::new(&crew).threads(threads).schedule(schedule(&[0, 0, 30])).limit(soon()).observer(observer);
    let outcome = race.first(|attempt| match attempt.number() {
        0 => Err(Some(until_canceled(attempt))),
        1 => Err(None),
        _ => Ok(()),
    });
    let events: Vec<Seen> = (0..7).map(|_| next(&seen)).collect();
    assert!(seen.try_recv().is_err(), "more than three starts, three ends and the race's end");

    let began: Vec<AttemptBegan> =
        events.iter().filter_map(|event| if let Seen::Began(began) = event { Some(*began) } else { None }).collect();
    let mut ended: Vec<AttemptEnded> =
        events.iter().filter_map(|event| if let Seen::Ended(ended) = event { Some(*ended) } else { None }).collect();
    let races: Vec<RaceEnded> =
        events.iter().filter_map(|event| if let Seen::Race(race) = event { Some(*race) } else { None }).collect();

    let hedge = began.iter().find(|began| began.attempt == 2).expect("the hedge began");
    assert!(hedge.at >= HEDGE, "began too early, after {:?}", hedge.at);
    assert!(hedge.at < SOON);

    ended.sort_by_key(|ended| ended.attempt);
    let ends: Vec<_> = ended.iter().map(|ended| ended.end).collect();
    assert_eq!(ends, [AttemptEnd::Canceled(CancelReason::Superseded), AttemptEnd::Failed, AttemptEnd::Succeeded]);
    let loser = began.iter().find(|began| began.attempt == 0).expect("the primary began");
    assert!(loser.at + ended[0].elapsed >= HEDGE, "the loser ended before the winner began");

    let [race] = races[..] else { panic!("not one race: {races:?}") };
    assert_eq!((race.end, race.winner, race.begun), (RaceEnd::Won, Some(2), 3));
    assert_eq!(outcome.begun, 3);
    assert!(race.elapsed >= HEDGE);
    assert!(began.iter().all(|began| began.race == race.race) && ended.iter().all(|ended| ended.race == race.race));
}

#[test]
fn an_attempt_knows_the_race_by_the_number_that_the_observer_sees() {
    // Two threads: the first may not be back yet when the second race begins.
    let crew = crew(2);
    for _ in 0..2 {
        let (observer, seen) = Forwards::new();
        let race = Race::new(&crew).schedule(schedule(&[0])).limit(soon()).observer(observer);
        let outcome = race.first(|attempt| Ok::<_, ()>(attempt.race()));
        let Seen::Began(began) = next(&seen) else { panic!("no attempt began first") };
        assert_eq!(outcome.winner().unwrap().value, began.race);
    }
}

fn it_sees_what_got_no_thread(threads: Threads) {
    let (crew, (observer, seen)) = (crew(1), Forwards::new());
    let _busy = occupy(&crew, Claim::Request).unwrap();
    let race = Race::new(&crew).threads(threads).schedule(schedule(&[0])).limit(soon()).observer(observer);
    let outcome = race.first(|_| Ok::<_, ()>(()));
    assert_eq!((outcome.end, outcome.begun), (RaceEnd::Finished, 0));
    assert!(matches!(next(&seen), Seen::Ended(AttemptEnded { attempt: 0, end: AttemptEnd::Shed, .. })));
    assert!(matches!(next(&seen), Seen::Race(RaceEnded { begun: 0, winner: None, .. })));
}

struct Panics;

impl Observer for Panics {
    fn attempt_began(&self, _event: &AttemptBegan) {
        panic!("as it does");
    }

    fn attempt_ended(&self, _event: &AttemptEnded) {
        panic!("as it does");
    }

    fn race_ended(&self, _event: &RaceEnded) {
        panic!("as it does");
    }
}

fn one_that_panics_changes_nothing(threads: Threads) {
    let crew = crew(2);
    let race = Race::new(&crew).threads(threads).schedule(schedule(&[0, 0])).limit(soon()).observer(Arc::new(Panics));
    let outcome = race.all(|attempt| if attempt.number() == 0 { Err(()) } else { Ok(()) });
    assert_eq!(outcome.end, RaceEnd::Finished);
    assert_eq!((outcome.successes.len(), outcome.failures.len()), (1, 1));
}

on_all_threads! {
    it_sees_each_attempt_and_the_race,
    it_sees_what_got_no_thread,
    one_that_panics_changes_nothing
}
