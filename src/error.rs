//! Everything that can go wrong, in one type.
//!
//! What only one client can meet exists with the feature of that client.

use crate::cancel::CancelReason;
use std::any::Any;
use std::fmt;
use std::io;

/// Why something did not work. Messages are lower-case fragments with the facts in them, meant to follow "failed: ".
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The crew is at its bound: nothing was started.
    NoThread {
        /// The most threads it may have for this claim.
        bound: usize,
    },
    /// A hedge was not begun: requests need the files that the process may still open.
    TooFewFiles {
        /// How many all jobs may have open.
        limit: u64,
    },
    /// So many canceled calls run on that no other is begun.
    TooManyStuck {
        /// The most there may be.
        most: usize,
    },
    /// The system refused to start a thread.
    ThreadStart(io::Error),
    /// The time was over before the call was done.
    TimedOut {
        /// What the call was doing then.
        during: Phase,
    },
    /// The call was ended before it was done, and before its time was over.
    Canceled(CancelReason),
    /// A call without a timeout of its own, and no default timeout installed.
    NoDefaultTimeout,
    /// A setting has a value it cannot have.
    Setting {
        /// The setting's name as the user knows it.
        key: String,
        /// What was given.
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
    /// A host name could not be looked up.
    #[cfg(feature = "_net")]
    Lookup {
        /// The name.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// No connection to any of the host's addresses.
    #[cfg(feature = "_net")]
    Connect {
        /// Host and port.
        to: String,
        /// What the system said of the last address.
        source: io::Error,
    },
    /// The TLS handshake failed.
    #[cfg(feature = "https")]
    Tls {
        /// Host and port.
        to: String,
        /// What was wrong.
        why: String,
    },
    /// A connection that was there broke.
    #[cfg(feature = "_net")]
    Lost {
        /// Host and port.
        to: String,
        /// What the system said.
        source: io::Error,
    },
    /// Reading or writing failed.
    Io(io::Error),
    /// The server understood what it was asked and will not do it, in its own words.
    #[cfg(feature = "memcached")]
    Refused {
        /// Host and port.
        by: String,
        /// What it said.
        why: String,
    },
    /// The peer does not speak its protocol as it should.
    #[cfg(feature = "_net")]
    Protocol(String),
    /// The answer has a status that is no success.
    #[cfg(feature = "http")]
    Status(u16),
    /// The answer is declared to be something else than what was asked for, or not at all.
    #[cfg(feature = "http")]
    ContentType(Option<String>),
    /// The answer does not parse as JSON.
    #[cfg(any(feature = "http", feature = "command"))]
    Json(String),
    /// The answer is larger than allowed.
    #[cfg(feature = "_net")]
    BodyTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The database refused the statement, or the user.
    #[cfg(feature = "mysql")]
    Database {
        /// The server's number for it: 1062 for a duplicate key, 1045 for a wrong password.
        code: u16,
        /// What the server said.
        message: String,
    },
    /// The result has more rows than allowed.
    #[cfg(feature = "mysql")]
    TooManyRows {
        /// The limit.
        limit: usize,
    },
    /// A program could not be started.
    #[cfg(feature = "command")]
    ProgramStart {
        /// Its name or path.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ended without success.
    #[cfg(feature = "command")]
    ProgramFailed {
        /// Its exit code, or the signal that ended it, in words.
        how: String,
        /// The last line it wrote to its standard error.
        said: Option<String>,
    },
    /// A program wrote more than allowed, and was ended.
    #[cfg(feature = "command")]
    OutputTooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// What came, or was to be sent, is not XML-RPC.
    #[cfg(feature = "xmlrpc")]
    XmlRpc(String),
    /// The method was called and answered with a fault.
    #[cfg(feature = "xmlrpc")]
    Fault {
        /// The number, whose meaning is the server's own.
        code: i64,
        /// The server's words.
        message: String,
    },
    /// The call panicked with this message.
    Panicked(String),
}

/// What a call was doing when its time was over.
///
/// The phases follow each other; a call goes through those its protocol has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Waiting for something of this process: a thread, a free connection, a race, a closure.
    Wait,
    /// Looking the host's name up.
    Lookup,
    /// Making the connection.
    Connect,
    /// The TLS handshake, or the login of a database.
    Handshake,
    /// Sending the request.
    Send,
    /// Receiving the response's head, or the first byte of a reply.
    Head,
    /// Receiving the response's body, or the rest of a reply.
    Body,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Phase::Wait => "the wait for its result",
            Phase::Lookup => "the lookup of the host name",
            Phase::Connect => "the connect",
            Phase::Handshake => "the handshake",
            Phase::Send => "the send of the request",
            Phase::Head => "the wait for the response",
            Phase::Body => "the response body",
        })
    }
}

