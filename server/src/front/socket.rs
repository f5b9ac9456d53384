//! One connection's socket, read and written with a bounded wait.
//!
//! A read is one `recv` and a write one `send`: the socket's read timeout is remembered, and set only when a wait is to
//! be of another length.

use super::link::Link;
use super::settings::ServerSettings;
use std::io::{self, ErrorKind};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The socket beneath, in blocking mode.
pub(super) struct Socket {
    link: Arc<Link>,
    /// The read timeout as it is set now.
    timeout: Duration,
}

impl Socket {
    pub(super) fn new(link: Arc<Link>, settings: &ServerSettings) -> io::Result<Socket> {
        let stream = &link.stream;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(settings.idle_timeout))?;
        stream.set_write_timeout(Some(settings.write_timeout))?;
        Ok(Socket { link, timeout: settings.idle_timeout })
    }

    pub(super) fn stream(&self) -> &TcpStream {
        &self.link.stream
    }

    /// One read, which is `once`, of what comes within `timeout`; `None` when nothing does.
    pub(super) fn read(
        &mut self,
        timeout: Duration,
        mut once: impl FnMut(&mut &TcpStream) -> io::Result<usize>,
    ) -> io::Result<Option<usize>> {
        if timeout != self.timeout {
            self.stream().set_read_timeout(Some(timeout))?;
            self.timeout = timeout;
        }
        read(|| once(&mut self.stream()))
    }

    /// Writes, until `once` says that all is written or `timeout` has passed. The socket's own timeout bounds each wait
    /// in the system, the clock here bounds their sum.
    pub(super) fn write(
        &mut self,
        timeout: Duration,
        mut once: impl FnMut(&mut &TcpStream) -> io::Result<bool>,
    ) -> io::Result<()> {
        let began = Instant::now();
        loop {
            match once(&mut self.stream()) {
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
