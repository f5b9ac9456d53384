//! The failure that a server answers with.

use crate::error::Error;
use std::fmt;

/// What a server answers when a method was called and failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The number, whose meaning is the server's own.
    pub code: i64,
    /// The server's words.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {}: {}", self.code, self.message)
    }
}

impl std::error::Error for Fault {}

impl From<Fault> for Error {
    fn from(Fault { code, message }: Fault) -> Error {
        Error::Fault { code, message }
    }
}
