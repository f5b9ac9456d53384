//! A connection that its call can lose at any moment.
//!
//! The problem: a thread that waits for an upstream sits in `recv(2)`, and a pooled connection serves one call after the
//! other. The answer: while a call has the line, the call's token holds a cleanup that shuts the socket down; it is put in
//! when the line is made or taken from the pool, and taken back before it returns there. Shutting down wakes the read or
//! the write at once.
//!
//! On the way of a call on a pooled connection there are three system calls: a peek that tells whether the peer has gone
//! meanwhile, a send, a receive. There are no socket timeouts: the deadline cancels the token.
//!
//! Failures are passed on as `io::ErrorKind::Other` whatever they were, because ureq tries some kinds again and takes others
//! (a reset) for the regular end of a body.

use super::buffers::GrowingBuffers;
use super::call::{self, Patience};
use crate::cancel::{CancelToken, CleanupGuard};
use crate::error::{Error, Phase};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use ureq::unversioned::transport::{Buffers, NextTimeout, Transport};

/// A TCP connection as ureq's transport.
pub(super) struct Line {
    socket: Arc<TcpStream>,
    buffers: GrowingBuffers,
    /// `None` while the line waits in the pool.
    hold: Option<Hold>,
    /// The socket timeouts in force: none but while the connection is being made (proxy, TLS handshake).
    limits: [Option<Duration>; 2],
}

/// The right of a call's token to shut a socket down.
pub(crate) struct Hold {
    token: CancelToken,
    cleanup: CleanupGuard,
}

impl Hold {
    /// Has `socket` shut down when `token` is cancelled, at once when it already was.
    pub(crate) fn new(token: CancelToken, socket: &Arc<TcpStream>) -> Hold {
        let handle = socket.clone();
        let cleanup = token.on_cancel(move |_| {
            // It fails when the peer was faster.
            let _ = handle.shutdown(Shutdown::Both);
        });
        Hold { token, cleanup }
    }

    /// The error of a call that was ended.
    pub(crate) fn canceled(&self, during: Phase) -> Option<Error> {
        self.token.reason().map(|reason| Error::ended(reason, during))
    }

    /// Takes the right back. `false` when it may have been used.
    pub(crate) fn release(self) -> bool {
        drop(self.cleanup);
        !self.token.is_canceled()
    }
}

/// One of [`Line::limits`].
#[derive(Clone, Copy)]
enum Way {
    In = 0,
    Out = 1,
}

impl Line {
    pub(super) fn new(socket: Arc<TcpStream>, hold: Hold, output: usize) -> Line {
        Line { socket, buffers: GrowingBuffers::new(output), hold: Some(hold), limits: [None; 2] }
    }

    /// Fails when the call was ended.
    fn check(&self) -> Result<(), ureq::Error> {
        match self.hold.as_ref().and_then(|hold| hold.canceled(Phase::Wait)) {
            Some(error) => Err(wrapped(error)),
            None => Ok(()),
        }
    }

    fn failure(&self, error: io::Error, timeout: NextTimeout) -> ureq::Error {
        if let Err(canceled) = self.check() {
            return canceled;
        }
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ureq::Error::Timeout(timeout.reason),
            _ => wrapped(Error::Io(error)),
        }
    }

    fn limit(&mut self, way: Way, timeout: NextTimeout) -> Result<(), ureq::Error> {
        if timeout.after.is_zero() {
            return Err(ureq::Error::Timeout(timeout.reason));
        }
        let limit = timeout.not_zero().map(|limit| *limit);
        if limit != self.limits[way as usize] {
            match way {
                Way::In => self.socket.set_read_timeout(limit)?,
                Way::Out => self.socket.set_write_timeout(limit)?,
            }
            self.limits[way as usize] = limit;
        }
        Ok(())
    }
}

/// Takes an error of ours through ureq; [`super::failure`] unpacks it.
pub(super) fn wrapped(error: Error) -> ureq::Error {
    ureq::Error::Io(io::Error::other(error))
}

