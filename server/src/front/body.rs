//! A request's body: read and dropped, within limits.
//!
//! No endpoint takes a body. One that is announced has to be read nevertheless, or its bytes would be taken for the
//! next request. It is read before the request is handled, so that a handler's client has nothing left to say.

use super::framing::{Head, Refusal};
use super::input::Rest;
use super::remaining::Remaining;
use super::settings::ServerSettings;
use super::stream::Stream;
use std::time::Instant;

/// Why a body could not be read.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It cannot be served.
    Refused(Refusal),
    /// The client is gone.
    Lost,
}

/// Reads the body and drops it. `received` is what arrived together with the head.
pub(super) fn skip(
    stream: &mut Stream,
    settings: &ServerSettings,
    head: &Head<'_>,
    received: &[u8],
) -> Result<Rest, BodyError> {
    let remaining = Remaining::of(head.body, settings.max_body).map_err(BodyError::Refused)?;
    let Some(mut remaining) = remaining else { return Ok(Rest::FromBuffer(0)) };
    let taken = remaining.take(received).map_err(BodyError::Refused)?;
    if remaining.is_over() {
        return Ok(Rest::FromBuffer(taken));
    }
    if head.expects_continue && received.is_empty() {
        stream.send(b"HTTP/1.1 100 Continue\r\n\r\n", settings.write_timeout).map_err(|_| BodyError::Lost)?;
    }
    receive(stream, settings, &mut remaining)
}

fn receive(stream: &mut Stream, settings: &ServerSettings, remaining: &mut Remaining) -> Result<Rest, BodyError> {
    let deadline = Instant::now() + settings.body_timeout;
    let mut buffer = [0; 4 << 10];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(BodyError::Refused(Refusal { status: 408, why: "the body took too long" }));
        }
        let bytes = match stream.receive(&mut buffer, left) {
            Ok(Some(0)) | Err(_) => return Err(BodyError::Lost),
            Ok(Some(received)) => &buffer[..received],
            Ok(None) => continue,
        };
        let taken = remaining.take(bytes).map_err(BodyError::Refused)?;
        if remaining.is_over() {
            return Ok(Rest::Instead(bytes[taken..].to_vec()));
        }
    }
}
