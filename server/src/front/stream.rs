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

/// The shortest wait the system knows; a timeout of zero is none to it.
const AT_ONCE: Duration = Duration::from_millis(1);

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
            None => self.socket.read(timeout, |socket| socket.read(into)),
            Some(session) => session.receive(&mut self.socket, into, timeout),
        }
    }

    /// Sends all of `bytes`, for which the client has `timeout`.
    pub(super) fn send(&mut self, bytes: &[u8], timeout: Duration) -> io::Result<()> {
        match &mut self.session {
            None => {
                let mut left = bytes;
                self.socket.write(timeout, |socket| {
                    left = &left[socket.write(left)?..];
                    Ok(left.is_empty())
                })
            }
            Some(session) => session.send(&mut self.socket, bytes, timeout),
        }
    }

    /// Says that nothing more will be sent, where there is a word for it. Who is told by the connection's end alone cannot tell
    /// it from an answer that was cut.
    pub(super) fn say_goodbye(&mut self) {
        if let Some(session) = &mut self.session {
            // A client that leaves no room for so few bytes does without.
            let _ = self.socket.stream.set_write_timeout(Some(AT_ONCE));
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

    /// One read, which is `once`, of what comes within `timeout`; `None` when nothing does.
    pub(super) fn read(
        &mut self,
        timeout: Duration,
        mut once: impl FnMut(&mut &TcpStream) -> io::Result<usize>,
    ) -> io::Result<Option<usize>> {
        if timeout != self.timeout {
            self.stream.set_read_timeout(Some(timeout))?;
            self.timeout = timeout;
        }
        read(|| once(&mut &*self.stream))
    }

    /// Writes, until `once` says that all is written or `timeout` has passed. The socket's own timeout bounds each wait in the
    /// system, the clock here bounds their sum.
    pub(super) fn write(
        &mut self,
        timeout: Duration,
        mut once: impl FnMut(&mut &TcpStream) -> io::Result<bool>,
    ) -> io::Result<()> {
        let began = Instant::now();
        loop {
            match once(&mut &*self.stream) {
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
