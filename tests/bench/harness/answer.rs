//! Whether an answer is the right one.

use super::upstream;

/// What the bytes received so far amount to.
pub(crate) enum Answer {
    Incomplete,
    Right,
    Wrong(String),
}

/// Checks an answer to `GET /api/smart`: status 200, JSON, and the upstream's body in ours, to its last byte.
pub(crate) fn check(received: &[u8]) -> Answer {
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
    if status != Some(200) || !is_json || !is_wrapped(body) {
        return wrong(received, "not what the upstream said");
    }
    Answer::Right
}

/// The value of a named field of an answer's head.
fn header<'a>(headers: &[httparse::Header<'a>], name: &str) -> Option<&'a str> {
    let header = headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
    std::str::from_utf8(header.value).ok()
}

fn is_wrapped(body: &[u8]) -> bool {
    let inside = body.strip_prefix(br#"{"success":true,"response":"#).and_then(|rest| rest.strip_suffix(b"}"));
    inside == Some(upstream::BODY)
}

fn wrong(received: &[u8], why: &str) -> Answer {
    Answer::Wrong(format!("{why}: {}", String::from_utf8_lossy(received).escape_debug()))
}
