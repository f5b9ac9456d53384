//! Whatever is said about its hedges, a race ends as a model of one thread says.

use crate::support::core::{FAR, crew, next, soon};
use crate::support::hedging::{Heard, REASON, Script, all, later, skipped};
use crossbeam_channel::{Receiver, Sender, unbounded};
use headstart::event::{RaceEnd, SkipReason};
use headstart::race::{Pace, Primary, Verdict};
use headstart::{AfterFailure, Attempt, CancelReason, CancelToken, Crew, Outcome, Race, Schedule, Threads, TimeLimit};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// What is said about a hedge each time it is asked about.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Say {
    Begin,
    Later,
    Never,
}

/// A race without time in it: an attempt is due at once or never, what is held back is held back for ever.
#[derive(Clone, Debug)]
struct Setup {
    is_for_all: bool,
    after_failure: AfterFailure,
    threads: Threads,
    attempts: usize,
    /// How many of them are due at once.
    due: usize,
    /// For each attempt; the last one for each further time.
    says: Vec<[Say; 3]>,
    /// From which failure on nothing is to begin any more.
    stops_at: usize,
    /// Which of the attempts under way ends next, and whether it succeeds. When the list is over, the caller's token is
    /// canceled.
    ends: Vec<(prop::sample::Index, bool)>,
}

fn setups() -> impl Strategy<Value = Setup> {
    let say = || prop_oneof![3 => Just(Say::Begin), 2 => Just(Say::Later), 1 => Just(Say::Never)];
    let ends = prop::collection::vec((any::<prop::sample::Index>(), prop::bool::weighted(0.25)), 0..8);
    let after_failure = prop_oneof![Just(AfterFailure::Wait), Just(AfterFailure::Hedge)];
    let threads = prop_oneof![2 => Just(Threads::Crew), 1 => Just(Threads::Fresh)];
    let says = prop::collection::vec([say(), say(), say()], 6);
    let stops_at = prop_oneof![2 => Just(usize::MAX), 1 => 0..4_usize];
    let due = any::<prop::sample::Index>();
    (any::<bool>(), after_failure, threads, (1..=6_usize, due), says, stops_at, ends).prop_map(
        |(is_for_all, after_failure, threads, (attempts, due), says, stops_at, ends)| {
            // On fresh threads hedges are refused while attempts end, so what is left out with them is not determined.
            let due = if threads == Threads::Fresh { attempts } else { 1 + due.index(attempts) };
            Setup { is_for_all, after_failure, threads, attempts, due, says, stops_at, ends }
        },
    )
}

/// How the race ends, and what was arranged for it.
#[derive(Debug, PartialEq)]
struct Expected {
    end: RaceEnd,
    successes: Vec<usize>,
    failures: Vec<usize>,
    begun: usize,
    skipped: Vec<(usize, SkipReason)>,
}

/// One step: when so many attempts have begun and so many hedges were skipped, this attempt ends.
struct Step {
    begun: usize,
    skipped: usize,
    attempt: usize,
    succeeds: bool,
}

/// The race as one thread would run it.
struct Model<'a> {
    setup: &'a Setup,
    next: usize,
    held: Option<usize>,
    running: BTreeSet<usize>,
    asks: [usize; 6],
    left_out: usize,
    came: Expected,
}

impl Model<'_> {
    fn begin_due(&mut self) {
        while self.held.is_none() && self.next < self.setup.due {
            self.next += 1;
            self.consider(self.next - 1);
        }
    }

    fn begin(&mut self, attempt: usize) {
        self.running.insert(attempt);
        self.came.begun += 1;
    }

    fn consider(&mut self, hedge: usize) {
        let say = self.setup.says[hedge][self.asks[hedge].min(2)];
        self.asks[hedge] += 1;
        match say {
            Say::Begin => self.begin(hedge),
            Say::Later if !self.running.is_empty() && self.setup.threads == Threads::Crew => self.held = Some(hedge),
            Say::Later | Say::Never => {
                self.skip(hedge, REASON);
                self.left_out += 1;
                if self.running.is_empty() {
                    self.leave_out_rest(None);
                }
            }
        }
    }

    fn skip(&mut self, hedge: usize, reason: SkipReason) {
        self.came.skipped.push((hedge, reason));
    }

    fn leave_out_rest(&mut self, reason: Option<SkipReason>) {
        match (self.held.take(), reason) {
            (Some(held), _) => {
                self.skip(held, REASON);
                self.left_out += 1;
            }
            (None, Some(reason)) if self.next < self.setup.attempts => self.skip(self.next, reason),
            _ => {}
        }
        self.left_out += self.setup.attempts - self.next;
        self.next = self.setup.attempts;
    }

    fn fails(&mut self, attempt: usize) {
        self.came.failures.push(attempt);
        if self.came.failures.len() > self.setup.stops_at {
            return self.leave_out_rest(Some(SkipReason::Pushback));
        }
        let hurried = match self.held.take() {
            Some(held) if self.running.is_empty() || self.setup.after_failure == AfterFailure::Hedge => Some(held),
            None if self.next < self.setup.attempts && self.setup.after_failure == AfterFailure::Hedge => {
                self.next += 1;
                Some(self.next - 1)
            }
            held => {
                self.held = held;
                None
            }
        };
        self.early(hurried);
    }

    fn early(&mut self, hurried: Option<usize>) {
        if let Some(hurried) = hurried {
            self.consider(hurried);
            self.begin_due();
        }
    }

    fn is_over(&mut self) -> bool {
        let came = &mut self.came;
        if !self.setup.is_for_all && !came.successes.is_empty() {
            came.end = RaceEnd::Won;
        } else if came.successes.len() + came.failures.len() + self.left_out == self.setup.attempts {
            came.end = RaceEnd::Finished;
        }
        came.end != RaceEnd::Canceled(CancelReason::ClientGone)
    }
}

