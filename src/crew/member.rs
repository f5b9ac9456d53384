//! One thread of a crew, as the others see it.

use super::job::Job;
use super::stats::StuckCall;
use crate::cancel::CancelToken;
use crate::sync::{Arc, Condvar, Mutex, lock};
use std::time::Instant;

/// One thread, and where it waits for its next job.
#[derive(Default)]
pub(super) struct Member {
    pub(super) work: Mutex<Work>,
    pub(super) called: Condvar,
}

/// What a member does. `Idle` -> `Called` by who spawns, `Called` -> `Running` -> `Idle` by the thread, `Idle` ->
/// `Dismissed` by who shuts the crew down or needs the place; each under the member's lock.
#[derive(Default)]
pub(super) enum Work {
    #[default]
    Idle,
    Called(Job),
    Running {
        label: Arc<str>,
        token: Option<CancelToken>,
        since: Instant,
    },
    Dismissed,
}

impl Member {
    /// Sends a thread away that is no longer listed as idle.
    pub(super) fn dismiss(&self) {
        *lock(&self.work) = Work::Dismissed;
        self.called.notify_one();
    }
}

impl Work {
    pub(super) fn stuck(&self, now: Instant) -> Option<StuckCall> {
        let Work::Running { label, token: Some(token), since } = self else { return None };
        let canceled_at = token.canceled_at()?;
        Some(StuckCall {
            label: label.clone(),
            age: now.saturating_duration_since(*since),
            overdue: now.saturating_duration_since(canceled_at),
        })
    }
}
