//! The life of one connection, on one thread.
//!
//! ```text
//! Idle ──first bytes──▶ Receiving ──complete──▶ Complete ──answered──▶ Idle
//!   │  ╲───────────head in one piece──────────▶   │  ╲──last answer──▶ Lingering ──▶ Closed
//!   │                      │ too slow, malformed  │ malformed             ▲
//!   │                      ╰──────▶ Refused ◀─────╯ ──refusal sent────────╯
//!   ╰──end, idle for too long──▶ Closed
//! ```
//!
//! The thread that reads a request also handles it and writes the answer: a hand-off and back would cost more than the
//! whole rest. On a kept connection a request that comes in one piece takes one `recv` and one `send`; the timeout of
//! the idle wait is set on the socket once, and only a head that comes in pieces has its own.
//!
//! What becomes of a complete head is in `answer.rs`.
//!
//! Invariants: one request at a time, answered in order; what is read ahead fits in the buffer of one head. After a
//! refusal nothing more is read as a request.

use super::access::{self, Access};
use super::framing::{HeadLimits, HeadScan, Refusal, Version};
use super::input::{Arrival, Input};
use super::link::Link;
use super::render::{self, Output, Payload, Persistence};
use super::response::{Note, Response};
use super::shared::Shared;
use super::stream::Stream;
use std::cell::RefCell;
use std::io;
use std::net::Shutdown;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a closed connection is listened to, so that what the client still sends does not reset the last answer
/// away.
const LINGER: Duration = Duration::from_secs(2);
/// The same under a drain, which waits for it.
const DRAINING_LINGER: Duration = Duration::from_millis(200);

/// Where a connection stands.
pub(super) enum State {
    /// Between requests.
    Idle,
    /// A part of a head is here, since then.
    Receiving(Instant),
    /// A head is here, at this place in the buffer.
    Complete(Range<usize>),
    /// What came cannot be served; since when it was dealt with.
    Refused(Refusal, Instant),
    /// The last answer is out.
    Lingering,
    /// Over.
    Closed,
}

/// Serves one connection until it ends.
pub(super) fn serve(shared: &Arc<Shared>, link: &Arc<Link>) {
    let settings = &shared.settings;
    let stream = match open(shared, link) {
        Ok(stream) => stream,
        Err(error) => return log::debug!("client {} not served: {error}", link.peer),
    };
    let limits = HeadLimits { head: settings.max_head, target: settings.max_target };
    let mut connection = ClientConnection {
        shared,
        link,
        limits,
        stream: RefCell::new(stream),
        input: Input::new(),
        output: Output::default(),
        scan: HeadScan::default(),
        answered: 0,
    };
    let mut state = State::Idle;
    loop {
        state = match state {
            State::Idle => connection.wait(),
            State::Receiving(since) => connection.receive(since),
            State::Complete(head) => connection.answer(head),
            State::Refused(refusal, since) => connection.refuse(refusal, since),
            State::Lingering => connection.linger(),
            State::Closed => break,
        };
    }
}

/// Makes the socket ready to be read as HTTP. A drain does not wait for a handshake: nothing was asked yet.
fn open(shared: &Arc<Shared>, link: &Arc<Link>) -> io::Result<Stream> {
    let mut stream = Stream::new(link.clone(), &shared.settings)?;
    if let Some(identity) = &shared.identity {
        link.begin_idle(&shared.lifecycle);
        let secured = stream.secure(identity, shared.settings.handshake_timeout);
        link.end_idle();
        secured?;
    }
    Ok(stream)
}

/// A connection, as its thread has it.
pub(super) struct ClientConnection<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) link: &'a Arc<Link>,
    pub(super) limits: HeadLimits,
    /// Lent to the request under way, whose body and interim responses go over it by turns.
    pub(super) stream: RefCell<Stream>,
    pub(super) input: Input,
    pub(super) output: Output,
    /// How far the head at the buffer's beginning was looked at.
    scan: HeadScan,
    pub(super) answered: u64,
}

impl ClientConnection<'_> {
    /// From `Idle`: the next request may be here already, pipelined; otherwise this is where a connection spends its
    /// life.
    fn wait(&mut self) -> State {
        self.scan = HeadScan::default();
        if self.input.bytes().is_empty() {
            self.link.begin_idle(&self.shared.lifecycle);
            let timeout = self.shared.settings.idle_timeout;
            let arrival = self.input.receive(self.stream.get_mut(), timeout, self.limits.head);
            self.link.end_idle();
            match arrival {
                Ok(Arrival::Bytes) => {}
                Ok(Arrival::End | Arrival::Timeout) => return self.part(),
                Err(error) => return self.lost(&error),
            }
        }
        self.look()
    }

    /// Whether the head is complete now.
    fn look(&mut self) -> State {
        match self.scan.advance(self.input.bytes(), self.limits) {
            Ok(Some(head)) => State::Complete(head),
            Ok(None) => State::Receiving(Instant::now()),
            Err(refusal) => State::Refused(refusal, Instant::now()),
        }
    }

    /// From `Receiving`: the rest of the head has until a deadline that no further byte extends.
    fn receive(&mut self, since: Instant) -> State {
        let deadline = since + self.shared.settings.head_timeout;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let arrival = match left.is_zero() {
                true => Ok(Arrival::Timeout),
                false => self.input.receive(self.stream.get_mut(), left, self.limits.head),
            };
            match arrival {
                Ok(Arrival::Bytes) => match self.look() {
                    State::Receiving(_) => {}
                    next => return next,
                },
                Ok(Arrival::Timeout) if self.scan.is_before_request() => return self.part(),
                Ok(Arrival::Timeout) => {
                    return State::Refused(Refusal { status: 408, why: "the head took too long" }, since);
                }
                Ok(Arrival::End) => return State::Closed,
                Err(error) => return self.lost(&error),
            }
        }
    }

    /// From `Refused`.
    fn refuse(&mut self, refusal: Refusal, since: Instant) -> State {
        let response = Response::refusal(refusal);
        let frame = render::frame(&response, Version::Http11, Payload::Sent);
        self.output.render(&response, frame, Persistence::Closed, Payload::Sent);
        let bytes = self.output.body_len();
        self.shared.counters.refused();
        let sent = self.output.send(self.stream.get_mut(), 0, self.shared.settings.write_timeout);
        if access::is_on() {
            let (method, path) = self.input.asked();
            let notes = &[("refused", Note::Word(refusal.why))];
            let elapsed = since.elapsed();
            let (client, status) = (self.link.peer, refusal.status);
            Access { client, method, path: &path, status, bytes, elapsed, notes }.log();
        }
        match sent {
            Ok(()) => State::Lingering,
            Err(error) => self.lost(&error),
        }
    }

    /// From `Lingering`: closing a socket with unread bytes resets the connection, and the reset can overtake the
    /// answer. So the sending side is closed first, and what the client still sends is dropped until it closes too.
    fn linger(&mut self) -> State {
        self.stream.get_mut().say_goodbye();
        if self.link.stream.shutdown(Shutdown::Write).is_ok() {
            self.link.begin_linger();
            let patience = if self.shared.lifecycle.is_draining() { DRAINING_LINGER } else { LINGER };
            self.input.drop_until(&self.link.stream, Instant::now() + patience);
        }
        State::Closed
    }

    /// Nobody waits for anything any more.
    fn part(&mut self) -> State {
        self.stream.get_mut().say_goodbye();
        State::Closed
    }

    pub(super) fn lost(&self, error: &io::Error) -> State {
        log::debug!("client {} lost: {error}", self.link.peer);
        State::Closed
    }
}