impl Transport for Line {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.limit(Way::Out, timeout)?;
        let mut sent = 0;
        while sent < amount {
            self.check()?;
            match (&*self.socket).write(&self.buffers.output()[sent..amount]) {
                Ok(0) => return Err(self.failure(io::ErrorKind::WriteZero.into(), timeout)),
                Ok(more) => {
                    if sent == 0 {
                        call::see(|seen| seen.sent = true);
                    }
                    sent += more;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failure(error, timeout)),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        self.limit(Way::In, timeout)?;
        let received = loop {
            self.check()?;
            let room = self.buffers.input_append_buf();
            let received = match call::patience() {
                Patience::Waits => (&*self.socket).read(room),
                Patience::TakesWhatIsHere => read_now(&self.socket, room),
            };
            match received {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.failure(error, timeout)),
                Ok(received) => break received,
            }
        };
        if received == 0 {
            self.check()?; // an end that we made ourselves is not the peer's
            return Ok(false);
        }
        self.buffers.input_appended(received);
        call::see(|seen| seen.received = true);
        Ok(true)
    }

    /// ureq asks this at two moments: before a connection goes to its pool, and when it is taken from there.
    fn is_open(&mut self) -> bool {
        match self.hold.take() {
            Some(hold) => {
                if !hold.release() || !self.buffers.input().is_empty() {
                    return false;
                }
                self.buffers.shrink();
                call::see(|seen| seen.kept = true);
                true
            }
            None => {
                let Some(token) = call::token() else { return false };
                if !is_quiet(&self.socket) {
                    return false;
                }
                self.hold = Some(Hold::new(token, &self.socket));
                call::see(|seen| *seen = call::Seen { reused: true, ..Default::default() });
                true
            }
        }
    }
}

/// Whether the peer has neither closed nor sent anything.
pub(crate) fn is_quiet(socket: &TcpStream) -> bool {
    matches!(peek_now(socket), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
}

#[cfg(unix)]
fn peek_now(socket: &TcpStream) -> io::Result<usize> {
    use rustix::net::RecvFlags;
    let (_, received) = rustix::net::recv(socket, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
    Ok(received)
}

#[cfg(unix)]
pub(super) fn read_now(socket: &TcpStream, room: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::net::recv(socket, room, rustix::net::RecvFlags::DONTWAIT)?.1)
}

#[cfg(not(unix))]
fn peek_now(socket: &TcpStream) -> io::Result<usize> {
    now(socket, || socket.peek(&mut [0; 1]))
}

#[cfg(not(unix))]
pub(super) fn read_now(mut socket: &TcpStream, room: &mut [u8]) -> io::Result<usize> {
    now(socket, || socket.read(room))
}

/// Where there is no flag for a single call, the socket's mode is changed and changed back.
#[cfg(not(unix))]
fn now(socket: &TcpStream, read: impl FnOnce() -> io::Result<usize>) -> io::Result<usize> {
    socket.set_nonblocking(true)?;
    let received = read();
    socket.set_nonblocking(false)?;
    received
}

impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Line").field("socket", &self.socket).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::CancelReason;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn a_blocked_write_comes_back_when_its_call_is_cancelled() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        // Whoever accepts reads nothing, so a write blocks once the buffers on the way are full.
        socket.set_nonblocking(true).unwrap();
        while (&socket).write(&[0; 1 << 16]).is_ok() {}
        socket.set_nonblocking(false).unwrap();

        let (socket, token) = (Arc::new(socket), CancelToken::new());
        let mut line = Line::new(socket.clone(), Hold::new(token.clone(), &socket), 1 << 16);
        let (began, begins) = crossbeam_channel::bounded(1);
        let blocked = thread::spawn(move || {
            began.send(()).unwrap();
            line.transmit_output(1 << 16, NextTimeout::default())
        });
        begins.recv().unwrap();
        token.cancel(CancelReason::Superseded);
        let error = blocked.join().unwrap().unwrap_err();
        let error = crate::upstream::failure::unpack(error, "upstream");
        assert!(matches!(error, Error::Canceled(CancelReason::Superseded)), "{error:?}");
    }
}
