//! The bytes of one connection: read and sent with a bounded wait, in the clear or through TLS.
//!
//! The connection's own thread has the [`Stream`], and nobody else; what others may do with the socket beneath goes through
//! the [`Link`](super::link::Link). In the clear a read is one `recv` and a send is one `send`: the socket's read timeout is
//! remembered, and set only when a wait is to be of another length.

use super::ServerSettings;
use super::tls::{Identity, Session};
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// One connection, as its thread reads and writes it.
pub(super) struct Stream<'a> {
    socket: Socket<'a>,
    session: Option<Session>,
}

impl<'a> Stream<'a> {
    /// In the clear.
    pub(super) fn new(socket: &'a TcpStream, settings: &ServerSettings) -> io::Result<Stream<'a>> {
        Ok(Stream { socket: Socket::new(socket, settings)?, session: None })
    }

    /// From here on through TLS: shakes hands as the server, which may take up to `timeout`.
    pub(super) fn secure(&mut self, identity: &Identity, timeout: Duration) -> io::Result<()> {
        self.session = Some(Session::begin(identity, &mut self.socket, timeout)?);
        Ok(())
    }

    /// Waits up to `timeout` for bytes; `None` when there were none by then, 0 when the client sends no more.
    pub(super) fn receive(&mut self, into: &mut [u8], timeout: Duration) -> io::Result<Option<usize>> {
        match &mut self.session {
            None => self.socket.receive(into, timeout),
            Some(session) => session.receive(&mut self.socket, into, timeout),
        }
    }

    /// Sends all of `bytes`, for which the client has `timeout`.
    pub(super) fn send(&mut self, bytes: &[u8], timeout: Duration) -> io::Result<()> {
        match &mut self.session {
            None => self.socket.send(bytes, timeout),
            Some(session) => session.send(&mut self.socket, bytes, timeout),
        }
    }

    /// Says that nothing more will be sent, where there is a word for it. Who is told by the connection's end alone cannot tell
    /// it from an answer that was cut.
    pub(super) fn say_goodbye(&mut self) {
        if let Some(session) = &mut self.session {
            session.say_goodbye(&mut self.socket);
        }
    }
}

/// The socket beneath, in blocking mode.
pub(super) struct Socket<'a> {
    stream: &'a TcpStream,
    /// The read timeout as it is set now.
    timeout: Duration,
}

impl<'a> Socket<'a> {
    fn new(stream: &'a TcpStream, settings: &ServerSettings) -> io::Result<Socket<'a>> {
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(settings.idle_timeout))?;
        stream.set_write_timeout(Some(settings.write_timeout))?;
        Ok(Socket { stream, timeout: settings.idle_timeout })
    }

    fn receive(&mut self, into: &mut [u8], timeout: Duration) -> io::Result<Option<usize>> {
        self.set_read_timeout(timeout)?;
        read(|| self.stream.read(into))
    }

    pub(super) fn set_read_timeout(&mut self, timeout: Duration) -> io::Result<()> {
        if timeout != self.timeout {
            self.stream.set_read_timeout(Some(timeout))?;
            self.timeout = timeout;
        }
        Ok(())
    }

    fn send(&mut self, bytes: &[u8], timeout: Duration) -> io::Result<()> {
        let mut left = bytes;
        write_by(timeout, || {
            left = &left[self.stream.write(left)?..];
            Ok(left.is_empty())
        })
    }

    /// For who reads and writes with these timeouts by other means.
    pub(super) fn raw(&self) -> &'a TcpStream {
        self.stream
    }
}

/// One read; `None` when the socket's timeout has passed.
pub(super) fn read(mut once: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match once() {
            Ok(received) => return Ok(Some(received)),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Unix says the one, Windows the other.
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// Writes until `once` says that all is written. The socket's write timeout bounds each wait in the system, the clock here bounds
/// their sum.
pub(super) fn write_by(timeout: Duration, mut once: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    let began = Instant::now();
    loop {
        match once() {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if began.elapsed() >= timeout {
            return Err(ErrorKind::TimedOut.into());
        }
    }
}
