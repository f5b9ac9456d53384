//! A request of any method, as it is to be sent.

use super::fields::Fields;
use super::trace::TraceContext;
use std::sync::Arc;
use std::time::Duration;

/// Whether a request may be sent more than once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// To one upstream, over a connection made for it. While no byte of it was sent, a connection that cannot be made
    /// costs nothing: the next upstream gets it.
    Once,
    /// By a race, as the client's schedule says, and again when an idle connection is found closed.
    Hedged,
}

/// A request to be sent by [`Client::send`](super::Client::send).
///
/// ```
/// use headstart::http::Request;
///
/// let request = Request::new("PUT", "/items/7?dry=1").field("Content-Type", "text/plain").body(*b"seven");
/// assert_eq!((request.method(), request.target()), ("PUT", "/items/7?dry=1"));
/// ```
#[derive(Clone, Debug)]
#[must_use = "a request does nothing before it is sent"]
pub struct Request {
    method: String,
    target: String,
    fields: Fields,
    body: Option<Arc<[u8]>>,
    sending: Option<Sending>,
    trace: Option<TraceContext>,
    response_timeout: Option<Duration>,
    /// The first field that could not be added: name and value.
    wrong: Option<(String, String)>,
}

impl Request {
    /// A request of this method (any token but `CONNECT`) for this target, in origin form (`/path?query`) or `*`: it
    /// goes out as it is. The path of the upstream's URL has no part in it.
    pub fn new(method: impl Into<String>, target: impl Into<String>) -> Request {
        Request {
            method: method.into(),
            target: target.into(),
            fields: Fields::new(),
            body: None,
            sending: None,
            trace: None,
            response_timeout: None,
            wrong: None,
        }
    }

    /// A GET for this target.
    pub fn get(target: impl Into<String>) -> Request {
        Request::new("GET", target)
    }

    /// Adds a field. One that cannot be is told when the request is sent; [`Fields::push`] tells it at once.
    pub fn field(mut self, name: &str, value: impl AsRef<[u8]>) -> Request {
        if self.fields.push(name, &value).is_err() && self.wrong.is_none() {
            self.wrong = Some((name.to_owned(), String::from_utf8_lossy(value.as_ref()).into_owned()));
        }
        self
    }

    /// The fields. `Content-Length` and `Transfer-Encoding` among them are not sent: the client says how long the body
    /// is.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The fields, to be changed.
    pub fn fields_mut(&mut self) -> &mut Fields {
        &mut self.fields
    }

    /// The body. Defaults to none, which is another thing than an empty one.
    pub fn body(mut self, bytes: impl Into<Arc<[u8]>>) -> Request {
        self.body = Some(bytes.into());
        self
    }

    /// Whether it may be sent more than once. Defaults to [`Sending::Hedged`] for GET, HEAD and OPTIONS without a body
    /// and without the field `Upgrade`, and to [`Sending::Once`] for everything else.
    pub fn sending(mut self, sending: Sending) -> Request {
        self.sending = Some(sending);
        self
    }

    /// The trace that goes on with it. Defaults to that of the field `traceparent`, or a new one.
    pub fn trace(mut self, trace: TraceContext) -> Request {
        self.trace = Some(trace);
        self
    }

    /// How long the response's head may take once all of a body that is sent as it comes was sent
    /// ([`Client::send_from`](super::Client::send_from)). A deadline would count the time that the body takes, too.
    /// Upstreams are told of it where the call has no deadline. Defaults to no limit but that of the call.
    pub fn response_timeout(mut self, timeout: Duration) -> Request {
        self.response_timeout = Some(timeout);
        self
    }

    /// The method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The target.
    pub fn target(&self) -> &str {
        &self.target
    }

    pub(super) fn timeout(&self) -> Option<Duration> {
        self.response_timeout
    }

    pub(super) fn bytes(&self) -> Option<&Arc<[u8]>> {
        self.body.as_ref()
    }

    pub(super) fn trace_context(&self) -> TraceContext {
        match &self.trace {
            Some(trace) => trace.clone(),
            None => {
                let given = self.fields.get("traceparent").and_then(|value| str::from_utf8(value).ok());
                TraceContext::continuing(given)
            }
        }
    }

    /// Whether it may be sent more than once, as it was said or by default.
    pub(super) fn how_often(&self) -> Sending {
        let is_read = matches!(&*self.method, "GET" | "HEAD" | "OPTIONS");
        self.sending.unwrap_or(match is_read && self.body.is_none() && !self.fields.contains("upgrade") {
            true => Sending::Hedged,
            false => Sending::Once,
        })
    }

    /// The first field that could not be added: name and value.
    pub(super) fn wrong_field(&self) -> Option<&(String, String)> {
        self.wrong.as_ref()
    }
}
