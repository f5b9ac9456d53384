//! A response: its head, and its body as it comes.

use super::body::Body;
use super::fields::Fields;
use std::sync::Arc;

/// A response whose head has come.
#[derive(Debug)]
pub struct Response {
    status: u16,
    reason: Vec<u8>,
    fields: Fields,
    interim: Vec<Interim>,
    attempt: usize,
    upstream: Arc<str>,
    body: Body,
}

/// An interim response (RFC 9110, section 15.2).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Interim {
    /// Its status, 1xx.
    pub status: u16,
    /// Its fields.
    pub fields: Fields,
}

impl Response {
    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// What stands behind the status, as it was sent; it means nothing.
    pub fn reason(&self) -> &[u8] {
        &self.reason
    }

    /// The fields of the head, all of them.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The interim responses that came before this one, but 100 and 101, and those that an
    /// [`Upload`](super::Upload) was told of. At most 16.
    pub fn interim(&self) -> &[Interim] {
        &self.interim
    }

    /// The number of the attempt whose response this is: 0 for the primary.
    pub fn attempt(&self) -> usize {
        self.attempt
    }

    /// Host and port of the upstream whose response this is, for logs.
    pub fn upstream(&self) -> &str {
        &self.upstream
    }

    /// The body.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The body, to be read.
    pub fn body_mut(&mut self) -> &mut Body {
        &mut self.body
    }

    /// The body alone.
    pub fn into_body(self) -> Body {
        self.body
    }
}
