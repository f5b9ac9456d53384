//! A connection that has become a tunnel (RFC 9110, section 7.8).

use super::current::Patience;
use super::link::{Failure, Link};
use crate::relay::Duplex;
use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

/// The connection to an upstream that has switched protocols: bytes as they are, both ways. The token of the call's
/// limit ends it. Dropping it closes the connection.
pub struct Tunnel {
    link: Box<Link>,
    to: Arc<str>,
    is_over: bool,
}

impl Tunnel {
    pub(super) fn new(link: Box<Link>, to: Arc<str>) -> Tunnel {
        Tunnel { link, to, is_over: false }
    }

    fn failed(&self, error: io::Error) -> io::Error {
        let kind = error.kind();
        io::Error::new(kind, self.link.ended().unwrap_or_else(|| Failure::Io(error).into_error(&self.to)))
    }

    fn written<T>(&self, written: io::Result<T>, blocked: T) -> io::Result<T> {
        match written {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(blocked),
            written => written.map_err(|error| self.failed(error)),
        }
    }
}

impl Duplex for Tunnel {
    fn peek_now(&mut self) -> io::Result<Option<&[u8]>> {
        if self.link.unused().is_empty() && !self.is_over {
            self.link.grow();
            match self.link.fill(Patience::TakesWhatIsHere) {
                Ok(received) => self.is_over = received == 0,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(self.failed(error)),
            }
        }
        Ok(Some(self.link.unused()))
    }

    fn consume(&mut self, bytes: usize) {
        self.link.take(bytes);
    }

    fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let written = self.link.stream().write_now(&[IoSlice::new(bytes)]);
        self.written(written, 0)
    }

    fn flush_now(&mut self) -> io::Result<bool> {
        let flushed = self.link.stream().flush_now();
        self.written(flushed, false)
    }

    fn finish_now(&mut self) -> io::Result<bool> {
        let finished = self.link.stream().finish_now();
        self.written(finished, false)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.link.socket().as_fd()
    }
}

impl fmt::Debug for Tunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("to", &self.to).finish_non_exhaustive()
    }
}
