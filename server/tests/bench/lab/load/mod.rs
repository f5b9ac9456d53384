//! The load: numbered requests, in a closed loop or at their moments, by a client that does not wait for ever.
//!
//! In an open loop a request is due whatever happened to those before it, and its time counts from then; a new
//! connection is opened where none is idle. In a closed loop it counts from when it was sent. The path is the
//! request's number, from which the upstream draws how long it takes. A request that met the end of an idle connection
//! goes out once more. One event loop; every request is told of, as one line of JSON.

mod record;

pub(crate) use record::{End, Request, requests};

use crate::harness::Result;
use crate::harness::chance::{mixed, share};
use crate::harness::load::is_gone;
use crate::harness::role::Arguments;
use crate::harness::timer::Timer;
use crate::scenario::{self, Scenario};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use record::Record;
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const TIMER: Token = Token(usize::MAX);
/// A client with more connections would be a load of its own. A request that finds none free waits for one.
const MOST_CONNECTIONS: usize = 1_000;

/// The role.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let scenario = Scenario::told(arguments)?;
    let poll = Poll::new()?;
    let began = Instant::now();
    let mut load = Load {
        target: arguments.get("target")?,
        patience: scenario.patience(),
        timer: Timer::new(&poll, TIMER)?,
        poll,
        connections: HashMap::new(),
        idle: Vec::new(),
        next: 0,
        queue: VecDeque::new(),
        waiting: VecDeque::new(),
        answers: 0,
        record: Record::from(began),
    };
    match scenario.load {
        scenario::Load::Closed { workers, requests } => load.keep_busy(workers, requests)?,
        scenario::Load::Open { rate, lasts } => load.keep_time(began, poisson(scenario.seed, rate, lasts))?,
        scenario::Load::Even { every, lasts } => {
            let count = (lasts.as_secs_f64() / every.as_secs_f64()) as u32;
            load.keep_time(began, (0..count).map(|number| every * number))?;
        }
    }
    println!("{}", load.record.to_json());
    Ok(())
}

/// Random moments, on average so many in a second.
fn poisson(seed: u64, rate: f64, lasts: Duration) -> impl Iterator<Item = Duration> {
    let gap = move |number: u64| -(1.0 - share(mixed(seed ^ mixed(number ^ (1 << 40))))).ln() / rate;
    let moments = (0..).scan(0.0, move |at, number| {
        *at += gap(number);
        Some(Duration::from_secs_f64(*at))
    });
    moments.take_while(move |at| *at < lasts)
}

struct Load {
    target: SocketAddr,
    patience: Duration,
    poll: Poll,
    timer: Timer,
    connections: HashMap<usize, Connection>,
    /// Those without a request, the one used last at the end.
    idle: Vec<usize>,
    next: usize,
    /// Requests without a connection.
    queue: VecDeque<usize>,
    /// Request and connection, in the order of the moments at which the client gives up.
    waiting: VecDeque<(usize, usize)>,
    /// Requests that have ended.
    answers: usize,
    record: Record,
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    /// Its number.
    request: Option<usize>,
    /// An answer has come on it: the server may close it between two requests.
    is_used: bool,
}

impl Load {
    fn keep_busy(&mut self, workers: usize, requests: usize) -> Result<()> {
        let mut sent = 0;
        while self.answers < requests {
            while sent < requests && sent - self.answers < workers {
                self.ask(Instant::now())?;
                sent += 1;
            }
            self.turn(None)?;
        }
        Ok(())
    }

    fn keep_time(&mut self, began: Instant, moments: impl Iterator<Item = Duration>) -> Result<()> {
        for moment in moments {
            let due = began + moment;
            while Instant::now() < due {
                self.turn(Some(due))?;
            }
            self.ask(due)?;
        }
        while self.answers < self.record.count() {
            self.turn(None)?;
        }
        Ok(())
    }

    fn ask(&mut self, due: Instant) -> Result<()> {
        let number = self.record.sent(due);
        self.queue.push_back(number);
        self.send_queued()
    }

    /// Sends what waits for a connection, as far as there are some.
    fn send_queued(&mut self) -> Result<()> {
        while let Some(number) = self.queue.front().copied() {
            let idle = std::iter::from_fn(|| self.idle.pop()).find(|token| self.connections.contains_key(token));
            match idle {
                Some(token) => self.send(token, number)?,
                None if self.connections.len() < MOST_CONNECTIONS => self.send_afresh(number)?,
                None => break,
            }
            self.queue.pop_front();
        }
        Ok(())
    }

