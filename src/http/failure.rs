//! ureq's errors as ours.
//!
//! Errors of our own connector and transport travel through ureq wrapped in its `Error::Io`, sometimes in several
//! layers; here they come out again.

use super::current;
use crate::error::Error;
use std::io;
use ureq::Timeout;

/// Takes an error of ours through ureq; [`unpack`] brings it out again.
pub(super) fn wrapped(error: Error) -> ureq::Error {
    ureq::Error::Io(io::Error::other(error))
}

/// What `error` of the current call, to `to` (host and port), means.
pub(super) fn unpack(error: ureq::Error, to: &str) -> Error {
    match error {
        ureq::Error::Io(error) => unpack_io(error, to),
        // The time that is left for the whole call. See `upstreams` for the two timeouts that are set.
        ureq::Error::Timeout(Timeout::Global) => Error::TimedOut { during: current::phase() },
        ureq::Error::Timeout(_) => connect(to, io::ErrorKind::TimedOut.into()),
        ureq::Error::ConnectProxyFailed(why) => connect(to, io::Error::other(format!("the proxy refused: {why}"))),
        ureq::Error::RequireHttpsOnly(_) => Error::Protocol(format!("a redirect from https to http, from {to}")),
        // Its text is the URL, whose query may be a secret.
        ureq::Error::BadUri(_) => Error::Protocol(format!("a redirect to what is no URL, from {to}")),
        ureq::Error::LargeResponseHeader(_, limit) => {
            Error::Protocol(format!("head larger than {limit} bytes, from {to}"))
        }
        other => Error::Protocol(format!("{other}, from {to}")),
    }
}

/// The same for an error that came as one of reading or writing.
pub(super) fn unpack_io(error: io::Error, to: &str) -> Error {
    let error = match error.downcast::<ureq::Error>() {
        Ok(error) => return unpack(error, to),
        Err(error) => error,
    };
    match error.downcast::<Error>() {
        Ok(Error::Io(source)) | Err(source) => Error::Lost { to: to.to_owned(), source },
        Ok(error) => error,
    }
}

fn connect(to: &str, source: io::Error) -> Error {
    Error::Connect { to: to.to_owned(), source }
}
