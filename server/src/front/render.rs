//! A response as bytes, and the bytes on the wire.
//!
//! One buffer per connection, filled and sent in one piece: a response costs one system call. Sending is bounded: a
//! client has [`ServerSettings::write_timeout`](super::ServerSettings::write_timeout) for each 64 KiB, so neither one
//! that stops reading nor one that reads drop by drop keeps a thread for long.

use super::framing::Version;
use super::outgoing::Frame;
pub(super) use super::outgoing::Payload;
use super::response::{Content, Ending, Passed, Response};
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

/// The outgoing side of one connection.
#[derive(Default)]
pub(super) struct Output {
    bytes: Vec<u8>,
    /// Where the body begins in `bytes`.
    body_at: usize,
    date: Date,
}

impl Output {
    /// Fills the buffer with `response`: its head, and its body if that is here.
    pub(super) fn render(&mut self, response: &Response, frame: Frame, persistence: Persistence, payload: Payload) {
        let out = &mut self.bytes;
        out.clear();
        out.extend_from_slice(OPENING);
        push_number(out, u64::from(response.status));
        out.push(b' ');
        match &response.content {
            Content::Own(content_type, _) | Content::Streamed { content_type, .. } => {
                out.extend_from_slice(phrase(response.status).as_bytes());
                self.date.refresh();
                push_field(out, "Date", self.date.text.as_bytes());
                if has_body(response.status) {
                    push_field(out, "Content-Type", content_type.as_bytes());
                }
            }
            Content::Passed { reason, fields, .. } => {
                out.extend_from_slice(reason);
                out.extend_from_slice(b"\r\n");
                out.extend_from_slice(fields);
                out.truncate(out.len() - b"\r\n".len());
            }
        }
        match frame {
            Frame::Length(length) => {
                out.extend_from_slice(b"\r\nContent-Length: ");
                push_number(out, length);
            }
            Frame::Chunked => push_field(out, "Transfer-Encoding", b"chunked"),
            Frame::Absent | Frame::UntilClose | Frame::Tunnel => {}
        }
        match persistence {
            _ if frame == Frame::Tunnel => push_field(out, "Connection", b"upgrade"),
            Persistence::Kept => {}
            Persistence::KeptAlive => push_field(out, "Connection", b"keep-alive"),
            Persistence::Closed => push_field(out, "Connection", b"close"),
        }
        for (name, value) in &response.headers {
            push_field(out, name, value.as_bytes());
        }
        out.extend_from_slice(b"\r\n\r\n");
        self.body_at = out.len();
        if payload == Payload::Sent && has_body(response.status) {
            let body = response.body();
            let sent = match response.ending {
                Ending::Whole => body.len(),
                Ending::CutAfter(bytes) => bytes.min(body.len()),
            };
            out.extend_from_slice(&body[..sent]);
        }
    }

    /// How many bytes of body the buffer holds.
    pub(super) fn body_len(&self) -> u64 {
        (self.bytes.len() - self.body_at) as u64
    }

    /// The buffer, with a head and no body, for a response that is streamed.
    pub(super) fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.bytes)
    }

    /// Gives it back.
    pub(super) fn give_back(&mut self, buffer: Vec<u8>) {
        if buffer.capacity() <= KEPT {
            self.bytes = buffer;
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Sends the buffer but for its first `early` bytes, which have been sent before. Each window has `timeout`.
    pub(super) fn send(&mut self, stream: &mut Stream, early: usize, timeout: Duration) -> io::Result<()> {
        let sent = self.bytes[early..].chunks(WINDOW).try_for_each(|window| stream.send(window, timeout));
        if self.bytes.capacity() > KEPT {
            self.bytes = Vec::new();
            self.body_at = 0;
        }
        sent
    }
}

/// The time as the field `Date` has it.
#[derive(Default)]
struct Date {
    text: String,
    /// The second since the epoch that `text` is of.
    second: u64,
}

impl Date {
    fn refresh(&mut self) {
        let now = SystemTime::now();
        let second = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if second != self.second || self.text.is_empty() {
            self.text.clear();
            self.second = second;
            let _ = write!(self.text, "{}", httpdate::HttpDate::from(now));
        }
    }
}

/// Whether responses of this status have a body (RFC 9110, section 6.4.1).
fn has_body(status: u16) -> bool {
    !matches!(status, 204 | 304)
}

/// How the body of `response` is delimited for a client of this version.
pub(super) fn frame(response: &Response, version: Version, payload: Payload) -> Frame {
    let streamed = |length: Option<u64>| match (length, version) {
        (Some(length), _) => Frame::Length(length),
        (None, _) if payload == Payload::Announced => Frame::Absent,
        (None, Version::Http11) => Frame::Chunked,
        (None, Version::Http10) => Frame::UntilClose,
    };
    match &response.content {
        Content::Passed { body: Passed::Tunnel(_), .. } => Frame::Tunnel,
        _ if !has_body(response.status) => Frame::Absent,
        Content::Passed { body: Passed::None, .. } if payload == Payload::Announced => Frame::Absent,
        Content::Passed { body: Passed::None, .. } => Frame::Length(0),
        Content::Own(_, body) => Frame::Length(body.len() as u64),
        Content::Passed { body: Passed::Bytes(body), .. } => Frame::Length(body.len() as u64),
        Content::Streamed { length, .. } | Content::Passed { body: Passed::Stream { length, .. }, .. } => {
            streamed(*length)
        }
    }
}

/// An interim response in whole.
pub(super) fn interim(status: u16, fields: &[u8]) -> Vec<u8> {
    let mut out = OPENING.to_vec();
    push_number(&mut out, u64::from(status));
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

fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}
