//! Why a server, or what it serves, cannot be set up.

use std::fmt;
use std::io;

/// Why something did not work. Messages are lower-case fragments with the facts in them, meant to follow "failed: ".
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// A setting has a value it cannot have.
    Setting {
        /// The setting, by the name of what sets it.
        key: String,
        /// What was given, as far as it may be shown.
        value: String,
        /// What may be given.
        allowed: String,
    },
    /// The address cannot be listened on.
    Listen {
        /// The address as it was given.
        at: String,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused to start a thread.
    ThreadStart(io::Error),
    /// The system refused an event queue.
    Io(io::Error),
    /// What the library said.
    Headstart(headstart::Error),
}

impl Error {
    pub(crate) fn setting(key: &str, value: &str, allowed: &str) -> Error {
        Error::Setting { key: key.to_owned(), value: value.to_owned(), allowed: allowed.to_owned() }
    }
}

impl From<headstart::Error> for Error {
    /// A setting of the library is one like any other here.
    fn from(error: headstart::Error) -> Error {
        match error {
            headstart::Error::Setting { key, value, allowed } => Error::Setting { key, value, allowed },
            error => Error::Headstart(error),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Setting { key, value, allowed } => write!(f, "{key} cannot be '{value}': expected {allowed}"),
            Error::Listen { at, source } => write!(f, "cannot listen on {at}: {source}"),
            Error::ThreadStart(error) => write!(f, "cannot start a thread: {error}"),
            Error::Io(error) => write!(f, "cannot wait for events: {error}"),
            Error::Headstart(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Setting { .. } => None,
            Error::Listen { source, .. } => Some(source),
            Error::ThreadStart(error) | Error::Io(error) => Some(error),
            Error::Headstart(error) => error.source(),
        }
    }
}
