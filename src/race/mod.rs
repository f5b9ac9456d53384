//! Several blocking calls for one result, against a deadline.
//!
//! The problem: an unreliable call is made better by a second one started when the first is late (hedging: Dean and
//! Barroso, "The Tail at Scale", 2013; gRPC proposal A6), but in blocking code the loser's thread hangs in a system
//! call.
//!
//! The answer: every attempt has a thread of the [`Crew`] and they share one [`CancelToken`](crate::CancelToken). What
//! decides the token decides the race: the first success, the deadline, or the caller's own token. Deciding runs the
//! cleanups the attempts registered, so the losers come back. The caller waits at one place, on one inbox. Later starts
//! are kept by the crew's alarm, so an attempt that never becomes due costs no thread; or, with [`Threads::Fresh`], by
//! each attempt's own thread.
//!
//! Invariants: `race` knows no HTTP and no sockets. An attempt that has not begun when the race is decided never
//! begins. Losers never block: the inbox holds a message of each attempt and one of the canceler.

mod attempt;
mod hedging;
mod outcome;
mod report;
mod rivals;
mod running;
mod schedule;
mod setup;
mod single;
mod starts;

pub use attempt::Attempt;
pub use hedging::{Due, Hedging, Pace, Permit, Verdict};
pub use outcome::{Cause, Failure, Outcome, Success};
pub use schedule::Schedule;
pub(crate) use setup::Wanted;
pub use setup::{AfterFailure, Primary, Threads};

use crate::crew::Crew;
use crate::deadline::Deadline;
use crate::event::Observer;
use crate::limit::TimeLimit;
use crate::sync::Arc;
use setup::Setup;

/// A race to be run: what is set here, and the call to be raced.
///
/// A clone is another race with the same settings; its deadline is the same moment.
///
/// ```
/// use headstart::{Crew, CrewSettings, Deadline, Race};
/// use std::time::Duration;
///
/// let crew = Crew::new(CrewSettings::default())?;
/// let outcome = Race::new(&crew)
///     .limit(Duration::from_secs(2))
///     .first(|attempt| match attempt.number() {
///         0 => Err("the primary fails"),
///         hedge => Ok(hedge),
///     });
/// assert!(outcome.winner().unwrap().attempt >= 1);
/// # Ok::<(), headstart::Error>(())
/// ```
#[derive(Clone)]
pub struct Race {
    setup: Setup,
}

impl Race {
    /// A race on the threads of `crew`: 0/300/300 ms, without a deadline.
    pub fn new(crew: &Crew) -> Race {
        let setup = Setup {
            crew: crew.clone(),
            schedule: Schedule::default(),
            deadline: Deadline::Never,
            after_failure: AfterFailure::default(),
            threads: Threads::default(),
            primary: Primary::default(),
            label: "attempt".into(),
            token: None,
            observer: None,
            hedging: None,
        };
        Race { setup }
    }

    /// When the attempts start. Defaults to 0, 300 and 300 ms.
    pub fn schedule(mut self, schedule: Schedule) -> Race {
        self.setup.schedule = schedule;
        self
    }

    /// When the race is over, and what ends it before: a `Duration`, a `Deadline`, a `&CancelToken`, the `&Attempt` of
    /// another race. The race never cancels a token it is given. Defaults to no limit.
    pub fn limit(mut self, limit: impl Into<TimeLimit>) -> Race {
        let limit = limit.into();
        self.setup.deadline = limit.deadline();
        self.setup.token = limit.into_shared_token();
        self
    }

    /// Whether a failure hurries the next attempt. Defaults to [`AfterFailure::Wait`].
    pub fn after_failure(mut self, after_failure: AfterFailure) -> Race {
        self.setup.after_failure = after_failure;
        self
    }

    /// Where the attempts get their threads. Defaults to [`Threads::Crew`].
    pub fn threads(mut self, threads: Threads) -> Race {
        self.setup.threads = threads;
        self
    }

    /// Where attempt 0 runs. Defaults to [`Primary::OnCrew`]. With [`Threads::Fresh`] it has a thread of its own in any
    /// case.
    pub fn primary(mut self, primary: Primary) -> Race {
        self.setup.primary = primary;
        self
    }

    /// What the attempts are called among the crew's stuck calls and in the log. Defaults to `attempt`.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Race {
        self.setup.label = label.into();
        self
    }

    /// Who is told of what happens.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Race {
        self.setup.observer = Some(observer);
        self
    }

    /// Who decides about the hedges, before each of them. Defaults to nobody: they begin as scheduled.
    pub fn hedging(mut self, hedging: Arc<dyn Hedging>) -> Race {
        self.setup.hedging = Some(hedging);
        self
    }

    /// Runs `call` once per attempt and returns with the first success, everything else ended.
    ///
    /// `call` runs on threads of the crew, unless [`Race::primary`] says otherwise. It should end soon after its
    /// [`Attempt::token`] is canceled. On a thread of the crew one that does not runs on without holding anybody up.
    pub fn first<T, E, F>(self, call: F) -> Outcome<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Attempt) -> Result<T, E> + Send + Sync + 'static,
    {
        running::run(self.setup, Wanted::First, call)
    }

    /// Runs `call` once, on this thread, and returns with its success or failure: a race without a hedge, which asks
    /// nothing of `call` but that it ends soon after its [`Attempt::token`] is canceled. The schedule plays no part.
    pub fn single<T, E>(self, call: impl FnOnce(&Attempt) -> Result<T, E>) -> Outcome<T, E> {
        single::run(self.setup, call)
    }

    /// Runs `call` once per attempt and returns when all have ended or the time is over, with everything that succeeded
    /// by then in order of arrival.
    pub fn all<T, E, F>(self, call: F) -> Outcome<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Attempt) -> Result<T, E> + Send + Sync + 'static,
    {
        running::run(self.setup, Wanted::All, call)
    }
}
