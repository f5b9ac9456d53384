//! One attempt, as its call sees it.

use crate::cancel::CancelToken;
use crate::deadline::Deadline;
use crate::limit::TimeLimit;

/// One try of a race, as its call sees it.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub(super) race: u64,
    pub(super) number: usize,
    pub(super) deadline: Deadline,
    pub(super) token: CancelToken,
}

impl Attempt {
    /// An attempt without a race, for tests.
    #[cfg(test)]
    #[allow(dead_code)] // not in every set of features is there such a test
    pub(crate) fn alone(deadline: Deadline, token: &CancelToken) -> Attempt {
        Attempt { race: 0, number: 0, deadline, token: token.clone() }
    }

    /// 0 for the primary, 1 and up for the hedges.
    pub fn number(&self) -> usize {
        self.number
    }

    /// When the race is over.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// Canceled when this attempt is no longer needed.
    pub fn token(&self) -> &CancelToken {
        &self.token
    }

    /// The race's number, as in the observer's events.
    pub fn race(&self) -> u64 {
        self.race
    }
}

/// Over with the race, or when this attempt of it is no longer needed.
impl From<&Attempt> for TimeLimit {
    fn from(attempt: &Attempt) -> TimeLimit {
        TimeLimit::new(attempt.deadline, &attempt.token)
    }
}
