//! One who decides about hedges as a test says.

use super::core::{SOON, next};
use crossbeam_channel::{Receiver, Sender, unbounded};
use headstart::Crew;
use headstart::event::{AttemptEnded, HedgeSkipped, Observer, RaceEnded, SkipReason};
use headstart::race::{Due, Hedging, Pace, Verdict};
use std::sync::Arc;
use std::time::Duration;

pub(crate) const REASON: SkipReason = SkipReason::Budget;

pub(crate) fn later(after: Duration) -> Verdict {
    Verdict::Later { reason: REASON, after }
}

/// What a [`Script`] was told or asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Heard {
    Asked(Due),
    Skipped(usize, SkipReason),
    Ended(usize),
    RaceEnded,
}

pub(crate) type Ask = Box<dyn Fn(&Due) -> Verdict + Send + Sync>;
pub(crate) type Stop = Box<dyn Fn() -> Option<SkipReason> + Send + Sync>;

/// Decides as a test says, and tells what it hears.
pub(crate) struct Script {
    pace: Pace,
    ask: Ask,
    stop: Stop,
    heard: Sender<Heard>,
}

impl Script {
    pub(crate) fn new(
        pace: Pace,
        ask: impl Fn(&Due) -> Verdict + Send + Sync + 'static,
    ) -> (Arc<Script>, Receiver<Heard>) {
        Script::stopping(pace, ask, || None)
    }

    pub(crate) fn stopping(
        pace: Pace,
        ask: impl Fn(&Due) -> Verdict + Send + Sync + 'static,
        stop: impl Fn() -> Option<SkipReason> + Send + Sync + 'static,
    ) -> (Arc<Script>, Receiver<Heard>) {
        let (heard, hears) = unbounded();
        (Arc::new(Script { pace, ask: Box::new(ask), stop: Box::new(stop), heard }), hears)
    }
}

impl Observer for Script {
    fn attempt_ended(&self, event: &AttemptEnded) {
        let _ = self.heard.send(Heard::Ended(event.attempt));
    }

    fn hedge_skipped(&self, event: &HedgeSkipped) {
        let _ = self.heard.send(Heard::Skipped(event.attempt, event.reason));
    }

    fn race_ended(&self, _event: &RaceEnded) {
        let _ = self.heard.send(Heard::RaceEnded);
    }
}

impl Hedging for Script {
    fn pace(&self) -> Pace {
        self.pace
    }

    fn ask(&self, due: &Due) -> Verdict {
        let _ = self.heard.send(Heard::Asked(*due));
        (self.ask)(due)
    }

    fn stop(&self) -> Option<SkipReason> {
        (self.stop)()
    }
}

/// The hedges that were asked about, in order.
pub(crate) fn asked(heard: &[Heard]) -> Vec<usize> {
    heard.iter().filter_map(|heard| if let Heard::Asked(due) = heard { Some(due.attempt) } else { None }).collect()
}

/// The hedges that were skipped, by number.
pub(crate) fn skipped(heard: &[Heard]) -> Vec<(usize, SkipReason)> {
    let skip =
        |heard: &Heard| if let Heard::Skipped(attempt, reason) = heard { Some((*attempt, *reason)) } else { None };
    let mut skipped: Vec<_> = heard.iter().filter_map(skip).collect();
    skipped.sort_by_key(|(attempt, _)| *attempt);
    skipped
}

/// All that is heard of a race whose threads have come back.
pub(crate) fn all(crew: &Crew, hears: &Receiver<Heard>) -> Vec<Heard> {
    assert_eq!(crew.shutdown(SOON), 0, "threads that do not come back");
    hears.try_iter().collect()
}

/// Waits until so many hedges were skipped.
pub(crate) fn wait_for_skips(count: usize, hears: &Receiver<Heard>) {
    let mut skips = 0;
    while skips < count {
        skips += usize::from(matches!(next(hears), Heard::Skipped(..)));
    }
}
