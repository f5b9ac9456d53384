//! Whatever the schedule, the outcomes and their order: a race ends as a model of a few lines says.
//!
//! Time is taken out of it: an attempt is due at once or never, its call returns when the script says so, and each
//! step of the script waits until the one before has arrived.

use crate::support::core as support;
use crate::support::core::{FAR, Forwards, crew, end_of, next};
use crossbeam_channel::{Receiver, Sender, unbounded};
use headstart::event::RaceEnd;
use headstart::race::Cause;
use headstart::{AfterFailure, Attempt, CancelReason, CancelToken, Crew, Outcome, Race, Schedule, Threads};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::thread;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Verdict {
    Succeed,
    Fail,
    Panic,
}

#[derive(Clone, Copy, Debug)]
enum Wanted {
    First,
    All,
}

#[derive(Clone, Debug)]
struct Setup {
    wanted: Wanted,
    after_failure: AfterFailure,
    threads: Threads,
    attempts: usize,
    /// How many of them are due at once; the others never by themselves.
    due: usize,
    /// Which of the attempts under way ends next, and how. When the list is over, the caller's token is canceled.
    ends: Vec<(prop::sample::Index, Verdict)>,
}

fn setups() -> impl Strategy<Value = Setup> {
    let verdict = prop_oneof![2 => Just(Verdict::Succeed), 4 => Just(Verdict::Fail), 1 => Just(Verdict::Panic)];
    let ends = prop::collection::vec((any::<prop::sample::Index>(), verdict), 0..8);
    let wanted = prop_oneof![Just(Wanted::First), Just(Wanted::All)];
    let after_failure = prop_oneof![Just(AfterFailure::Wait), Just(AfterFailure::Hedge)];
    let threads = prop_oneof![Just(Threads::Crew), Just(Threads::Fresh)];
    (wanted, after_failure, threads, 1..=6_usize, any::<prop::sample::Index>(), ends).prop_map(
        |(wanted, after_failure, threads, attempts, due, ends)| Setup {
            wanted,
            after_failure,
            threads,
            attempts,
            due: 1 + due.index(attempts),
            ends,
        },
    )
}

/// How the race ends, and what was arranged for it.
#[derive(Debug, PartialEq)]
struct Expected {
    end: RaceEnd,
    successes: Vec<usize>,
    failures: Vec<(usize, Verdict)>,
    begun: usize,
}

/// One step: when so many attempts have begun, this one ends.
struct Step {
    begun: usize,
    attempt: usize,
    verdict: Verdict,
}

/// The model, and the script that leads there.
fn expected(setup: &Setup) -> (Vec<Step>, Expected) {
    let mut running: BTreeSet<usize> = (0..setup.due).collect();
    let (mut script, mut successes, mut failures, mut begun) = (Vec::new(), Vec::new(), Vec::new(), setup.due);
    let mut end = RaceEnd::Canceled(CancelReason::ClientGone);
    for (index, verdict) in &setup.ends {
        if running.is_empty() {
            break; // what is left is never due, so only the token ends the race
        }
        let attempt = *running.iter().nth(index.index(running.len())).unwrap();
        running.remove(&attempt);
        script.push(Step { begun, attempt, verdict: *verdict });
        if *verdict == Verdict::Succeed {
            successes.push(attempt);
        } else {
            failures.push((attempt, *verdict));
            if setup.after_failure == AfterFailure::Hedge && begun < setup.attempts {
                running.insert(begun);
                begun += 1;
            }
        }
        if matches!(setup.wanted, Wanted::First) && !successes.is_empty() {
            end = RaceEnd::Won;
            break;
        }
        if script.len() == setup.attempts {
            end = RaceEnd::Finished;
            break;
        }
    }
    (script, Expected { end, successes, failures, begun })
}

/// Where an attempt's call waits to be told how it ends, or that it is no longer needed.
type Orders = (Sender<Option<Verdict>>, Receiver<Option<Verdict>>);

/// What an attempt's call does: it says that it is there, and does as it is told.
fn obey(attempt: &Attempt, there: &Sender<usize>, orders: &[Orders]) -> Result<usize, ()> {
    let (order, orders) = &orders[attempt.number()];
    let order = order.clone();
    let _cleanup = attempt.token().on_cancel(move |_| order.send(None).unwrap());
    there.send(attempt.number()).unwrap();
    match next(orders) {
        Some(Verdict::Succeed) => Ok(attempt.number()),
        Some(Verdict::Panic) => panic!("as it was told"),
        Some(Verdict::Fail) | None => Err(()),
    }
}

fn run(crew: &Crew, setup: &Setup, script: &[Step], expected: &Expected) -> Outcome<usize, ()> {
    let offsets: Vec<Duration> =
        (0..setup.attempts).map(|number| if number < setup.due { Duration::ZERO } else { FAR }).collect();
    let (observer, seen) = Forwards::new();
    let token = CancelToken::new();
    let race = Race::new(crew)
        .schedule(Schedule::new(&offsets).unwrap())
        .after_failure(setup.after_failure)
        .threads(setup.threads)
        .limit(&token)
        .observer(observer);
    let orders: Vec<_> = (0..setup.attempts).map(|_| unbounded()).collect();
    let (there_tx, there) = unbounded();
    let call = {
        let orders = orders.clone();
        move |attempt: &Attempt| obey(attempt, &there_tx, &orders)
    };
    let wanted = setup.wanted;
    let racer = thread::spawn(move || match wanted {
        Wanted::First => race.first(call),
        Wanted::All => race.all(call),
    });
    let mut present = 0;
    let mut until_present = |begun| {
        while present < begun {
            next(&there);
            present += 1;
        }
    };
    for step in script {
        until_present(step.begun);
        orders[step.attempt].0.send(Some(step.verdict)).unwrap();
        end_of(step.attempt, &seen);
    }
    until_present(expected.begun);
    token.cancel(CancelReason::ClientGone);
    racer.join().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_race_ends_as_the_model_says(setup in setups()) {
        let (script, expected) = expected(&setup);
        let crew = crew(16);
        let outcome = run(&crew, &setup, &script, &expected);
        let verdict = |cause: &Cause<()>| match cause {
            Cause::Error(()) => Verdict::Fail,
            Cause::Panicked(_) => Verdict::Panic,
            other => panic!("nothing is shed here: {other:?}"),
        };
        let came = Expected {
            end: outcome.end,
            successes: outcome.successes.iter().map(|success| success.attempt).collect(),
            failures: outcome.failures.iter().map(|failure| (failure.attempt, verdict(&failure.cause))).collect(),
            begun: outcome.begun,
        };
        prop_assert_eq!(came, expected);
        prop_assert_eq!(crew.shutdown(support::SOON), 0);
    }
}
