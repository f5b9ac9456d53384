//! ureq's transport: a TCP connection that its call can lose at any moment.
//!
//! A call on a pooled connection takes three system calls: a peek that tells whether the peer has gone meanwhile, a
//! send, a receive. The socket has the timeouts that ureq asks for. While the connection is being made these are the
//! ones for connecting. Later there are none, because the deadline cancels the token, but with
//! [`Calls::Ureq`](super::settings::Calls): then each send and receive has the time that is left, which takes a system
//! call each.
//!
//! Failures are passed on as `io::ErrorKind::Other` whatever they were, because ureq tries some kinds again and takes
//! others (a reset) for the regular end of a body.
//!
//! Names are looked up here, not in ureq's resolver, which is asked on every call: on a pooled connection no address is
//! needed.

use super::buffers::GrowingBuffers;
use super::current::{self, Patience, Seen};
use super::failure::wrapped;
use super::prepared::target;
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
use ureq::Timeout;
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
        let until = deadline(details.timeout);
        let limit = match details.timeout.reason {
            Timeout::Global => TimeLimit::new(until, &token), // the time left for the whole call is the shorter one
            _ => TimeLimit::from(&token),
        };
        let address = target(details.uri).ok_or_else(|| wrapped(Error::Protocol("a URL without a host".to_owned())))?;
        current::enter_phase(Phase::Connect);
        let connected = self.dialer.open(&address, until, &limit).map_err(wrapped)?;
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
    /// The socket timeouts in force.
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

    fn failure(&self, error: io::Error, (until, reason): (Deadline, Timeout)) -> ureq::Error {
        if let Err(ended) = self.check() {
            return ended;
        }
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut if until.has_passed() => ureq::Error::Timeout(reason),
            _ => wrapped(Error::Io(error)),
        }
    }
}

/// The moment when `timeout` is over.
fn deadline(timeout: NextTimeout) -> Deadline {
    match timeout.after {
        time::Duration::Exact(left) => Deadline::after(left),
        time::Duration::NotHappening => Deadline::Never,
    }
}

/// Gives a socket the time until `until` by `set`, unless what is `in_force` is the same.
fn limit(
    in_force: &mut Option<Duration>,
    until: Deadline,
    set: impl FnOnce(Option<Duration>) -> io::Result<()>,
) -> io::Result<()> {
    let left = until.remaining();
    if left != *in_force {
        if left == Some(Duration::ZERO) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // macOS refuses it once the peer has closed. What the peer said before can be read all the same.
        if set(left).is_ok() {
            *in_force = left;
        }
    }
    Ok(())
}

/// Whether to try again after `error`: a signal came, or the socket's timeout struck a moment before `until`.
fn is_passing(error: &io::Error, until: Deadline) -> bool {
    match error.kind() {
        io::ErrorKind::Interrupted => true,
        io::ErrorKind::WouldBlock => until != Deadline::Never && !until.has_passed(),
        // Where there is no `WouldBlock` for it. Elsewhere it is the connection's own end.
        io::ErrorKind::TimedOut => cfg!(not(unix)) && until != Deadline::Never && !until.has_passed(),
        _ => false,
    }
}

impl Transport for Plain {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        let until = deadline(timeout);
        let mut sent = 0;
        while sent < amount {
            self.check()?;
            let written = limit(&mut self.write_timeout, until, |left| self.socket.set_write_timeout(left))
                .and_then(|()| (&*self.socket).write(&self.buffers.output()[sent..amount]));
            match written {
                Ok(0) => return Err(self.failure(io::ErrorKind::WriteZero.into(), (until, timeout.reason))),
                Ok(more) => {
                    if sent == 0 {
                        current::see(|seen| seen.reached = seen.reached.max(Reached::Sent));
                    }
                    sent += more;
                }
                Err(error) if is_passing(&error, until) => {}
                Err(error) => return Err(self.failure(error, (until, timeout.reason))),
            }
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let until = deadline(timeout);
        if current::phase() == Phase::Send {
            current::enter_phase(Phase::Head);
        }
        let received = loop {
            self.check()?;
            let room = self.buffers.input_append_buf();
            let (received, until) = match current::patience() {
                Patience::Waits => {
                    let limited = limit(&mut self.read_timeout, until, |left| self.socket.set_read_timeout(left));
                    (limited.and_then(|()| (&*self.socket).read(room)), until)
                }
                Patience::TakesWhatIsHere => (read_now(&self.socket, room), Deadline::Never),
            };
            match received {
                Err(error) if is_passing(&error, until) => {}
                Err(error) => return Err(self.failure(error, (until, timeout.reason))),
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
    use std::time::Instant;

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
    fn a_blocked_write_comes_back_by_the_socket_timeout() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = Arc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let hold = Hold::new(CancelToken::new(), &socket);
        let mut transport = Plain::new((socket, hold), 1 << 16);
        // Nobody reads, so a write blocks once the buffers on the way are full.
        let (began, time) = (Instant::now(), Duration::from_millis(100));
        let error = loop {
            let left = time.saturating_sub(began.elapsed());
            let timeout = NextTimeout { after: left.into(), ..NextTimeout::default() };
            if let Err(error) = transport.transmit_output(1 << 16, timeout) {
                break error;
            }
        };
        assert!(matches!(error, ureq::Error::Timeout(Timeout::Global)), "{error:?}");
        assert!(began.elapsed() >= time);
        assert!(transport.write_timeout.is_some_and(|set| set <= time));
    }

    #[test]
    fn a_socket_has_no_timeouts_but_those_that_are_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let socket = Arc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let (peer, _) = listener.accept().unwrap();
        let mut transport = Plain::new((socket.clone(), Hold::new(CancelToken::new(), &socket)), 1);
        for after in [time::Duration::NotHappening, Duration::from_secs(20).into(), time::Duration::NotHappening] {
            let timeout = NextTimeout { after, ..NextTimeout::default() };
            transport.transmit_output(1, timeout).unwrap();
            (&peer).write_all(b"x").unwrap();
            assert!(transport.await_input(timeout).unwrap());
            for set in [socket.read_timeout().unwrap(), socket.write_timeout().unwrap()] {
                assert_eq!(set.is_some(), after != time::Duration::NotHappening);
                assert!(set.is_none_or(|set| set <= Duration::from_secs(21)), "{set:?}"); // the system rounds up
            }
        }
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
