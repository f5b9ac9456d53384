//! What a client is told when there is no response to pass on.
//!
//! The statuses are those of a gateway (RFC 9110, sections 15.6.3 to 15.6.5). The text says what failed, and not where:
//! upstreams are nobody's business out there. The log has their names.

use crate::front::{Note, Response};
use headstart::Error;
use headstart::cancel::CancelReason;
use std::io::ErrorKind;

/// The answer for a call that failed with `error`.
pub(super) fn answer(error: &Error) -> Response {
    let (status, detail, failed) = match error {
        Error::TimedOut { .. } => (504, "no upstream responded in time", "timeout"),
        Error::Canceled(CancelReason::ClientGone) => return Response::client_gone(),
        Error::Canceled(_) => return Response::overloaded("the server is shutting down"),
        Error::NoThread { .. } | Error::ThreadStart(_) | Error::TooManyStuck { .. } => {
            return Response::overloaded("no thread is left");
        }
        Error::Lookup { .. } => (502, "the upstream's name could not be looked up", "lookup"),
        Error::Connect { .. } => (502, "no connection to an upstream could be made", "connect"),
        #[cfg(feature = "tls")]
        Error::Tls { .. } => (502, "no TLS session with an upstream could be made", "tls"),
        Error::Lost { .. } => (502, "the connection to the upstream was lost before it responded", "lost"),
        Error::Protocol(_) => (502, "the upstream's response is malformed", "protocol"),
        Error::Io(error) => return of_body(error.kind()),
        _ => (502, "the upstream could not be asked", "other"),
    };
    log::debug!("nothing to pass on: {error}");
    Response::problem(status, detail).with_header("Via", "1.1 headstart").with_note("failed", Note::Word(failed))
}

/// The answer for a request whose body could not be read.
fn of_body(kind: ErrorKind) -> Response {
    match kind {
        ErrorKind::InvalidData | ErrorKind::InvalidInput => Response::problem(400, "the request's body is malformed"),
        ErrorKind::TimedOut | ErrorKind::WouldBlock => Response::problem(408, "the request's body took too long"),
        _ => Response::client_gone(),
    }
}
