//! The loop that serves all connections of a proxy.
//!
//! One thread, which sleeps in `poll` until a socket is ready, a piece is due, or the owner asks for something. It
//! never blocks elsewhere, so each request is done within one turn.

use super::Shared;
use super::connection::{At, Connection, Fate, Turn};
use super::faults::{Admission, FaultStats, Faults};
use crate::sync::lock;
use headstart::Deadline;
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::SockRef;
use std::collections::BTreeMap;
use std::hash::RandomState;
use std::io::{self, ErrorKind};
use std::net::{self, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LISTENER: Token = Token(0);
const WAKE: Token = Token(1);

/// The length of the listening queue. The system's own limit is lower, or good enough.
const BACKLOG: i32 = 4_096;
/// How much is read at a time.
const READ: usize = 16 << 10;
/// How soon to accept again when the system has no descriptor or memory for a connection. Nothing signals when it has.
const RETRY: Duration = Duration::from_millis(50);

/// The state of the loop.
pub(super) struct Relay {
    shared: Arc<Shared>,
    poll: Poll,
    /// `None` once nothing more is accepted.
    listener: Option<TcpListener>,
    upstream: Vec<SocketAddr>,
    /// By number. Number `n` has the tokens `2 n` for its client and `2 n + 1` for its upstream.
    connections: BTreeMap<u64, Connection>,
    faults: Faults,
    stats: FaultStats,
    buffer: Vec<u8>,
    chance: RandomState,
    /// When to try to accept again, after that has failed.
    retry_at: Option<Instant>,
}

/// The requests at the beginning of a turn.
struct Orders {
    asked: u64,
    faults: Faults,
    stop: Option<Deadline>,
}

impl Relay {
    pub(super) fn new(
        shared: Arc<Shared>,
        listener: net::TcpListener,
        upstream: Vec<SocketAddr>,
        faults: Faults,
    ) -> io::Result<(Relay, Waker)> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let relay = Relay {
            shared,
            poll,
            listener: Some(listener),
            upstream,
            connections: BTreeMap::new(),
            faults,
            stats: FaultStats::default(),
            buffer: vec![0; READ],
            chance: RandomState::new(),
            retry_at: None,
        };
        relay.set_backlog();
        Ok((relay, waker))
    }

    /// Runs until it is told to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(1_024);
        let mut stop = None;
        loop {
            if let Err(error) = self.poll.poll(&mut events, self.nap(stop))
                && error.kind() != ErrorKind::Interrupted
            {
                log::error!("the fault proxy ends: {error}");
                return;
            }
            let orders = self.orders();
            stop = orders.stop;
            let changed = std::mem::replace(&mut self.faults, orders.faults) != orders.faults;
            if changed {
                self.set_backlog();
            }
            let now = Instant::now();
            for event in &events {
                let (number, at) = match event.token() {
                    LISTENER | WAKE => continue,
                    Token(token) if token % 2 == 0 => (token / 2, At::Client),
                    Token(token) => (token / 2, At::Upstream),
                };
                if let Some(connection) = self.connections.get_mut(&(number as u64)) {
                    connection.see(at, event);
                    connection.wakes_at = Some(now);
                }
            }
            self.accept_all(now);
            if stop.is_some() {
                // Not before: for the clients in the queue the system has completed the handshake.
                self.listener = None;
            }
            self.advance_all(now, changed);
            self.report(orders.asked);
            if stop.is_some_and(|deadline| self.connections.is_empty() || deadline.has_passed()) {
                return;
            }
        }
    }

    fn orders(&self) -> Orders {
        let control = lock(&self.shared.control);
        Orders { asked: control.asked, faults: control.faults, stop: control.stop }
    }

    /// How long until something is to be done, if no event comes.
    fn nap(&self, stop: Option<Deadline>) -> Option<Duration> {
        let due = self.connections.values().filter_map(|connection| connection.wakes_at);
        let due = due.chain(self.retry_at).chain(stop.and_then(Deadline::instant)).min();
        // Rounded up, as the system counts in milliseconds: to wake early is to wake twice.
        due.map(|due| match due.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Duration::ZERO,
            left => left + Duration::from_micros(999),
        })
    }

    /// While nothing is accepted, the queue is kept as short as possible.
    fn set_backlog(&self) {
        if let Some(listener) = &self.listener {
            let backlog = if self.faults.admission == Admission::Never { 0 } else { BACKLOG };
            if let Err(error) = SockRef::from(listener).listen(backlog) {
                log::warn!("the listening queue keeps its length: {error}");
            }
        }
    }

    /// Accepts connections until the queue is empty. Called each turn, because arrivals while nothing was accepted are
    /// not signalled again.
    fn accept_all(&mut self, now: Instant) {
        if self.faults.admission == Admission::Never || self.retry_at.is_some_and(|retry_at| retry_at > now) {
            return;
        }
        self.retry_at = None;
        let Some(listener) = &self.listener else { return };
        loop {
            match listener.accept() {
                Ok((stream, peer)) => {
                    let number = self.stats.total + 1;
                    self.stats.total = number;
                    let tokens = (Token(number as usize * 2), Token(number as usize * 2 + 1));
                    let mut connection = Connection::new(number, stream, peer, tokens.1, now);
                    if let Err(error) = connection.register(self.poll.registry(), tokens.0) {
                        log::warn!("connection {number}: {error}");
                        continue;
                    }
                    log::debug!("connection {number}: from {peer}");
                    connection.wakes_at = Some(now);
                    self.connections.insert(number, connection);
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return,
                    // The connection died in the queue.
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset => {}
                    _ => {
                        log::warn!("no connection is accepted: {error}");
                        self.retry_at = Some(now + RETRY);
                        return;
                    }
                },
            }
        }
    }

    /// Advances all connections that are due, or all.
    fn advance_all(&mut self, now: Instant, all: bool) {
        let Relay { connections, faults, stats, buffer, chance, upstream, poll, .. } = self;
        let mut turn = Turn { now, faults: *faults, upstream, registry: poll.registry(), buffer, stats, chance };
        connections.retain(|_, connection| {
            if !all && connection.wakes_at.is_none_or(|wakes_at| wakes_at > now) {
                return true;
            }
            match connection.advance(&mut turn) {
                Fate::Open(wakes_at) => {
                    connection.wakes_at = wakes_at;
                    true
                }
                Fate::Over(how) => {
                    say(connection, how);
                    false
                }
            }
        });
        self.stats.open = self.connections.len() as u64;
    }

    /// Reports that all requests up to `asked` are done.
    fn report(&self, asked: u64) {
        let mut control = lock(&self.shared.control);
        if control.done != asked || control.stats != self.stats {
            control.done = asked;
            control.stats = self.stats;
            self.shared.turned.notify_all();
        }
    }
}

/// One line for each connection, at its end.
fn say(connection: &Connection, how: &str) {
    log::info!(
        target: "headstart::fault",
        client:% = connection.peer,
        to_upstream = connection.to_upstream.passed,
        to_client = connection.to_client.passed,
        ms = connection.began.elapsed().as_micros() as f64 / 1_000.0,
        end = how;
        "connection"
    );
}

impl Drop for Relay {
    fn drop(&mut self) {
        for connection in self.connections.values() {
            say(connection, "ended");
        }
    }
}