    fn send_afresh(&mut self, number: usize) -> Result<()> {
        // On this machine a connection is there at once, unless the queue of the listener is full.
        let Ok(stream) = std::net::TcpStream::connect_timeout(&self.target, self.patience) else {
            self.end(number, End::Lost);
            return Ok(());
        };
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        let token = self.next;
        self.next += 1;
        self.poll.registry().register(&mut stream, Token(token), Interest::READABLE)?;
        let connection = Connection { stream, received: Vec::new(), request: None, is_used: false };
        self.connections.insert(token, connection);
        self.send(token, number)
    }

    fn send(&mut self, token: usize, number: usize) -> Result<()> {
        let Some(connection) = self.connections.get_mut(&token) else { return Ok(()) };
        connection.received.clear();
        connection.request = Some(number);
        self.waiting.push_back((number, token));
        let request = format!("GET /{number} HTTP/1.1\r\nHost: lab\r\n\r\n");
        match connection.stream.write_all(request.as_bytes()) {
            Err(error) if !is_gone(&error) => Err(error.into()),
            // If it was closed meanwhile, the read reports it.
            _ => Ok(()),
        }
    }

    /// Waits for what happens next, until then at most, and sees to it.
    fn turn(&mut self, until: Option<Instant>) -> Result<()> {
        let mut events = Events::with_capacity(1_024);
        while self.waiting.front().is_some_and(|(number, token)| !self.is_waiting(*number, *token)) {
            self.waiting.pop_front();
        }
        let sent = self.waiting.front().map(|(number, _)| number);
        let tired = sent.into_iter().chain(self.queue.front()).map(|number| self.record.due(*number) + self.patience);
        if let Some(next) = until.into_iter().chain(tired).min() {
            self.timer.set(next.saturating_duration_since(Instant::now()))?;
        }
        match self.poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in events.iter().filter(|event| event.token() != TIMER) {
            self.hear(event.token().0)?;
        }
        self.leave_the_slow();
        self.send_queued()
    }

    fn is_waiting(&self, number: usize, token: usize) -> bool {
        self.connections.get(&token).is_some_and(|connection| connection.request == Some(number))
    }

    fn leave_the_slow(&mut self) {
        let is_late = |load: &Load, number| load.record.due(number).elapsed() >= load.patience;
        while let Some(number) = self.queue.front().copied().filter(|number| is_late(self, *number)) {
            self.queue.pop_front();
            self.end(number, End::GaveUp);
        }
        while let Some((number, token)) = self.waiting.front().copied() {
            if self.is_waiting(number, token) {
                if !is_late(self, number) {
                    break;
                }
                self.connections.remove(&token);
                self.end(number, End::GaveUp);
            }
            self.waiting.pop_front();
        }
    }

    fn hear(&mut self, token: usize) -> Result<()> {
        let Some(connection) = self.connections.get_mut(&token) else { return Ok(()) };
        let is_open = connection.receive();
        let answer = status(&connection.received)?;
        match (connection.request, answer) {
            (Some(number), Some(status)) => {
                connection.request = None;
                connection.is_used = true;
                if is_open {
                    self.idle.push(token);
                }
                self.end(number, if status == 200 { End::Right } else { End::Failed });
            }
            (Some(number), None) if !is_open => {
                let is_again = connection.is_used && connection.received.is_empty();
                self.connections.remove(&token);
                if is_again {
                    return self.send_afresh(number);
                }
                self.end(number, End::Lost);
            }
            _ => {}
        }
        if !is_open {
            self.connections.remove(&token);
        }
        Ok(())
    }

    fn end(&mut self, number: usize, end: End) {
        self.answers += 1;
        self.record.ended(number, end);
    }
}

impl Connection {
    /// Reads what is there. `false` when nothing will come any more.
    fn receive(&mut self) -> bool {
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return false,
                Ok(read) => self.received.extend_from_slice(&chunk[..read]),
                Err(error) => return error.kind() == ErrorKind::WouldBlock,
            }
        }
    }
}

/// The status, once the answer is complete.
fn status(received: &[u8]) -> Result<Option<u16>> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut fields);
    let head = match response.parse(received) {
        Ok(httparse::Status::Complete(head)) => head,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(error) => return Err(io::Error::new(ErrorKind::InvalidData, error).into()),
    };
    let length = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|field| std::str::from_utf8(field.value).ok()?.parse().ok()).unwrap_or(0);
    Ok(response.code.filter(|_| received.len() - head >= length))
}
