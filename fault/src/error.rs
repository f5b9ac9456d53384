//! Why a proxy did not start.

use std::fmt;
use std::io;

/// Why a [`FaultProxy`](crate::FaultProxy) did not start.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened on.
    Listen {
        /// The address as it was given.
        at: String,
        /// What the system said.
        source: io::Error,
    },
    /// The upstream has no address.
    Lookup {
        /// The upstream as it was given.
        upstream: String,
        /// What the system said.
        source: io::Error,
    },
    /// The system refused an event queue.
    Io(io::Error),
    /// The crew has no thread for the proxy.
    Crew(headstart::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Listen { at, source } => write!(f, "cannot listen on {at}: {source}"),
            Error::Lookup { upstream, source } => write!(f, "no address for '{upstream}': {source}"),
            Error::Io(error) => write!(f, "no event queue: {error}"),
            Error::Crew(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Listen { source, .. } | Error::Lookup { source, .. } | Error::Io(source) => Some(source),
            Error::Crew(error) => error.source(),
        }
    }
}

impl From<headstart::Error> for Error {
    fn from(error: headstart::Error) -> Error {
        Error::Crew(error)
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Error {
        Error::Io(error)
    }
}
