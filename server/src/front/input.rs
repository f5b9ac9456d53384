//! The incoming side of one connection: a buffer, and reads with a bounded wait.

use super::socket::read;
use super::stream::Stream;
use std::io::{self, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What a buffer begins with: enough for nearly every head, little enough for thousands of idle connections.
const FIRST_SIZE: usize = 4 << 10;

/// What came of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// At least one byte.
    Bytes,
    /// The client has closed, or its sending side.
    End,
    /// Nothing in time.
    Timeout,
}

/// What was received and not used yet.
#[derive(Debug)]
pub(super) struct Input {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Input {
    pub(super) fn new() -> Input {
        Input { buffer: vec![0; FIRST_SIZE], start: 0, end: 0 }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Waits up to `timeout` for more, which is appended. The buffer grows up to `most` bytes and has to have room left
    /// then.
    pub(super) fn receive(&mut self, stream: &mut Stream, timeout: Duration, most: usize) -> io::Result<Arrival> {
        self.make_room(most);
        match stream.receive(&mut self.buffer[self.end..], timeout)? {
            Some(0) => Ok(Arrival::End),
            Some(received) => {
                self.end += received;
                Ok(Arrival::Bytes)
            }
            None => Ok(Arrival::Timeout),
        }
    }

    fn make_room(&mut self, most: usize) {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            // What followed a body was more than a head may be.
            if self.buffer.len() > most.max(FIRST_SIZE) {
                self.buffer = vec![0; FIRST_SIZE];
            }
        }
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        if self.end == self.buffer.len() {
            self.buffer.resize((self.end * 2).min(most), 0);
        }
    }

    /// Forgets the first `used` bytes. With `rest` also all that follows them, in favour of that.
    pub(super) fn consume(&mut self, used: usize, rest: Rest) {
        match rest {
            Rest::FromBuffer(skipped) => self.start += used + skipped,
            Rest::Instead(bytes) => {
                self.start = 0;
                self.end = bytes.len();
                if self.buffer.len() < bytes.len() {
                    self.buffer.resize(bytes.len(), 0);
                }
                self.buffer[..bytes.len()].copy_from_slice(&bytes);
            }
        }
    }

    /// Reads and drops, whatever is spoken over the socket, until the peer closes, the connection breaks or `deadline`
    /// comes.
    pub(super) fn drop_until(&mut self, mut socket: &TcpStream, deadline: Instant) {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || socket.set_read_timeout(Some(left)).is_err() {
                return;
            }
            match read(|| socket.read(&mut self.buffer)) {
                Ok(Some(1..)) => {}
                _ => return,
            }
        }
    }

    /// What was asked for, for the log: method and target, or `-` and the line as it came where it is no request line.
    /// Cut if it is long, and escaped.
    pub(super) fn asked(&self) -> (&str, String) {
        const SHOWN: usize = 200;
        let bytes = self.bytes().trim_ascii_start();
        let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
        let (method, rest) = method_of(line).unwrap_or(("-", line));
        (method, rest[..rest.len().min(SHOWN)].escape_ascii().to_string())
    }
}

/// Method and target of what has the form of a request line, whatever else may be wrong with it, or of the beginning of
/// one.
fn method_of(line: &[u8]) -> Option<(&str, &[u8])> {
    let mut words = line.split(|byte| *byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next());
    let is_method = !method.is_empty() && method.len() <= 32 && method.iter().all(u8::is_ascii_alphabetic);
    let is_target = !target.is_empty() && target.iter().all(u8::is_ascii_graphic);
    let is_over =
        words.next().is_none() && version.is_none_or(|version| b"HTTP/".starts_with(&version[..version.len().min(5)]));
    (is_method && is_target && is_over).then_some((str::from_utf8(method).ok()?, target))
}

/// What follows a request in what was received.
#[derive(Debug)]
pub(super) enum Rest {
    /// It is in the buffer, so many bytes after the head.
    FromBuffer(usize),
    /// It was read elsewhere; the buffer is used up.
    Instead(Vec<u8>),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_line_is_told_from_what_is_none() {
        let long = format!("GET /{}", "a".repeat(300));
        for (line, method, path) in [
            ("POST /a?b HTTP/1.1\r\nHost: a\r\n\r\n", "POST", "/a?b"),
            ("\r\nGET /a HTTP/3.0\r\n", "GET", "/a"),
            ("GET /a HT", "GET", "/a"),
            (&long, "GET", &long[4..204]),
            ("GET", "-", "GET"),
            ("GET  /a HTTP/1.1", "-", "GET  /a HTTP/1.1"),
            ("GET /a b HTTP/1.1", "-", "GET /a b HTTP/1.1"),
            ("GET /\u{1b} HTTP/1.1", "-", r"GET /\x1b HTTP/1.1"),
            ("\u{16}\u{3}\u{1} a", "-", r"\x16\x03\x01 a"),
            ("", "-", ""),
        ] {
            let input = Input { buffer: line.into(), start: 0, end: line.len() };
            assert_eq!(input.asked(), (method, path.to_owned()), "{line:?}");
        }
    }
}
