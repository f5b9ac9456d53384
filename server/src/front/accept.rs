//! Taking connections in, and turning them away.
//!
//! One thread accepts and does nothing that can wait. A connection gets a thread of the crew; when there is none, or
//! there are too many connections, in all or of one client, it gets a `503` that was prepared before, without waiting.
//! A refused client has usually sent its request already, and closing a socket with unread bytes resets it, answer and
//! all; so the thread keeps the last few of them for a moment, in its own event loop, until they have read the answer
//! and closed.
//!
//! Out of descriptors `accept` fails and the connection stays in the queue, where it would make the loop spin. So one
//! descriptor is kept in reserve: it is given up to take the connection out, answer and close it.

use super::clients::Clients;
use super::connection;
use super::framing::Version;
use super::link::Link;
use super::render::{self, Output, Payload, Persistence};
use super::response::Response;
use super::shared::Shared;
use headstart::crew::{Claim, Job};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const LISTENER: Token = Token(0);
const WAKE: Token = Token(1);
const FIRST_FAREWELL: usize = 2;

/// How long, and how many, refused connections are kept so that they can read their answer.
const FAREWELL: Duration = Duration::from_secs(1);
const MAX_FAREWELLS: usize = 64;

/// The fatal alert `internal_error` of TLS, which also stands for a lack of resources (RFC 8446, section 6.2), as a
/// record.
const INTERNAL_ERROR: &[u8] = &[21, 3, 3, 0, 2, 2, 80];

/// How soon to try again when the system has no descriptor or memory and even the reserve is gone. Nobody tells when
/// there is one again.
const RETRY: Duration = Duration::from_millis(50);

/// The accepting thread's belongings.
pub(super) struct Acceptor {
    poll: Poll,
    listener: TcpListener,
    shared: Arc<Shared>,
    clients: Clients,
    /// Given up to get a connection out of the queue when there is no other descriptor.
    reserve: Option<File>,
    /// Refused connections that may not have read their answer yet, oldest first.
    farewells: VecDeque<Farewell>,
    next_token: usize,
    /// Whether the last accept failed for want of something that will come back unannounced.
    starved: bool,
    refusal: Output,
    complaint: Complaint,
}

struct Farewell {
    stream: TcpStream,
    token: Token,
    until: Instant,
}

impl Acceptor {
    pub(super) fn new(listener: net::TcpListener, shared: Arc<Shared>) -> io::Result<(Acceptor, Waker)> {
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Waker::new(poll.registry(), WAKE)?;
        let clients = Clients::new(shared.settings.max_connections_per_client);
        let acceptor = Acceptor {
            poll,
            listener,
            shared,
            clients,
            reserve: reserve(),
            farewells: VecDeque::new(),
            next_token: FIRST_FAREWELL,
            starved: false,
            refusal: Output::default(),
            complaint: Complaint::default(),
        };
        Ok((acceptor, waker))
    }

