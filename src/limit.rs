//! How long one call may take, and what ends it before.
//!
//! Every call of this crate that can block takes `impl Into<TimeLimit>`: a [`Duration`], a [`Deadline`], the
//! [`Attempt`](crate::Attempt) of a race, or a limit made from a deadline and a token. There is one way to say it, so a
//! limit can be passed on from call to call without a restart of its time.

use crate::cancel::CancelToken;
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use std::sync::OnceLock;
use std::time::Duration;

/// The bounds of one call: the moment it is over, and the token that ends it before.
///
/// ```
/// use headstart::{Deadline, TimeLimit};
/// use std::time::Duration;
///
/// let limit = TimeLimit::from(Duration::from_millis(500));
/// assert!(limit.deadline() != Deadline::Never);
/// assert!(!limit.token().is_canceled());
/// ```
#[derive(Debug)]
pub struct TimeLimit {
    deadline: Deadline,
    /// Made when somebody asks for it. Most limits are lengths of time, and nobody can cancel those.
    token: OnceLock<CancelToken>,
}

impl TimeLimit {
    /// Over at `deadline`, or when `token` is canceled. The call only listens to the token, it never cancels it.
    pub fn new(deadline: Deadline, token: &CancelToken) -> TimeLimit {
        TimeLimit { deadline, token: OnceLock::from(token.clone()) }
    }

    /// When the call is over.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// What ends the call before.
    pub fn token(&self) -> &CancelToken {
        self.token.get_or_init(CancelToken::new)
    }

    /// What ends the call before, if anybody can.
    #[allow(dead_code)] // not in every set of features is it asked for
    pub(crate) fn shared_token(&self) -> Option<&CancelToken> {
        self.token.get()
    }

    /// The same, and the limit is used up.
    pub(crate) fn into_shared_token(self) -> Option<CancelToken> {
        self.token.into_inner()
    }

    /// Whether the call may go on; `during` is what it is doing.
    ///
    /// # Errors
    ///
    /// [`Error::TimedOut`] when the time is over, [`Error::Canceled`] when the token was canceled for another reason.
    pub fn check(&self, during: Phase) -> Result<(), Error> {
        match self.token.get().and_then(CancelToken::reason) {
            Some(reason) => Err(Error::ended(reason, during)),
            None if self.deadline.has_passed() => Err(Error::TimedOut { during }),
            None => Ok(()),
        }
    }
}

/// A clone is the same limit: it has the same token.
impl Clone for TimeLimit {
    fn clone(&self) -> TimeLimit {
        TimeLimit::new(self.deadline, self.token())
    }
}

impl From<&TimeLimit> for TimeLimit {
    fn from(limit: &TimeLimit) -> TimeLimit {
        limit.clone()
    }
}

/// Over this long from now.
impl From<Duration> for TimeLimit {
    fn from(timeout: Duration) -> TimeLimit {
        Deadline::after(timeout).into()
    }
}

/// Over at this moment.
impl From<Deadline> for TimeLimit {
    fn from(deadline: Deadline) -> TimeLimit {
        TimeLimit { deadline, token: OnceLock::new() }
    }
}

/// Over when the token is canceled.
impl From<&CancelToken> for TimeLimit {
    fn from(token: &CancelToken) -> TimeLimit {
        TimeLimit::new(Deadline::Never, token)
    }
}
