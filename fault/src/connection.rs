//! One connection: a client, an upstream, and a flow in each direction.
//!
//! Nothing here waits. [`Connection::advance`] does all that can be done now and returns when to call it again at the
//! latest. It is called earlier when one of the sockets is ready or when the rules change.

use super::faults::{Admission, FaultStats, Faults};
use super::flow::Flow;
use super::lane::{Broken, Lane, ROUNDS, Side, Way};
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};
use socket2::SockRef;
use std::hash::RandomState;
use std::io::{self, ErrorKind, Read};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

/// How long the peers of a connection that was cut may take to close their ends. Closing earlier, with bytes unread,
/// would reset it.
const FAREWELL: Duration = Duration::from_secs(1);
/// What a connection needs of the loop to advance.
pub(super) struct Turn<'a> {
    pub(super) now: Instant,
    pub(super) faults: Faults,
    pub(super) upstream: &'a [SocketAddr],
    pub(super) registry: &'a Registry,
    pub(super) buffer: &'a mut [u8],
    pub(super) stats: &'a mut FaultStats,
    pub(super) chance: &'a RandomState,
}

/// Which end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    Client,
    Upstream,
}

/// The state of a connection after [`Connection::advance`].
pub(super) enum Fate {
    /// It goes on, at the latest at this moment.
    Open(Option<Instant>),
    /// It is over.
    Over(&'static str),
}

pub(super) struct Connection {
    /// The first is 1.
    pub(super) number: u64,
    pub(super) peer: SocketAddr,
    pub(super) began: Instant,
    client: Side,
    upstream: Upstream,
    pub(super) to_upstream: Flow,
    pub(super) to_client: Flow,
    /// Where the upstream's events go.
    token: Token,
    silent: bool,
    /// When a connection that was cut is closed at the latest.
    farewell: Option<Instant>,
    /// When something is to be done next.
    pub(super) wakes_at: Option<Instant>,
}

enum Upstream {
    /// Not called yet.
    Before,
    /// The handshake with this one of its addresses is under way.
    Connecting(usize, Side),
    Connected(Side),
}

impl Connection {
    /// A client that was accepted. `token` will be the upstream's.
    pub(super) fn new(number: u64, stream: TcpStream, peer: SocketAddr, token: Token, now: Instant) -> Connection {
        let _ = stream.set_nodelay(true);
        Connection {
            number,
            peer,
            began: now,
            client: Side { stream, readable: true, writable: true },
            upstream: Upstream::Before,
            to_upstream: Flow::default(),
            to_client: Flow::default(),
            token,
            silent: false,
            farewell: None,
            wakes_at: None,
        }
    }

    /// Registers the client's socket.
    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        registry.register(&mut self.client.stream, token, Interest::READABLE | Interest::WRITABLE)
    }

