//! The sending of a streamed response over a connection.

use super::conversation::{Conversation, Duplex, Exchange};
use super::intake::Intake;
use super::link::Link;
use super::outgoing::Outgoing;
use super::response::Run;
use super::settings::ServerSettings;
use super::stream::Stream;
use crate::panics::panic_message;
use headstart::cancel::{CancelReason, CancelToken};
use std::io::{self, ErrorKind, Read, Write};
#[cfg(unix)]
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A response under way, with the connection beneath.
pub(super) struct Connected<'a> {
    pub(super) stream: &'a mut Stream,
    pub(super) link: &'a Link,
    pub(super) settings: &'a ServerSettings,
    pub(super) token: CancelToken,
    pub(super) intake: Intake,
    pub(super) outgoing: Outgoing,
    pub(super) failure: Option<Failure>,
}

/// What has failed so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The client was not there for what it sends. An answer may follow.
    Request,
    /// The client did not take the response.
    Client,
    /// The response is not what it says to be.
    Response,
}

impl Connected<'_> {
    /// Has `run` send the body. `None` when it went out whole, else whose failure it was, in one word.
    pub(super) fn send(&mut self, run: Run) -> Option<&'static str> {
        let sent = catch_unwind(AssertUnwindSafe(|| run(&mut Conversation::new(self)))).unwrap_or_else(|panic| {
            log::error!("sending a response panicked: {}", panic_message(&*panic));
            Err(ErrorKind::Other.into())
        });
        let error = match sent.and_then(|()| self.finish()) {
            Ok(()) if self.failure.is_none_or(|failure| failure == Failure::Request) => return None,
            Ok(()) => None,
            Err(error) => Some(error),
        };
        let whose = match (self.failure, self.token.reason()) {
            (Some(Failure::Client), _) => "client",
            (_, Some(CancelReason::Shutdown)) => "shutdown",
            (Some(Failure::Request), _) => "client",
            _ => "upstream",
        };
        let why = error.map_or_else(String::new, |error| format!(": {error}"));
        log::debug!("the response to client {} is cut, by {whose}{why}", self.link.peer);
        Some(whose)
    }

    fn finish(&mut self) -> io::Result<()> {
        let finished = self.outgoing.finish(self.stream, self.settings.write_timeout);
        self.note(finished)
    }

    /// Keeps in mind that sending has failed, if it has.
    fn note<T>(&mut self, sent: io::Result<T>) -> io::Result<T> {
        if let Err(error) = &sent {
            let misused = error.kind() == ErrorKind::InvalidInput;
            self.failure = Some(if misused { Failure::Response } else { Failure::Client });
        }
        sent
    }
}

impl Exchange for Connected<'_> {
    fn token(&self) -> &CancelToken {
        &self.token
    }
}

impl Write for Connected<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.outgoing.write(self.stream, bytes, self.settings.write_timeout);
        self.note(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        let flushed = self.outgoing.flush(self.stream, self.settings.write_timeout);
        self.note(flushed)
    }
}

impl Read for Connected<'_> {
    /// Sends what is held first: the client may be waiting for it.
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.flush()?;
        let read = self.intake.read(self.stream, into, self.settings.body_idle_timeout);
        if read.is_err() {
            self.failure.get_or_insert(Failure::Request);
        }
        read
    }
}

#[cfg(unix)]
impl Duplex for Connected<'_> {
    fn peek_now(&mut self) -> io::Result<Option<&[u8]>> {
        let peeked = self.intake.peek_now(self.stream);
        if peeked.is_err() {
            self.failure.get_or_insert(Failure::Request);
        }
        peeked
    }

    fn consume(&mut self, bytes: usize) {
        self.intake.consume(bytes);
    }

    fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.outgoing.write_now(self.stream, bytes);
        self.note(written)
    }

    fn flush_now(&mut self) -> io::Result<bool> {
        let flushed = self.outgoing.flush_now(self.stream);
        self.note(flushed)
    }

    fn finish_now(&mut self) -> io::Result<bool> {
        let finished = self.outgoing.finish_now(self.stream);
        self.note(finished)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.stream.as_fd()
    }
}
