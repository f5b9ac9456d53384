//! How long one call may take, and what ends it before.

use crate::cancel::CancelToken;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::race::Attempt;
use std::time::Duration;

/// The bounds of one call: the moment it is over, and the token that ends it before.
///
/// Every call of this crate that can take long asks for something that [becomes](IntoTimeLimit) one: a [`Duration`], a
/// [`Deadline`], the [`Attempt`] of a race.
#[derive(Clone, Debug)]
pub struct TimeLimit {
    deadline: Deadline,
    token: CancelToken,
}

impl TimeLimit {
    /// Over at `deadline`, or when `token` is cancelled. The call only listens to the token, it never cancels it.
    pub fn new(deadline: Deadline, token: &CancelToken) -> TimeLimit {
        TimeLimit { deadline, token: token.clone() }
    }

    /// When the call is over.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// What ends the call before.
    pub fn token(&self) -> &CancelToken {
        &self.token
    }

    /// Whether the call may go on.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] when the time is over, [`Error::Canceled`] when the token was cancelled for another reason.
    pub fn check(&self) -> Result<(), Error> {
        match self.token.reason() {
            Some(reason) => Err(reason.into()),
            None if self.deadline.has_passed() => Err(Error::TimedOut),
            None => Ok(()),
        }
    }
}

/// What says how long a call may take.
pub trait IntoTimeLimit {
    /// The limit of a call that begins now.
    ///
    /// # Errors
    ///
    /// [`Error::NoDefaultTimeout`] when the limit was left to a default that nobody installed.
    fn into_time_limit(self) -> Result<TimeLimit, Error>;
}

impl IntoTimeLimit for TimeLimit {
    fn into_time_limit(self) -> Result<TimeLimit, Error> {
        Ok(self)
    }
}

impl IntoTimeLimit for &TimeLimit {
    fn into_time_limit(self) -> Result<TimeLimit, Error> {
        Ok(self.clone())
    }
}

/// Over this long from now.
impl IntoTimeLimit for Duration {
    fn into_time_limit(self) -> Result<TimeLimit, Error> {
        Deadline::after(self).into_time_limit()
    }
}

/// Over at this moment.
impl IntoTimeLimit for Deadline {
    fn into_time_limit(self) -> Result<TimeLimit, Error> {
        Ok(TimeLimit { deadline: self, token: CancelToken::new() })
    }
}

/// Over with the race, or when this attempt of it is no longer needed.
impl IntoTimeLimit for &Attempt {
    fn into_time_limit(self) -> Result<TimeLimit, Error> {
        Ok(TimeLimit::new(self.deadline(), self.token()))
    }
}
