//! Connecting, in a way that can be ended.
//!
//! The problem: `connect(2)` blocks for minutes when nobody answers, and a socket that does not exist yet cannot be
//! shut down. The answer: connect without blocking, then let the call's token have the socket, then `poll`. A shutdown
//! ends a pending connection on Linux and wakes the poll; on the other Unix systems, where it does not, the poll looks
//! at the token every 50 ms. In this order no cancellation falls through: a token that was canceled before runs the
//! cleanup at once.
//!
//! What this does not do: try addresses in parallel. They get their turn with half of what is left of the time each.
//! Where there is no `poll` (Windows), a pending connection ends with the connect timeout only.

use super::address::Address;
use super::hold::Hold;
use super::names::{Lookup, Names};
use crate::cancel::CancelToken;
use crate::crew::Crew;
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use crate::limit::TimeLimit;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;

/// A socket, and the call's right to shut it down.
pub(crate) type Connected = (Arc<TcpStream>, Hold);

/// Makes connections. Clones are handles to the same book of names.
#[derive(Clone)]
pub(crate) struct Dialer {
    names: Names,
}

impl Dialer {
    /// One that looks host names up by `lookup`, on threads of `crew`.
    pub(crate) fn new(lookup: Arc<dyn Lookup>, crew: &Crew) -> Dialer {
        Dialer { names: Names::new(lookup, crew) }
    }

    /// A blocking socket connected to `address`, which the token of `limit` can shut down. There is time until `until`
    /// and within `limit`.
    ///
    /// # Errors
    ///
    /// [`Error::Lookup`] and [`Error::Connect`], also when `until` has passed; [`Error::TimedOut`] and
    /// [`Error::Canceled`] when it was `limit` that ended it.
    pub(crate) fn open(&self, address: &Address, until: Deadline, limit: &TimeLimit) -> Result<Connected, Error> {
        let (until, token) = (until.earlier(limit.deadline()), limit.token());
        // Each step knows one moment to be over by. Whose it was, the limit tells.
        let own = |error, during| limit.check(during).err().unwrap_or(error);
        let addresses = self.names.addresses(&address.host, until, token).map_err(|error| own(error, Phase::Lookup))?;
        connect(address, &addresses, until, token).map_err(|error| own(error, Phase::Connect))
    }
}

/// A blocking socket connected to the first of `addresses` that answers.
fn connect(to: &Address, addresses: &[IpAddr], until: Deadline, token: &CancelToken) -> Result<Connected, Error> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (tried, ip) in addresses.iter().enumerate() {
        let turn = match until.remaining() {
            Some(left) if tried + 1 < addresses.len() => Deadline::after(left / 2),
            _ => until,
        };
        match connect_to(SocketAddr::new(*ip, to.port), turn, token) {
            Ok(connected) => return Ok(connected),
            Err(_) if token.is_canceled() => break,
            Err(error) => last = error,
        }
    }
    Err(match token.reason() {
        Some(reason) => Error::ended(reason, Phase::Connect),
        None => Error::Connect { to: to.to_string(), source: last },
    })
}

fn connect_to(address: SocketAddr, until: Deadline, token: &CancelToken) -> io::Result<Connected> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_tcp_nodelay(true)?;
    let pending = begin(&socket, address, until)?;
    let socket = Arc::new(TcpStream::from(socket));
    let hold = Hold::new(token.clone(), &socket);
    if pending {
        wait(&socket, until, token)?;
    }
    if let Some(ended) = hold.ended(Phase::Connect) {
        return Err(io::Error::other(ended));
    }
    socket.set_nonblocking(false)?;
    Ok((socket, hold))
}

/// Begins to connect. `true` when it is yet to be waited for.
#[cfg(unix)]
fn begin(socket: &socket2::Socket, address: SocketAddr, _: Deadline) -> io::Result<bool> {
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Ok(()) => Ok(false),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => Ok(true),
        Err(error) => Err(error),
    }
}

#[cfg(not(unix))]
fn begin(socket: &socket2::Socket, address: SocketAddr, until: Deadline) -> io::Result<bool> {
    match until.remaining() {
        Some(left) => socket.connect_timeout(&address.into(), left)?,
        None => socket.connect(&address.into())?,
    }
    Ok(false)
}

#[cfg(not(unix))]
fn wait(_: &TcpStream, _: Deadline, _: &CancelToken) -> io::Result<()> {
    Ok(())
}

/// Waits until the connection is there or has failed.
#[cfg(unix)]
fn wait(socket: &TcpStream, until: Deadline, token: &CancelToken) -> io::Result<()> {
    use crate::ready;
    use rustix::event::{PollFd, PollFlags};
    use std::time::Duration;

    /// How long a poll goes without a look at the token, where a shutdown does not wake it.
    const SLICE: Option<Duration> = if cfg!(target_os = "linux") { None } else { Some(Duration::from_millis(50)) };

    loop {
        if token.is_canceled() {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        if until.has_passed() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let nap = SLICE.map_or(until, |slice| until.earlier(Deadline::after(slice)));
        if ready::wait(&mut [PollFd::new(socket, PollFlags::OUT)], nap)? > 0 {
            return socket.take_error()?.map_or(Ok(()), Err);
        }
    }
}
