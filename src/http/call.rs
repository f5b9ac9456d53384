//! What one call says that differs from the next.

use crate::limit::TimeLimit;

/// When the attempts of a call start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// By the client's schedule.
    Hedged,
    /// All at once.
    AtOnce,
}

/// One call of a [`Client`](super::Client).
#[derive(Clone, Debug)]
pub struct Call<'a> {
    pub(super) start: Start,
    pub(super) limit: TimeLimit,
    pub(super) traceparent: Option<&'a str>,
    pub(super) query: Option<&'a str>,
}

impl<'a> Call<'a> {
    /// A call that is over within `limit`. With [`Deadline::Never`](crate::Deadline::Never) it takes as long as its
    /// slowest attempt.
    pub fn new(limit: impl Into<TimeLimit>) -> Call<'a> {
        Call { start: Start::Hedged, limit: limit.into(), traceparent: None, query: None }
    }

    /// When its attempts start. Defaults to [`Start::Hedged`].
    pub fn start(mut self, start: Start) -> Call<'a> {
        self.start = start;
        self
    }

    /// The W3C trace context to send along. Defaults to a new one, which also takes the place of a malformed one.
    pub fn traceparent(mut self, traceparent: &'a str) -> Call<'a> {
        self.traceparent = Some(traceparent);
        self
    }

    /// What to ask beside the query that the URL has of its own: it follows that after an `&`. It is sent as it is, but
    /// for what a request's target cannot hold (RFC 3986, section 3.4), which is percent-encoded. Defaults to nothing.
    pub fn query(mut self, query: &'a str) -> Call<'a> {
        self.query = Some(query);
        self
    }
}
