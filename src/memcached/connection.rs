//! One connection, and one exchange over it.
//!
//! The problem: a connection whose call was given up in the middle still has that call's reply on its way, and the next
//! call would read it as its own answer. The answer: an exchange owns the connection, every wait ends by the call's
//! deadline, the call's token shuts the socket down, and a connection is kept only after whole, well-formed replies to
//! all that was asked, with nothing left over. Whatever else happens closes it.
//!
//! The socket does not block; `poll` waits, each time with what is left until the deadline, so that a peer who drips
//! bytes gains no time. Where there is no `poll` (Windows), socket timeouts are set anew before each read and write.

use super::protocol::{self, Asked, Decoder, Flaw, Reply};
use crate::cancel::CancelToken;
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use crate::limit::TimeLimit;
use crate::net::connect::Connected;
use crate::net::hold::{Hold, is_quiet};
use crate::net::lease::{Reached, Reusable, Talk};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

/// Read at a time, and kept by an idle connection at most.
const CHUNK: usize = 16 << 10;

/// A connection. Dropping it closes it.
pub(super) struct Connection {
    socket: Arc<TcpStream>,
    /// `None` while the connection waits in the pool.
    hold: Option<Hold>,
    decoder: Decoder,
    /// Whether it has served a call before.
    was_idle: bool,
}

/// A connection in the hands of a call.
pub(super) struct Exchange<'a> {
    connection: Connection,
    limit: &'a TimeLimit,
    /// Host and port, for messages.
    to: &'a str,
    max_value: usize,
    reached: Reached,
}

impl Connection {
    /// One that was just made.
    pub(super) fn new((socket, hold): Connected) -> io::Result<Connection> {
        socket.set_nonblocking(cfg!(unix))?;
        Ok(Connection { socket, hold: Some(hold), decoder: Decoder::default(), was_idle: false })
    }
}

impl Reusable for Connection {
    fn resume(mut self, token: &CancelToken) -> Option<Connection> {
        if !is_quiet(&self.socket) {
            return None;
        }
        self.hold = Some(Hold::new(token.clone(), &self.socket));
        self.was_idle = true;
        Some(self)
    }

    fn rest(mut self) -> Option<Connection> {
        if !self.hold.take().is_some_and(Hold::release) || !self.decoder.is_empty() {
            return None;
        }
        self.decoder.shrink(CHUNK);
        Some(self)
    }
}

impl<'a> Exchange<'a> {
    /// Begins a call on `connection`.
    pub(super) fn new(connection: Connection, limit: &'a TimeLimit, to: &'a str, max_value: usize) -> Exchange<'a> {
        Exchange { connection, limit, to, max_value, reached: Reached::Unsent }
    }

    /// Has a server whose connection was idle answer a no-op, so that what must not be repeated does not meet a
    /// connection that the server has closed.
    pub(super) fn check_idle_connection(&mut self) -> Result<(), Error> {
        if !self.connection.was_idle {
            return Ok(());
        }
        let answered = self.send(protocol::NO_OP).and_then(|()| self.receive_until(Decoder::no_op));
        self.reached = Reached::Unsent;
        answered
    }

    /// Ends the call, of which `result` came.
    pub(super) fn end<T>(self, result: Result<T, Error>) -> Talk<Connection, T> {
        let keep = result.is_ok().then_some(self.connection);
        Talk { result, reached: self.reached, keep }
    }

    /// Sends all of `bytes`.
    pub(super) fn send(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        while !bytes.is_empty() {
            match self.try_io(Direction::Out, |mut socket| socket.write(bytes))? {
                0 => return Err(self.lost(io::ErrorKind::WriteZero.into(), Phase::Send)),
                sent => {
                    self.reached = self.reached.max(Reached::Sent);
                    bytes = &bytes[sent..];
                }
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
            match self.try_io(Direction::In, |mut socket| socket.read(&mut chunk))? {
                0 => {
                    let during = Direction::In.phase(self.reached);
                    return Err(self.lost(io::ErrorKind::UnexpectedEof.into(), during));
                }
                received => {
                    self.reached = Reached::Answered;
                    self.connection.decoder.feed(&chunk[..received]);
                }
            }
        }
    }

    /// Tries until it works, fails, or the call is over.
    fn try_io(
        &self,
        direction: Direction,
        mut io: impl FnMut(&TcpStream) -> io::Result<usize>,
    ) -> Result<usize, Error> {
        let socket = &self.connection.socket;
        loop {
            self.limit.check(direction.phase(self.reached))?;
            match wait(socket, direction, self.limit.deadline()).and_then(|()| io(socket)) {
                Ok(0) => {
                    self.limit.check(direction.phase(self.reached))?; // an end that we made ourselves is not the peer's
                    return Ok(0);
                }
                Err(error) if is_early(error.kind()) => {}
                Err(error) => return Err(self.lost(error, direction.phase(self.reached))),
                Ok(moved) => return Ok(moved),
            }
        }
    }

    fn lost(&self, source: io::Error, during: Phase) -> Error {
        match self.connection.hold.as_ref().and_then(|hold| hold.ended(during)) {
            Some(ended) => ended,
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
enum Direction {
    In,
    Out,
}

impl Direction {
    /// What a call does that waits in this direction and has come so far.
    fn phase(self, reached: Reached) -> Phase {
        match self {
            Direction::Out => Phase::Send,
            Direction::In if reached == Reached::Answered => Phase::Body,
            Direction::In => Phase::Head,
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
fn wait(socket: &TcpStream, direction: Direction, until: Deadline) -> io::Result<()> {
    use crate::ready;
    use rustix::event::{PollFd, PollFlags};
    let flags = match direction {
        Direction::In => PollFlags::IN,
        Direction::Out => PollFlags::OUT,
    };
    ready::wait(&mut [PollFd::new(socket, flags)], until).map(drop)
}

/// Has the next read or write return when the time is over.
#[cfg(not(unix))]
fn wait(socket: &TcpStream, direction: Direction, until: Deadline) -> io::Result<()> {
    let left = match until.remaining() {
        Some(left) if left.is_zero() => return Err(io::ErrorKind::WouldBlock.into()),
        left => left,
    };
    match direction {
        Direction::In => socket.set_read_timeout(left),
        Direction::Out => socket.set_write_timeout(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::CancelReason;
    use std::net::TcpListener;

    #[test]
    fn a_connection_whose_token_was_canceled_is_not_kept() {
        for is_canceled in [false, true] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let socket = Arc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
            let token = CancelToken::new();
            let connection = Connection::new((socket.clone(), Hold::new(token.clone(), &socket))).unwrap();
            if is_canceled {
                token.cancel(CancelReason::Superseded);
            }
            assert_eq!(connection.rest().is_some(), !is_canceled);
        }
    }
}
