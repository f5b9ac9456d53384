//! The upstream: always sends the same answer, at once or after a set delay, and counts.
//!
//! It must not be the bottleneck, so it does as little as possible: one event loop per thread, one read and one write
//! per request. What it counts shows whether hedges were sent, whether connections were reused, and whether losers
//! were ended: a connection closed before its answer was due.
//!
//! On its input, `count` asks for the figures and `delay HOW` changes its pace; the end of input ends it.

use super::Result;
use super::delay::Delay;
use super::role::Arguments;
use super::timer::Timer;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Protocol, Socket, Type};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::{Duration, Instant};

/// The body of every answer.
pub(crate) const BODY: &[u8] = br#"{"time":0}"#;

pub(super) const RESPONSE: &[u8] =
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{\"time\":0}";

const LISTENER: Token = Token(0);
const TIMER: Token = Token(1);

/// The length of the listening queue. The kernel may be configured for less.
const BACKLOG: i32 = 16_384;

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    connections: AtomicU64,
    answered: AtomicU64,
    /// Requests whose connection was closed before they were answered.
    ended: AtomicU64,
}

/// The role: writes its address, then its figures on request.
pub(crate) fn serve(arguments: &Arguments) -> Result<()> {
    let listener = listen("127.0.0.1:0".parse()?)?;
    listener.set_nonblocking(true)?;
    let counts = Arc::new(Counts::default());
    let delay = Arc::new(RwLock::new(Delay::None));
    for number in 0..arguments.get("threads")? {
        let listener = TcpListener::from_std(listener.try_clone()?);
        let (counts, delay) = (counts.clone(), delay.clone());
        // Ends with the process.
        thread::Builder::new().name(format!("upstream-{number}")).spawn(move || {
            if let Err(error) = answer_all(listener, &counts, &delay) {
                eprintln!("bench: the upstream failed: {error}");
                std::process::exit(1);
            }
        })?;
    }
    println!("{}", listener.local_addr()?);
    for line in io::stdin().lines() {
        let line = line?;
        if line == "count" {
            println!("{}", counts.to_json());
        } else if let Some(how) = line.strip_prefix("delay ") {
            *delay.write().map_err(|_| "a thread panicked")? = how.parse()?;
            println!("delayed");
        }
    }
    Ok(())
}

/// Listens with a queue for a burst of connections. The standard library's 128 are too few.
pub(crate) fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl Counts {
    fn to_json(&self) -> serde_json::Value {
        // In this order, so that a request between the reads counts as pending, not as answered before it came.
        let [answered, ended] = [&self.answered, &self.ended].map(|count| count.load(Ordering::SeqCst));
        let [requests, connections] = [&self.requests, &self.connections].map(|count| count.load(Ordering::SeqCst));
        let pending = requests - answered - ended;
        serde_json::json!({
            "requests": requests, "connections": connections, "answered": answered, "ended": ended, "pending": pending,
        })
    }
}

fn answer_all(mut listener: TcpListener, counts: &Counts, delay: &RwLock<Delay>) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1_024);
    let mut connections: HashMap<Token, Connection> = HashMap::new();
    // The answers to come. The number of a connection is not used again, so one that is gone is not found.
    let mut due: BinaryHeap<Reverse<(Instant, Token)>> = BinaryHeap::new();
    let timer = Timer::new(&poll, TIMER)?;
    let mut next_token = TIMER.0 + 1;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    loop {
        if let Some(Reverse((at, _))) = due.peek() {
            timer.set(at.saturating_duration_since(Instant::now()))?;
        }
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Some(mut stream) = accept(&listener)? {
                    stream.set_nodelay(true)?;
                    poll.registry().register(&mut stream, Token(next_token), Interest::READABLE)?;
                    connections.insert(Token(next_token), Connection { stream, received: Vec::new(), is_asked: false });
                    next_token += 1;
                    counts.connections.fetch_add(1, Ordering::Relaxed);
                }
                continue;
            }
            let Some(connection) = connections.get_mut(&event.token()) else { continue };
            match connection.hear(counts, delay) {
                Ok(None) => {}
                Ok(Some(wait)) => due.push(Reverse((Instant::now() + wait, event.token()))),
                Err(_) => {
                    if connections.remove(&event.token()).is_some_and(|connection| connection.is_asked) {
                        counts.ended.fetch_add(1, Ordering::SeqCst);
                    }
                }
            }
        }
        let now = Instant::now();
        while due.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            let Some(Reverse((_, token))) = due.pop() else { break };
            if connections.get_mut(&token).is_some_and(|connection| connection.answer(counts).is_err()) {
                connections.remove(&token);
            }
        }
    }
}

/// The next connection. Every thread is woken, and one gets it.
fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

struct Connection {
    stream: TcpStream,
    /// The beginning of a request that is not complete yet.
    received: Vec<u8>,
    /// A request whose answer is not due yet.
    is_asked: bool,
}

impl Connection {
    /// Reads and answers a request, or returns how long until the answer is due. An error means the end of the
    /// connection.
    fn hear(&mut self, counts: &Counts, delay: &RwLock<Delay>) -> io::Result<Option<Duration>> {
        let mut chunk = [0; 4096];
        loop {
            let read = match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            };
            self.received.extend_from_slice(&chunk[..read]);
            // A read that does not fill the buffer has emptied the socket (epoll(7)), so there is no second read.
            let is_all = read < chunk.len();
            while let Some(length) = request_length(&self.received)? {
                if self.is_asked {
                    return Err(io::Error::new(ErrorKind::InvalidData, "more than one request at a time"));
                }
                self.received.drain(..length);
                counts.requests.fetch_add(1, Ordering::SeqCst);
                self.is_asked = true;
                let wait = delay.read().map_or(Duration::ZERO, |delay| delay.next());
                if wait.is_zero() {
                    self.answer(counts)?;
                } else if is_all {
                    return Ok(Some(wait));
                } else {
                    return Err(io::Error::new(ErrorKind::InvalidData, "a request too long to wait with"));
                }
            }
            if is_all {
                return Ok(None);
            }
        }
    }

    fn answer(&mut self, counts: &Counts) -> io::Result<()> {
        self.is_asked = false;
        counts.answered.fetch_add(1, Ordering::SeqCst);
        self.stream.write_all(RESPONSE)
    }
}

/// The length of the first request, once it is complete. The load sends no bodies.
pub(crate) fn request_length(received: &[u8]) -> io::Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    match httparse::Request::new(&mut headers).parse(received) {
        Ok(httparse::Status::Complete(length)) => Ok(Some(length)),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(io::Error::new(ErrorKind::InvalidData, error)),
    }
}
