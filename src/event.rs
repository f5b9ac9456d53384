//! What the core reports, to be counted or logged.
//!
//! The core knows no metrics and no log format: it calls an [`Observer`], whose methods do nothing by default.

use crate::cancel::CancelReason;
use std::fmt;
use std::time::Duration;

/// Sees what happens in races. Called on the threads on which it happens, without a lock held, so an observer has to be
/// quick. A panic in it is logged and changes nothing.
pub trait Observer: Send + Sync {
    /// An attempt begins its call.
    fn attempt_began(&self, _event: &AttemptBegan) {}

    /// An attempt has ended, or was refused a thread and never began. A loser ends after its race, and of the winner's
    /// end and the race's either may be reported first.
    fn attempt_ended(&self, _event: &AttemptEnded) {}

    /// A hedge was due and is not sent.
    fn hedge_skipped(&self, _event: &HedgeSkipped) {}

    /// A race is decided.
    fn race_ended(&self, _event: &RaceEnded) {}
}

/// An attempt has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptBegan {
    /// The race it belongs to: unique in this process.
    pub race: u64,
    /// Its number: 0 is the primary.
    pub attempt: usize,
    /// Since the race began.
    pub at: Duration,
}

/// An attempt has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptEnded {
    /// The race it belongs to.
    pub race: u64,
    /// Its number: 0 is the primary.
    pub attempt: usize,
    /// How it ended.
    pub end: AttemptEnd,
    /// Since the attempt began.
    pub elapsed: Duration,
}

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AttemptEnd {
    /// With a success that counts.
    Succeeded,
    /// With a failure of its own.
    Failed,
    /// With a panic.
    Panicked,
    /// Because it was canceled.
    Canceled(CancelReason),
    /// With a success that came too late to count.
    Late,
    /// Before it began: there was no thread for it.
    Shed,
}

impl fmt::Display for AttemptEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AttemptEnd::Succeeded => f.write_str("succeeded"),
            AttemptEnd::Failed => f.write_str("failed"),
            AttemptEnd::Panicked => f.write_str("panicked"),
            AttemptEnd::Canceled(reason) => write!(f, "canceled: {reason}"),
            AttemptEnd::Late => f.write_str("succeeded too late"),
            AttemptEnd::Shed => f.write_str("left out"),
        }
    }
}

/// A hedge was due and is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HedgeSkipped {
    /// The race it belongs to.
    pub race: u64,
    /// Its number, 1 or above.
    pub attempt: usize,
    /// Why.
    pub reason: SkipReason,
    /// Since the race began.
    pub at: Duration,
}

/// Why a hedge that was due is not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SkipReason {
    /// The budget for hedges is spent.
    Budget,
    /// As many hedges run as may.
    Concurrency,
    /// Too many attempts fail (gRPC A6: `retryThrottling`).
    Throttle,
    /// An upstream has asked to be left alone for a while.
    Pushback,
    /// The request is a hedge of somebody else already.
    Chain,
    /// It could not end in the time that is left.
    Deadline,
    /// There is no thread for it.
    Threads,
    /// There are too few files left to open for it.
    Files,
    /// The request may be sent once only.
    Method,
    /// Everything is decided as usual, and no hedge is sent.
    DryRun,
}

impl SkipReason {
    /// All of them.
    pub const ALL: [SkipReason; 10] = [
        SkipReason::Budget,
        SkipReason::Concurrency,
        SkipReason::Throttle,
        SkipReason::Pushback,
        SkipReason::Chain,
        SkipReason::Deadline,
        SkipReason::Threads,
        SkipReason::Files,
        SkipReason::Method,
        SkipReason::DryRun,
    ];

    /// Its name in logs and figures.
    pub fn as_str(self) -> &'static str {
        match self {
            SkipReason::Budget => "budget",
            SkipReason::Concurrency => "concurrency",
            SkipReason::Throttle => "throttle",
            SkipReason::Pushback => "pushback",
            SkipReason::Chain => "chain",
            SkipReason::Deadline => "deadline",
            SkipReason::Threads => "threads",
            SkipReason::Files => "files",
            SkipReason::Method => "method",
            SkipReason::DryRun => "dry-run",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A race is decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RaceEnded {
    /// The race: unique in this process.
    pub race: u64,
    /// How it ended.
    pub end: RaceEnd,
    /// The winner, of a race for the first success.
    pub winner: Option<usize>,
    /// How many attempts were begun.
    pub begun: usize,
    /// Since the race began.
    pub elapsed: Duration,
}

/// How a race ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RaceEnd {
    /// An attempt succeeded, and that was all that was wanted.
    Won,
    /// Every attempt has ended.
    Finished,
    /// It was ended from outside, or its time was over.
    Canceled(CancelReason),
}

impl fmt::Display for RaceEnd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RaceEnd::Won => f.write_str("won"),
            RaceEnd::Finished => f.write_str("finished"),
            RaceEnd::Canceled(reason) => write!(f, "canceled: {reason}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_says_how_it_came_about() {
        let shown =
            [RaceEnd::Won, RaceEnd::Finished, RaceEnd::Canceled(CancelReason::Shutdown)].map(|end| end.to_string());
        assert_eq!(shown, ["won".to_owned(), "finished".to_owned(), format!("canceled: {}", CancelReason::Shutdown)]);
        let attempt = [AttemptEnd::Late, AttemptEnd::Shed].map(|end| end.to_string());
        assert_eq!(attempt, ["succeeded too late", "left out"]);
    }
}
