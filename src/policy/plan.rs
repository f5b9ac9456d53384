//! A policy's part in one race: where its primary goes, and what was learnt in its course.

use super::place::Place;
use super::shared::{LONGEST_PUSHBACK, Shared};
use super::visit::Visit;
use crate::event::{AttemptBegan, AttemptEnd, AttemptEnded, HedgeSkipped, Observer, RaceEnded, SkipReason};
use crate::race::{Attempt, Due, Hedging, Pace, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// A [`Policy`](super::Policy)'s part in one race over several places. The race asks it
/// ([`Race::hedging`](crate::Race::hedging)), and each attempt says by a [`Visit`] where it goes and what came of it.
///
/// ```
/// use headstart::policy::{Policy, PolicySettings, Delay};
/// use headstart::{Crew, CrewSettings, Race};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// let crew = Crew::new(CrewSettings::default())?;
/// let policy = Policy::new(PolicySettings::new(Delay::After(Duration::from_millis(20))));
/// let replicas = Arc::new([policy.place("replica 1"), policy.place("replica 2")]);
///
/// let first = policy.choose(replicas.iter().map(|place| &**place));
/// let plan = Arc::new(policy.plan(replicas[first].clone()));
/// let outcome = Race::new(&crew).hedging(plan.clone()).first(move |attempt| {
///     let at = if attempt.number() == 0 { first } else { 1 - first };
///     let visit = plan.visit(&replicas[at], attempt);
///     let answer = Ok::<_, ()>(at); // the call
///     visit.succeeded();
///     answer
/// });
/// assert_eq!(outcome.winner().unwrap().value, first);
/// # Ok::<(), headstart::Error>(())
/// ```
pub struct Plan {
    shared: Arc<Shared>,
    primary: Arc<Place>,
    is_chained: bool,
    is_measured: bool,
    has_primary_failed: AtomicBool,
    is_pushed_back: AtomicBool,
    /// When the first hedge began, in microseconds of the race; 0 before.
    hedged_at: AtomicU64,
}

impl Plan {
    pub(super) fn new(shared: Arc<Shared>, primary: Arc<Place>) -> Plan {
        Plan {
            shared,
            primary,
            is_chained: false,
            is_measured: true,
            has_primary_failed: AtomicBool::new(false),
            is_pushed_back: AtomicBool::new(false),
            hedged_at: AtomicU64::new(0),
        }
    }

    /// Says whether what is raced is itself a hedge of somebody who asked: such is not hedged again. Defaults to no.
    pub fn chained(mut self, is_chained: bool) -> Plan {
        self.is_chained = is_chained;
        self
    }

    /// Says whether the times of its attempts say something about those of others. Uploads, whose time is their
    /// client's, do not. Defaults to yes.
    pub fn measured(mut self, is_measured: bool) -> Plan {
        self.is_measured = is_measured;
        self
    }

    /// `attempt` goes to `place` now.
    pub fn visit(&self, place: &Arc<Place>, attempt: &Attempt) -> Visit {
        Visit::new(self.shared.clone(), place.clone(), attempt.number(), self.is_measured)
    }

    /// When the race's first hedge began, since the race did.
    pub fn hedged_at(&self) -> Option<Duration> {
        let micros = self.hedged_at.load(Ordering::Relaxed);
        (micros > 0).then(|| Duration::from_micros(micros))
    }

    /// An answer from `place` asks to be left alone for `length` (`Retry-After` on 429 and 503): the race's further
    /// attempts are of no use, and hedges stay away from there, for a minute at most.
    pub fn push_back(&self, place: &Place, length: Duration) {
        place.leave_alone(length.min(LONGEST_PUSHBACK));
        self.is_pushed_back.store(true, Ordering::Relaxed);
    }
}

impl Observer for Plan {
    fn attempt_began(&self, event: &AttemptBegan) {
        self.shared.attempt_began(event.attempt);
        if event.attempt > 0 && self.hedged_at.load(Ordering::Relaxed) == 0 {
            self.hedged_at.store((event.at.as_micros() as u64).max(1), Ordering::Relaxed);
        }
    }

    fn attempt_ended(&self, event: &AttemptEnded) {
        if event.attempt == 0 && matches!(event.end, AttemptEnd::Failed | AttemptEnd::Panicked | AttemptEnd::Shed) {
            self.has_primary_failed.store(true, Ordering::Relaxed);
        }
        self.shared.ledger.attempt_ended(event);
    }

    fn hedge_skipped(&self, event: &HedgeSkipped) {
        self.shared.ledger.skipped(event.reason);
    }

    fn race_ended(&self, event: &RaceEnded) {
        let was_hedge = event.winner.is_some_and(|winner| winner > 0);
        self.shared.race_ended(event);
        // One that had failed would not have come later, but never.
        if was_hedge && !self.has_primary_failed.load(Ordering::Relaxed) {
            self.shared.ledger.saved(self.primary.curve().mean_beyond(event.elapsed));
        }
    }
}

impl Hedging for Plan {
    fn pace(&self) -> Pace {
        self.shared.pace(&self.primary)
    }

    fn ask(&self, due: &Due) -> Verdict {
        self.refusal().map_or_else(|| self.shared.ask(due), Verdict::Never)
    }

    fn stop(&self) -> Option<SkipReason> {
        self.refusal().or_else(|| self.shared.stop())
    }
}

impl Plan {
    /// Why no hedge of this race is sent, whenever it is due.
    fn refusal(&self) -> Option<SkipReason> {
        let refusal = match self.is_pushed_back.load(Ordering::Relaxed) {
            true => Some(SkipReason::Pushback),
            false => self.is_chained.then_some(SkipReason::Chain),
        };
        refusal.filter(|_| self.shared.is_limited())
    }
}
