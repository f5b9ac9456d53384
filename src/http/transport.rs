//! ureq's transport: a TCP connection that its call can lose at any moment.
//!
//! A call on a pooled connection takes three system calls: a peek that tells whether the peer has gone meanwhile, a
//! send, a receive. There are no socket timeouts but while the connection is being made: the deadline cancels the
//! token.
//!
//! Failures are passed on as `io::ErrorKind::Other` whatever they were, because ureq tries some kinds again and takes
//! others (a reset) for the regular end of a body.
//!
//! Names are looked up here, not in ureq's resolver, which is asked on every call: on a pooled connection no address is
//! needed.

use super::buffers::GrowingBuffers;
use super::current::{self, Patience, Seen};
use super::failure::wrapped;
use super::request::target;
use crate::deadline::Deadline;
use crate::error::{Error, Phase};
use crate::limit::TimeLimit;
use crate::net::connect::{Connected, Dialer};
use crate::net::hold::{Hold, is_quiet, read_now};
use crate::net::lease::Reached;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, Either, NextTimeout, Transport, time};

/// Makes a [`Plain`] transport, unless the chain already has a connection (through a proxy).
#[derive(Clone)]
pub(super) struct TcpConnector {
    pub(super) dialer: Dialer,
    /// Whether connections lead to a proxy, which is to be asked for another one.
    pub(super) is_proxied: bool,
}

impl<In: Transport> Connector<In> for TcpConnector {
    type Out = Either<In, Plain>;

    fn connect(&self, details: &ConnectionDetails, chained: Option<In>) -> Result<Option<Self::Out>, ureq::Error> {
        if let Some(chained) = chained {
            current::enter_phase(Phase::Send);
            return Ok(Some(Either::A(chained)));
        }
        let token = current::token().unwrap_or_default();
        current::see(|seen| *seen = Seen { is_fresh: true, ..Seen::NOTHING });
        let until = match details.timeout.after {
            time::Duration::Exact(left) => Deadline::after(left),
            time::Duration::NotHappening => Deadline::Never,
        };
        let address = target(details.uri).ok_or_else(|| wrapped(Error::Protocol("a URL without a host".to_owned())))?;
        current::enter_phase(Phase::Connect);
        let connected = self.dialer.open(&address, until, &TimeLimit::from(&token)).map_err(wrapped)?;
        if !self.is_proxied {
            current::enter_phase(Phase::Send);
        }
        Ok(Some(Either::B(Plain::new(connected, details.config.output_buffer_size()))))
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

/// A TCP connection as ureq's transport.
pub(super) struct Plain {
    socket: Arc<TcpStream>,
    buffers: GrowingBuffers,
    /// `None` while the connection waits in the pool.
    hold: Option<Hold>,
    /// The socket timeouts in force: none but while the connection is being made (proxy, TLS handshake).
    read_timeout: Option<Duration>,
    write_timeout: Option<Duration>,
}

impl Plain {
    pub(super) fn new((socket, hold): Connected, output: usize) -> Plain {
        let buffers = GrowingBuffers::new(output);
        Plain { socket, buffers, hold: Some(hold), read_timeout: None, write_timeout: None }
    }

    /// Fails when the call was ended.
    fn check(&self) -> Result<(), ureq::Error> {
        match self.hold.as_ref().and_then(|hold| hold.ended(current::phase())) {
            Some(error) => Err(wrapped(error)),
            None => Ok(()),
        }
    }

    fn failure(&self, error: io::Error, timeout: NextTimeout) -> ureq::Error {
        if let Err(ended) = self.check() {
            return ended;
        }
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => ureq::Error::Timeout(timeout.reason),
            _ => wrapped(Error::Io(error)),
        }
    }
}

/// Sets a socket timeout by `set`, unless it is `in_force` already.
fn limit(
    in_force: &mut Option<Duration>,
    timeout: NextTimeout,
    set: impl FnOnce(Option<Duration>) -> io::Result<()>,
) -> Result<(), ureq::Error> {
    if timeout.after.is_zero() {
        return Err(ureq::Error::Timeout(timeout.reason));
    }
    let limit = timeout.not_zero().map(|limit| *limit);
    if limit != *in_force {
        set(limit)?;
        *in_force = limit;
    }
    Ok(())
}

impl Transport for Plain {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        limit(&mut self.write_timeout, timeout, |limit| self.socket.set_write_timeout(limit))?;
        let mut sent = 0;
        while sent < amount {
            self.check()?;
            match (&*self.socket).write(&self.buffers.output()[sent..amount]) {
                Ok(0) => return Err(self.failure(io::ErrorKind::WriteZero.into(), timeout)),
                Ok(more) => {
                    if sent == 0 {
                        current::see(|seen| seen.reached = seen.reached.max(Reached::Sent));
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
        limit(&mut self.read_timeout, timeout, |limit| self.socket.set_read_timeout(limit))?;
        if current::phase() == Phase::Send {
            current::enter_phase(Phase::Head);
        }
        let received = loop {
            self.check()?;
            let room = self.buffers.input_append_buf();
            let received = match current::patience() {
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
        current::see(|seen| seen.reached = Reached::Answered);
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
                current::see(|seen| seen.kept = true);
                true
            }
            None => {
                let Some(token) = current::token() else { return false };
                if !is_quiet(&self.socket) {
                    return false;
                }
                self.hold = Some(Hold::new(token, &self.socket));
                current::see(|seen| *seen = Seen::NOTHING);
                current::enter_phase(Phase::Send);
                true
            }
        }
    }
}

impl fmt::Debug for TcpConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConnector").finish_non_exhaustive()
    }
}

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plain").field("socket", &self.socket).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cancel::{CancelReason, CancelToken};
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn a_blocked_write_comes_back_when_its_call_is_canceled() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        // Nobody accepts or reads, so a write blocks once the buffers on the way are full.
        socket.set_nonblocking(true).unwrap();
        while (&socket).write(&[0; 1 << 16]).is_ok() {}
        socket.set_nonblocking(false).unwrap();

        let (socket, token) = (Arc::new(socket), CancelToken::new());
        let hold = Hold::new(token.clone(), &socket);
        let mut transport = Plain::new((socket, hold), 1 << 16);
        let (began, begins) = crossbeam_channel::bounded(1);
        let blocked = thread::spawn(move || {
            began.send(()).unwrap();
            transport.transmit_output(1 << 16, NextTimeout::default())
        });
        begins.recv().unwrap();
        token.cancel(CancelReason::Superseded);
        let error = blocked.join().unwrap().unwrap_err();
        let error = crate::http::failure::unpack(error, "upstream");
        assert!(matches!(error, Error::Canceled(CancelReason::Superseded)), "{error:?}");
    }

    #[test]
    fn a_connection_whose_token_was_canceled_is_not_kept() {
        for is_canceled in [false, true] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let socket = Arc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
            let token = CancelToken::new();
            let _call = current::enter(&token);
            let mut transport = Plain::new((socket.clone(), Hold::new(token.clone(), &socket)), 1);
            if is_canceled {
                token.cancel(CancelReason::Superseded);
            }
            assert_eq!((transport.is_open(), current::seen().kept), (!is_canceled, !is_canceled));
        }
    }
}
