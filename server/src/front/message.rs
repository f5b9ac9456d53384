//! What goes in and out of a handler.
//!
//! A [`Request`] borrows from its connection's buffer and is made by a [`Server`](super::Server) alone, so a handler is
//! tested over a socket; port 0 makes that cheap. A [`Response`] is a value, or the promise of one.

use super::framing::{Body, Head, Version};
use super::render;
use super::request_body::RequestBody;
use super::response::Response;
use crate::panics::panic_message;
use headstart::cancel::CancelToken;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// Answers requests. Called on the connection's own thread, so it may block; it should end soon after
/// [`Request::token`] is canceled.
pub trait Handler: Send + Sync + 'static {
    /// The answer to `request`. A panic is logged and answered with `500`.
    fn handle(&self, request: &Request<'_>) -> Response;

    /// Whether [`handle`](Handler::handle) reads this request's body itself, as it comes ([`Request::body`]), of
    /// whatever length. Asked for requests that have one, before any of it is read.
    ///
    /// Defaults to no: the body is read and dropped before, within
    /// [`max_body`](super::ServerSettings::max_body) and [`body_timeout`](super::ServerSettings::body_timeout).
    fn takes_body(&self, _request: &Request<'_>) -> bool {
        false
    }
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

/// Whether the handler takes the request's body. One that panics is asked for its answer all the same.
pub(super) fn is_taken(handler: &dyn Handler, request: &Request<'_>) -> bool {
    catch_unwind(AssertUnwindSafe(|| handler.takes_body(request))).unwrap_or_else(|panic| {
        let Head { method, target, .. } = request.head;
        log::error!("the handler panicked over the head of {method} {target}: {}", panic_message(&*panic));
        false
    })
}

/// What a front knows of the client that asks.
pub(super) trait Caller {
    fn peer(&self) -> SocketAddr;
    fn token(&self) -> &CancelToken;
    fn is_draining(&self) -> bool;
    fn is_secure(&self) -> bool;
    fn body(&self) -> RequestBody<'_>;
    /// Sends an interim response of this status.
    fn send_interim(&self, status: u16, response: &[u8]) -> io::Result<()>;
}

/// How long a request's body is, as its head announces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyLength {
    /// There is none, and the head says nothing of one.
    None,
    /// So many bytes; 0 is announced as well.
    Known(u64),
    /// It is sent in chunks.
    Unknown,
}

/// A request whose head is read and checked. Its body, if it has one, was read and dropped, unless the handler
/// [takes it](Handler::takes_body).
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

    /// The request target, as sent: a path with its query, an `http` URL, or `*`.
    pub fn target(&self) -> &'a str {
        self.head.target
    }

    /// The version of the client's HTTP.
    pub fn version(&self) -> Version {
        self.head.version
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

    /// The header fields in their order, with repetitions: names and values as sent, the values without the white space
    /// around them.
    pub fn fields(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> + Clone + use<'a> {
        self.head.fields.iter().map(|field| (field.name, field.value))
    }

    /// Whether the client came through TLS.
    pub fn is_secure(&self) -> bool {
        self.caller.is_secure()
    }

    /// Whether the client waits for leave to send the body (RFC 9110, section 10.1.1). It gets leave when the body is
    /// first read, or by [`send_interim`](Request::send_interim) with 100.
    pub fn expects_continue(&self) -> bool {
        self.head.expects_continue
    }

    /// How long the body is, as the head announces it.
    pub fn body_length(&self) -> BodyLength {
        match self.head.body {
            Body::Length(length) => BodyLength::Known(length),
            Body::Chunked => BodyLength::Unknown,
            Body::None if self.header("content-length").is_some() => BodyLength::Known(0),
            Body::None => BodyLength::None,
        }
    }

    /// The body, as it comes; at its end from the beginning unless the handler
    /// [takes it](Handler::takes_body). What one call has read is gone for the next one.
    ///
    /// # Panics
    ///
    /// When the body from an earlier call is still there: there is one reader at a time.
    pub fn body(&self) -> RequestBody<'a> {
        self.caller.body()
    }

    /// Sends an interim response (RFC 9110, section 15.2): a status from 100 to 199 but 101, and header fields as lines
    /// `Name: value\r\n`, which the caller vouches for. A client of HTTP/1.0 is sent nothing.
    ///
    /// # Errors
    ///
    /// The status is no such, or the client did not take it within the write timeout.
    pub fn send_interim(&self, status: u16, fields: &[u8]) -> io::Result<()> {
        if !(100..200).contains(&status) || status == 101 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("no interim response has status {status}"),
            ));
        }
        if self.head.version == Version::Http10 {
            return Ok(());
        }
        self.caller.send_interim(status, &render::interim(status, fields))
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