    /// One of the sockets is ready.
    pub(super) fn see(&mut self, at: At, event: &Event) {
        let side = match (at, &mut self.upstream) {
            (At::Client, _) => &mut self.client,
            (At::Upstream, Upstream::Connecting(_, side) | Upstream::Connected(side)) => side,
            (At::Upstream, Upstream::Before) => return,
        };
        side.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        side.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    /// Does all that can be done now.
    pub(super) fn advance(&mut self, turn: &mut Turn<'_>) -> Fate {
        if let Some(until) = self.farewell {
            return self.say_farewell(until, turn);
        }
        let faults = turn.faults.of(self.number);
        if let Upstream::Before = self.upstream {
            match faults.admission {
                Admission::Pass => {
                    if let Err(error) = self.call(0, turn) {
                        return self.unconnected(&error, turn);
                    }
                }
                Admission::Silent | Admission::Never => {
                    if !std::mem::replace(&mut self.silent, true) {
                        turn.stats.silenced += 1;
                        log::debug!("connection {}: kept silent", self.number);
                    }
                    return Fate::Open(None);
                }
                Admission::Reset => {
                    turn.stats.turned_away += 1;
                    self.reset();
                    return Fate::Over("reset at once");
                }
            }
        }
        if let Err(error) = self.settle(turn) {
            return self.unconnected(&error, turn);
        }
        self.pump(&faults, turn)
    }

    /// Begins to connect to one of the upstream's addresses, or to the next that works.
    fn call(&mut self, first: usize, turn: &mut Turn<'_>) -> io::Result<()> {
        let mut last = io::Error::from(ErrorKind::AddrNotAvailable);
        for (index, address) in turn.upstream.iter().enumerate().skip(first) {
            let called = TcpStream::connect(*address).and_then(|mut stream| {
                turn.registry.register(&mut stream, self.token, Interest::READABLE | Interest::WRITABLE)?;
                Ok(stream)
            });
            match called {
                Ok(stream) => {
                    let side = Side { stream, readable: false, writable: false };
                    self.upstream = Upstream::Connecting(index, side);
                    return Ok(());
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Looks whether the upstream's handshake is done.
    fn settle(&mut self, turn: &mut Turn<'_>) -> io::Result<()> {
        let Upstream::Connecting(index, side) = &self.upstream else { return Ok(()) };
        let index = *index;
        // Without an event there is nothing to check.
        if !side.writable && !side.readable {
            return Ok(());
        }
        let failed = match side.stream.take_error() {
            Ok(None) => side.stream.peer_addr().err().filter(|error| error.kind() != ErrorKind::NotConnected),
            Ok(Some(error)) | Err(error) => Some(error),
        };
        if let Some(error) = failed {
            self.upstream = Upstream::Before;
            return if index + 1 < turn.upstream.len() { self.call(index + 1, turn) } else { Err(error) };
        }
        if side.stream.peer_addr().is_ok()
            && let Upstream::Connecting(_, side) = std::mem::replace(&mut self.upstream, Upstream::Before)
        {
            let _ = side.stream.set_nodelay(true);
            self.upstream = Upstream::Connected(side);
        }
        Ok(())
    }

    /// The client sees the same as without the proxy, only later.
    fn unconnected(&mut self, error: &io::Error, turn: &mut Turn<'_>) -> Fate {
        log::warn!("connection {}: no connection to the upstream: {error}", self.number);
        turn.stats.unconnected += 1;
        self.reset();
        Fate::Over("no upstream")
    }

    fn pump(&mut self, faults: &Faults, turn: &mut Turn<'_>) -> Fate {
        let mut upstream = match &mut self.upstream {
            Upstream::Connected(side) => Some(side),
            Upstream::Before | Upstream::Connecting(..) => None,
        };
        let mut wakes_at: Option<Instant> = None;
        for way in [Way::ToUpstream, Way::ToClient] {
            let (flow, from, to, rules, stats) = match way {
                Way::ToUpstream => (
                    &mut self.to_upstream,
                    Some(&mut self.client),
                    upstream.as_deref_mut(),
                    &faults.to_upstream,
                    &mut turn.stats.to_upstream,
                ),
                Way::ToClient => (
                    &mut self.to_client,
                    upstream.as_deref_mut(),
                    Some(&mut self.client),
                    &faults.to_client,
                    &mut turn.stats.to_client,
                ),
            };
            let was_stalled = flow.stalled;
            let mut lane = Lane { flow, from, to, rules, stats };
            match lane.pump(turn.now, turn.buffer, turn.chance) {
                Ok(due) => wakes_at = wakes_at.into_iter().chain(due).min(),
                Err(broken) => return self.end(way, &broken, turn),
            }
            if lane.flow.stalled && !was_stalled {
                log::debug!("connection {}: stalled {way}", self.number);
            }
        }
        if self.to_upstream.finished && self.to_client.finished { Fate::Over("closed") } else { Fate::Open(wakes_at) }
    }

    fn end(&mut self, way: Way, broken: &Broken, turn: &mut Turn<'_>) -> Fate {
        match broken {
            Broken::Reset => {
                log::debug!("connection {}: reset by a limit {way}", self.number);
                self.reset();
                Fate::Over("reset")
            }
            Broken::Lost => {
                self.reset();
                Fate::Over("lost")
            }
            Broken::Cut => {
                log::debug!("connection {}: cut by a limit {way}", self.number);
                for side in self.sides() {
                    let _ = side.stream.shutdown(Shutdown::Write);
                }
                let until = turn.now + FAREWELL;
                self.farewell = Some(until);
                self.say_farewell(until, turn)
            }
        }
    }

    /// Drops what the ends still send, until both have closed.
    fn say_farewell(&mut self, until: Instant, turn: &mut Turn<'_>) -> Fate {
        let mut closed = true;
        let mut busy = false;
        for side in self.sides() {
            let mut rounds = 0..ROUNDS;
            while side.readable && rounds.next().is_some() {
                match side.stream.read(turn.buffer) {
                    Ok(0) => break,
                    Ok(_) => {}
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => side.readable = false,
                    Err(_) => break,
                }
            }
            busy |= rounds.is_empty();
            closed &= side.readable && !rounds.is_empty();
        }
        match closed || turn.now >= until {
            true => Fate::Over("cut"),
            false => Fate::Open(Some(if busy { turn.now } else { until })),
        }
    }

    /// Has the system reset both connections when their sockets are dropped.
    pub(super) fn reset(&mut self) {
        for side in self.sides() {
            let _ = SockRef::from(&side.stream).set_linger(Some(Duration::ZERO));
        }
    }

    fn sides(&mut self) -> impl Iterator<Item = &mut Side> {
        let upstream = match &mut self.upstream {
            Upstream::Connecting(_, side) | Upstream::Connected(side) => Some(side),
            Upstream::Before => None,
        };
        [Some(&mut self.client), upstream].into_iter().flatten()
    }
}
