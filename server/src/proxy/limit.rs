//! How many hops a request may still take (RFC 9110, section 7.6.2).
//!
//! `Max-Forwards` is for `OPTIONS` and `TRACE`: whoever is told 0 answers itself, everybody else counts down.

use crate::front::{Request, Response};
use headstart::Error;
use headstart::http::Fields;

const FIELD: &str = "max-forwards";

/// How many hops are left behind this one; `None` when the request does not say.
fn left(request: &Request<'_>) -> Option<u64> {
    let counts = matches!(request.method(), "OPTIONS" | "TRACE");
    let value = request.header(FIELD).filter(|_| counts)?;
    str::from_utf8(value).ok()?.trim().parse().ok()
}

/// The answer to a request that must not go further.
pub(super) fn last_hop(request: &Request<'_>) -> Option<Response> {
    if left(request)? > 0 {
        return None;
    }
    Some(match request.method() {
        "OPTIONS" => Response::new(200, "text/plain", b"".as_slice()).with_header("Allow", "GET, HEAD, OPTIONS"),
        // To repeat what was sent would show the client's credentials to a script of somebody else.
        _ => Response::problem(405, "TRACE is not answered here").with_header("Allow", "GET, HEAD, OPTIONS"),
    })
}

/// Counts one hop in `fields`, which are on their way to the next.
pub(super) fn count(request: &Request<'_>, fields: &mut Fields) -> Result<(), Error> {
    let Some(left) = left(request) else { return Ok(()) };
    fields.remove(FIELD);
    fields.push("Max-Forwards", left.saturating_sub(1).to_string())
}
