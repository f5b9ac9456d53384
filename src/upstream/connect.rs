//! Connecting, in a way that can be ended.
//!
//! The problem: `connect(2)` blocks for minutes when nobody answers, and a socket that does not exist yet cannot be shut
//! down. The answer: connect without blocking, then let the call's token have the socket, then `poll`. A shutdown ends a
//! pending connection on Linux and wakes the poll; on the other Unix systems, where it does not, the poll looks at the token
//! every 50 ms. In this order no cancellation falls through: a token that was cancelled before runs the cleanup at once.
//!
//! Names are looked up here too, not in ureq's resolver, which is asked on every call: on a pooled connection no address is
//! needed.
//!
//! What this does not do: try addresses in parallel. They get their turn with half of what is left of the time each. Where
//! there is no `poll` (Windows), a pending connection ends with the connect timeout only.

use super::call;
use super::line::{Hold, Line, wrapped};
use super::names::{Names, bare};
use crate::cancel::CancelToken;
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{ConnectionDetails, Connector, Either, NextTimeout, Transport, time};

/// Makes a [`Line`], unless the chain already has a connection (through a proxy).
#[derive(Clone)]
pub(super) struct TcpConnector {
    pub(super) names: Names,
}

impl<In: Transport> Connector<In> for TcpConnector {
    type Out = Either<In, Line>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        if let Some(chained) = chained {
            return Ok(Some(Either::A(chained)));
        }
        let token = call::token().unwrap_or_default();
        call::see(|seen| *seen = call::Seen::default());
        let until = match details.timeout.after {
            time::Duration::Exact(left) => Deadline::after(left),
            time::Duration::NotHappening => Deadline::Never,
        };
        let (host, port) = target(details.uri);
        let (socket, hold) = self.open(host, port, until, &token).map_err(wrapped)?;
        Ok(Some(Either::B(Line::new(socket, hold, details.config.output_buffer_size()))))
    }
}

impl TcpConnector {
    /// A connection to `host`, which `token` can shut down.
    pub(super) fn open(
        &self,
        host: &str,
        port: u16,
        until: Deadline,
        token: &CancelToken,
    ) -> Result<(Arc<TcpStream>, Hold), Error> {
        let addresses = self.names.addresses(host, until, token)?;
        connect(host, port, &addresses, until, token)
    }
}

/// Host, without brackets, and port of a URL that was checked to have a host.
pub(super) fn target(uri: &Uri) -> (&str, u16) {
    let default = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    (bare(uri.host().unwrap_or_default()), uri.port_u16().unwrap_or(default))
}

/// A blocking socket connected to the first of `addresses` that answers, in the hands of `token`.
pub(crate) fn connect(
    host: &str,
    port: u16,
    addresses: &[IpAddr],
    until: Deadline,
    token: &CancelToken,
) -> Result<(Arc<TcpStream>, Hold), Error> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for (tried, ip) in addresses.iter().enumerate() {
        let turn = match until.remaining() {
            Some(left) if tried + 1 < addresses.len() => Deadline::after(left / 2),
            _ => until,
        };
        match connect_to(SocketAddr::new(*ip, port), turn, token) {
            Ok(connected) => return Ok(connected),
            Err(_) if token.is_canceled() => break,
            Err(error) => last = error,
        }
    }
    Err(match token.reason() {
        Some(reason) => Error::ended(reason, Phase::Connect),
        None => Error::Connect { to: format!("{host}:{port}"), source: last },
    })
}

fn connect_to(address: SocketAddr, until: Deadline, token: &CancelToken) -> io::Result<(Arc<TcpStream>, Hold)> {
    let socket = socket2::Socket::new(socket2::Domain::for_address(address), socket2::Type::STREAM, None)?;
    socket.set_tcp_nodelay(true)?;
    let pending = begin(&socket, address, until)?;
    let socket = Arc::new(TcpStream::from(socket));
    let hold = Hold::new(token.clone(), &socket);
    if pending {
        wait(&socket, until, token)?;
    }
    if let Some(canceled) = hold.canceled(Phase::Connect) {
        return Err(io::Error::other(canceled));
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
    use super::ready;
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

/// Looks nothing up: see the module's head.
#[derive(Debug)]
pub(super) struct NoResolver;

impl Resolver for NoResolver {
    fn resolve(&self, _: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

impl fmt::Debug for TcpConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnector").finish_non_exhaustive()
    }
}
