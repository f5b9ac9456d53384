//! A TLS session as the bytes of a connection.
//!
//! The problem: a session answers by itself now and then, keeps what there was no room for, and has read more than it
//! gives away. The answer: each operation first moves what the session has to send, and is over only when the socket
//! has nothing to say either.
//!
//! A peer that closes without saying so in TLS (`close_notify`) has not ended what it said: that is an error here.
//!
//! What this does not do: decide whom to trust, see [`tls`](super::tls).

use super::hold;
use crate::deadline::Deadline;
use crate::ready;
use rustix::event::{PollFd, PollFlags};
use rustls::ClientConnection;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

/// A session whose handshake is over.
pub(crate) struct Secured {
    session: ClientConnection,
    socket: Arc<TcpStream>,
    /// Whether it was said that nothing more will be written.
    is_finished: bool,
}

/// The socket as the session uses it: waiting, or not.
enum Socket<'a> {
    Waits(&'a TcpStream),
    Now(&'a TcpStream),
}

impl Read for Socket<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Waits(socket) => socket.read(room),
            Socket::Now(socket) => hold::read_now(socket, room),
        }
    }
}

impl Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Socket::Waits(socket) => socket.write_vectored(parts),
            Socket::Now(socket) => hold::write_now(socket, parts),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Secured {
    /// Shakes hands by `session` over `socket`, until `until`. Who shuts the socket down ends it.
    ///
    /// # Errors
    ///
    /// The connection broke, the time was over, or the peers do not get along (`InvalidData`).
    pub(crate) fn begin(session: ClientConnection, socket: Arc<TcpStream>, until: Deadline) -> io::Result<Secured> {
        let mut secured = Secured { session, socket, is_finished: false };
        while secured.session.is_handshaking() {
            let flags = if secured.flush_now()? { PollFlags::IN } else { PollFlags::IN | PollFlags::OUT };
            match secured.take_in_now() {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "closed during the handshake")),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if until.has_passed() {
                        return Err(ErrorKind::TimedOut.into());
                    }
                    ready::wait(&mut [PollFd::new(&secured.socket, flags)], until)?;
                }
                taken => drop(taken?),
            }
        }
        Ok(secured)
    }

    pub(crate) fn socket(&self) -> &Arc<TcpStream> {
        &self.socket
    }

    pub(crate) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(room) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            self.session.read_tls(&mut Socket::Waits(&self.socket))?;
            self.process()?;
        }
    }

    pub(crate) fn read_now(&mut self, room: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.session.reader().read(room) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => return read,
            }
            self.take_in_now()?;
        }
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.flush()?;
        let written = self.session.writer().write(bytes)?;
        self.flush()?;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut Socket::Waits(&self.socket))?;
        }
        Ok(())
    }

    /// As [`Stream::write_now`](super::stream::Stream::write_now). What was taken may still be held here.
    pub(crate) fn write_now(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        self.flush_now()?;
        // Takes as much as its buffer has room for.
        match self.session.writer().write_vectored(parts)? {
            0 => Err(ErrorKind::WouldBlock.into()),
            written => {
                self.flush_now()?;
                Ok(written)
            }
        }
    }

    pub(crate) fn flush_now(&mut self) -> io::Result<bool> {
        while self.session.wants_write() {
            match self.session.write_tls(&mut Socket::Now(&self.socket)) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    pub(crate) fn has_unsent(&self) -> bool {
        self.session.wants_write()
    }

    pub(crate) fn finish_now(&mut self) -> io::Result<bool> {
        if !self.is_finished {
            self.session.send_close_notify();
            self.is_finished = true;
        }
        if !self.flush_now()? {
            return Ok(false);
        }
        self.socket.shutdown(Shutdown::Write).map(|()| true)
    }

    /// Whether nothing has come but what concerns the session alone, such as a ticket for the next one.
    pub(crate) fn is_quiet(&mut self) -> bool {
        loop {
            let is_empty = matches!(self.session.reader().read(&mut [0; 1]), Err(error) if is_blocked(&error));
            match self.take_in_now() {
                _ if !is_empty => return false,
                Ok(1..) => {}
                Ok(0) => return false,
                Err(error) => return is_blocked(&error),
            }
        }
    }

    /// Reads once what has come from the socket; 0 at its end.
    fn take_in_now(&mut self) -> io::Result<usize> {
        let received = self.session.read_tls(&mut Socket::Now(&self.socket))?;
        self.process()?;
        Ok(received)
    }

    fn process(&mut self) -> io::Result<()> {
        let processed = self.session.process_new_packets();
        let answered = self.flush_now();
        // An alert that does not reach the peer is of less interest than what it was about.
        processed.map_err(|error| io::Error::new(ErrorKind::InvalidData, error))?;
        answered.map(drop)
    }
}

fn is_blocked(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}
