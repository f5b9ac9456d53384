//! A socket that its call can lose at any moment.
//!
//! The problem: a thread that waits for a server sits in `recv(2)`, and a pooled connection serves one call after the
//! other. The answer: while a call has the socket, the call's token holds a cleanup that shuts the socket down. It is
//! registered when the connection is made or taken from the pool, and taken back before the connection returns there.
//! The shutdown wakes the read or the write at once.

use crate::cancel::{CancelToken, CleanupGuard};
use crate::error::{Error, Phase};
use std::io;
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;

/// The right of a call's token to shut a socket down.
pub(crate) struct Hold {
    token: CancelToken,
    cleanup: CleanupGuard,
}

impl Hold {
    /// Has `socket` shut down when `token` is canceled, at once when it already was.
    pub(crate) fn new(token: CancelToken, socket: &Arc<TcpStream>) -> Hold {
        let handle = socket.clone();
        let cleanup = token.on_cancel(move |_| {
            // It fails when the peer was faster.
            let _ = handle.shutdown(Shutdown::Both);
        });
        Hold { token, cleanup }
    }

    /// The error of a call that was ended `during` this phase.
    pub(crate) fn ended(&self, during: Phase) -> Option<Error> {
        self.token.reason().map(|reason| Error::ended(reason, during))
    }

    /// Takes the right back. `false` when it may have been used.
    #[must_use = "a connection whose token was canceled must not be kept"]
    pub(crate) fn release(self) -> bool {
        drop(self.cleanup);
        !self.token.is_canceled()
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

/// Reads what has arrived; fails with `WouldBlock` when that is nothing.
#[cfg(unix)]
pub(crate) fn read_now(socket: &TcpStream, room: &mut [u8]) -> io::Result<usize> {
    Ok(rustix::net::recv(socket, room, rustix::net::RecvFlags::DONTWAIT)?.1)
}

/// Writes a beginning of all `parts` together, as much as there is room for; fails with `WouldBlock` when that is
/// nothing.
#[cfg(unix)]
pub(crate) fn write_now(socket: &TcpStream, parts: &[io::IoSlice<'_>]) -> io::Result<usize> {
    use rustix::net::{SendAncillaryBuffer, SendFlags};
    // No signal, as with the writes of the standard library, which on Apple's systems says so once for the socket.
    #[cfg(not(target_vendor = "apple"))]
    const FLAGS: SendFlags = SendFlags::DONTWAIT.union(SendFlags::NOSIGNAL);
    #[cfg(target_vendor = "apple")]
    const FLAGS: SendFlags = SendFlags::DONTWAIT;

    Ok(rustix::net::sendmsg(socket, parts, &mut SendAncillaryBuffer::default(), FLAGS)?)
}

#[cfg(not(unix))]
fn peek_now(socket: &TcpStream) -> io::Result<usize> {
    now(socket, || socket.peek(&mut [0; 1]))
}

/// Reads what has arrived; fails with `WouldBlock` when that is nothing.
#[cfg(not(unix))]
pub(crate) fn read_now(mut socket: &TcpStream, room: &mut [u8]) -> io::Result<usize> {
    use std::io::Read;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::CancelReason;
    use std::net::TcpListener;

    #[test]
    fn a_socket_whose_token_was_canceled_is_told_apart() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = Arc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let (first, second) = (CancelToken::new(), CancelToken::new());
        assert!(Hold::new(first.clone(), &socket).release(), "nothing has happened to it");
        first.cancel(CancelReason::Superseded);
        assert!(is_quiet(&socket), "the token has no right any more");
        let hold = Hold::new(second.clone(), &socket);
        second.cancel(CancelReason::DeadlineExceeded);
        assert!(matches!(hold.ended(Phase::Head), Some(Error::TimedOut { during: Phase::Head })));
        assert!(!hold.release() && !is_quiet(&socket));
    }
}