/// What the model says, and the script that leads there.
fn expected(setup: &Setup) -> (Vec<Step>, Expected) {
    let came = Expected {
        end: RaceEnd::Canceled(CancelReason::ClientGone),
        successes: Vec::new(),
        failures: Vec::new(),
        begun: 0,
        skipped: Vec::new(),
    };
    let mut model = Model { setup, next: 1, held: None, running: BTreeSet::new(), asks: [0; 6], left_out: 0, came };
    let mut script = Vec::new();
    model.begin(0);
    model.begin_due();
    for (index, succeeds) in &setup.ends {
        if model.running.is_empty() || model.is_over() {
            break; // nothing runs and nothing is due, so only the token ends the race
        }
        let attempt = *model.running.iter().nth(index.index(model.running.len())).unwrap();
        model.running.remove(&attempt);
        let (begun, skipped) = (model.came.begun, model.came.skipped.len());
        script.push(Step { begun, skipped, attempt, succeeds: *succeeds });
        if *succeeds {
            model.came.successes.push(attempt);
            let held = model.held.filter(|_| setup.is_for_all && model.running.is_empty());
            if held.is_some() {
                model.held = None;
                model.early(held);
            }
        } else {
            model.fails(attempt);
        }
    }
    model.is_over();
    let mut came = model.came;
    came.skipped.extend(model.held.map(|held| (held, REASON)));
    came.skipped.sort_by_key(|(attempt, _)| *attempt);
    (script, came)
}

/// Where an attempt's call waits to be told whether it succeeds, or that it is no longer needed.
type Orders = (Sender<Option<bool>>, Receiver<Option<bool>>);

/// What an attempt's call does: it says that it is there, and does as it is told.
fn obey(attempt: &Attempt, there: &Sender<()>, (order, orders): &Orders) -> Result<usize, ()> {
    let order = order.clone();
    let _cleanup = attempt.token().on_cancel(move |_| order.send(None).unwrap());
    there.send(()).unwrap();
    if next(orders) == Some(true) { Ok(attempt.number()) } else { Err(()) }
}

/// Runs the script, and returns what came with what was heard of it.
fn run(crew: &Crew, setup: &Setup, script: &[Step], expected: &Expected) -> (Outcome<usize, ()>, Vec<Heard>) {
    let (says, asks, stops, stops_at) =
        (setup.says.clone(), [const { AtomicUsize::new(0) }; 6], AtomicUsize::new(0), setup.stops_at);
    let (hedging, hears) = Script::stopping(
        Pace::AsScheduled,
        move |due| match says[due.attempt][asks[due.attempt].fetch_add(1, Ordering::SeqCst).min(2)] {
            Say::Begin => Verdict::Begin(None),
            Say::Later => later(FAR),
            Say::Never => Verdict::Never(REASON),
        },
        move || (stops.fetch_add(1, Ordering::SeqCst) >= stops_at).then_some(SkipReason::Pushback),
    );
    let offsets: Vec<Duration> =
        (0..setup.attempts).map(|number| if number < setup.due { Duration::ZERO } else { FAR }).collect();
    let token = CancelToken::new();
    let race = Race::new(crew)
        .schedule(Schedule::new(&offsets).unwrap())
        .after_failure(setup.after_failure)
        .threads(setup.threads)
        // The primary, which the script waits for, begins when all that is due at once has been asked about.
        .primary(Primary::OnCaller)
        .limit(TimeLimit::new(soon(), &token))
        .hedging(hedging);
    let orders: Vec<_> = (0..setup.attempts).map(|_| unbounded()).collect();
    let (there_tx, there) = unbounded();
    let call = {
        let orders = orders.clone();
        move |attempt: &Attempt| obey(attempt, &there_tx, &orders[attempt.number()])
    };
    let is_for_all = setup.is_for_all;
    let racer = thread::spawn(move || if is_for_all { race.all(call) } else { race.first(call) });
    let (mut present, mut heard) = (0, Vec::new());
    let mut until = |begun, is_heard: &dyn Fn(&[Heard]) -> bool| {
        while present < begun {
            next(&there);
            present += 1;
        }
        while !is_heard(&heard) {
            heard.push(next(&hears));
        }
    };
    for step in script {
        until(step.begun, &|heard| skipped(heard).len() >= step.skipped);
        orders[step.attempt].0.send(Some(step.succeeds)).unwrap();
        until(0, &|heard| heard.contains(&Heard::Ended(step.attempt)));
    }
    // What is held back to the end is told of then.
    let at_end = usize::from(expected.end != RaceEnd::Finished && setup.threads == Threads::Crew);
    until(expected.begun, &|heard| skipped(heard).len() + at_end >= expected.skipped.len());
    if expected.end == RaceEnd::Canceled(CancelReason::ClientGone) {
        token.cancel(CancelReason::ClientGone);
    }
    let outcome = racer.join().unwrap();
    heard.extend(all(crew, &hears));
    (outcome, heard)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_said_a_race_ends_as_the_model_says(setup in setups()) {
        let (script, expected) = expected(&setup);
        let crew = crew(16);
        let (outcome, heard) = run(&crew, &setup, &script, &expected);
        let came = Expected {
            end: outcome.end,
            successes: outcome.successes.iter().map(|success| success.attempt).collect(),
            failures: outcome.failures.iter().map(|failure| failure.attempt).collect(),
            begun: outcome.begun,
            skipped: skipped(&heard),
        };
        prop_assert_eq!(came, expected);
    }
}