impl Error {
    /// What `reason` means to a call that was ended `during` this phase: [`CancelReason::DeadlineExceeded`] is
    /// [`Error::TimedOut`], every other reason [`Error::Canceled`].
    pub fn ended(reason: CancelReason, during: Phase) -> Error {
        match reason {
            CancelReason::DeadlineExceeded => Error::TimedOut { during },
            reason => Error::Canceled(reason),
        }
    }

    /// This error of a call whose token was decided meanwhile: an end that says its phase stays, everything else was a
    /// consequence of the end.
    #[cfg(feature = "http")]
    pub(crate) fn unless_ended(self, reason: CancelReason, during: Phase) -> Error {
        match self {
            Error::TimedOut { .. } | Error::Canceled(_) => self,
            _ => Error::ended(reason, during),
        }
    }

    /// The setting that the user knows as `key` cannot be `value`, only what is `allowed`.
    #[cfg(any(feature = "_net", feature = "policy"))]
    pub(crate) fn setting(key: &str, value: &str, allowed: &str) -> Error {
        Error::Setting { key: key.to_owned(), value: value.to_owned(), allowed: allowed.to_owned() }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoThread { bound } => write!(f, "no thread left: at most {bound} may be busy"),
            Error::TooFewFiles { limit } => {
                write!(f, "no file left for a hedge: all calls together may have {limit} open")
            }
            Error::TooManyStuck { most } => write!(f, "no call is begun while {most} canceled ones have not returned"),
            Error::ThreadStart(error) => write!(f, "the system refused to start a thread: {error}"),
            Error::TimedOut { during } => write!(f, "timed out during {during}"),
            Error::Canceled(reason) => write!(f, "canceled: {reason}"),
            Error::NoDefaultTimeout => f.write_str("no timeout given and no default timeout installed"),
            Error::Setting { key, value, allowed } => write!(f, "{key} cannot be '{value}': {allowed}"),
            Error::Listen { at, source } => write!(f, "cannot listen on {at}: {source}"),
            #[cfg(feature = "_net")]
            Error::Lookup { host, source } => write!(f, "no address for '{host}': {source}"),
            #[cfg(feature = "_net")]
            Error::Connect { to, source } => write!(f, "no connection to {to}: {source}"),
            #[cfg(feature = "https")]
            Error::Tls { to, why } => write!(f, "no TLS session with {to}: {why}"),
            #[cfg(feature = "_net")]
            Error::Lost { to, source } => write!(f, "connection to {to} lost: {source}"),
            Error::Io(error) => write!(f, "reading or writing failed: {error}"),
            #[cfg(feature = "memcached")]
            Error::Refused { by, why } => write!(f, "refused by {by}: {why}"),
            #[cfg(feature = "_net")]
            Error::Protocol(why) => write!(f, "malformed response: {why}"),
            #[cfg(feature = "http")]
            Error::Status(status) => write!(f, "status {status} is no success"),
            #[cfg(feature = "http")]
            Error::ContentType(Some(found)) => write!(f, "content type '{found}' is not what was asked for"),
            #[cfg(feature = "http")]
            Error::ContentType(None) => write!(f, "no content type"),
            #[cfg(any(feature = "http", feature = "command"))]
            Error::Json(why) => write!(f, "body is not JSON: {why}"),
            #[cfg(feature = "_net")]
            Error::BodyTooLarge { limit } => write!(f, "body is larger than {limit} bytes"),
            #[cfg(feature = "mysql")]
            Error::Database { code, message } => write!(f, "database error {code}: {message}"),
            #[cfg(feature = "mysql")]
            Error::TooManyRows { limit } => write!(f, "result has more than {limit} rows"),
            #[cfg(feature = "command")]
            Error::ProgramStart { program, source } => write!(f, "cannot start '{program}': {source}"),
            #[cfg(feature = "command")]
            Error::ProgramFailed { how, said: Some(said) } => write!(f, "program ended with {how}: {said}"),
            #[cfg(feature = "command")]
            Error::ProgramFailed { how, said: None } => write!(f, "program ended with {how}"),
            #[cfg(feature = "command")]
            Error::OutputTooLarge { limit } => write!(f, "output is larger than {limit} bytes"),
            #[cfg(feature = "xmlrpc")]
            Error::XmlRpc(why) => write!(f, "not XML-RPC: {why}"),
            #[cfg(feature = "xmlrpc")]
            Error::Fault { code, message } => write!(f, "fault {code}: {message}"),
            Error::Panicked(message) => write!(f, "panicked: {message}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::ThreadStart(source) | Error::Listen { source, .. } | Error::Io(source) => Some(source),
            #[cfg(feature = "_net")]
            Error::Lookup { source, .. } | Error::Connect { source, .. } | Error::Lost { source, .. } => Some(source),
            #[cfg(feature = "command")]
            Error::ProgramStart { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Error::Io(error)
    }
}

/// What a panic said, if it said it in words.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
