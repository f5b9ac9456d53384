//! A response's body on its way: framed, and held back as far as there is no room for it.
//!
//! The problem: a chunk says its size before its data, so one that was begun has to be sent to its end, though the
//! socket may have room for a part only. The answer: what was taken and did not go out is kept here, one chunk at most;
//! data without chunks is never kept. The head is the first that is kept: it goes out with the body's first bytes.
//!
//! What this does not do: decide whether an end is one. Who sends finishes, or the connection is cut.

use super::stream::Stream;
use std::io::{self, ErrorKind, Write as _};
use std::time::Duration;

/// The most bytes that are taken at a time, and what a client has to take within one write timeout.
const WINDOW: usize = 64 << 10;

const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// How a response's body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// There is none, and nothing says so: answers to `HEAD`, 204, 304.
    Absent,
    /// It has so many bytes.
    Length(u64),
    Chunked,
    /// By the connection's end.
    UntilClose,
    /// It is none: from here on the connection carries something else.
    Tunnel,
}

impl Frame {
    /// Whether anything follows the head.
    pub(super) fn is_sent(self, payload: Payload) -> bool {
        match self {
            Frame::Absent => false,
            Frame::Tunnel => true,
            Frame::Length(_) | Frame::Chunked | Frame::UntilClose => payload == Payload::Sent,
        }
    }
}

/// Whether the body is sent or only measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Payload {
    Sent,
    /// An answer to `HEAD`.
    Announced,
}

/// A response under way.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// With what is left of a length.
    frame: Frame,
    /// What was taken and not sent yet begins at `sent`.
    held: Vec<u8>,
    sent: usize,
    /// Bytes of body taken.
    taken: u64,
    is_ended: bool,
    /// Whether a tunnel's end was said.
    #[cfg_attr(not(unix), allow(dead_code))]
    is_said: bool,
}

impl Outgoing {
    /// After `head`, of which `early` bytes have been sent before.
    pub(super) fn new(frame: Frame, head: Vec<u8>, early: usize) -> Outgoing {
        Outgoing { frame, held: head, sent: early, taken: 0, is_ended: false, is_said: false }
    }

    /// How many bytes of body have been sent.
    pub(super) fn sent_body(&self) -> u64 {
        self.taken.saturating_sub((self.held.len() - self.sent) as u64)
    }

    /// The buffer, for another response.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.held
    }

    /// Sends up to 64 KiB of `bytes`, for which the client has `timeout`, and tells how many that were.
    pub(super) fn write(&mut self, stream: &mut Stream, bytes: &[u8], timeout: Duration) -> io::Result<usize> {
        let bytes = self.admit(bytes)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let is_held = self.sent < self.held.len();
        if self.frame == Frame::Chunked || is_held && bytes.len() <= WINDOW / 4 {
            self.hold(bytes, 0);
            self.count(bytes.len());
            self.flush(stream, timeout)?;
        } else {
            self.flush(stream, timeout)?;
            stream.send(bytes, timeout)?;
            self.count(bytes.len());
        }
        Ok(bytes.len())
    }

    /// Sends what is held, for which the client has `timeout`.
    pub(super) fn flush(&mut self, stream: &mut Stream, timeout: Duration) -> io::Result<()> {
        if self.sent < self.held.len() {
            stream.send(&self.held[self.sent..], timeout)?;
            self.clear();
        }
        stream.flush(timeout)
    }

    /// Says that this is the end, and sends it.
    pub(super) fn finish(&mut self, stream: &mut Stream, timeout: Duration) -> io::Result<()> {
        self.end()?;
        self.flush(stream, timeout)
    }

    fn end(&mut self) -> io::Result<()> {
        match self.frame {
            Frame::Length(left @ 1..) => {
                let why = format!("the body lacks {left} bytes of its announced length");
                return Err(io::Error::new(ErrorKind::InvalidInput, why));
            }
            Frame::Chunked if !self.is_ended => self.held.extend_from_slice(LAST_CHUNK),
            _ => {}
        }
        self.is_ended = true;
        Ok(())
    }

    /// As much of `bytes` as may be taken at a time.
    fn admit<'a>(&self, bytes: &'a [u8]) -> io::Result<&'a [u8]> {
        let why = match self.frame {
            _ if self.is_ended => "the body has ended",
            Frame::Length(left) if (bytes.len() as u64) > left => "the body is longer than announced",
            _ => return Ok(&bytes[..bytes.len().min(WINDOW)]),
        };
        Err(io::Error::new(ErrorKind::InvalidInput, why))
    }

    /// Keeps `bytes` with their framing but for the first `sent` bytes of that.
    fn hold(&mut self, bytes: &[u8], sent: usize) {
        let mut sent = sent;
        let line = ChunkLine::of(self.frame, bytes.len());
        for piece in [line.bytes(), bytes, line.end()] {
            let skipped = sent.min(piece.len());
            self.held.extend_from_slice(&piece[skipped..]);
            sent -= skipped;
        }
    }

    fn count(&mut self, bytes: usize) {
        self.taken += bytes as u64;
        if let Frame::Length(left) = &mut self.frame {
            *left -= bytes as u64;
        }
    }

    fn clear(&mut self) {
        self.held.clear();
        self.sent = 0;
    }
}

