//! A GET over plain HTTP/1.1: one write, one read, no library between.
//!
//! The problem: a call on a connection that is there costs a few microseconds of kernel, and twice as many in a client
//! library that can do everything: a third of a whole request's CPU. The answer: for `http://` without proxy and
//! redirects, which is what a hedging server calls nearly always, the request is written from a prepared text and the
//! response read here. Everything else goes through ureq; `tests/client_oracle.rs` has both read the same responses.

use super::answer::{self, MAX_DRAINED, is_json};
use super::current::Patience;
use super::decode::{Decoder, Step};
use super::head::{Asked, Head, Length};
use super::link::{Failure, Link, MAX_INTERIM};
use super::statuses::Statuses;
use crate::error::{Error, Phase};
use crate::json::Json;
use crate::net::lease::{Reached, Talk};
use std::io::{self, ErrorKind};

/// What is a success, and the largest body taken.
pub(super) type Wanted<'a> = (Option<&'a Statuses>, u64);

/// What a response declares its body to be.
enum ContentType {
    Json,
    Other(String),
    Absent,
}

/// Sends `request` and reads the answer to its end. `to` is the peer's name, for messages.
pub(super) fn talk(mut link: Box<Link>, request: &[u8], to: &str, wanted: Wanted<'_>) -> Talk<Box<Link>, Json> {
    let (result, keep) = exchange(&mut link, request, to, wanted);
    Talk { result, reached: link.reached, keep: keep.then_some(link) }
}

/// The same, and whether the connection can serve another call.
fn exchange(link: &mut Link, request: &[u8], to: &str, wanted: Wanted<'_>) -> (Result<Json, Error>, bool) {
    link.reached = Reached::Unsent;
    let (body, keep) = match link.send(request).and_then(|()| head(link)) {
        Ok((head, content_type)) => answer(link, head, content_type, wanted),
        Err(failure) => (Err(failure), false),
    };
    let result = body.map_err(|failure| failure.into_error(to)).and_then(Json::parse);
    // What failed after the call was ended did so because of that.
    (result.map_err(|error| link.ended().unwrap_or(error)), keep && link.unused().is_empty())
}

/// The final head. It is used up then, and the body begins.
fn head(link: &mut Link) -> Result<(Head, ContentType), Failure> {
    link.phase = Phase::Head;
    let mut interim = 0;
    loop {
        let content_type = |whole: &super::head::Whole<'_>| match whole.content_type {
            Some(value) if is_json(value) => ContentType::Json,
            Some(value) => ContentType::Other(String::from_utf8_lossy(value).into_owned()),
            None => ContentType::Absent,
        };
        match link.head(Asked::Whole, content_type)? {
            Some((head, content_type)) if !head.is_interim() => return Ok((head, content_type)),
            Some(_) => {
                interim += 1;
                if interim > MAX_INTERIM {
                    return Err(Failure::Protocol("too many interim responses".to_owned()));
                }
            }
            None => link.more(Patience::Waits)?,
        }
    }
}

/// The body, if it counts, and whether the connection can be kept.
fn answer(
    link: &mut Link,
    head: Head,
    content_type: ContentType,
    (success, max_body): Wanted<'_>,
) -> (Result<Vec<u8>, Failure>, bool) {
    link.phase = Phase::Body;
    let unwanted = match content_type {
        _ if !answer::is_wanted(head.status, success) => Error::Status(head.status),
        ContentType::Json => {
            let body = body(link, head.body, max_body, Patience::Waits);
            let keep = head.keep && body.is_ok();
            return (body, keep);
        }
        ContentType::Other(found) => Error::ContentType(Some(found)),
        ContentType::Absent => Error::ContentType(None),
    };
    // If all of a body that nobody wants has come already, the connection can be used again.
    let keep = head.keep && body(link, head.body, MAX_DRAINED, Patience::TakesWhatIsHere).is_ok();
    (Err(Failure::Unwanted(unwanted)), keep)
}

fn body(link: &mut Link, length: Length, limit: u64, patience: Patience) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    if let Length::Known(length) = length {
        if length <= limit && length <= link.unused().len() as u64 {
            // The usual one: all of it is here.
            let body = link.unused()[..length as usize].to_vec();
            link.take(body.len());
            return Ok(body);
        }
        // A declared length is the peer's word only: it does not make us allocate much in advance.
        body.reserve_exact(length.min(64 << 10).min(limit) as usize);
    }
    let mut decoder = Decoder::new(length);
    loop {
        let step = decoder.step(link.unused()).map_err(Failure::Protocol)?;
        let announced = decoder.announced().max(if let Step::Data(there) = step { there as u64 } else { 0 });
        if announced > limit - body.len() as u64 {
            return Err(Failure::Unwanted(Error::BodyTooLarge { limit }));
        }
        match step {
            Step::Skip(bytes) => link.take(bytes),
            Step::Data(there) => {
                body.extend_from_slice(&link.unused()[..there]);
                decoder.consume(there);
                link.take(there);
            }
            Step::Over => return Ok(body),
            Step::More => {
                if link.fill(patience)? == 0 && !decoder.end() {
                    return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
                }
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests;
