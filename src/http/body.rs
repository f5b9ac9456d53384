//! A response's body as it comes, and what is left of its request's.
//!
//! The problem: a body may be larger than memory and come for hours, its reader may be slower than its sender, and its
//! connection is to serve the next call once it is over. The answer: nothing is read before it is asked for, what was
//! received is used where it is, and the body itself gives its connection back, clean and at its end only.
//!
//! It can be read in two ways: by [`Read`] and [`BufRead`], which wait, and by [`Duplex`], which does not.

use super::fields::Fields;
use super::flow::{Flow, Next};
use super::link::Failure;
use super::tunnel::Tunnel;
use crate::cancel::CancelToken;
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use crate::ready;
use crate::relay::Duplex;
use rustix::event::{PollFd, PollFlags};
use std::fmt;
use std::io::{self, BufRead, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

/// A response's body, read as it comes. [`Read`] and [`BufRead`] wait, for the next bytes at most as long as
/// [`body_idle_timeout`](super::ClientSettings::body_idle_timeout) says; the token of the call's limit ends them.
///
/// Read to its end it gives its connection back for the next call; dropped before, it closes it.
pub struct Body {
    flow: Flow,
    /// Bytes of the body that were held before the response was returned, and how many of them are used.
    held: Vec<u8>,
    held_used: usize,
    declared: Option<u64>,
    idle_timeout: Duration,
}

impl Body {
    pub(super) fn new(mut flow: Flow, declared: Option<u64>, idle_timeout: Duration) -> Result<Body, Error> {
        flow.advance().map_err(|error| flow.error(error))?;
        Ok(Body { flow, held: Vec::new(), held_used: 0, declared, idle_timeout })
    }

    /// How long the body is, in bytes, if that was declared: 0 where there is none, after HEAD and with 204 and 304.
    pub fn length(&self) -> Option<u64> {
        self.declared
    }

    /// Whether all of it was read.
    pub fn is_over(&self) -> bool {
        self.held_used == self.held.len() && self.flow.decoder.is_over()
    }

    /// What of it is here, in one piece, and was not yet consumed.
    pub fn buffered(&self) -> &[u8] {
        if self.held_used < self.held.len() {
            return &self.held[self.held_used..];
        }
        self.flow.ready()
    }

    /// Takes the first `bytes` of what was shown. (Both [`BufRead`] and [`Duplex`] have this, too.)
    ///
    /// # Panics
    ///
    /// When so many were not shown.
    pub fn consume(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        assert!(bytes <= self.buffered().len(), "more consumed than was shown");
        if self.held_used < self.held.len() {
            self.held_used += bytes;
            if self.held_used == self.held.len() {
                (self.held, self.held_used) = (Vec::new(), 0);
            }
        } else {
            self.flow.take(bytes);
            self.flow.look_ahead();
        }
    }

    /// Whether a part of the request's body is still to be sent, by [`Duplex::write_now`] and [`Duplex::finish_now`].
    /// An upstream that takes no more of it ends that: then the rest is dropped.
    pub fn is_sending(&self) -> bool {
        self.flow.is_sending()
    }

    /// The trailer fields, once the body is over, if there were any.
    pub fn trailers(&self) -> Option<&Fields> {
        self.flow.decoder.trailers_seen()
    }

    /// The connection as a tunnel, after status 101.
    ///
    /// # Panics
    ///
    /// After any other status.
    pub fn into_tunnel(self) -> Tunnel {
        let (link, to) = self.flow.into_tunnel().expect("only status 101 makes a tunnel");
        Tunnel::new(link, to)
    }

    /// Gives the connection to whom `token` belongs, unless the body needs nobody's time any more.
    pub(super) fn hold(&mut self, token: &CancelToken) {
        self.flow.hold(token);
    }

    /// Takes the connection back from whose it was.
    ///
    /// # Errors
    ///
    /// Why that is too late.
    pub(super) fn release(&mut self) -> Result<(), Error> {
        self.flow.release()
    }

    /// Moves what is here of the body, in one piece or several, to memory of its own. Returns how many bytes that are
    /// by now.
    pub(super) fn gather(&mut self) -> Result<u64, Error> {
        loop {
            match self.flow.advance().map_err(|error| self.flow.error(error))? {
                Next::Data => {}
                Next::More | Next::Over => return Ok(self.held.len() as u64),
            }
            let ready = self.flow.ready();
            self.held.extend_from_slice(ready);
            let bytes = ready.len();
            self.flow.take(bytes);
        }
    }

    /// Whether all of the body has been received.
    pub(super) fn has_all(&self) -> bool {
        self.flow.decoder.is_over()
    }

    /// Reads what has come, and passes over the marks of the framing in it. `false` when nothing has come.
    pub(super) fn receive(&mut self) -> Result<bool, Error> {
        let received = self.flow.fill_now().and_then(|received| self.flow.advance().map(|_| received));
        received.map_err(|error| self.flow.error(error))
    }

    /// Uses up what is here. If that is all of it, the connection goes on to the next call.
    pub(super) fn discard(mut self) {
        if self.gather().is_ok() && self.flow.decoder.is_over() {
            self.held.clear();
        }
    }

    pub(super) fn upstream(&self) -> &str {
        &self.flow.home.to
    }

    /// What to poll for more.
    pub(super) fn socket(&self) -> BorrowedFd<'_> {
        self.flow.socket().as_fd()
    }
}

impl Read for Body {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let there = self.fill_buf()?;
        let bytes = there.len().min(room.len());
        room[..bytes].copy_from_slice(&there[..bytes]);
        self.consume(bytes);
        Ok(bytes)
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.peek_now()?.is_none() {
            let until = Deadline::after(self.idle_timeout);
            let socket = self.flow.socket().clone();
            while ready::wait(&mut [PollFd::new(&socket, PollFlags::IN)], until)? == 0 {
                if until.has_passed() {
                    let timed_out = Error::TimedOut { during: Phase::Body };
                    return Err(self.flow.lose(ErrorKind::TimedOut, Failure::Unwanted(timed_out)));
                }
            }
        }
        Ok(self.buffered())
    }

    fn consume(&mut self, bytes: usize) {
        Body::consume(self, bytes);
    }
}

/// What is read is the response's body; what is written is what is left of the request's.
impl Duplex for Body {
    fn peek_now(&mut self) -> io::Result<Option<&[u8]>> {
        if self.held_used == self.held.len() {
            loop {
                match self.flow.advance()? {
                    Next::Data => break,
                    Next::Over => return Ok(Some(&[])),
                    Next::More if self.flow.fill_now()? => {}
                    Next::More => return Ok(None),
                }
            }
        }
        Ok(Some(self.buffered()))
    }

    fn consume(&mut self, bytes: usize) {
        Body::consume(self, bytes);
    }

    fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flow.send(bytes.len(), |outflow, link| outflow.write(link.stream(), bytes))
    }

    fn flush_now(&mut self) -> io::Result<bool> {
        self.flow.send(true, |outflow, link| outflow.flush(link.stream()))
    }

    fn finish_now(&mut self) -> io::Result<bool> {
        self.flow.send(true, |outflow, link| outflow.finish(link.stream()))
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket()
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Body")
            .field("length", &self.declared)
            .field("is_over", &self.is_over())
            .field("is_sending", &self.is_sending())
            .finish_non_exhaustive()
    }
}
