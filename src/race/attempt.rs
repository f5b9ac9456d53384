//! One attempt, as its call sees it.

use super::rivals::HasRivals;
use crate::cancel::CancelToken;
use crate::deadline::Deadline;
use crate::limit::TimeLimit;
use std::sync::Weak;

/// One try of a race, as its call sees it.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub(super) race: u64,
    pub(super) number: usize,
    pub(super) deadline: Deadline,
    pub(super) token: CancelToken,
    /// `None` when it never had one. The race is held by those who run it, not by who keeps an attempt.
    pub(super) rivals: Option<Weak<dyn HasRivals>>,
}

impl Attempt {
    /// An attempt without a race, for tests.
    #[cfg(test)]
    #[allow(dead_code)] // not in every set of features is there such a test
    pub(crate) fn alone(deadline: Deadline, token: &CancelToken) -> Attempt {
        Attempt { race: 0, number: 0, deadline, token: token.clone(), rivals: None }
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

    /// Whether another attempt of the race runs or is yet to start.
    pub fn has_rival(&self) -> bool {
        self.rivals.as_ref().and_then(Weak::upgrade).is_some_and(|race| race.rivals().are_left())
    }

    /// Has `then` dropped when this attempt has no rival any more, at once if that is so already. For who waits for
    /// something else meanwhile, and hears of the drop: of a sender, of one end of a pipe.
    #[allow(dead_code)] // not in every set of features is there one who waits
    pub(crate) fn without_rival(&self, then: impl Send + 'static) {
        if let Some(race) = self.rivals.as_ref().and_then(Weak::upgrade) {
            race.rivals().keep(Box::new(then));
        }
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
