//! A crew's figures.

use crate::sync::Arc;
use std::time::Duration;

/// A crew's figures at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CrewStats {
    /// Threads there are, busy or idle, without the alarm's.
    pub threads: usize,
    /// Threads that wait for a job.
    pub idle: usize,
    /// The most threads there ever were at a time.
    pub peak: usize,
    /// The bound.
    pub max_threads: usize,
    /// Threads ever started.
    pub started: u64,
    /// Hedges that got no thread.
    pub refused_hedges: u64,
    /// Requests that got no thread.
    pub refused_requests: u64,
    /// Jobs that were canceled and run on nevertheless.
    pub stuck: Vec<StuckCall>,
}

/// A job that runs on although it was canceled.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StuckCall {
    /// The job's name.
    pub label: Arc<str>,
    /// How long it has been running.
    pub age: Duration,
    /// How long ago it was canceled.
    pub overdue: Duration,
}
