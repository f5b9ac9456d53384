//! The upstream: replicas of a service, in one process, each with its listener.
//!
//! It must not be what is measured, and has to hold thousands of requests that wait: one event loop, one heap of
//! moments, one kernel timer. How exactly the moments are kept is part of what it tells. A path that is a number is a
//! request of the load; its number tells a first attempt from another one, whoever sends it. Every other path is
//! answered at once and not counted: those are checks of health.
//!
//! It writes the replicas' addresses. `report` on its input asks for what it saw; the end of input ends it.

mod queue;
mod replica;
pub(crate) mod seen;

use crate::harness::Result;
use crate::harness::role::Arguments;
use crate::harness::timer::Timer;
use crate::harness::upstream::{listen, request_length};
use crate::scenario::{Change, Scenario};
use crate::service::Draw;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use replica::{Fate, State};
use seen::Seen;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, ErrorKind, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

const TIMER: Token = Token(usize::MAX);

const RIGHT: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
const FAILED: &[u8] =
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

/// The role.
pub(crate) fn serve(arguments: &Arguments) -> Result<()> {
    let scenario = Scenario::told(arguments)?;
    let seen = Arc::new(Mutex::new(Seen::by(scenario.replicas.len())?));
    let mut server = Server::of(&scenario, seen.clone())?;
    println!("{}", server.addresses()?.join(","));
    // Ends with the process.
    thread::Builder::new().name("upstream".to_owned()).spawn(move || {
        if let Err(error) = server.run() {
            eprintln!("bench: the upstream failed: {error}");
            std::process::exit(1);
        }
    })?;
    for line in io::stdin().lines() {
        if line? == "report" {
            println!("{}", seen.lock().unwrap_or_else(PoisonError::into_inner).to_json(scenario.uncounted));
        }
    }
    Ok(())
}

struct Server {
    seed: u64,
    poll: Poll,
    timer: Timer,
    /// Listener and state of each replica; the listener's token is its place.
    replicas: Vec<(TcpListener, State)>,
    /// The number of a connection is not used again, so one that is gone is not found.
    connections: HashMap<usize, Connection>,
    next: usize,
    due: BinaryHeap<Reverse<(Instant, Due)>>,
    /// When the first request came.
    began: Option<Instant>,
    seen: Arc<Mutex<Seen>>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Answer { connection: usize, status: u16 },
    Cut { replica: usize },
}

struct Connection {
    stream: TcpStream,
    replica: usize,
    received: Vec<u8>,
    /// A request is not answered yet.
    is_asked: bool,
}

impl Server {
    fn of(scenario: &Scenario, seen: Arc<Mutex<Seen>>) -> Result<Server> {
        let poll = Poll::new()?;
        let timer = Timer::new(&poll, TIMER)?;
        let mut replicas = Vec::new();
        for (place, replica) in scenario.replicas.iter().enumerate() {
            let listener = listen("127.0.0.1:0".parse()?)?;
            listener.set_nonblocking(true)?;
            let mut listener = TcpListener::from_std(listener);
            poll.registry().register(&mut listener, Token(place), Interest::READABLE)?;
            replicas.push((listener, State::of(replica)));
        }
        let (next, due) = (replicas.len(), BinaryHeap::new());
        let connections = HashMap::new();
        Ok(Server { seed: scenario.seed, poll, timer, replicas, connections, next, due, began: None, seen })
    }

    fn addresses(&self) -> Result<Vec<String>> {
        self.replicas.iter().map(|(listener, _)| Ok(listener.local_addr()?.to_string())).collect()
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(1_024);
        loop {
            if let Some(Reverse((at, _))) = self.due.peek() {
                self.timer.set(at.saturating_duration_since(Instant::now()))?;
            }
            self.poll.poll(&mut events, None)?;
            for event in events.iter().filter(|event| event.token() != TIMER) {
                let Token(token) = event.token();
                if token < self.replicas.len() {
                    self.accept(token)?;
                } else if self.hear(token).is_err() {
                    self.drop_connection(token);
                }
            }
            let now = Instant::now();
            while self.due.peek().is_some_and(|Reverse((at, _))| *at <= now) {
                let Some(Reverse((at, due))) = self.due.pop() else { break };
                match due {
                    Due::Answer { connection, status } => self.answer(connection, status, at),
                    Due::Cut { replica } => self.cut(replica),
                }
            }
        }
    }

