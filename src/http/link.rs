//! A connection in the hands of a call: its bytes, what was received and not yet used, and who may end it.
//!
//! The problem: an answer is read here for JSON in one go, there by somebody who takes it piece by piece, and both want
//! the same: to wait for more, to be ended in the middle of that, to leave the connection clean for the next call. The
//! answer: this one type, with a buffer from which everything is used where it was received.
//!
//! The connection can be lost at any moment: see [`Hold`]. There are no socket timeouts: the deadline cancels the
//! token.

use super::current::Patience;
use super::head::{self, Asked, Head, Whole};
use crate::cancel::CancelToken;
use crate::error::{Error, Phase};
use crate::net::hold::Hold;
use crate::net::lease::{Reached, Reusable};
use crate::net::stream::Stream;
use std::io::{self, ErrorKind};

/// Enough for most answers to be read in one go.
pub(super) const INPUT: usize = 16 << 10;
/// Where the buffer grows to for a large body, so that it takes fewer calls.
const LARGE_INPUT: usize = 64 << 10;
/// The largest head, and the most interim ones before it.
pub(super) const MAX_HEAD: usize = 64 << 10;
pub(super) const MAX_INTERIM: usize = 100;
/// A connection that rests keeps a buffer for requests up to this size.
const OUTPUT: usize = 4 << 10;

/// A connection, and what was read from it and not yet used.
pub(super) struct Link {
    stream: Stream,
    /// `None` while the connection waits in the pool, and while nobody has a right to end it.
    hold: Option<Hold>,
    input: Vec<u8>,
    used: usize,
    filled: usize,
    /// Room for a request, kept from call to call.
    output: Vec<u8>,
    /// How far the call came, and what it is doing.
    pub(super) reached: Reached,
    pub(super) phase: Phase,
}

/// Why a call failed before its end.
#[derive(Debug)]
pub(super) enum Failure {
    /// The connection did.
    Io(io::Error),
    /// The peer speaks no HTTP.
    Protocol(String),
    /// The answer is no success, or the call cannot go on for another reason.
    Unwanted(Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Io(error)
    }
}

impl Failure {
    /// What it means to a call to `to`.
    pub(super) fn into_error(self, to: &str) -> Error {
        match self {
            Failure::Io(error) => match error.downcast::<Error>() {
                Ok(ended) => ended,
                Err(source) => Error::Lost { to: to.to_owned(), source },
            },
            Failure::Protocol(why) => Error::Protocol(format!("{why}, from {to}")),
            Failure::Unwanted(error) => error,
        }
    }
}

/// Boxed, since it goes from hand to hand.
impl Reusable for Box<Link> {
    fn resume(mut self, token: &CancelToken) -> Option<Box<Link>> {
        if !self.stream.is_quiet() {
            return None;
        }
        self.reached = Reached::Unsent;
        self.hold(token.clone());
        Some(self)
    }

    fn rest(mut self) -> Option<Box<Link>> {
        if self.input.len() > INPUT {
            self.input = vec![0; INPUT]; // gives back what a large answer took
        }
        if self.output.capacity() > OUTPUT {
            self.output = Vec::new();
        }
        (self.used, self.filled) = (0, 0);
        self.release().then_some(self)
    }
}

impl Link {
    /// A new connection, in the hands of a call.
    pub(super) fn new(stream: Stream, hold: Hold) -> Box<Link> {
        Box::new(Link {
            stream,
            hold: Some(hold),
            input: vec![0; INPUT],
            used: 0,
            filled: 0,
            output: Vec::new(),
            reached: Reached::Unsent,
            phase: Phase::Send,
        })
    }

    pub(super) fn stream(&mut self) -> &mut Stream {
        &mut self.stream
    }

    pub(super) fn socket(&self) -> &std::sync::Arc<std::net::TcpStream> {
        self.stream.socket()
    }

    /// Gives `token` the right to end the connection.
    pub(super) fn hold(&mut self, token: CancelToken) {
        self.hold = Some(Hold::new(token, self.stream.socket()));
    }

