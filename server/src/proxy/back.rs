//! What an upstream's response becomes on its way to the client.
//!
//! A body that is here as a whole goes out with its head, in one piece. Any other is moved as it comes, by one thread
//! for both directions: the client may still be sending, or may leave.

use super::hop::Options;
use crate::front::{Conversation, Note, Passed, Response};
use headstart::http::{self, Body, Fields};
use headstart::relay::{self, Interrupted};
use httpdate::HttpDate;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

/// What has to be known beside the response.
pub(super) struct Way<P> {
    /// Whether a `HEAD` was asked for.
    pub(super) is_head: bool,
    pub(super) body_idle: Duration,
    pub(super) tunnel_idle: Duration,
    /// Kept until all is sent.
    pub(super) permit: P,
}

/// The largest body that is copied to go out together with its head.
const SMALL: u64 = 16 << 10;

/// The answer that `response` is.
pub(super) fn pass<P: Send + 'static>(response: http::Response, way: Way<P>) -> Response {
    let status = response.status();
    let has_body = !way.is_head && !matches!(status, 204 | 304) && status != 101;
    let options = Options::of(response.fields().all("connection"));
    // A client learns from these what it would get: see RFC 9110, sections 8.6 and 15.2.2.
    let keeps = |name: &[u8]| match status {
        101 | 426 if name.eq_ignore_ascii_case(b"upgrade") => true,
        _ => !has_body && name.eq_ignore_ascii_case(b"content-length") && !matches!(status, 101 | 204),
    };
    let mut lines = Vec::with_capacity(response.fields().as_bytes().len() + VIA.len());
    for (name, line) in response.fields().lines() {
        if keeps(name) || !options.keeps_here(name) {
            lines.extend_from_slice(line);
        }
    }
    if response.fields().get("date").is_none() && status != 101 {
        // RFC 9110, section 6.6.1: who has a clock dates what it passes on.
        let _ = write!(lines, "Date: {}\r\n", HttpDate::from(SystemTime::now()));
    }
    lines.extend_from_slice(if response.is_http_1_0() { VIA_OLD } else { VIA });
    let (attempt, race) = (response.attempt() as u64, response.race());
    let reason = response.reason().to_vec();
    let body = match status {
        101 => tunnel(response, way),
        _ if !has_body => Passed::None,
        _ => content(response.into_body(), way),
    };
    let micros = |time: Duration| Note::Number(time.as_micros() as u64);
    let passed = Response::passed(status, reason, lines, body)
        .with_note("winner", Note::Number(attempt))
        .with_note("hedges", Note::Number(race.hedges as u64))
        .with_note("commit_us", micros(race.elapsed));
    match race.hedged_at {
        Some(at) => passed.with_note("hedge_us", micros(at)),
        None => passed,
    }
}

/// The version is that of what was received (RFC 9110, section 7.6.3).
const VIA: &[u8] = b"Via: 1.1 headstart\r\n";
const VIA_OLD: &[u8] = b"Via: 1.0 headstart\r\n";

/// What an interim response tells the client.
pub(super) fn interim(fields: &Fields) -> Vec<u8> {
    let options = Options::of(fields.all("connection"));
    let passed = fields.lines().filter(|(name, _)| !options.keeps_here(name));
    passed.flat_map(|(_, line)| line).copied().collect()
}

fn content<P: Send + 'static>(mut body: Body, way: Way<P>) -> Passed {
    let length = body.length();
    let here = body.buffered();
    if length.is_some_and(|length| length <= SMALL && here.len() as u64 == length) && !body.is_sending() {
        let bytes = here.to_vec();
        body.consume(bytes.len());
        return Passed::Bytes(bytes);
    }
    let run = move |client: &mut Conversation<'_>| {
        let relayed = relay::exchange(client, &mut body, way.body_idle);
        drop(way.permit);
        told(relayed)
    };
    Passed::Stream { length, run: Box::new(run) }
}

fn tunnel<P: Send + 'static>(response: http::Response, way: Way<P>) -> Passed {
    let mut upstream = response.into_body().into_tunnel();
    let run = move |client: &mut Conversation<'_>| {
        let relayed = relay::tunnel(client, &mut upstream, way.tunnel_idle);
        drop(way.permit);
        told(relayed)
    };
    Passed::Tunnel(Box::new(run))
}

/// Who ended it.
fn told(relayed: Result<(), Interrupted>) -> io::Result<()> {
    relayed.map_err(|interrupted| match interrupted {
        Interrupted::First(error) | Interrupted::Second(error) => error,
        _ => io::ErrorKind::TimedOut.into(),
    })
}
