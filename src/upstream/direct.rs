//! The request of a call without ureq, as bytes.
//!
//! Everything that is the same in each call is written once.

use super::connect::target;
use super::trace::TraceContext;
use crate::race::Attempt;
use ureq::http::header::HOST;
use ureq::http::{HeaderName, Request};

/// Room for the fields that differ from call to call.
const FIELDS: usize = 192;

/// One URL, made ready to be called over plain HTTP.
pub(super) struct Direct {
    /// The request line and the fields that never change.
    head: Vec<u8>,
    timeout_header: String,
    host: String,
    port: u16,
}

impl Direct {
    /// The call that `request` makes, or `None` where it takes more than plain HTTP.
    pub(super) fn new(request: &Request<()>, timeout_header: &HeaderName) -> Option<Direct> {
        let uri = request.uri();
        if uri.scheme_str() != Some("http") {
            return None;
        }
        // Displayed, a path has its slash, also where the URL left it out before the query.
        let path = uri.path_and_query()?;
        let mut head = format!("GET {path} HTTP/1.1\r\n").into_bytes();
        let host = request.headers().get(HOST).into_iter().map(|value| (&HOST, value));
        let others = request.headers().iter().filter(|(name, value)| **name != HOST && !value.is_empty());
        for (name, value) in host.chain(others) {
            head.extend_from_slice(name.as_str().as_bytes());
            head.extend_from_slice(b": ");
            head.extend_from_slice(value.as_bytes());
            head.extend_from_slice(b"\r\n");
        }
        let (host, port) = target(uri);
        Some(Direct { head, timeout_header: timeout_header.as_str().to_owned(), host: host.to_owned(), port })
    }

    /// Whom to connect to.
    pub(super) fn target(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The request for `attempt`.
    pub(super) fn request(&self, attempt: &Attempt, trace: &TraceContext) -> Vec<u8> {
        let mut request = Vec::with_capacity(self.head.len() + FIELDS);
        request.extend_from_slice(&self.head);
        let mut field = |name: &str, value: &[u8]| {
            for part in [name.as_bytes(), b": ", value, b"\r\n"] {
                request.extend_from_slice(part);
            }
        };
        let mut digits = itoa::Buffer::new();
        if let Some(left) = attempt.deadline().remaining() {
            let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
            field(&self.timeout_header, digits.format(millis).as_bytes());
        }
        field("x-attempt", digits.format(attempt.number()).as_bytes());
        field("traceparent", &trace.for_attempt());
        request.extend_from_slice(b"\r\n");
        request
    }
}
