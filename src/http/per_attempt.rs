//! The fields by which each attempt tells its upstream what it is.

use super::trace::TraceContext;
use crate::race::Attempt;
use std::time::Duration;

/// Adds a field to `out`.
pub(super) fn add_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    for part in [name.as_bytes(), b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

/// Ends the head in `out` with the fields of `attempt`: the time left, if there is a limit, by the name of
/// `timeout_header`; its number; its place in the trace.
pub(super) fn end_head(
    out: &mut Vec<u8>,
    attempt: &Attempt,
    trace: &TraceContext,
    (timeout_header, left): (&str, Option<Duration>),
) {
    let mut digits = itoa::Buffer::new();
    if let Some(left) = left {
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        add_field(out, timeout_header, digits.format(millis).as_bytes());
    }
    add_field(out, "x-attempt", digits.format(attempt.number()).as_bytes());
    add_field(out, "traceparent", &trace.for_attempt());
    out.extend_from_slice(b"\r\n");
}
