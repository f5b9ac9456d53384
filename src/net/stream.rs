//! The bytes of one connection, plain or through TLS.
//!
//! Each operation comes in two kinds: one that waits, and one that takes what is there or what there is room for and
//! fails with `WouldBlock` when that is nothing. The socket itself stays in its blocking mode; the kind is said with
//! each call.

use super::hold;
use super::secured::Secured;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

/// A connection's bytes.
pub(crate) enum Stream {
    Plain(Arc<TcpStream>),
    Secure(Box<Secured>),
}

impl Stream {
    /// The socket beneath.
    pub(crate) fn socket(&self) -> &Arc<TcpStream> {
        match self {
            Stream::Plain(socket) => socket,
            Stream::Secure(secured) => secured.socket(),
        }
    }

    /// Reads once, waiting; 0 at the end.
    pub(crate) fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => (&**socket).read(room),
            Stream::Secure(secured) => secured.read(room),
        }
    }

    /// Reads what has come.
    pub(crate) fn read_now(&mut self, room: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => hold::read_now(socket, room),
            Stream::Secure(secured) => secured.read_now(room),
        }
    }

    /// Writes once, waiting.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => (&**socket).write(bytes),
            Stream::Secure(secured) => secured.write(bytes),
        }
    }

    /// Whether the peer has neither closed nor sent anything that was not read.
    pub(crate) fn is_quiet(&mut self) -> bool {
        match self {
            Stream::Plain(socket) => hold::is_quiet(socket),
            Stream::Secure(secured) => secured.is_quiet(),
        }
    }
}

/// Both directions without waiting.
#[cfg(unix)]
impl Stream {
    /// Writes a beginning of all `parts` together, and returns how many bytes that were.
    pub(crate) fn write_now(&mut self, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Plain(socket) => hold::write_now(socket, parts),
            Stream::Secure(secured) => secured.write_now(parts),
        }
    }

    /// Sends on what was written and is still held here. `true` when nothing is.
    pub(crate) fn flush_now(&mut self) -> io::Result<bool> {
        match self {
            Stream::Plain(_) => Ok(true),
            Stream::Secure(secured) => secured.flush_now(),
        }
    }

    /// Whether something is held here.
    pub(crate) fn has_unsent(&self) -> bool {
        match self {
            Stream::Plain(_) => false,
            Stream::Secure(secured) => secured.has_unsent(),
        }
    }

    /// Says that nothing more will be written. `true` when that is said.
    pub(crate) fn finish_now(&mut self) -> io::Result<bool> {
        match self {
            Stream::Plain(socket) => socket.shutdown(std::net::Shutdown::Write).map(|()| true),
            Stream::Secure(secured) => secured.finish_now(),
        }
    }
}
