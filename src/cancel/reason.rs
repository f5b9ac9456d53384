//! Why a call is ended.

use std::fmt;

/// Why a call was ended before it was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CancelReason {
    /// Another attempt of the same race succeeded.
    Superseded,
    /// The time was over.
    DeadlineExceeded,
    /// Nobody is left to read the answer.
    ClientGone,
    /// The program stops.
    Shutdown,
}

impl CancelReason {
    /// The reason as one lower-case word, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            CancelReason::Superseded => "superseded",
            CancelReason::DeadlineExceeded => "deadline_exceeded",
            CancelReason::ClientGone => "client_gone",
            CancelReason::Shutdown => "shutdown",
        }
    }

    pub(super) fn to_code(self) -> u8 {
        match self {
            CancelReason::Superseded => 1,
            CancelReason::DeadlineExceeded => 2,
            CancelReason::ClientGone => 3,
            CancelReason::Shutdown => 4,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(CancelReason::Superseded),
            2 => Some(CancelReason::DeadlineExceeded),
            3 => Some(CancelReason::ClientGone),
            4 => Some(CancelReason::Shutdown),
            _ => None,
        }
    }
}

impl fmt::Display for CancelReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CancelReason::Superseded => "superseded by another attempt",
            CancelReason::DeadlineExceeded => "deadline exceeded",
            CancelReason::ClientGone => "client gone",
            CancelReason::Shutdown => "shutting down",
        })
    }
}
