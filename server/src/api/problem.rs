//! Errors as `application/problem+json` (RFC 9457).

use crate::server::Response;

/// An answer that says what is wrong in words. The `type` is `about:blank`, so the title is the status's own phrase.
pub(crate) fn problem(status: u16, detail: &str) -> Response {
    let title = title(status);
    // A JSON string, quoted and escaped: the detail may hold what the client sent.
    let detail = serde_json::Value::from(detail);
    let body = format!(r#"{{"type":"about:blank","title":"{title}","status":{status},"detail":{detail}}}"#);
    Response::new(status, "application/problem+json", body.into_bytes())
}

/// Whether `method` is one of those there are.
pub(crate) fn is_allowed(method: &str) -> bool {
    matches!(method, "GET" | "HEAD")
}

/// The refusal of every other one.
pub(crate) fn method_not_allowed() -> Response {
    problem(405, "only GET and HEAD are understood here").with_header("Allow", "GET, HEAD")
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        499 => "Client Closed Request",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Error",
    }
}
