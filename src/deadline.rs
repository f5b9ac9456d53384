//! A timeout is a length of time, a deadline is the moment it ends.
//!
//! People say "within 500 ms". A call of several steps that hands that length on to each step waits several times as
//! long, so a timeout becomes a [`Deadline`] once, at the edge, and everything inside asks how much is left.

use std::time::{Duration, Instant};

/// The moment by which a call has to be over, or the statement that there is none.
///
/// ```
/// use headstart::Deadline;
/// use std::time::Duration;
///
/// let deadline = Deadline::after(Duration::from_millis(500));
/// assert!(deadline.remaining().unwrap() <= Duration::from_millis(500));
/// assert_eq!(deadline.earlier(Deadline::Never), deadline);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// Over at this moment.
    At(Instant),
    /// No limit of time.
    Never,
}

impl Deadline {
    /// The deadline `timeout` from now. A timeout too long for the clock to express is [`Deadline::Never`].
    pub fn after(timeout: Duration) -> Self {
        Instant::now().checked_add(timeout).map_or(Deadline::Never, Deadline::At)
    }

    /// The moment, if there is one.
    pub fn instant(self) -> Option<Instant> {
        match self {
            Deadline::At(instant) => Some(instant),
            Deadline::Never => None,
        }
    }

    /// The time left: zero once it has passed, `None` when there is no limit.
    pub fn remaining(self) -> Option<Duration> {
        self.instant().map(|instant| instant.saturating_duration_since(Instant::now()))
    }

    /// Whether the moment has come.
    pub fn has_passed(self) -> bool {
        self.remaining() == Some(Duration::ZERO)
    }

    /// The one that comes first.
    pub fn earlier(self, other: Deadline) -> Deadline {
        match (self, other) {
            (Deadline::At(a), Deadline::At(b)) => Deadline::At(a.min(b)),
            (Deadline::Never, deadline) | (deadline, Deadline::Never) => deadline,
        }
    }
}