    /// Takes the right back from whose it is. `false` when it may have been used.
    pub(super) fn release(&mut self) -> bool {
        self.hold.take().is_none_or(Hold::release)
    }

    /// Why the call was ended, if it was.
    pub(super) fn ended(&self) -> Option<Error> {
        self.hold.as_ref().and_then(|hold| hold.ended(self.phase))
    }

    /// Fails when the call was ended.
    pub(super) fn check(&self) -> io::Result<()> {
        self.ended().map_or(Ok(()), |ended| Err(io::Error::other(ended)))
    }

    /// The buffer for requests, empty. To be given back by [`return_output`](Link::return_output).
    pub(super) fn take_output(&mut self) -> Vec<u8> {
        let mut output = std::mem::take(&mut self.output);
        output.clear();
        output
    }

    pub(super) fn return_output(&mut self, output: Vec<u8>) {
        self.output = output;
    }

    /// Sends all of `request`, waiting.
    pub(super) fn send(&mut self, mut request: &[u8]) -> Result<(), Failure> {
        self.phase = Phase::Send;
        while !request.is_empty() {
            self.check()?;
            match self.stream.write(request) {
                Ok(0) => return Err(io::Error::from(ErrorKind::WriteZero).into()),
                Ok(sent) => request = &request[sent..],
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            }
            self.reached = Reached::Sent;
        }
        Ok(())
    }

    /// The head that has come, with what `look` made of it; `None` while it is not complete. It is used up then.
    pub(super) fn head<T>(
        &mut self,
        asked: Asked,
        look: impl FnOnce(&Whole<'_>) -> T,
    ) -> Result<Option<(Head, T)>, Failure> {
        match head::parse(self.unused(), asked, look).map_err(Failure::Protocol)? {
            Some((head, seen, length)) => {
                self.used += length;
                Ok(Some((head, seen)))
            }
            None if self.unused().len() >= MAX_HEAD => {
                Err(Failure::Protocol(format!("head larger than {MAX_HEAD} bytes")))
            }
            None => Ok(None),
        }
    }

    /// What was received and not yet used.
    pub(super) fn unused(&self) -> &[u8] {
        &self.input[self.used..self.filled]
    }

    /// Counts `bytes` as used.
    pub(super) fn take(&mut self, bytes: usize) {
        self.used += bytes;
        debug_assert!(self.used <= self.filled);
    }

    /// Reads more of what has to come.
    pub(super) fn more(&mut self, patience: Patience) -> Result<(), Failure> {
        match self.fill(patience)? {
            0 => Err(io::Error::from(ErrorKind::UnexpectedEof).into()),
            _ => Ok(()),
        }
    }

    /// Reads once; 0 at the end.
    pub(super) fn fill(&mut self, patience: Patience) -> io::Result<usize> {
        self.make_room();
        let received = loop {
            // What has come is read also after a shutdown, and a peer may send faster than that ends.
            self.check()?;
            let room = &mut self.input[self.filled..];
            let received = match patience {
                Patience::Waits => self.stream.read(room),
                Patience::TakesWhatIsHere => self.stream.read_now(room),
            };
            match received {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => {
                    self.check()?; // a consequence of that
                    return Err(error);
                }
                Ok(received) => break received,
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

    /// Makes the buffer larger when a read has filled it and all of that is used: there is more where that came from.
    #[cfg(unix)]
    pub(super) fn grow(&mut self) {
        if self.used == self.filled && self.filled == self.input.len() && self.filled < LARGE_INPUT {
            self.input = vec![0; LARGE_INPUT];
            (self.used, self.filled) = (0, 0);
        }
    }

    fn make_room(&mut self) {
        if self.used == self.filled {
            (self.used, self.filled) = (0, 0);
        } else if self.filled == self.input.len() {
            self.input.copy_within(self.used..self.filled, 0);
            (self.used, self.filled) = (0, self.filled - self.used);
            if self.filled * 2 > self.input.len() {
                self.input.resize(self.input.len() * 2, 0); // a head: everything else is used up on the way
            }
        }
    }

    /// The size of the buffer.
    #[cfg(test)]
    pub(super) fn buffer(&self) -> usize {
        self.input.len()
    }
}
