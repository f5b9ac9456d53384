//! A response whose body is being sent, as its sender sees it.
//!
//! Two ways lead to the client and may be mixed: blocking ([`Write`], [`Read`]), for who makes a body, and without
//! waiting ([`Duplex`](headstart::relay::Duplex)), for who moves one between two peers.

use headstart::cancel::CancelToken;
use std::fmt;
use std::io::{self, Read, Write};
#[cfg(unix)]
use std::os::fd::BorrowedFd;

#[cfg(unix)]
pub(super) use headstart::relay::Duplex;

/// In place of the trait where there is none.
#[cfg(not(unix))]
pub(super) trait Duplex {}

/// What a front has behind a [`Conversation`].
pub(super) trait Exchange: Read + Write + Duplex {
    fn token(&self) -> &CancelToken;
}

#[cfg(not(unix))]
impl<E: Exchange> Duplex for E {}

/// A response whose head is decided and whose body is being sent, and what is left of its request's body. After
/// [`Passed::Tunnel`](super::Passed::Tunnel) both are raw bytes.
///
/// The head leaves with the first bytes of the body, or with a flush: who has nothing to send for a while flushes.
///
/// **[`Write`]** sends each piece at once and waits for the client to take it, for up to
/// [`write_timeout`](super::ServerSettings::write_timeout) for each 64 KiB; small pieces are better put through a
/// [`BufWriter`](std::io::BufWriter). More than the announced length is an error. The end of the body is written when
/// the sending function returns.
///
/// **[`Read`]** reads what is left of the request's body, waiting for up to
/// [`body_idle_timeout`](super::ServerSettings::body_idle_timeout), and fails as a
/// [`RequestBody`](super::RequestBody) does. A request whose body was not read to its end is its connection's last.
///
/// **[`Duplex`](headstart::relay::Duplex)** (on Unix) does both without waiting. `write_now` takes nothing while more
/// than its room is held here; `finish_now` ends a chunked body, or closes a tunnel's sending side; `peek_now` shows
/// the client's end as it shows the body's.
pub struct Conversation<'a> {
    exchange: &'a mut dyn Exchange,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(exchange: &'a mut dyn Exchange) -> Conversation<'a> {
        Conversation { exchange }
    }

    /// The request's token: canceled when the server gives up on the request. A client that leaves does not cancel it
    /// any more; writing to it fails.
    pub fn token(&self) -> &CancelToken {
        self.exchange.token()
    }
}

impl Write for Conversation<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.exchange.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.exchange.flush()
    }
}

impl Read for Conversation<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.exchange.read(into)
    }
}

#[cfg(unix)]
impl Duplex for Conversation<'_> {
    fn peek_now(&mut self) -> io::Result<Option<&[u8]>> {
        self.exchange.peek_now()
    }

    fn consume(&mut self, bytes: usize) {
        self.exchange.consume(bytes);
    }

    fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.exchange.write_now(bytes)
    }

    fn flush_now(&mut self) -> io::Result<bool> {
        self.exchange.flush_now()
    }

    fn finish_now(&mut self) -> io::Result<bool> {
        self.exchange.finish_now()
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.exchange.as_fd()
    }
}

impl fmt::Debug for Conversation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation").field("token", self.token()).finish_non_exhaustive()
    }
}