    /// Accepts until the server drains. Then the listener closes, after the queue was emptied a last time: those
    /// clients have been told by the system that they are connected.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(256);
        while !self.shared.lifecycle.is_draining() {
            if let Err(error) = self.turn(&mut events) {
                log::error!("no more connections are accepted: {error}");
                return;
            }
        }
        self.accept_all();
    }

    /// Waits for something to happen and deals with it.
    fn turn(&mut self, events: &mut Events) -> io::Result<()> {
        let retry = self.starved.then_some(RETRY);
        let farewell = self.farewells.front().map(|first| first.until.saturating_duration_since(Instant::now()));
        match self.poll.poll(events, retry.into_iter().chain(farewell).min()) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            polled => polled?,
        }
        for event in events.iter() {
            self.see_off(event.token());
        }
        let now = Instant::now();
        while self.farewells.front().is_some_and(|first| first.until <= now) {
            self.farewells.pop_front();
        }
        self.accept_all();
        Ok(())
    }

    /// Edge-triggered: takes connections until the queue is empty.
    fn accept_all(&mut self) {
        self.starved = false;
        if self.reserve.is_none() {
            self.reserve = reserve();
        }
        loop {
            match self.listener.accept() {
                Ok((stream, peer)) => self.admit(stream, peer),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => return,
                    // The connection died in the queue.
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset => {}
                    _ => match self.relieve(&error) {
                        Relief::GoOn => {}
                        Relief::NotNeeded => return,
                        Relief::None => {
                            self.starved = true;
                            return;
                        }
                    },
                },
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let shared = self.shared.clone();
        if shared.connections() >= shared.settings.max_connections {
            self.complaint.raise("more connections than max_connections allows");
            return self.refuse(stream);
        }
        let Some(permit) = self.clients.admit(peer.ip()) else {
            self.complaint.raise(&format!("{} has more connections than max_connections_per_client allows", peer.ip()));
            return self.refuse(stream);
        };
        let stream = net::TcpStream::from(stream);
        if let Err(error) = stream.set_nonblocking(false) {
            log::debug!("client {peer}: {error}");
            return;
        }
        let link = Arc::new(Link::new(stream, peer));
        let open = shared.open(&link);
        let label = shared.label.clone();
        let run = Box::new(move || {
            connection::serve(&open.shared, &open.link);
            drop(permit);
        });
        if let Err(error) = self.shared.crew.spawn(Claim::Request, Job { label, token: None, run }) {
            self.complaint.raise(&format!("no thread for a connection: {error}"));
            // The job is gone and its handle with it, so this one is the last.
            if let Some(link) = Arc::into_inner(link)
                && link.stream.set_nonblocking(true).is_ok()
            {
                self.refuse(TcpStream::from_std(link.stream));
            }
        }
    }

    /// Answers `503` and lets the client read it.
    fn refuse(&mut self, mut stream: TcpStream) {
        self.shared.counters.refused_connections.fetch_add(1, Ordering::Relaxed);
        self.write_refusal(&mut stream);
        if self.farewells.len() == MAX_FAREWELLS {
            self.farewells.pop_front();
        }
        let token = Token(self.next_token);
        self.next_token = self.next_token.checked_add(1).unwrap_or(FIRST_FAREWELL);
        if self.poll.registry().register(&mut stream, token, Interest::READABLE).is_ok() {
            self.farewells.push_back(Farewell { stream, token, until: Instant::now() + FAREWELL });
        }
    }

    /// The send buffer of a new connection is empty, so this neither waits nor falls short.
    fn write_refusal(&mut self, stream: &mut TcpStream) {
        if self.shared.identity.is_some() {
            // Nobody waits here for a handshake, so TLS itself says no.
            let _ = stream.write(INTERNAL_ERROR);
            let _ = stream.shutdown(Shutdown::Write);
            return;
        }
        let response = Response::problem(503, "the server is at its limit").with_header("Retry-After", "1");
        let frame = render::frame(&response, Version::Http11, Payload::Sent);
        self.refusal.render(&response, frame, Persistence::Closed, Payload::Sent);
        let _ = stream.write(self.refusal.bytes());
        let _ = stream.shutdown(Shutdown::Write);
    }

    /// A refused client has sent something, or closed. Other tokens belong to no refused client.
    fn see_off(&mut self, token: Token) {
        let Some(at) = self.farewells.iter().position(|farewell| farewell.token == token) else { return };
        if has_closed(&mut self.farewells[at].stream) {
            self.farewells.remove(at);
        }
    }

    /// Out of descriptors: takes one connection out of the queue at the reserve's expense.
    fn relieve(&mut self, error: &io::Error) -> Relief {
        if self.reserve.take().is_none() {
            return if self.farewells.pop_front().is_some() { Relief::GoOn } else { Relief::None };
        }
        let accepted = self.listener.accept();
        let relief = match accepted {
            Ok((mut stream, _)) => {
                self.complaint.raise(&format!("{error}: connections are refused; raise RLIMIT_NOFILE (ulimit -n)"));
                self.shared.counters.refused_connections.fetch_add(1, Ordering::Relaxed);
                self.write_refusal(&mut stream);
                has_closed(&mut stream); // takes the request out of the buffer, so that closing does not reset
                Relief::GoOn
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Relief::NotNeeded,
            Err(_) => Relief::None,
        };
        self.reserve = reserve();
        relief
    }
}

/// What came of an attempt to accept without a descriptor to spare.
enum Relief {
    /// The queue is one connection shorter, or there is a descriptor.
    GoOn,
    /// The queue is empty: the system looks for a descriptor first and for a connection then.
    NotNeeded,
    /// Nothing can be done now.
    None,
}

fn reserve() -> Option<File> {
    File::open(if cfg!(windows) { "NUL" } else { "/dev/null" }).ok()
}

/// Drops what a client has sent. Bounded: who sends faster than that is reset.
fn has_closed(stream: &mut TcpStream) -> bool {
    let mut dropped = [0; 4 << 10];
    for _ in 0..64 {
        match stream.read(&mut dropped) {
            Ok(1..) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Ok(0) | Err(_) => return true,
        }
    }
    true
}

/// Warns of something that would otherwise fill the log.
#[derive(Default)]
struct Complaint {
    last: Option<Instant>,
    withheld: u64,
}

impl Complaint {
    fn raise(&mut self, what: &str) {
        const PAUSE: Duration = Duration::from_secs(5);
        if self.last.is_some_and(|last| last.elapsed() < PAUSE) {
            self.withheld += 1;
            return;
        }
        log::warn!("{what} ({} such warnings withheld)", self.withheld);
        *self = Complaint { last: Some(Instant::now()), withheld: 0 };
    }
}

#[cfg(test)]
mod tests;
