//! What goes in and out of a handler.

use crate::cancel::CancelToken;
use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Instant;

/// Answers requests. Called on the connection's own thread, so it may block; it should end soon after
/// [`Request::token`] is cancelled.
pub trait Handler: Send + Sync + 'static {
    /// The answer to `request`. A panic is logged and answered with `500`.
    fn handle(&self, request: &Request<'_>) -> Response;
}

impl<F: Fn(&Request<'_>) -> Response + Send + Sync + 'static> Handler for F {
    fn handle(&self, request: &Request<'_>) -> Response {
        self(request)
    }
}

/// A request whose head is read and checked.
pub struct Request<'a> {
    method: &'a str,
    path: &'a str,
    query: Option<&'a str>,
    headers: &'a [httparse::Header<'a>],
    peer: SocketAddr,
    received_at: Instant,
    token: &'a dyn Fn() -> &'a CancelToken,
}

impl<'a> Request<'a> {
    /// The method, as sent.
    pub fn method(&self) -> &'a str {
        self.method
    }

    /// The path, as sent: still percent-encoded, without the query.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// What follows the `?`, as sent.
    pub fn query(&self) -> Option<&'a str> {
        self.query
    }

    /// The value of the first header field of this name, case ignored.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
    }

    /// The client.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// When the head was complete: timeouts count from here.
    pub fn received_at(&self) -> Instant {
        self.received_at
    }

    /// Cancelled when the client leaves or the server gives up on the request. The first call begins the watch for that,
    /// so a handler that answers at once pays nothing for it.
    pub fn token(&self) -> &'a CancelToken {
        (self.token)()
    }
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Response {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Cow<'static, [u8]>,
    pub(crate) notes: Vec<(&'static str, Note)>,
    pub(crate) ending: Ending,
}

/// What the access line says about a request beyond what the server itself knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// A number.
    Number(u64),
    /// A word.
    Word(&'static str),
}

/// How a response ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// As it should.
    #[default]
    Whole,
    /// With the connection cut after so many bytes of the body: for servers that test their clients.
    CutAfter(usize),
}

impl Response {
    /// A response with a body.
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Cow<'static, [u8]>>) -> Response {
        Response {
            status,
            content_type,
            headers: Vec::new(),
            body: body.into(),
            notes: Vec::new(),
            ending: Ending::Whole,
        }
    }

    /// Adds a header field.
    ///
    /// # Panics
    ///
    /// When the value holds anything but visible ASCII, space and tab: no answer may carry a line break into the head.
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Response {
        let value = value.into();
        assert!(value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')), "field value {value:?}");
        self.headers.push((name, value));
        self
    }

    /// Adds to what the access line says.
    pub fn with_note(mut self, key: &'static str, note: Note) -> Response {
        self.notes.push((key, note));
        self
    }

    /// Ends it in another way than whole.
    pub fn with_ending(mut self, ending: Ending) -> Response {
        self.ending = ending;
        self
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }
}