    fn now(&self) -> Duration {
        self.began.map_or(Duration::ZERO, |began| began.elapsed())
    }

    fn accept(&mut self, replica: usize) -> io::Result<()> {
        loop {
            let mut stream = match self.replicas[replica].0.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            let now = self.now();
            if self.replicas[replica].1.replica.is(Change::Refuses, now) {
                self.seen().refused(replica, now);
                reset(&stream);
                continue;
            }
            stream.set_nodelay(true)?;
            self.poll.registry().register(&mut stream, Token(self.next), Interest::READABLE)?;
            let connection = Connection { stream, replica, received: Vec::new(), is_asked: false };
            self.connections.insert(self.next, connection);
            self.next += 1;
        }
    }

    /// Reads what came. An error means the end of the connection.
    fn hear(&mut self, token: usize) -> io::Result<()> {
        let Some(connection) = self.connections.get_mut(&token) else { return Ok(()) };
        let mut chunk = [0; 4096];
        loop {
            match connection.stream.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => connection.received.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        while let Some(length) = request_length(&connection.received)? {
            if connection.is_asked {
                return Err(io::Error::new(ErrorKind::InvalidData, "more than one request at a time"));
            }
            let number = number(&connection.received);
            connection.received.drain(..length);
            let Some(number) = number else {
                connection.stream.write_all(RIGHT)?;
                continue;
            };
            connection.is_asked = true;
            let replica = connection.replica;
            self.asked(token, replica, number);
            return Ok(());
        }
        Ok(())
    }

    fn asked(&mut self, connection: usize, replica: usize, number: usize) {
        let began = match self.began {
            Some(began) => began,
            None => self.begin(),
        };
        let now = began.elapsed();
        let attempt = self.seen().arrived(replica, now, number);
        let draw = Draw { seed: self.seed, number: number as u64, attempt };
        if let Fate::Answer { at, status } = self.replicas[replica].1.fate(now, connection, draw) {
            self.due.push(Reverse((began + at, Due::Answer { connection, status })));
        }
    }

    fn begin(&mut self) -> Instant {
        let began = *self.began.insert(Instant::now());
        for (replica, (_, state)) in self.replicas.iter().enumerate() {
            self.due.extend(state.cuts().map(|cut| Reverse((began + cut, Due::Cut { replica }))));
        }
        began
    }

    fn answer(&mut self, token: usize, status: u16, due: Instant) {
        let now = self.now();
        let Some(connection) = self.connections.get_mut(&token) else { return };
        if self.replicas[connection.replica].1.replica.is(Change::Hangs, now) {
            return;
        }
        let replica = connection.replica;
        connection.is_asked = false;
        let is_sent = connection.stream.write_all(if status == 200 { RIGHT } else { FAILED }).is_ok();
        self.seen().answered(due.elapsed());
        if !is_sent {
            self.connections.remove(&token);
        }
        self.gone(replica, token);
    }

    /// A worker may begin the next request.
    fn gone(&mut self, replica: usize, token: usize) {
        if let Some((connection, takes)) = self.replicas[replica].1.gone(token) {
            self.due.push(Reverse((Instant::now() + takes, Due::Answer { connection, status: 200 })));
        }
    }

    fn cut(&mut self, replica: usize) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, connection) in self.connections.extract_if(|_, connection| connection.replica == replica) {
            if connection.is_asked {
                seen.ended();
            }
            reset(&connection.stream);
        }
    }

    fn drop_connection(&mut self, token: usize) {
        if let Some(connection) = self.connections.remove(&token).filter(|connection| connection.is_asked) {
            self.seen().ended();
            self.gone(connection.replica, token);
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closing it will send a reset.
fn reset(stream: &TcpStream) {
    // A connection that is gone cannot be reset.
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// The number that the path of a request is.
fn number(request: &[u8]) -> Option<usize> {
    let path = request.split(|byte| *byte == b' ').nth(1)?;
    std::str::from_utf8(path.strip_prefix(b"/")?).ok()?.parse().ok()
}
