//! One connection, and one call that has it.
//!
//! The problem: a connection whose call was given up in the middle still has that call's reply on its way, and the next call
//! would read it as its own answer. The answer: a call owns the connection, every wait ends by the call's deadline, the call's
//! token shuts the socket down, and only [`Call::end`] gives the connection back: after whole, well-formed replies to all
//! that was asked, with nothing left over. Whatever else happens closes it.
//!
//! The socket does not block; `poll` waits, each time with what is left until the deadline, so that a peer who drips bytes
//! gains no time. Where there is no `poll` (Windows), socket timeouts are set anew before each read and write.

use super::protocol::{Asked, Decoder, Flaw, Reply};
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use crate::limit::TimeLimit;
use crate::upstream::line::{Hold, is_quiet};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

/// Read at a time, and kept by an idle connection at most.
const CHUNK: usize = 16 << 10;

/// A connection without a call. Dropping it closes it.
pub(super) struct Connection {
    socket: Arc<TcpStream>,
    decoder: Decoder,
}

/// A connection in the hands of a call. Dropping it closes the connection.
pub(super) struct Call<'a> {
    connection: Connection,
    hold: Hold,
    limit: &'a TimeLimit,
    /// Host and port, for messages.
    to: &'a str,
    max_value: usize,
    /// Whether anything was received in this call.
    received: bool,
}

impl Connection {
    /// Whether the peer has neither closed the connection nor sent anything while it was idle.
    pub(super) fn is_quiet(&self) -> bool {
        is_quiet(&self.socket)
    }
}

impl<'a> Call<'a> {
    /// Begins a call on a connection that was just made.
    pub(super) fn first(
        (socket, hold): (Arc<TcpStream>, Hold),
        limit: &'a TimeLimit,
        to: &'a str,
        max_value: usize,
    ) -> io::Result<Call<'a>> {
        socket.set_nonblocking(cfg!(unix))?;
        let connection = Connection { socket, decoder: Decoder::default() };
        Ok(Call { connection, hold, limit, to, max_value, received: false })
    }

    /// Begins a call on a connection that was idle.
    pub(super) fn next(connection: Connection, limit: &'a TimeLimit, to: &'a str, max_value: usize) -> Call<'a> {
        let hold = Hold::new(limit.token().clone(), &connection.socket);
        Call { connection, hold, limit, to, max_value, received: false }
    }

    /// Whether the server has said anything in this call.
    pub(super) fn has_received(&self) -> bool {
        self.received
    }

    /// Ends a call that got all its replies. Returns the connection if it may serve another one.
    pub(super) fn end(self) -> Option<Connection> {
        let mut connection = self.connection;
        if !self.hold.release() || !connection.decoder.is_empty() {
            return None;
        }
        connection.decoder.shrink(CHUNK);
        Some(connection)
    }

    /// Sends all of `bytes`.
    pub(super) fn send(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            match self.try_io(Way::Out, |mut socket| socket.write(bytes))? {
                0 => return Err(self.lost(io::ErrorKind::WriteZero.into(), Phase::Send)),
                sent => bytes = &bytes[sent..],
            }
        }
        Ok(())
    }

    /// Waits for the reply to `asked`, which has to be the next one.
    pub(super) fn reply(&mut self, asked: Asked<'_>) -> Result<Reply, Error> {
        let max_value = self.max_value;
        self.receive_until(|decoder| decoder.reply(asked, max_value))
    }

    /// Waits for the server's version.
    pub(super) fn version(&mut self) -> Result<String, Error> {
        self.receive_until(Decoder::version)
    }

    fn receive_until<T>(&mut self, next: impl Fn(&mut Decoder) -> Result<Option<T>, Flaw>) -> Result<T, Error> {
        let mut chunk = [0; CHUNK];
        loop {
            match next(&mut self.connection.decoder) {
                Ok(Some(reply)) => return Ok(reply),
                Ok(None) => {}
                Err(flaw) => return Err(flaw.into_error(self.to, self.max_value)),
            }
            match self.try_io(Way::In, |mut socket| socket.read(&mut chunk))? {
                0 => return Err(self.lost(io::ErrorKind::UnexpectedEof.into(), Phase::Head)),
                received => {
                    self.received = true;
                    self.connection.decoder.feed(&chunk[..received]);
                }
            }
        }
    }

    /// Tries until it works, fails, or the call is over.
    fn try_io(&self, way: Way, mut io: impl FnMut(&TcpStream) -> io::Result<usize>) -> Result<usize, Error> {
        let socket = &self.connection.socket;
        loop {
            self.limit.check(way.phase(self.received))?;
            match wait(socket, way, self.limit.deadline()).and_then(|()| io(socket)) {
                Ok(0) => {
                    self.limit.check(way.phase(self.received))?; // an end that we made ourselves is not the peer's
                    return Ok(0);
                }
                Err(error) if is_early(error.kind()) => {}
                Err(error) => return Err(self.lost(error, way.phase(self.received))),
                Ok(moved) => return Ok(moved),
            }
        }
    }

    fn lost(&self, source: io::Error, during: Phase) -> Error {
        match self.hold.canceled(during) {
            Some(canceled) => canceled,
            None => Error::Lost { to: self.to.to_owned(), source },
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // At once, though a cleanup may hold the socket for a moment yet. It fails when the peer was faster.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

#[derive(Clone, Copy)]
enum Way {
    In,
    Out,
}

impl Way {
    /// What a call does that waits this way.
    fn phase(self, received: bool) -> Phase {
        match (self, received) {
            (Way::Out, _) => Phase::Send,
            (Way::In, false) => Phase::Head,
            (Way::In, true) => Phase::Body,
        }
    }
}

/// Whether nothing has happened yet that a call could end with.
fn is_early(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    // `TimedOut` of a socket without a timeout is the connection's own end.
    matches!(kind, WouldBlock | Interrupted) || (cfg!(not(unix)) && kind == TimedOut)
}

/// Returns when the socket is ready or has failed, or when the time is over.
#[cfg(unix)]
fn wait(socket: &TcpStream, way: Way, until: Deadline) -> io::Result<()> {
    use crate::upstream::ready;
    use rustix::event::{PollFd, PollFlags};
    let flags = match way {
        Way::In => PollFlags::IN,
        Way::Out => PollFlags::OUT,
    };
    ready::wait(&mut [PollFd::new(socket, flags)], until).map(drop)
}

/// Has the next read or write return when the time is over.
#[cfg(not(unix))]
fn wait(socket: &TcpStream, way: Way, until: Deadline) -> io::Result<()> {
    let left = match until.remaining() {
        Some(left) if left.is_zero() => return Err(io::ErrorKind::WouldBlock.into()),
        left => left,
    };
    match way {
        Way::In => socket.set_read_timeout(left),
        Way::Out => socket.set_write_timeout(left),
    }
}
