//! The bytes of one connection, read and sent as far as that goes without waiting.
//!
//! The problem: who serves two peers with one thread may wait for neither of them alone, and the socket is in blocking
//! mode, as everything else wants it. The answer: each call asks the system not to wait (`MSG_DONTWAIT`), and the
//! socket stays as it is.
//!
//! What this does not do: wait. Who has got nothing asks the system (`poll`) and comes again.

use super::stream::Stream;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags};
use std::io::{self, IoSlice, Read, Write};
use std::net::{Shutdown, TcpStream};

#[cfg(target_vendor = "apple")]
const SENDING: SendFlags = SendFlags::DONTWAIT;
#[cfg(not(target_vendor = "apple"))]
const SENDING: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);

/// A socket that does not wait.
struct AtOnce<'a>(&'a TcpStream);

impl Read for AtOnce<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        unless_interrupted(|| Ok(rustix::net::recv(self.0, &mut *into, RecvFlags::DONTWAIT)?.0))
    }
}

impl Write for AtOnce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        unless_interrupted(|| rustix::net::send(self.0, bytes, SENDING))
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        unless_interrupted(|| rustix::net::sendmsg(self.0, pieces, &mut SendAncillaryBuffer::default(), SENDING))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn unless_interrupted(mut once: impl FnMut() -> Result<usize, Errno>) -> io::Result<usize> {
    loop {
        match once() {
            Err(Errno::INTR) => {}
            done => return done.map_err(io::Error::from),
        }
    }
}

fn unless_it_waits(done: io::Result<usize>) -> io::Result<Option<usize>> {
    match done {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
        done => done.map(Some),
    }
}

impl Stream {
    /// What is there now; `None` when that is nothing, 0 when the client sends no more.
    pub(super) fn receive_at_once(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        let mut socket = AtOnce(self.socket.stream());
        match &mut self.session {
            None => unless_it_waits(socket.read(into)),
            Some(session) => session.receive_at_once(&mut socket, into),
        }
    }

    /// Takes as much of `pieces`, in their order, as there is room for now, and tells how much that was.
    pub(super) fn send_at_once(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let mut socket = AtOnce(self.socket.stream());
        match &mut self.session {
            None => Ok(unless_it_waits(socket.write_vectored(pieces))?.unwrap_or(0)),
            Some(session) => session.send_at_once(&mut socket, pieces),
        }
    }

    /// Sends on what was taken. Whether nothing is left of it.
    pub(super) fn flush_at_once(&mut self) -> io::Result<bool> {
        let mut socket = AtOnce(self.socket.stream());
        self.session.as_mut().map_or(Ok(true), |session| session.flush_at_once(&mut socket))
    }

    /// Says that nothing more will be sent, and closes the sending side. Whether that is done.
    pub(super) fn end_at_once(&mut self) -> io::Result<bool> {
        if let Some(session) = &mut self.session {
            session.queue_goodbye();
        }
        let is_out = self.flush_at_once()?;
        if is_out {
            self.socket.stream().shutdown(Shutdown::Write)?;
        }
        Ok(is_out)
    }
}
