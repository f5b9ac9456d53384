//! The bytes of one connection: read and sent with a bounded wait, in the clear or through TLS.
//!
//! The connection's own thread has the [`Stream`], and nobody else; what others may do with the socket beneath goes
//! through the [`Link`]. In the clear a read is one `recv` and a send is one `send`. What goes without waiting is in
//! `at_once.rs`.

use super::link::Link;
use super::settings::ServerSettings;
use super::socket::Socket;
use super::tls::{Identity, Session};
use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::Duration;

/// The shortest wait the system knows; a timeout of zero is none to it.
const AT_ONCE: Duration = Duration::from_millis(1);

/// One connection, as its thread reads and writes it.
pub(super) struct Stream {
    pub(super) socket: Socket,
    pub(super) session: Option<Session>,
}

impl Stream {
    /// In the clear.
    pub(super) fn new(link: Arc<Link>, settings: &ServerSettings) -> io::Result<Stream> {
        Ok(Stream { socket: Socket::new(link, settings)?, session: None })
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

    /// Sends what [`send_at_once`](Stream::send_at_once) has taken and not sent, for which the client has `timeout`.
    pub(super) fn flush(&mut self, timeout: Duration) -> io::Result<()> {
        self.session.as_mut().map_or(Ok(()), |session| session.flush(&mut self.socket, timeout))
    }

    /// Says that nothing more will be sent, where there is a word for it. Who is told by the connection's end alone
    /// cannot tell it from an answer that was cut.
    pub(super) fn say_goodbye(&mut self) {
        if let Some(session) = &mut self.session {
            // A client that leaves no room for so few bytes does without.
            let _ = self.socket.stream().set_write_timeout(Some(AT_ONCE));
            session.say_goodbye(&mut self.socket);
        }
    }
}
