//! The request of a call without ureq, as bytes.
//!
//! Everything that is the same in each call is written once.

use super::per_attempt::{add_field, end_head};
use super::query::add_query;
use super::trace::TraceContext;
use crate::net::address::Address;
use crate::race::Attempt;
use ureq::http::header::HOST;
use ureq::http::{HeaderName, Request, Uri};

/// Room for the fields that differ from call to call.
const FIELDS: usize = 192;

/// One URL, made ready to be called over plain HTTP.
pub(super) struct PreparedRequest {
    /// The request line and the fields that never change.
    head: Vec<u8>,
    /// How much of it goes before a query of the call's own.
    target_end: usize,
    timeout_header: String,
}

/// Where a URL leads; `None` when it has no host, or one that cannot be.
pub(super) fn target(uri: &Uri) -> Option<Address> {
    let default_port = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    let authority = uri.authority()?.as_str();
    // A port may be left out after its colon (RFC 3986, section 3.2.3).
    Address::parse(authority.strip_suffix(':').unwrap_or(authority), default_port).ok()
}

impl PreparedRequest {
    /// The call that `request` makes, or `None` where it takes more than plain HTTP.
    pub(super) fn new(request: &Request<()>, timeout_header: &HeaderName) -> Option<PreparedRequest> {
        let uri = request.uri();
        if uri.scheme_str() != Some("http") {
            return None;
        }
        // Displayed, a path has its slash, also where the URL left it out before the query.
        let path = uri.path_and_query()?;
        let mut head = format!("GET {path}").into_bytes();
        let target_end = head.len();
        head.extend_from_slice(b" HTTP/1.1\r\n");
        let host = request.headers().get(HOST).into_iter().map(|value| (&HOST, value));
        let others = request.headers().iter().filter(|(name, value)| **name != HOST && !value.is_empty());
        for (name, value) in host.chain(others) {
            add_field(&mut head, name.as_str(), value.as_bytes());
        }
        Some(PreparedRequest { head, target_end, timeout_header: timeout_header.as_str().to_owned() })
    }

    /// The request for `attempt`, with `query` beside that of the URL.
    pub(super) fn for_attempt(&self, attempt: &Attempt, trace: &TraceContext, query: Option<&str>) -> Vec<u8> {
        let room_for_query = query.map_or(0, |query| 1 + 3 * query.len());
        let mut request = Vec::with_capacity(self.head.len() + FIELDS + room_for_query);
        match query {
            None => request.extend_from_slice(&self.head),
            Some(query) => {
                let (target, fields) = self.head.split_at(self.target_end);
                request.extend_from_slice(target);
                add_query(&mut request, query);
                request.extend_from_slice(fields);
            }
        }
        end_head(&mut request, attempt, trace, (&self.timeout_header, attempt.deadline().remaining()));
        request
    }
}
