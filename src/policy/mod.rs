//! When to hedge, and where to.
//!
//! The problem: a fixed delay is right for one service and wrong for all others, and nothing bounds what hedging costs:
//! when upstreams get slower, it doubles their load just then. The answer: a [`Policy`] learns from every attempt how
//! long attempts take, answers before each hedge whether it may be sent now, and says which place an attempt goes to.
//!
//! - *When*: after a fixed time, a quantile of the times seen, or as early as the budget allows ([`Delay`]). The times
//!   are those of single attempts, per place; one that was ended is taken for what it is ([`Curve`]).
//! - *Whether*: within a budget of hedges per primary over the last 10 s, of which less is used where hedges win
//!   nothing, and so many at a time; not while upstreams fail (gRPC proposal A6), not when an upstream has asked to be
//!   left alone, not as a hedge of a hedge, not when it could not end in time. Each hedge that was due and not sent has
//!   a [`SkipReason`].
//! - *Where to*: the better of two random places ([`Policy::choose`]). Places that fail are ejected for a while.
//!
//! A refused hedge never delays, ends or fails its race.
//!
//! What this does not do: know what an attempt calls. The HTTP client gives it an address for a place; who races
//! closures may give it databases, or nothing.

mod budget;
mod choice;
mod curve;
mod figures;
mod ledger;
mod pace;
mod place;
mod plan;
mod record;
mod settings;
mod shared;
#[cfg(test)]
mod simulated;
mod throttle;
mod visit;
mod worth;

pub use curve::{Curve, Observed};
pub use figures::{Figures, PlaceFigures};
pub use place::{Place, PlaceState};
pub use plan::Plan;
pub use settings::{Bounds, Delay, PolicySettings};
pub use visit::Visit;

use crate::event::{AttemptBegan, AttemptEnd, AttemptEnded, HedgeSkipped, Observer, RaceEnded, SkipReason};
use crate::race::{Due, Hedging, Pace, Verdict};
use choice::For;
use shared::Shared;
use std::fmt;
use std::sync::Arc;

/// Decides when races hedge, and where their attempts go. Clones are handles to the same policy: one for all races of
/// the same kind, for it learns from them.
///
/// Given to a [`Race`](crate::Race) itself, it knows one place. For several, make a [`Plan`] for each race.
///
/// ```
/// use headstart::policy::{Bounds, Delay, Policy, PolicySettings};
/// use headstart::{Crew, CrewSettings, Race};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// let crew = Crew::new(CrewSettings::default())?;
/// // One hedge, when an attempt takes longer than 95 % of those of the last 30 s; for at most 5 % of all races.
/// let policy = Policy::new(PolicySettings::new(Delay::quantile(0.95, Bounds::default())?).budget(0.05)?);
/// let race = Race::new(&crew).hedging(Arc::new(policy.clone())).limit(Duration::from_secs(5));
/// for _ in 0..10 {
///     let outcome = race.clone().first(|_| Ok::<_, ()>("an answer"));
///     assert_eq!(outcome.winner().unwrap().value, "an answer");
/// }
/// assert_eq!(policy.figures().primaries_sent, 10);
/// # Ok::<(), headstart::Error>(())
/// ```
#[derive(Clone)]
pub struct Policy {
    shared: Arc<Shared>,
}

impl Policy {
    /// A policy that knows nothing yet.
    pub fn new(settings: PolicySettings) -> Policy {
        Policy { shared: Arc::new(Shared::new(settings)) }
    }

    /// Takes other settings, for races that begin from now on. What was learnt stays.
    pub fn change(&self, settings: PolicySettings) {
        self.shared.change(settings);
    }

    /// The settings that hold now.
    pub fn settings(&self) -> Arc<PolicySettings> {
        self.shared.settings()
    }

