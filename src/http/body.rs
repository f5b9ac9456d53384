//! A response's body as it comes, and what is left of its request's.
//!
//! The problem: a body may be larger than memory and come for hours, its reader may be slower than its sender, and its
//! connection is to serve the next call once it is over. The answer: nothing is read before it is asked for, what was
//! received is used where it is, and the body itself gives its connection back, clean and at its end only.
//!
//! It can be read in two ways: by [`Read`] and [`BufRead`], which wait, and by [`Duplex`], which does not.

use super::current::Patience;
use super::decode::{Decoder, Step};
use super::fields::Fields;
use super::link::{Failure, Link};
use super::outflow::Outflow;
use super::tunnel::Tunnel;
use crate::cancel::CancelToken;
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use crate::net::lease::Reusable;
use crate::net::pool::Pool;
use crate::ready;
use crate::relay::Duplex;
use rustix::event::{PollFd, PollFlags};
use std::fmt;
use std::io::{self, BufRead, ErrorKind, Read};
use std::net::{Shutdown, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

/// A response's body, read as it comes. [`Read`] and [`BufRead`] wait, for the next bytes at most as long as
/// [`body_idle_timeout`](super::ClientSettings::body_idle_timeout) says; the token of the call's limit ends them.
///
/// Read to its end it gives its connection back for the next call; dropped before, it closes it.
pub struct Body {
    place: Place,
    decoder: Decoder,
    /// Bytes of the body that were held before the response was returned, and how many of them are used.
    held: Vec<u8>,
    held_used: usize,
    /// What is left of the request.
    outflow: Option<Box<Outflow>>,
    home: Home,
    declared: Option<u64>,
    idle_timeout: Duration,
    is_tunnel: bool,
    /// What was found to be wrong when nobody had asked for more yet.
    untold: Option<io::Error>,
}

/// Where the body comes from.
enum Place {
    /// Its connection.
    Here(Box<Link>),
    /// The body is over, and its connection has gone on. The socket stays for [`Duplex::as_fd`].
    Left(Arc<TcpStream>),
    /// The body was cut, and its connection is shut down.
    Lost(Arc<TcpStream>),
}

/// Where a connection belongs.
pub(super) struct Home {
    pub(super) pool: Arc<Pool<Link>>,
    pub(super) origin: usize,
    /// Host and port, for messages.
    pub(super) to: Arc<str>,
    /// Whether the response lets the connection serve another call.
    pub(super) keep: bool,
}

/// What can be had without reading.
#[derive(PartialEq)]
enum Next {
    Data,
    More,
    Over,
}

/// The inside of a body, for who makes it.
pub(super) struct BodyParts {
    pub(super) link: Link,
    pub(super) decoder: Decoder,
    pub(super) outflow: Option<Box<Outflow>>,
    pub(super) home: Home,
    pub(super) declared: Option<u64>,
    pub(super) idle_timeout: Duration,
    pub(super) is_tunnel: bool,
}

impl Body {
    pub(super) fn new(parts: BodyParts) -> Result<Body, Error> {
        let mut link = parts.link;
        link.phase = Phase::Body;
        let mut body = Body {
            place: Place::Here(Box::new(link)),
            decoder: parts.decoder,
            held: Vec::new(),
            held_used: 0,
            outflow: parts.outflow,
            home: parts.home,
            declared: parts.declared,
            idle_timeout: parts.idle_timeout,
            is_tunnel: parts.is_tunnel,
            untold: None,
        };
        body.advance().map_err(|error| body.error(error))?;
        Ok(body)
    }

    /// How long the body is, in bytes, if that was declared: 0 where there is none, after HEAD and with 204 and 304.
    pub fn length(&self) -> Option<u64> {
        self.declared
    }

    /// Whether all of it was read.
    pub fn is_over(&self) -> bool {
        self.held_used == self.held.len() && self.decoder.is_over()
    }

    /// What of it is here, in one piece, and was not yet consumed.
    pub fn buffered(&self) -> &[u8] {
        if self.held_used < self.held.len() {
            return &self.held[self.held_used..];
        }
        match &self.place {
            Place::Here(link) => &link.unused()[..self.decoder.ready(link.unused())],
            Place::Left(_) | Place::Lost(_) => &[],
        }
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
        } else if let Place::Here(link) = &mut self.place {
            link.take(bytes);
            self.decoder.consume(bytes);
        }
        self.untold = self.advance().err();
    }

    /// Whether a part of the request's body is still to be sent, by [`Duplex::write_now`] and [`Duplex::finish_now`].
    /// An upstream that takes no more of it ends that: then the rest is dropped.
    pub fn is_sending(&self) -> bool {
        self.outflow.is_some()
    }

    /// The trailer fields, once the body is over, if there were any.
    pub fn trailers(&self) -> Option<&Fields> {
        self.decoder.trailers_seen()
    }

    /// The connection as a tunnel, after status 101.
    ///
    /// # Panics
    ///
    /// After any other status.
    pub fn into_tunnel(self) -> Tunnel {
        match self.place {
            Place::Here(link) if self.is_tunnel => Tunnel::new(link, self.home.to),
            _ => panic!("only status 101 makes a tunnel"),
        }
    }

    /// Gives the connection to whom `token` belongs, unless the body needs nobody's time any more.
    pub(super) fn hold(&mut self, token: &CancelToken) {
        if let Place::Here(link) = &mut self.place
            && (self.is_tunnel || self.outflow.is_some() || !self.decoder.is_whole(link.unused()))
        {
            link.hold(token.clone());
        }
    }

    /// Takes the connection back from whose it was.
    ///
    /// # Errors
    ///
    /// Why that is too late.
    pub(super) fn release(&mut self) -> Result<(), Error> {
        match &mut self.place {
            Place::Here(link) => {
                let ended = link.ended();
                match link.release() {
                    true => Ok(()),
                    false => Err(ended.unwrap_or(Error::Canceled(crate::cancel::CancelReason::Superseded))),
                }
            }
            Place::Left(_) | Place::Lost(_) => Ok(()),
        }
    }

    /// Moves what is here of the body, in one piece or several, to memory of its own. Returns how many bytes that are
    /// by now.
    pub(super) fn gather(&mut self) -> Result<u64, Error> {
        loop {
            match self.advance().map_err(|error| self.error(error))? {
                Next::Data => {}
                Next::More | Next::Over => return Ok(self.held.len() as u64),
            }
            if let Place::Here(link) = &mut self.place {
                let ready = self.decoder.ready(link.unused());
                self.held.extend_from_slice(&link.unused()[..ready]);
                link.take(ready);
                self.decoder.consume(ready);
            }
        }
    }

    /// Whether all of the body has been received.
    pub(super) fn has_all(&self) -> bool {
        self.decoder.is_over()
    }

    /// Reads what has come. `false` when that is nothing.
    pub(super) fn receive(&mut self) -> Result<bool, Error> {
        self.fill_now().map_err(|error| self.error(error))
    }

    /// Uses up what is here. If that is all of it, the connection goes on to the next call.
    pub(super) fn discard(mut self) {
        if self.gather().is_ok() && self.decoder.is_over() {
            self.held.clear();
        }
    }

    /// Passes over the marks of the framing that are here.
    fn advance(&mut self) -> io::Result<Next> {
        loop {
            if self.decoder.is_over() {
                self.settle();
                return Ok(Next::Over);
            }
            let link = match &mut self.place {
                Place::Here(link) => link,
                Place::Left(_) | Place::Lost(_) => {
                    return Err(self.untold.take().unwrap_or_else(|| ErrorKind::NotConnected.into()));
                }
            };
            match self.decoder.step(link.unused()) {
                Ok(Step::Skip(bytes)) => link.take(bytes),
                Ok(Step::Data(_)) => return Ok(Next::Data),
                Ok(Step::More) => return Ok(Next::More),
                Ok(Step::Over) => {}
                Err(why) => {
                    return Err(self.lose(ErrorKind::InvalidData, Failure::Protocol(why)));
                }
            }
        }
    }

    /// The response is over: once the request is, too, the connection can go on.
    fn settle(&mut self) {
        if self.outflow.is_some() || self.is_tunnel {
            return;
        }
        if let Place::Here(link) = &self.place {
            let left = Place::Left(link.socket().clone());
            if let Place::Here(link) = std::mem::replace(&mut self.place, left)
                && self.home.keep
                && link.unused().is_empty()
                && let Some(link) = link.rest()
            {
                self.home.pool.put(self.home.origin, link);
            } else if let Place::Left(socket) = &self.place {
                let _ = socket.shutdown(Shutdown::Both); // closed, though the body still has a handle
            }
        }
    }

    /// Gives the connection up, and returns why.
    fn lose(&mut self, kind: ErrorKind, failure: Failure) -> io::Error {
        let ended = match &self.place {
            Place::Here(link) => link.ended(),
            Place::Left(_) | Place::Lost(_) => None,
        };
        self.shut();
        self.outflow = None;
        io::Error::new(kind, ended.unwrap_or_else(|| failure.into_error(&self.home.to)))
    }

    fn shut(&mut self) {
        let socket = self.socket().clone();
        let _ = socket.shutdown(Shutdown::Both);
        self.place = Place::Lost(socket);
    }

    fn error(&self, error: io::Error) -> Error {
        Failure::Io(error).into_error(&self.home.to)
    }

    pub(super) fn upstream(&self) -> &str {
        &self.home.to
    }

    pub(super) fn socket(&self) -> &Arc<TcpStream> {
        match &self.place {
            Place::Here(link) => link.socket(),
            Place::Left(socket) | Place::Lost(socket) => socket,
        }
    }

    /// Reads what has come. `false` when that is nothing.
    fn fill_now(&mut self) -> io::Result<bool> {
        let Place::Here(link) = &mut self.place else { return Err(ErrorKind::NotConnected.into()) };
        link.grow();
        match link.fill(Patience::TakesWhatIsHere) {
            Ok(0) if self.decoder.end() => Ok(true),
            Ok(0) => Err(self.lose(ErrorKind::UnexpectedEof, Failure::Io(ErrorKind::UnexpectedEof.into()))),
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(self.lose(error.kind(), Failure::Io(error))),
        }
    }

    /// Has `send` send more of the request. An upstream that takes no more of it has its reasons: its response tells.
    fn send<T>(&mut self, dropped: T, send: impl FnOnce(&mut Outflow, &mut Link) -> io::Result<T>) -> io::Result<T> {
        let (Some(outflow), Place::Here(link)) = (&mut self.outflow, &mut self.place) else { return Ok(dropped) };
        link.check()?;
        let sent = match send(outflow, link) {
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::UnexpectedEof) => {
                return Err(self.lose(error.kind(), Failure::Io(error))); // not the upstream's fault
            }
            Err(error) => {
                log::debug!("{} takes no more of a request: {error}", self.home.to);
                self.home.keep = false;
                outflow.abandon();
                dropped
            }
            Ok(sent) => sent,
        };
        if outflow.is_over() && !link.stream().has_unsent() {
            self.outflow = None;
            self.untold = self.advance().err(); // or the connection may go on
        }
        Ok(sent)
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
            let socket = self.socket().clone();
            while ready::wait(&mut [PollFd::new(&socket, PollFlags::IN)], until)? == 0 {
                if until.has_passed() {
                    let timed_out = Error::TimedOut { during: Phase::Body };
                    return Err(self.lose(ErrorKind::TimedOut, Failure::Unwanted(timed_out)));
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
                match self.advance()? {
                    Next::Data => break,
                    Next::Over => return Ok(Some(&[])),
                    Next::More if self.fill_now()? => {}
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
        self.send(bytes.len(), |outflow, link| outflow.write(link.stream(), bytes))
    }

    fn flush_now(&mut self) -> io::Result<bool> {
        self.send(true, |outflow, link| outflow.flush(link.stream()))
    }

    fn finish_now(&mut self) -> io::Result<bool> {
        self.send(true, |outflow, link| outflow.finish(link.stream()))
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket().as_fd()
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
