//! Bytes moved both ways between two ends, by one thread.
//!
//! The problem: a proxy has two peers that may both speak at any moment, and a thread that waits for the one does not
//! hear the other. Two threads would do, at twice the price, and each of them would have to learn of the other's end.
//! The answer: no end is ever waited for alone. Each is asked for what it has and told what the other one said, both
//! without waiting; when nothing moves, one `poll` waits for both. Nothing is read that cannot be written on, so who
//! does not read holds its peer back.
//!
//! What this does not do: know what the bytes mean, or end by a token. The ends do: one that is shut down fails.

mod duplex;
mod lane;

pub use duplex::Duplex;

use crate::deadline::Deadline;
use crate::ready;
use lane::{Failure, Lane};
use rustix::event::{PollFd, PollFlags};
use std::fmt;
use std::io::{self, ErrorKind};
use std::time::{Duration, Instant};

/// Why a relay ended before both its directions did.
#[derive(Debug)]
#[non_exhaustive]
pub enum Interrupted {
    /// The first end broke, or what it sent is malformed.
    First(io::Error),
    /// The second end did.
    Second(io::Error),
    /// Nothing moved for too long.
    Idle,
}

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Interrupted::First(error) | Interrupted::Second(error) => write!(f, "{error}"),
            Interrupted::Idle => f.write_str("nothing moved for too long"),
        }
    }
}

/// How long a client that has closed its sending side is taken for one that still reads, while there is nothing to send
/// to it. When there is something, a client that has gone answers it with a reset.
const HALF_CLOSED: Duration = Duration::from_secs(5);

/// Moves bytes both ways until both ends have sent their last; each end is told of the other's.
///
/// # Errors
///
/// An end broke, or nothing moved for `idle`.
pub fn tunnel(first: &mut dyn Duplex, second: &mut dyn Duplex, idle: Duration) -> Result<(), Interrupted> {
    Relay::new(first, second, Kind::Tunnel).run(idle)
}

/// Moves the rest of a request's body from `client` to `upstream`, and the response's body back, until both are over.
///
/// An upstream may end its response first. The rest of the request's body is still offered to it then; that it takes no
/// more is no failure. A client that leaves is one, also when it has nothing left to send: one that has closed its
/// sending side has gone when nothing can be sent to it for five seconds.
///
/// # Errors
///
/// An end broke, or nothing moved for `idle`.
pub fn exchange(client: &mut dyn Duplex, upstream: &mut dyn Duplex, idle: Duration) -> Result<(), Interrupted> {
    Relay::new(client, upstream, Kind::Exchange).run(idle)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Tunnel,
    Exchange,
}

struct Relay<'a> {
    client: &'a mut dyn Duplex,
    upstream: &'a mut dyn Duplex,
    kind: Kind,
    /// From the client to the upstream.
    up: Lane,
    /// From the upstream to the client.
    down: Lane,
    /// How long one that has closed its sending side is still a client.
    patience: Duration,
    /// Since when it has, and nothing was sent to it.
    half_closed: Option<Instant>,
}

/// That the peer has closed its sending side, where the system can be asked for it.
#[cfg(target_os = "linux")]
const CLOSED: PollFlags = PollFlags::RDHUP;
#[cfg(not(target_os = "linux"))]
const CLOSED: PollFlags = PollFlags::empty();

impl<'a> Relay<'a> {
    fn new(client: &'a mut dyn Duplex, upstream: &'a mut dyn Duplex, kind: Kind) -> Relay<'a> {
        Relay { client, upstream, kind, up: Lane::new(), down: Lane::new(), patience: HALF_CLOSED, half_closed: None }
    }

    fn run(mut self, idle: Duration) -> Result<(), Interrupted> {
        let mut until = Deadline::after(idle);
        loop {
            let (sent, received) = (self.move_up()?, self.move_down()?);
            if self.up.is_over() && self.down.is_over() {
                return Ok(());
            }
            if received {
                self.half_closed = self.half_closed.map(|_| Instant::now());
            }
            if sent || received {
                until = Deadline::after(idle);
            } else if until.has_passed() {
                return Err(Interrupted::Idle);
            } else {
                self.wait(until)?;
            }
        }
    }

    fn move_up(&mut self) -> Result<bool, Interrupted> {
        match self.up.advance(self.client, self.upstream) {
            Ok(moved) => Ok(moved),
            Err(Failure::Read(error)) => Err(Interrupted::First(error)),
            // It may have answered all the same.
            Err(Failure::Write(_)) if self.kind == Kind::Exchange => {
                self.up.give_up();
                Ok(true)
            }
            Err(Failure::Write(error)) => Err(Interrupted::Second(error)),
        }
    }

    fn move_down(&mut self) -> Result<bool, Interrupted> {
        self.down.advance(self.upstream, self.client).map_err(|failure| match failure {
            Failure::Read(error) => Interrupted::Second(error),
            Failure::Write(error) => Interrupted::First(error),
        })
    }

    /// Waits until something may move, or somebody leaves.
    fn wait(&mut self, until: Deadline) -> Result<(), Interrupted> {
        let is_exchange = self.kind == Kind::Exchange;
        let mut of_client = wanted(&self.up, &self.down);
        if is_exchange && !self.up.waits_for_source() && self.half_closed.is_none() {
            of_client |= CLOSED;
        }
        let mut of_upstream = wanted(&self.down, &self.up);
        if is_exchange && self.down.is_over() {
            of_upstream |= CLOSED;
        }
        let gone =
            self.half_closed.and_then(|since| since.checked_add(self.patience)).map_or(Deadline::Never, Deadline::At);
        let (client, upstream) = (self.client.as_fd(), self.upstream.as_fd());
        // Who is asked for nothing would still be reported as broken, over and over.
        let mut both = [PollFd::from_borrowed_fd(client, of_client), PollFd::from_borrowed_fd(upstream, of_upstream)];
        let asked = usize::from(of_client.is_empty())..2 - usize::from(of_upstream.is_empty());
        ready::wait(&mut both[asked], until.earlier(gone)).map_err(Interrupted::Second)?;
        let [by_client, by_upstream] = both.map(|polled| polled.revents());

        let broken = PollFlags::ERR | PollFlags::HUP;
        if by_client.intersects(broken) && !self.up.waits_for_source() && !self.down.is_over() {
            return Err(Interrupted::First(ErrorKind::ConnectionReset.into()));
        }
        if by_client.intersects(CLOSED) && self.half_closed.is_none() && of_client.contains(CLOSED) {
            self.half_closed = Some(Instant::now());
        }
        if gone.has_passed() {
            return Err(Interrupted::First(ErrorKind::ConnectionAborted.into()));
        }
        if by_upstream.intersects(broken | CLOSED) && of_upstream.contains(CLOSED) && !self.up.is_over() {
            self.up.give_up();
        } else if by_upstream.intersects(broken) && !self.down.waits_for_source() && !is_exchange {
            return Err(Interrupted::Second(ErrorKind::ConnectionReset.into()));
        }
        Ok(())
    }
}

/// What to wait for on an end that `from` reads and `to` writes.
fn wanted(from: &Lane, to: &Lane) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, from.waits_for_source());
    flags.set(PollFlags::OUT, to.waits_for_sink());
    flags
}

#[cfg(test)]
mod tests;
