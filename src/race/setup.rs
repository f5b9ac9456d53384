//! What is set before a race is run.

use super::hedging::Hedging;
use super::schedule::Schedule;
use crate::cancel::CancelToken;
use crate::crew::Crew;
use crate::deadline::Deadline;
use crate::event::Observer;
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
    /// Kept by the crew, and taken when an attempt is due. The default.
    #[default]
    Crew,
    /// One started for each attempt as the race begins, on which the later ones sleep until they are due. The plain
    /// way, to compare with and to learn from: thread starts are most of what such a race costs. And as the threads are
    /// taken at the beginning, a hedge that finds none then is a failed attempt then, although one might be free when
    /// it is due.
    Fresh,
}

/// Where attempt 0 runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Primary {
    /// On a thread of the crew, like every other attempt. The default, and right for every call.
    #[default]
    OnCrew,
    /// On the calling thread, which saves a thread switch in a race that its primary wins.
    ///
    /// Only for a call that can be ended by its token in every phase: the calling thread cannot return before the call
    /// does, so one that runs on after its token was canceled holds up the deadline and the winner. The calls of this
    /// crate's clients can be ended like that.
    OnCaller,
}

/// What a race is run for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The first success.
    First,
    /// Everything that succeeds in time.
    All,
}

/// The settings of a race.
#[derive(Clone)]
pub(super) struct Setup {
    pub(super) crew: Crew,
    pub(super) schedule: Schedule,
    pub(super) deadline: Deadline,
    pub(super) after_failure: AfterFailure,
    pub(super) threads: Threads,
    pub(super) primary: Primary,
    pub(super) label: Arc<str>,
    /// What ends the race from outside, if somebody can.
    pub(super) token: Option<CancelToken>,
    pub(super) observer: Option<Arc<dyn Observer>>,
    /// Who decides about hedges, if anybody does.
    pub(super) hedging: Option<Arc<dyn Hedging>>,
}