    /// A new place that attempts can go to. It is known to the policy until it is [removed](Policy::remove).
    pub fn place(&self, label: impl Into<Arc<str>>) -> Arc<Place> {
        self.shared.add(label.into())
    }

    /// Forgets a place: no attempt will go there any more.
    pub fn remove(&self, place: &Arc<Place>) {
        self.shared.remove(place);
    }

    /// The place for the primary of a race, by its index in `places`.
    ///
    /// # Panics
    ///
    /// When there are none.
    pub fn choose<'a, I>(&self, places: I) -> usize
    where
        I: IntoIterator<Item = &'a Place, IntoIter: ExactSizeIterator + Clone>,
    {
        let places = places.into_iter();
        assert!(places.len() > 0, "there is no place to choose from");
        choice::choose(places, |_| false, For::Primary)
    }

    /// The place for a further attempt of a race, by its index in `places`: not one for which `taken` says so, if there
    /// is another.
    ///
    /// # Panics
    ///
    /// When there are none.
    pub fn choose_other<'a, I>(&self, places: I, taken: impl Fn(usize) -> bool) -> usize
    where
        I: IntoIterator<Item = &'a Place, IntoIter: ExactSizeIterator + Clone>,
    {
        let places = places.into_iter();
        assert!(places.len() > 0, "there is no place to choose from");
        choice::choose(places, taken, For::Hedge)
    }

    /// The place for a primary that could not be sent to those for which `tried` says so.
    #[allow(dead_code)] // not in every set of features is there one who tries several
    pub(crate) fn choose_again<'a, I>(&self, places: I, tried: impl Fn(usize) -> bool) -> usize
    where
        I: IntoIterator<Item = &'a Place, IntoIter: ExactSizeIterator + Clone>,
    {
        choice::choose(places.into_iter(), tried, For::Primary)
    }

    /// A plan for one race whose primary goes to `place`.
    pub fn plan(&self, place: Arc<Place>) -> Plan {
        Plan::new(self.shared.clone(), place)
    }

    /// What it has seen and decided.
    pub fn figures(&self) -> Figures {
        self.shared.figures()
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy").field("settings", &self.settings()).finish_non_exhaustive()
    }
}

/// For races of closures, whose attempts all go to one place.
impl Observer for Policy {
    fn attempt_began(&self, event: &AttemptBegan) {
        self.shared.attempt_began(event.attempt);
        self.shared.one_place().began(event.attempt > 0);
    }

    fn attempt_ended(&self, event: &AttemptEnded) {
        self.shared.ledger.attempt_ended(event);
        if event.end == AttemptEnd::Shed {
            return;
        }
        let place = self.shared.one_place();
        place.is_over();
        let time = Some(event.elapsed);
        match event.end {
            AttemptEnd::Succeeded | AttemptEnd::Late => self.shared.succeeded(place, event.attempt, time),
            AttemptEnd::Failed | AttemptEnd::Panicked => self.shared.failed(place, event.attempt, time, &event.end),
            _ => self.shared.ended(place, event.attempt, time),
        }
    }

    fn hedge_skipped(&self, event: &HedgeSkipped) {
        self.shared.ledger.skipped(event.reason);
    }

    fn race_ended(&self, event: &RaceEnded) {
        self.shared.race_ended(event);
        if event.winner.is_some_and(|winner| winner > 0) {
            self.shared.ledger.saved(self.shared.one_place().curve().mean_beyond(event.elapsed));
        }
    }
}

impl Hedging for Policy {
    fn pace(&self) -> Pace {
        self.shared.pace(self.shared.one_place())
    }

    fn ask(&self, due: &Due) -> Verdict {
        self.shared.ask(due)
    }

    fn stop(&self) -> Option<SkipReason> {
        self.shared.stop()
    }
}

impl SkipReason {
    /// Its place in [`SkipReason::ALL`].
    fn place(self) -> usize {
        SkipReason::ALL.iter().position(|reason| *reason == self).expect("all are there")
    }
}
