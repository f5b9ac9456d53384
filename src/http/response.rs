//! A response: its head, and its body as it comes.

use super::body::Body;
use super::fields::Fields;
use super::heads::{Heard, Interim};
use std::time::Duration;

/// A response whose head has come.
#[derive(Debug)]
pub struct Response {
    /// In one place from the attempt to the caller: it goes through many hands.
    parts: Box<Parts>,
}

#[derive(Debug)]
struct Parts {
    heard: Heard,
    attempt: usize,
    race: Raced,
    body: Body,
}

/// What a response's race was like, for logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Raced {
    /// How long it took, until the response was committed.
    pub elapsed: Duration,
    /// How many hedges were sent.
    pub hedges: usize,
    /// When the first of them was, since the race began.
    pub hedged_at: Option<Duration>,
}

impl Response {
    pub(super) fn new(heard: Heard, attempt: usize, body: Body) -> Response {
        Response { parts: Box::new(Parts { heard, attempt, race: Raced::default(), body }) }
    }

    pub(super) fn set_race(&mut self, race: Raced) {
        self.parts.race = race;
    }

    /// The race that it has won.
    pub fn race(&self) -> Raced {
        self.parts.race
    }

    /// The status.
    pub fn status(&self) -> u16 {
        self.parts.heard.head.status
    }

    /// Whether the upstream speaks HTTP/1.0 only.
    pub fn is_http_1_0(&self) -> bool {
        self.parts.heard.head.is_old
    }

    /// What stands behind the status, as it was sent; it means nothing.
    pub fn reason(&self) -> &[u8] {
        &self.parts.heard.reason
    }

    /// The fields of the head, all of them.
    pub fn fields(&self) -> &Fields {
        &self.parts.heard.fields
    }

    /// The interim responses that came before this one, but 100, and those that an [`Upload`](super::Upload) was told
    /// of. At most 16.
    pub fn interim(&self) -> &[Interim] {
        &self.parts.heard.interim
    }

    /// The number of the attempt whose response this is: 0 for the primary.
    pub fn attempt(&self) -> usize {
        self.parts.attempt
    }

    /// Host and port of the upstream whose response this is, for logs.
    pub fn upstream(&self) -> &str {
        self.parts.body.upstream()
    }

    /// The body.
    pub fn body(&self) -> &Body {
        &self.parts.body
    }

    /// The body, to be read.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.parts.body
    }

    /// The body alone.
    pub fn into_body(self) -> Body {
        self.parts.body
    }

    pub(super) fn has_events(&self) -> bool {
        self.parts.heard.has_events
    }
}
