//! What a race asks before its hedges.
//!
//! The problem: whether a hedge is worth its cost depends on what else goes on, of which one race knows nothing. The
//! answer: one narrow trait. A race asks when its hedges are due, asks again before each, and tells what came of them.
//! Without anybody to ask, hedges begin as scheduled.

use crate::deadline::Deadline;
use crate::event::{Observer, SkipReason};
use std::fmt;
use std::time::Duration;

/// Decides about the hedges of races. It is told what an [`Observer`] is told.
///
/// Called without a lock held, on the thread that begins the race, on those of its attempts, and on the crew's alarm,
/// so an answer has to come at once.
///
/// ```
/// use headstart::race::{Due, Hedging, Pace, Verdict};
/// use headstart::event::{Observer, SkipReason};
/// use headstart::{Crew, CrewSettings, Race};
/// use std::sync::Arc;
/// use std::time::Duration;
///
/// /// One hedge after 50 ms, but none in a race that has less than a second left.
/// struct Hasty;
///
/// impl Observer for Hasty {}
///
/// impl Hedging for Hasty {
///     fn pace(&self) -> Pace {
///         Pace::Every { delay: Duration::from_millis(50), hedges: 1 }
///     }
///
///     fn ask(&self, due: &Due) -> Verdict {
///         match due.deadline.remaining() {
///             Some(left) if left < Duration::from_secs(1) => Verdict::Never(SkipReason::Deadline),
///             _ => Verdict::Begin(None),
///         }
///     }
/// }
///
/// let crew = Crew::new(CrewSettings::default())?;
/// let outcome = Race::new(&crew).hedging(Arc::new(Hasty)).first(|_| Ok::<_, ()>("done"));
/// assert_eq!(outcome.winner().unwrap().value, "done");
/// # Ok::<(), headstart::Error>(())
/// ```
pub trait Hedging: Observer {
    /// When the hedges of a race are due that begins now. Defaults to [`Pace::AsScheduled`].
    fn pace(&self) -> Pace {
        Pace::AsScheduled
    }

    /// Whether a hedge that is due may begin. Defaults to yes.
    fn ask(&self, _due: &Due) -> Verdict {
        Verdict::Begin(None)
    }

    /// Whether the race's further attempts are of no use, after one has failed. Defaults to `None`: they are.
    fn stop(&self) -> Option<SkipReason> {
        None
    }
}

/// When the hedges of a race are due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// By the race's schedule.
    AsScheduled,
    /// So many, the first after the delay, each other one after the same delay again.
    Every {
        /// The delay.
        delay: Duration,
        /// How many hedges at most: no more than [`MAX_ATTEMPTS`](super::Schedule::MAX_ATTEMPTS) less one.
        hedges: usize,
    },
}

/// A hedge that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Due {
    /// Its number, 1 or above.
    pub attempt: usize,
    /// Since the race began.
    pub at: Duration,
    /// When the race is over.
    pub deadline: Deadline,
}

/// Whether a hedge may begin.
#[derive(Debug)]
pub enum Verdict {
    /// It may. What comes with it is dropped when the attempt is over.
    Begin(Option<Permit>),
    /// Not now: it is asked again after a while, if the race still goes on and another attempt of it still runs.
    Later {
        /// Why.
        reason: SkipReason,
        /// When to ask again.
        after: Duration,
    },
    /// It may not.
    Never(SkipReason),
}

/// Something to be kept for as long as an attempt runs.
pub struct Permit(#[expect(dead_code, reason = "it is there to be dropped")] Box<dyn Send + Sync>);

impl Permit {
    /// Keeps `what`.
    pub fn new(what: impl Send + Sync + 'static) -> Permit {
        Permit(Box::new(what))
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}
