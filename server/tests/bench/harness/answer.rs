//! Whether an answer is the right one.

use super::contender::Wrapper;
use super::upstream;

/// The body that says that all attempts failed.
const NONE: &[u8] = br#"{"success":false,"response":{}}"#;

/// The state of the answer received so far.
pub(crate) enum Answer {
    Incomplete,
    Right,
    /// `503`: refused for now.
    Refused,
    /// The server reports a failure: all attempts failed, or the time is over.
    Failed,
    Wrong(String),
}

/// Checks an answer to `GET /api/smart`: status 200, JSON, and the upstream's body in its wrapper, to its last byte.
pub(crate) fn check(received: &[u8], wrapper: Wrapper) -> Answer {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let body_start = match head.parse(received) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Answer::Incomplete,
        Err(error) => return wrong(received, &format!("malformed head ({error})")),
    };
    let status = head.code;
    let Some(length) = header(head.headers, "content-length").and_then(|value| value.trim().parse().ok()) else {
        return wrong(received, "no length");
    };
    let body = &received[body_start..];
    match body.len() {
        so_far if so_far < length => return Answer::Incomplete,
        so_far if so_far > length => return wrong(received, "more than one answer"),
        _ => {}
    }
    let is_json = header(head.headers, "content-type").is_some_and(|value| value.starts_with("application/json"));
    match status {
        Some(503) => return Answer::Refused,
        Some(408 | 502 | 504) => return Answer::Failed,
        Some(200) if wrapper == Wrapper::Ours && body == NONE => return Answer::Failed,
        _ => {}
    }
    if status != Some(200) || !is_json || unwrapped(body, wrapper) != Some(upstream::BODY) {
        return wrong(received, "not what the upstream said");
    }
    Answer::Right
}

/// The value of a named field of an answer's head.
fn header<'a>(headers: &[httparse::Header<'a>], name: &str) -> Option<&'a str> {
    let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(header.value).ok()
}

fn unwrapped(body: &[u8], wrapper: Wrapper) -> Option<&[u8]> {
    match wrapper {
        Wrapper::Ours => body.strip_prefix(br#"{"success":true,"response":"#)?.strip_suffix(b"}"),
        Wrapper::Nothing => Some(body),
    }
}

fn wrong(received: &[u8], why: &str) -> Answer {
    Answer::Wrong(format!("{why}: {}", String::from_utf8_lossy(received).escape_debug()))
}
