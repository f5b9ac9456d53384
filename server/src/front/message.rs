//! What goes in and out of a handler.
//!
//! A [`Request`] borrows from its connection's buffer and is made by a [`Server`](super::Server) alone, so a handler is
//! tested over a socket; port 0 makes that cheap. A [`Response`] is a value.

use super::framing::Head;
use super::status::phrase;
use crate::panics::panic_message;
use headstart::cancel::CancelToken;
use std::borrow::Cow;
use std::fmt;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// Answers requests. Called on the connection's own thread, so it may block; it should end soon after
/// [`Request::token`] is canceled.
pub trait Handler: Send + Sync + 'static {
    /// The answer to `request`. A panic is logged and answered with `500`.
    fn handle(&self, request: &Request<'_>) -> Response;
}

impl<F: Fn(&Request<'_>) -> Response + Send + Sync + 'static> Handler for F {
    fn handle(&self, request: &Request<'_>) -> Response {
        self(request)
    }
}

/// The handler's answer, or what stands in for it.
pub(super) fn respond(handler: &dyn Handler, request: &Request<'_>) -> Response {
    catch_unwind(AssertUnwindSafe(|| handler.handle(request))).unwrap_or_else(|panic| {
        let Head { method, target, .. } = request.head;
        log::error!("the handler panicked at {method} {target}: {}", panic_message(&*panic));
        Response::problem(500, "the handler panicked")
    })
}

/// What a front knows of the client that asks.
pub(super) trait Caller {
    fn peer(&self) -> SocketAddr;
    fn token(&self) -> &CancelToken;
    fn is_draining(&self) -> bool;
}

/// A request whose head is read and checked. Its body, if it had one, was read and dropped.
pub struct Request<'a> {
    pub(super) head: &'a Head<'a>,
    pub(super) caller: &'a dyn Caller,
    pub(super) received_at: Instant,
}

impl<'a> Request<'a> {
    /// The method, as sent: a token of RFC 9110, in any case.
    pub fn method(&self) -> &'a str {
        self.head.method
    }

    /// The path, as sent: still percent-encoded, without the query, visible ASCII; it begins with `/`, or is `*` of an
    /// `OPTIONS` request.
    pub fn path(&self) -> &'a str {
        self.head.path
    }

    /// What follows the `?`, as sent.
    pub fn query(&self) -> Option<&'a str> {
        self.head.query
    }

    /// The value of the first header field of this name, case ignored.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.head.fields.iter().find(|field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// The client.
    pub fn peer(&self) -> SocketAddr {
        self.caller.peer()
    }

    /// When the head was complete: timeouts count from here.
    pub fn received_at(&self) -> Instant {
        self.received_at
    }

    /// Canceled when the client leaves or the server gives up on the request. The first call begins the watch for
    /// that, so a handler that answers at once pays nothing for it.
    ///
    /// A client that only shuts its sending side down is still there and gets its answer. The watch needs Unix;
    /// elsewhere the token is canceled by the server's shutdown alone.
    pub fn token(&self) -> &'a CancelToken {
        self.caller.token()
    }

    /// Whether the server is draining: this answer is the connection's last.
    pub fn is_draining(&self) -> bool {
        self.caller.is_draining()
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("method", &self.head.method).field("target", &self.head.target).finish()
    }
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Response {
    pub(super) status: u16,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Cow<'static, [u8]>,
    pub(super) notes: Vec<(&'static str, Note)>,
    pub(super) ending: Ending,
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

/// The field names that belong to the server: they say how the response is framed.
const FRAMING_FIELDS: [&str; 5] = ["connection", "content-length", "content-type", "date", "transfer-encoding"];

impl Response {
    /// A response with a body. The server adds `Date`, `Content-Length` and, where needed, `Connection`.
    ///
    /// # Panics
    ///
    /// When the status is not a final one (200 to 599), or the content type holds anything but visible ASCII and space.
    pub fn new(status: u16, content_type: &'static str, body: impl Into<Cow<'static, [u8]>>) -> Response {
        assert!((200..600).contains(&status), "status {status}");
        assert!(content_type.bytes().all(|byte| matches!(byte, b' '..=b'~')), "content type {content_type:?}");
        Response {
            status,
            content_type,
            headers: Vec::new(),
            body: body.into(),
            notes: Vec::new(),
            ending: Ending::Whole,
        }
    }

    /// An error in the shape of RFC 9457: `application/problem+json` with `type`, `title`, `status` and `detail`.
    ///
    /// # Panics
    ///
    /// When the status is not a final one (200 to 599).
    pub fn problem(status: u16, detail: &str) -> Response {
        let (title, detail) = (serde_json::Value::from(phrase(status)), serde_json::Value::from(detail));
        let body = format!(r#"{{"type":"about:blank","title":{title},"status":{status},"detail":{detail}}}"#);
        Response::new(status, "application/problem+json", body.into_bytes())
    }

    /// Adds a header field.
    ///
    /// # Panics
    ///
    /// When the name is not a token or one of those the server writes itself (`Connection`, `Content-Length`,
    /// `Content-Type`, `Date`, `Transfer-Encoding`), or the value holds anything but visible ASCII, space and tab: no
    /// answer may carry a line break into the head.
    pub fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Response {
        let value = value.into();
        let is_token =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        assert!(is_token && !FRAMING_FIELDS.iter().any(|own| own.eq_ignore_ascii_case(name)), "field name {name:?}");
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

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}
