//! A GET over plain HTTP/1.1: one write, one read, no library between.
//!
//! The problem: a call on a connection that is there costs a few microseconds of kernel, and twice as many in a client
//! library that can do everything: a third of a whole request's CPU. The answer: for `http://` without proxy and
//! redirects, which is what a hedging server calls nearly always, the request is written from a prepared text and the
//! response read here, in some 200 lines. Everything else goes through ureq; `tests/client_oracle.rs` has both read the
//! same responses.
//!
//! The connection can be lost at any moment: see [`Hold`]. There are no socket timeouts: the deadline cancels the
//! token.

use super::answer::MAX_DRAINED;
use super::current::Patience;
use super::head::{self, ContentType, Head, Length};
use crate::cancel::CancelToken;
use crate::error::{Error, Phase};
use crate::json::Json;
use crate::net::connect::Connected;
use crate::net::hold::{Hold, is_quiet, read_now};
use crate::net::lease::{Reached, Reusable, Talk};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// Enough for most answers to be read in one go.
const INPUT: usize = 16 << 10;
/// The largest head, and the most interim ones before it.
const MAX_HEAD: usize = 64 << 10;
const MAX_INTERIM: usize = 100;
/// The longest line that says how large a chunk is, with its end, and the most trailer fields.
const MAX_CHUNK_LINE: usize = 1 << 10;
const MAX_TRAILERS: usize = 64;

/// A connection, and what was read from it and not yet used.
pub(super) struct Wire {
    socket: Arc<TcpStream>,
    /// `None` while the connection waits in the pool.
    hold: Option<Hold>,
    input: Vec<u8>,
    used: usize,
    filled: usize,
    /// How far the call came, and what it is doing.
    reached: Reached,
    phase: Phase,
}

/// Why a call failed before its end.
enum Failure {
    /// The connection did.
    Io(io::Error),
    /// The peer speaks no HTTP.
    Protocol(String),
    /// The answer is no success.
    Unwanted(Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Io(error)
    }
}

impl Reusable for Wire {
    fn resume(mut self, token: &CancelToken) -> Option<Wire> {
        if !is_quiet(&self.socket) {
            return None;
        }
        self.hold = Some(Hold::new(token.clone(), &self.socket));
        Some(self)
    }

    fn rest(mut self) -> Option<Wire> {
        if self.input.len() > INPUT {
            self.input = vec![0; INPUT]; // gives back what a large answer took
        }
        (self.used, self.filled) = (0, 0);
        self.hold.take().is_some_and(Hold::release).then_some(self)
    }
}

impl Wire {
    /// A new connection, in the hands of a call.
    pub(super) fn new((socket, hold): Connected) -> Wire {
        let input = vec![0; INPUT];
        Wire { socket, hold: Some(hold), input, used: 0, filled: 0, reached: Reached::Unsent, phase: Phase::Send }
    }

    /// Sends `request` and reads the answer to its end. `to` is the peer's name, for messages.
    pub(super) fn talk(mut self, request: &[u8], to: &str, max_body: u64) -> Talk<Wire, Json> {
        let (result, keep) = self.exchange(request, to, max_body);
        Talk { result, reached: self.reached, keep: keep.then_some(self) }
    }

    /// The same, and whether the connection can serve another call.
    fn exchange(&mut self, request: &[u8], to: &str, max_body: u64) -> (Result<Json, Error>, bool) {
        self.reached = Reached::Unsent;
        let (body, keep) = match self.send(request).and_then(|()| self.head()) {
            Ok(head) => self.answer(head, max_body),
            Err(failure) => (Err(failure), false),
        };
        let result = match body {
            Ok(body) => Json::parse(body),
            Err(Failure::Io(error)) => Err(match error.downcast::<Error>() {
                Ok(ended) => ended,
                Err(source) => Error::Lost { to: to.to_owned(), source },
            }),
            Err(Failure::Protocol(why)) => Err(Error::Protocol(format!("{why}, from {to}"))),
            Err(Failure::Unwanted(error)) => Err(error),
        };
        // What failed after the call was ended did so because of that.
        let ended = || self.hold.as_ref().and_then(|hold| hold.ended(self.phase));
        (result.map_err(|error| ended().unwrap_or(error)), keep && self.used == self.filled)
    }

    /// Fails when the call was ended.
    fn check(&self) -> io::Result<()> {
        match self.hold.as_ref().and_then(|hold| hold.ended(self.phase)) {
            Some(ended) => Err(io::Error::other(ended)),
            None => Ok(()),
        }
    }

    fn send(&mut self, mut request: &[u8]) -> Result<(), Failure> {
        self.phase = Phase::Send;
        while !request.is_empty() {
            self.check()?;
            match (&*self.socket).write(request) {
                Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Ok(sent) => request = &request[sent..],
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            }
            self.reached = Reached::Sent;
        }
        Ok(())
    }

    /// The final head. It is used up then, and the body begins.
    fn head(&mut self) -> Result<Head, Failure> {
        self.phase = Phase::Head;
        let mut interim = 0;
        loop {
            match head::parse(self.unused()).map_err(Failure::Protocol)? {
                Some((head, length)) => {
                    self.used += length;
                    if !head.is_interim() {
                        return Ok(head);
                    }
                    interim += 1;
                    if interim > MAX_INTERIM {
                        return Err(Failure::Protocol("too many interim responses".to_owned()));
                    }
                }
                None if self.unused().len() >= MAX_HEAD => {
                    return Err(Failure::Protocol(format!("head larger than {MAX_HEAD} bytes")));
                }
                None => self.more(Patience::Waits)?,
            }
        }
    }

