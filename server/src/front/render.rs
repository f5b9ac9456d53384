//! A response as bytes, and the bytes on the wire.
//!
//! One buffer per connection, filled and sent in one piece: a response costs one system call. Sending is bounded: a
//! client has [`ServerSettings::write_timeout`](super::ServerSettings::write_timeout) for each 64 KiB, so neither one
//! that stops reading nor one that reads drop by drop keeps a thread for long.

use super::response::{Content, Ending, Response};
use super::status::phrase;
use super::stream::Stream;
use std::fmt::Write as _;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// What every response begins with. The client-gone watch may have sent it early.
pub(super) const OPENING: &[u8] = b"HTTP/1.1 ";

/// What a client has to take within one write timeout.
const WINDOW: usize = 64 << 10;

/// A buffer that grew beyond this for one large body is given back.
const KEPT: usize = 128 << 10;

/// What the response says about the connection's future.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Persistence {
    /// It stays open, which goes without saying in HTTP/1.1.
    Kept,
    /// It stays open, which a client of HTTP/1.0 has to be told.
    KeptAlive,
    /// It is closed.
    Closed,
}

/// Whether the body is sent or only measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Sent,
    /// An answer to `HEAD`.
    Announced,
}

/// The outgoing side of one connection.
#[derive(Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    /// Where the body begins in `bytes`.
    body_at: usize,
    date: String,
    /// The second since the epoch that `date` is of.
    date_second: u64,
}

impl Output {
    /// Fills the buffer with `response`.
    pub(super) fn render(&mut self, response: &Response, persistence: Persistence, payload: Payload) {
        self.refresh_date();
        let has_body = !matches!(response.status, 204 | 304);
        let out = &mut self.bytes;
        out.clear();
        out.extend_from_slice(OPENING);
        push_number(out, usize::from(response.status));
        out.push(b' ');
        out.extend_from_slice(phrase(response.status).as_bytes());
        push_field(out, "Date", self.date.as_bytes());
        if has_body {
            let Content::Own(content_type, body) = &response.content else { todo!() };
            push_field(out, "Content-Type", content_type.as_bytes());
            out.extend_from_slice(b"\r\nContent-Length: ");
            push_number(out, body.len());
        }
        match persistence {
            Persistence::Kept => {}
            Persistence::KeptAlive => push_field(out, "Connection", b"keep-alive"),
            Persistence::Closed => push_field(out, "Connection", b"close"),
        }
        for (name, value) in &response.headers {
            push_field(out, name, value.as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
        self.body_at = out.len();
        if has_body && payload == Payload::Sent {
            let sent = match response.ending {
                Ending::Whole => response.body().len(),
                Ending::CutAfter(bytes) => bytes.min(response.body().len()),
            };
            out.extend_from_slice(&response.body()[..sent]);
        }
    }

    /// How many bytes of body the buffer holds.
    pub(super) fn body_len(&self) -> usize {
        self.bytes.len() - self.body_at
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Sends the buffer but for its first `early` bytes, which have been sent before. Each window has `timeout`.
    pub(super) fn send(&mut self, stream: &mut Stream<'_>, early: usize, timeout: Duration) -> io::Result<()> {
        let sent = self.bytes[early..].chunks(WINDOW).try_for_each(|window| stream.send(window, timeout));
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
            self.body_at = 0;
        }
        sent
    }

    fn refresh_date(&mut self) {
        let now = SystemTime::now();
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if second != self.date_second || self.date.is_empty() {
            self.date.clear();
            self.date_second = second;
            let _ = write!(self.date, "{}", httpdate::HttpDate::from(now));
        }
    }
}

/// An interim response in whole.
pub(super) fn interim(status: u16, fields: &[u8]) -> Vec<u8> {
    let mut out = OPENING.to_vec();
    push_number(&mut out, usize::from(status));
    out.push(b' ');
    out.extend_from_slice(phrase(status).as_bytes());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(fields);
    out.extend_from_slice(b"\r\n");
    out
}

fn push_field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
}

fn push_number(out: &mut Vec<u8>, number: usize) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}
