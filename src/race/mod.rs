//! Several blocking calls for one result, against a deadline.
//!
//! The problem: an unreliable call is made better by a second one started when the first is late (hedging: Dean and
//! Barroso, "The Tail at Scale", 2013; gRPC proposal A6), but in blocking code the loser's thread hangs in a system call.
//!
//! The answer: every attempt has a thread of the [`Crew`] and they share one [`CancelToken`]. Whoever decides the token
//! decides the race: the first success, the deadline, or the caller's own token. Deciding runs the cleanups the
//! attempts registered, so the losers come back; the caller waits at one place, on one inbox, and later starts are kept by
//! the crew's alarm, so an attempt that never becomes due costs no thread.
//!
//! Invariants: `race` knows no HTTP and no sockets. An attempt that has not begun when the race is decided never begins.
//! Losers never block: the inbox holds a message of each attempt and one of the canceler.

mod course;
mod fresh;
mod outcome;
mod schedule;

pub use outcome::{Cause, Failure, Outcome, Success};
pub use schedule::Schedule;

use crate::cancel::CancelToken;
use crate::crew::Crew;
use crate::deadline::Deadline;
use crate::event::Observer;
use crate::limit::TimeLimit;
use crate::sync::Arc;

/// What a failure before the next start offset leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AfterFailure {
    /// Nothing: the next attempt starts when it is due. The default.
    #[default]
    Wait,
    /// The next attempt starts at once (gRPC A6 calls such failures non-fatal).
    Hedge,
}

/// Where the attempts of a race get their threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Threads {
    /// Kept by the crew, and taken when an attempt is due; [`Client`](crate::Client) runs its primary on the calling thread. The
    /// default.
    #[default]
    Crew,
    /// One started for each attempt as the race begins, on which the later ones sleep until they are due. The plain way, to
    /// compare with and to learn from: thread starts are most of what such a race costs.
    Fresh,
}

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
    crew: Crew,
    schedule: Schedule,
    deadline: Deadline,
    after_failure: AfterFailure,
    threads: Threads,
    label: Arc<str>,
    token: Option<CancelToken>,
    observer: Option<Arc<dyn Observer>>,
}

impl Race {
    /// A race on the threads of `crew`: 0/300/300 ms, without a deadline.
    pub fn new(crew: &Crew) -> Race {
        Race {
            crew: crew.clone(),
            schedule: Schedule::default(),
            deadline: Deadline::Never,
            after_failure: AfterFailure::default(),
            threads: Threads::default(),
            label: "attempt".into(),
            token: None,
            observer: None,
        }
    }

    /// When the attempts start. Defaults to 0, 300 and 300 ms.
    pub fn schedule(mut self, schedule: Schedule) -> Race {
        self.schedule = schedule;
        self
    }

    /// When the race is over, and what ends it before: a `Duration`, a `Deadline`, a `&CancelToken`, the `&Attempt` of another
    /// race. The race never cancels a token it is given. Defaults to no limit.
    pub fn limit(mut self, limit: impl Into<TimeLimit>) -> Race {
        let limit = limit.into();
        self.deadline = limit.deadline();
        self.token = Some(limit.token().clone());
        self
    }

    /// Whether a failure hurries the next attempt. Defaults to [`AfterFailure::Wait`].
    pub fn after_failure(mut self, after_failure: AfterFailure) -> Race {
        self.after_failure = after_failure;
        self
    }

    /// Where the attempts get their threads. Defaults to [`Threads::Crew`].
    pub fn threads(mut self, threads: Threads) -> Race {
        self.threads = threads;
        self
    }

    /// What the attempts are called among the crew's stuck calls and in the log. Defaults to `attempt`.
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Race {
        self.label = label.into();
        self
    }

    /// Who is told of what happens.
    pub fn observer(mut self, observer: Arc<dyn Observer>) -> Race {
        self.observer = Some(observer);
        self
    }

    /// Runs `call` once per attempt and returns with the first success, everything else ended.
    ///
    /// `call` runs on threads of the crew. It should end soon after its [`Attempt::token`] is cancelled; one that does not
    /// runs on without holding anybody up.
    pub fn first<T, E, F>(self, call: F) -> Outcome<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Attempt) -> Result<T, E> + Send + Sync + 'static,
    {
        self.run(Wanted::First, Primary::OnCrew, call)
    }

    /// Runs `call` once per attempt and returns when all have ended or the time is over, with everything that succeeded
    /// by then in order of arrival.
    pub fn all<T, E, F>(self, call: F) -> Outcome<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Attempt) -> Result<T, E> + Send + Sync + 'static,
    {
        self.run(Wanted::All, Primary::OnCrew, call)
    }

    /// The race itself. With [`Primary::OnCaller`] attempt 0 runs on the calling thread, which saves a thread switch; `call`
    /// then has to be endable by its token in every phase, or the deadline would not hold. With [`Threads::Fresh`] it runs on a
    /// thread of its own all the same.
    pub(crate) fn run<T, E, F>(self, wanted: Wanted, primary: Primary, call: F) -> Outcome<T, E>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: Fn(&Attempt) -> Result<T, E> + Send + Sync + 'static,
    {
        match self.threads {
            Threads::Crew => course::run(self, wanted, primary, call),
            Threads::Fresh => fresh::run(self, wanted, call),
        }
    }
}

/// What a race is run for.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(hidden)] // TODO(split): for the server's routes until they have their own race set-up
pub enum Wanted {
    First,
    All,
}

/// Where attempt 0 runs.
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(hidden)] // TODO(split): for the server's routes until they have their own race set-up
pub enum Primary {
    OnCaller,
    OnCrew,
}

/// Over with the race, or when this attempt of it is no longer needed.
impl From<&Attempt> for TimeLimit {
    fn from(attempt: &Attempt) -> TimeLimit {
        TimeLimit::new(attempt.deadline, &attempt.token)
    }
}

/// One try of a race, as its call sees it.
#[derive(Clone, Debug)]
pub struct Attempt {
    race: u64,
    number: usize,
    deadline: Deadline,
    token: CancelToken,
}

impl Attempt {
    /// 0 for the primary, 1 and up for the hedges.
    pub fn number(&self) -> usize {
        self.number
    }

    /// When the race is over.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Cancelled when this attempt is no longer needed.
    pub fn token(&self) -> &CancelToken {
        &self.token
    }

    /// The race's number, as in the observer's events.
    pub fn race(&self) -> u64 {
        self.race
    }
}
