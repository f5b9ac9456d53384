//! The load at a fixed rate: each request is due at a moment that does not depend on those before it.
//!
//! Latency counts from that moment to the end of the answer, so a server that stalls is charged for every request that
//! fell into the stall, not for one (coordinated omission, as Gil Tene calls it). The load also reports how late
//! requests left: that is its own part of the latency. Three loads come of it: a steady rate; a number of requests in
//! flight, when all are due within the time the upstream takes; a burst, when all are due at once and no connection is
//! open yet.
//!
//! What it does not do: give up a request. A request without an answer `PATIENCE` after the last was due counts as
//! unanswered.

use super::Result;
use super::account::{Account, Request};
use super::answer::{Answer, check};
use super::load::{PATIENCE, REQUEST, Target, is_gone};
use super::role::Arguments;
use super::timer::Timer;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

const TIMER: Token = Token(usize::MAX);

/// The role. `requests` are due evenly over `over-ms`, after `uncounted` others at the same pace; `connected`
/// connections are open before.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let target = Target { address: arguments.get("target")?, wrapper: arguments.get("wrapper")? };
    let counted: u32 = arguments.get("requests")?;
    let uncounted: u32 = arguments.get("uncounted")?;
    let over = Duration::from_millis(arguments.get("over-ms")?);
    let mut load = Load::open(target, arguments.get("connected")?)?;

    let interval = over / counted;
    let start = Instant::now();
    let begin = start + interval * uncounted;
    let all = counted + uncounted;
    let give_up = begin + over + PATIENCE;
    let mut sent = 0;
    let mut events = Events::with_capacity(1_024);
    loop {
        let now = Instant::now();
        while sent < all && start + interval * sent <= now {
            if sent == uncounted {
                println!("measuring");
            }
            load.send(Request { due: start + interval * sent, is_counted: sent >= uncounted });
            sent += 1;
        }
        if (sent == all && load.waiting == 0) || now > give_up {
            break;
        }
        let next = if sent < all { start + interval * sent } else { give_up };
        load.timer.set(next.saturating_duration_since(Instant::now()))?;
        match load.poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in events.iter().filter(|event| event.token() != TIMER) {
            load.hear(event.token().0, event.is_writable())?;
        }
    }
    println!("measured");
    println!("{}", load.seen.to_json(u64::from(counted), begin));
    Ok(())
}

struct Connection {
    /// None when the server has closed it.
    stream: Option<TcpStream>,
    is_connected: bool,
    /// An answer has come on it: the server may close it between two requests.
    is_used: bool,
    received: Vec<u8>,
    /// The request in flight.
    request: Option<Request>,
    written: Instant,
}

struct Load {
    target: Target,
    poll: Poll,
    timer: Timer,
    connections: Vec<Connection>,
    /// The connections without a request in flight, longest idle first.
    free: VecDeque<usize>,
    waiting: usize,
    seen: Account,
}

impl Load {
    fn open(target: Target, connected: usize) -> Result<Load> {
        let poll = Poll::new()?;
        let timer = Timer::new(&poll, TIMER)?;
        let (connections, free) = (Vec::new(), VecDeque::new());
        let mut load = Load { target, poll, timer, connections, free, waiting: 0, seen: Account::new()? };
        for _ in 0..connected {
            let stream = std::net::TcpStream::connect(target.address)?;
            stream.set_nonblocking(true)?;
            let at = load.add(TcpStream::from_std(stream))?;
            load.connections[at].is_connected = true;
            load.free.push_back(at);
        }
        Ok(load)
    }

    fn add(&mut self, mut stream: TcpStream) -> io::Result<usize> {
        stream.set_nodelay(true)?;
        let at = self.connections.len();
        self.poll.registry().register(&mut stream, Token(at), Interest::READABLE | Interest::WRITABLE)?;
        let received = Vec::new();
        let stream = Some(stream);
        let written = Instant::now();
        let connection = Connection { stream, is_connected: false, is_used: false, received, request: None, written };
        self.connections.push(connection);
        Ok(at)
    }

    /// On the connection that has been idle longest, or on a new one.
    fn send(&mut self, request: Request) {
        self.waiting += 1;
        while let Some(at) = self.free.pop_front() {
            if self.connections[at].stream.is_some() {
                return self.send_on(at, request);
            }
        }
        self.send_afresh(request);
    }

    fn send_afresh(&mut self, request: Request) {
        match TcpStream::connect(self.target.address).and_then(|stream| self.add(stream)) {
            Ok(at) => self.connections[at].request = Some(request), // goes out once it is writable
            Err(error) => self.lose(request, &format!("no connection: {error}")),
        }
    }

    fn send_on(&mut self, at: usize, request: Request) {
        let connection = &mut self.connections[at];
        connection.received.clear();
        connection.request = Some(request);
        connection.written = Instant::now();
        let wrote = connection.stream.as_mut().map_or(Ok(0), |stream| stream.write(REQUEST));
        match wrote {
            Ok(written) if written == REQUEST.len() => {
                let late = connection.written.saturating_duration_since(request.due);
                self.seen.sent(request, late);
            }
            Ok(_) => self.end(at, "a request does not fit into an empty socket"),
            // Closed meanwhile: the read reports it.
            Err(error) if is_gone(&error) => self.end(at, "closed"),
            Err(error) => self.end(at, &error.to_string()),
        }
    }

    /// Handles an event on this connection.
    fn hear(&mut self, at: usize, is_writable: bool) -> Result<()> {
        let connection = &mut self.connections[at];
        let Some(stream) = &mut connection.stream else { return Ok(()) };
        if !connection.is_connected {
            match (stream.take_error()?, stream.peer_addr()) {
                (Some(error), _) => {
                    self.end(at, &format!("no connection: {error}"));
                    return Ok(());
                }
                (None, Ok(_)) if is_writable => connection.is_connected = true,
                _ => return Ok(()),
            }
            if let Some(request) = connection.request {
                self.send_on(at, request);
            }
            return Ok(());
        }
        let mut chunk = [0; 4096];
        loop {
            match stream.read(&mut chunk) {
                Ok(0) => {
                    self.end(at, "closed");
                    return Ok(());
                }
                Ok(read) => connection.received.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => {
                    self.end(at, &error.to_string());
                    return Ok(());
                }
            }
            if connection.request.is_none() {
                continue;
            }
            match check(&connection.received, self.target.wrapper) {
                Answer::Incomplete => {}
                answer => {
                    let Some(request) = connection.request.take() else { break };
                    connection.is_used = true;
                    self.seen.answered(request, connection.written, answer)?;
                    self.waiting -= 1;
                    self.free.push_back(at);
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The connection is gone. A request that found it closed between two requests is sent again.
    fn end(&mut self, at: usize, why: &str) {
        let connection = &mut self.connections[at];
        connection.stream = None;
        let Some(request) = connection.request.take() else { return };
        if connection.is_used && connection.received.is_empty() {
            self.seen.reopened += 1;
            self.send_afresh(request);
        } else {
            self.lose(request, why);
        }
    }

    fn lose(&mut self, request: Request, why: &str) {
        self.waiting -= 1;
        self.seen.lost(request, why);
    }
}
