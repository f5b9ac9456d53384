//! What a crew is asked to run.

use crate::cancel::CancelToken;
use crate::sync::Arc;
use std::time::Duration;

/// Who asks for a thread. Near the bound it decides who gets none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Work that an answer depends on: refused last.
    Request,
    /// A hedge, without which the answer is only slower: refused first.
    Hedge,
}

/// What runs on a thread of the crew.
pub struct Job {
    /// The name it goes by in [`CrewStats::stuck`](super::CrewStats::stuck) and in the log.
    pub label: Arc<str>,
    /// What ends it. A job whose token is canceled and that still runs is counted as stuck.
    pub token: Option<CancelToken>,
    /// The work itself. A panic is logged and costs nothing else.
    pub run: Box<dyn FnOnce() + Send>,
}

/// How long a canceled job has run on when it counts against [`CrewSettings::max_stuck`](super::CrewSettings::max_stuck), and its return is logged.
pub(super) const STUCK_AFTER: Duration = Duration::from_millis(100);