    /// The body, if it counts, and whether the connection can be kept.
    fn answer(&mut self, head: Head, max_body: u64) -> (Result<Vec<u8>, Failure>, bool) {
        self.phase = Phase::Body;
        let unwanted = match (head.status, head.content_type) {
            (200, ContentType::Json) => {
                let body = self.body(head.body, max_body, Patience::Waits);
                let keep = head.keep && body.is_ok();
                return (body, keep);
            }
            (200, ContentType::Other(found)) => Error::ContentType(Some(found)),
            (200, ContentType::Absent) => Error::ContentType(None),
            (status, _) => Error::Status(status),
        };
        // If all of a body that nobody wants has come already, the connection can be used again.
        let keep = head.keep && self.body(head.body, MAX_DRAINED, Patience::TakesWhatIsHere).is_ok();
        (Err(Failure::Unwanted(unwanted)), keep)
    }

    fn body(&mut self, length: Length, limit: u64, patience: Patience) -> Result<Vec<u8>, Failure> {
        let too_large = || Err(Failure::Unwanted(Error::BodyTooLarge { limit }));
        let mut body = Vec::new();
        match length {
            Length::Known(length) if length > limit => return too_large(),
            Length::Known(length) => {
                // A declared length is the peer's word only: it does not make us allocate much in advance.
                body.reserve_exact(length.min(64 << 10) as usize);
                self.take(length, &mut body, patience)?;
            }
            Length::Chunked => loop {
                let size = self.chunk_size(patience)?;
                if size == 0 {
                    self.trailers(patience)?;
                    break;
                }
                if size > limit - body.len() as u64 {
                    return too_large();
                }
                self.take(size, &mut body, patience)?;
                self.line_end(patience)?;
            },
            Length::UntilClose => loop {
                body.extend_from_slice(&self.input[self.used..self.filled]);
                self.used = self.filled;
                if body.len() as u64 > limit {
                    return too_large();
                }
                if self.fill(patience)? == 0 {
                    break;
                }
            },
        }
        Ok(body)
    }

    /// Moves `length` bytes to `body`.
    fn take(&mut self, length: u64, body: &mut Vec<u8>, patience: Patience) -> Result<(), Failure> {
        let mut left = length;
        loop {
            let step = left.min(self.unused().len() as u64) as usize;
            body.extend_from_slice(&self.input[self.used..self.used + step]);
            self.used += step;
            left -= step as u64;
            if left == 0 {
                return Ok(());
            }
            self.more(patience)?;
        }
    }

    fn chunk_size(&mut self, patience: Patience) -> Result<u64, Failure> {
        loop {
            match httparse::parse_chunk_size(self.unused()) {
                Ok(httparse::Status::Complete((length, size)))
                    if length <= MAX_CHUNK_LINE && is_strict(&self.unused()[..length]) =>
                {
                    self.used += length;
                    return Ok(size);
                }
                Ok(httparse::Status::Partial) if self.unused().len() < MAX_CHUNK_LINE => self.more(patience)?,
                _ => return Err(Failure::Protocol("malformed chunk size".to_owned())),
            }
        }
    }

    fn line_end(&mut self, patience: Patience) -> Result<(), Failure> {
        while self.unused().len() < 2 {
            self.more(patience)?;
        }
        if !self.unused().starts_with(b"\r\n") {
            return Err(Failure::Protocol("a chunk longer than its size".to_owned()));
        }
        self.used += 2;
        Ok(())
    }

    /// What follows the last chunk. Nothing in it matters here but its end.
    fn trailers(&mut self, patience: Patience) -> Result<(), Failure> {
        loop {
            match httparse::parse_headers(self.unused(), &mut [httparse::EMPTY_HEADER; MAX_TRAILERS]) {
                Ok(httparse::Status::Complete((length, _))) => {
                    self.used += length;
                    return Ok(());
                }
                Ok(httparse::Status::Partial) if self.unused().len() <= MAX_HEAD => self.more(patience)?,
                _ => return Err(Failure::Protocol("malformed trailer fields".to_owned())),
            }
        }
    }

    fn unused(&self) -> &[u8] {
        &self.input[self.used..self.filled]
    }

    /// Reads more of what has to come.
    fn more(&mut self, patience: Patience) -> Result<(), Failure> {
        match self.fill(patience)? {
            0 => Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            _ => Ok(()),
        }
    }

    /// Reads once; 0 at the end.
    fn fill(&mut self, patience: Patience) -> Result<usize, Failure> {
        if self.used == self.filled {
            (self.used, self.filled) = (0, 0);
        } else if self.filled == self.input.len() {
            self.input.copy_within(self.used..self.filled, 0);
            (self.used, self.filled) = (0, self.filled - self.used);
            if self.filled * 2 > self.input.len() {
                self.input.resize(self.input.len() * 2, 0); // a head: everything else is used up on the way
            }
        }
        let received = loop {
            // What has come is read also after a shutdown, and a peer may send faster than that ends.
            self.check()?;
            let room = &mut self.input[self.filled..];
            let received = match patience {
                Patience::Waits => (&*self.socket).read(room),
                Patience::TakesWhatIsHere => read_now(&self.socket, room),
            };
            match received {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                received => break received?,
            }
        };
        if received == 0 {
            self.check()?; // an end that we made ourselves is not the peer's
        }
        self.filled += received;
        if received > 0 {
            self.reached = Reached::Answered;
        }
        Ok(received)
    }
}

/// Whether the line of a chunk's size begins with a digit, without which httparse reads a 0, the end of the body, and
/// holds no line feed but its own, which others take for its end.
fn is_strict(line: &[u8]) -> bool {
    line.first().is_some_and(u8::is_ascii_hexdigit) && line.iter().filter(|byte| **byte == b'\n').count() == 1
}

#[cfg(all(test, unix))]
mod tests;
