//! A response's body and its connection: what is there, what it is, and where the connection goes in the end.
//!
//! The problem: a body's connection is to serve the next call, but only if the response was read to its end, the
//! request was sent to its end, and nothing is left over; in any other case it must be gone at once. The answer: one
//! place that knows all of it, and lets go of the connection at the moment when that is decided.

use super::current::Patience;
use super::decode::{Decoder, Step};
use super::link::{Failure, Link};
use super::outflow::Outflow;
use crate::cancel::{CancelReason, CancelToken};
use crate::error::Error;
use crate::net::lease::Reusable;
use crate::net::pool::Pool;
use std::io::{self, ErrorKind};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

/// A body on its way, and what is left of its request.
pub(super) struct Flow {
    place: Place,
    pub(super) decoder: Decoder,
    /// What is left of the request.
    outflow: Option<Box<Outflow>>,
    pub(super) home: Home,
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
    pub(super) pool: Arc<Pool<Box<Link>>>,
    pub(super) origin: usize,
    /// Host and port, for messages.
    pub(super) to: Arc<str>,
    /// Whether the response lets the connection serve another call.
    pub(super) keep: bool,
}

/// What can be had without reading.
#[derive(PartialEq)]
pub(super) enum Next {
    Data,
    More,
    Over,
}

impl Flow {
    pub(super) fn new(
        link: Box<Link>,
        decoder: Decoder,
        outflow: Option<Box<Outflow>>,
        home: Home,
        is_tunnel: bool,
    ) -> Flow {
        Flow { place: Place::Here(link), decoder, outflow, home, is_tunnel, untold: None }
    }

    /// What of the body is here, in one piece.
    pub(super) fn ready(&self) -> &[u8] {
        match &self.place {
            Place::Here(link) => &link.unused()[..self.decoder.ready(link.unused())],
            Place::Left(_) | Place::Lost(_) => &[],
        }
    }

    /// Counts `bytes` of the body as used.
    pub(super) fn take(&mut self, bytes: usize) {
        if let Place::Here(link) = &mut self.place {
            link.take(bytes);
            self.decoder.consume(bytes);
        }
    }

    /// Passes over what is not the body's. What is wrong with the rest is told when that is asked for.
    pub(super) fn look_ahead(&mut self) {
        self.untold = self.advance().err();
    }

    pub(super) fn is_sending(&self) -> bool {
        self.outflow.is_some()
    }

    /// The connection, if it has become a tunnel.
    pub(super) fn into_tunnel(self) -> Option<(Box<Link>, Arc<str>)> {
        match self.place {
            Place::Here(link) if self.is_tunnel => Some((link, self.home.to)),
            _ => None,
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
                    false => Err(ended.unwrap_or(Error::Canceled(CancelReason::Superseded))),
                }
            }
            Place::Left(_) | Place::Lost(_) => Ok(()),
        }
    }

    /// Passes over the marks of the framing that are here.
    pub(super) fn advance(&mut self) -> io::Result<Next> {
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
    pub(super) fn lose(&mut self, kind: ErrorKind, failure: Failure) -> io::Error {
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

    /// Reads what has come. `false` when that is nothing.
    pub(super) fn fill_now(&mut self) -> io::Result<bool> {
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
    pub(super) fn send<T>(
        &mut self,
        dropped: T,
        send: impl FnOnce(&mut Outflow, &mut Link) -> io::Result<T>,
    ) -> io::Result<T> {
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
        if outflow.is_sent(link.stream()) {
            self.outflow = None;
            self.look_ahead(); // the connection may go on
        }
        Ok(sent)
    }

    /// `error` as one of ours.
    pub(super) fn error(&self, error: io::Error) -> Error {
        Failure::Io(error).into_error(&self.home.to)
    }

    pub(super) fn socket(&self) -> &Arc<TcpStream> {
        match &self.place {
            Place::Here(link) => link.socket(),
            Place::Left(socket) | Place::Lost(socket) => socket,
        }
    }
}
