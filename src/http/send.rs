//! Requests of any method, and their responses as they come.

use super::client::Client;
use super::request::Request;
use super::response::Response;
use super::upload::Upload;
use crate::error::Error;
use crate::limit::TimeLimit;

impl Client {
    /// Sends `request` and returns its response once that is committed, within `limit`. The token of `limit` goes on
    /// to end the body.
    ///
    /// # Errors
    ///
    /// The last failure, when no attempt got any response; [`Error::TimedOut`] and [`Error::Canceled`] when `limit`
    /// ended it; [`Error::Setting`] for a request that cannot be sent.
    pub fn send(&self, _request: &Request, _limit: impl Into<TimeLimit>) -> Result<Response, Error> {
        todo!()
    }

    /// Sends `request` with the body that `body` has, once, on this thread, and returns the response when its head has
    /// come, which may be before all of the body was sent: see [`Body::is_sending`](super::Body::is_sending).
    ///
    /// # Errors
    ///
    /// As [`send`](Client::send); [`Error::Io`] when `body` fails.
    pub fn send_from(
        &self,
        _request: &Request,
        _body: &mut dyn Upload,
        _limit: impl Into<TimeLimit>,
    ) -> Result<Response, Error> {
        todo!()
    }
}
