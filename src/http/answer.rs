//! What counts as a success.
//!
//! Status 200 or another one that was said to, a JSON media type, and a body that is complete and parses. The parsing
//! is not pedantry: a connection that breaks can leave a truncated body of undeclared length that reads as complete.

use super::current::{self, Patience};
use super::failure::unpack_io;
use super::fields::is_token;
use super::statuses::Statuses;
use crate::error::{Error, Phase};
use crate::json::Json;
use std::io::{self, Read};
use ureq::Body;
use ureq::http::Response;
use ureq::http::header::CONTENT_TYPE;

/// The statuses that count, when nobody says otherwise.
pub(super) fn is_wanted(status: u16, success: Option<&Statuses>) -> bool {
    success.map_or(status == 200, |success| success.contains(status))
}

/// How much of an unwanted body is read to save the connection, when it is there already.
pub(super) const MAX_DRAINED: u64 = 64 << 10;

/// The body of `response`, which came from `to`, if it is a success.
pub(super) fn json(
    response: Response<Body>,
    to: &str,
    (success, max_body): (Option<&Statuses>, u64),
) -> Result<Json, Error> {
    let status = response.status().as_u16();
    if !is_wanted(status, success) {
        drain(response);
        return Err(Error::Status(status));
    }
    let content_type = response.headers().get(CONTENT_TYPE).map(|value| value.as_bytes());
    if !content_type.is_some_and(is_json) {
        let found = content_type.map(|value| String::from_utf8_lossy(value).into_owned());
        drain(response);
        return Err(Error::ContentType(found));
    }
    Json::parse(read(response, to, max_body)?)
}

/// All of the body, up to `max_body` bytes.
pub(super) fn read(response: Response<Body>, to: &str, max_body: u64) -> Result<Vec<u8>, Error> {
    current::enter_phase(Phase::Body);
    let body = response.into_body();
    let declared = body.content_length();
    if declared.is_some_and(|length| length > max_body) {
        return Err(Error::BodyTooLarge { limit: max_body });
    }
    // A declared length is the peer's word only: it does not make us allocate much in advance.
    let mut bytes = Vec::with_capacity(declared.unwrap_or(0).min(64 << 10) as usize);
    let mut reader = body.into_reader().take(max_body.saturating_add(1));
    reader.read_to_end(&mut bytes).map_err(|error| unpack_io(error, to))?;
    if bytes.len() as u64 > max_body {
        return Err(Error::BodyTooLarge { limit: max_body });
    }
    Ok(bytes)
}

/// Reads what has already come of a body nobody wants. If that is all of it, the connection can be used again.
pub(super) fn drain(response: Response<Body>) {
    current::enter_phase(Phase::Body);
    current::set_patience(Patience::TakesWhatIsHere);
    let mut rest = response.into_body().into_reader().take(MAX_DRAINED);
    if let Err(error) = io::copy(&mut rest, &mut io::sink()) {
        log::trace!("connection given up: {error}");
    }
    current::set_patience(Patience::Waits);
}

/// Whether a `Content-Type` is a JSON MIME type as the WHATWG MIME Sniffing Standard defines it (section 4.6):
/// `application/json`, `text/json`, or a subtype that ends in `+json`. Parameters do not matter.
pub(super) fn is_json(value: &[u8]) -> bool {
    let essence = value.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let mut parts = essence.split(|byte| *byte == b'/');
    let (Some(kind), Some(subtype), None) = (parts.next(), parts.next(), parts.next()) else { return false };
    if !is_token(kind) || !is_token(subtype) {
        return false;
    }
    let plain = subtype.eq_ignore_ascii_case(b"json")
        && (kind.eq_ignore_ascii_case(b"application") || kind.eq_ignore_ascii_case(b"text"));
    let suffix = subtype.len().checked_sub(b"+json".len()).map(|at| &subtype[at..]);
    plain || suffix.is_some_and(|suffix| suffix.eq_ignore_ascii_case(b"+json"))
}

#[cfg(test)]
mod tests {
    use super::is_json;

    #[test]
    fn json_media_types_are_those_of_the_standard() {
        for yes in [
            "application/json",
            "text/json",
            "Application/JSON; charset=utf-8",
            "application/problem+json",
            "image/svg+JSON ;a=b",
            " application/json ",
        ] {
            assert!(is_json(yes.as_bytes()), "{yes:?}");
        }
        for no in
            ["", "json", "/json", "image/json", "application/jsonx", "application/json/x", "text/html", "a b/c+json"]
        {
            assert!(!is_json(no.as_bytes()), "{no:?}");
        }
    }
}