/// Without waiting.
#[cfg(unix)]
impl Outgoing {
    /// Takes as much of `bytes` as there is room for now, and tells how much that was.
    pub(super) fn write_now(&mut self, stream: &mut Stream, bytes: &[u8]) -> io::Result<usize> {
        let bytes = self.admit(bytes)?;
        if bytes.is_empty() {
            return Ok(0);
        }
        let line = ChunkLine::of(self.frame, bytes.len());
        let held = &self.held[self.sent..];
        let held_len = held.len();
        let sent = send_pieces(stream, [held, line.bytes(), bytes, line.end()])?;
        let Some(of_bytes @ 1..) = sent.checked_sub(held_len) else {
            self.sent += sent;
            return Ok(0);
        };
        self.clear();
        let taken = match self.frame {
            Frame::Chunked => {
                self.hold(bytes, of_bytes);
                bytes.len()
            }
            _ => of_bytes,
        };
        self.count(taken);
        Ok(taken)
    }

    /// Sends on what is held. Whether nothing is.
    pub(super) fn flush_now(&mut self, stream: &mut Stream) -> io::Result<bool> {
        if self.sent < self.held.len() {
            self.sent += send_pieces(stream, [&self.held[self.sent..]])?;
            if self.sent < self.held.len() {
                return Ok(false);
            }
            self.clear();
        }
        stream.flush_at_once()
    }

    /// Says that this is the end. Whether that is out.
    pub(super) fn finish_now(&mut self, stream: &mut Stream) -> io::Result<bool> {
        self.end()?;
        if !self.is_said && self.frame == Frame::Tunnel && self.flush_now(stream)? {
            self.is_said = stream.end_at_once()?;
            return Ok(self.is_said);
        }
        self.flush_now(stream)
    }
}

#[cfg(unix)]
fn send_pieces<const N: usize>(stream: &mut Stream, pieces: [&[u8]; N]) -> io::Result<usize> {
    stream.send_at_once(&pieces.map(io::IoSlice::new))
}

/// What stands before and after a chunk's data; nothing where there are no chunks.
struct ChunkLine {
    line: [u8; 20],
    length: usize,
}

impl ChunkLine {
    fn of(frame: Frame, bytes: usize) -> ChunkLine {
        let mut chunk = ChunkLine { line: [0; 20], length: 0 };
        if frame == Frame::Chunked {
            let mut left = &mut chunk.line[..];
            let _ = write!(left, "{bytes:x}\r\n"); // a window's size has room
            chunk.length = 20 - left.len();
        }
        chunk
    }

    fn bytes(&self) -> &[u8] {
        &self.line[..self.length]
    }

    fn end(&self) -> &'static [u8] {
        if self.length > 0 { b"\r\n" } else { b"" }
    }
}

#[cfg(test)]
mod tests;
