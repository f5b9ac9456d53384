//! The load: a number of keep-alive connections, each sending its next request when the last is answered.
//!
//! Latency counts from just before the request is written to when its answer has been read. One event loop per thread,
//! and every answer is checked. Writes `measuring` and `measured` at both ends of the window, then its figures as one
//! line of JSON.
//!
//! What it does not do: send at a rate of its own (such a closed loop slows down with the server, so its latencies are
//! those of a saturated server and nothing else), or send more than one request at a time on a connection.

use super::Result;
use super::answer::{Answer, check};
use super::contender::Wrapper;
use super::percentiles;
use super::role::Arguments;
use hdrhistogram::Histogram;
use mio::{Events, Interest, Poll, Token};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

/// The timeout that every contender has to keep, long enough not to matter on a busy machine.
pub(crate) const REQUEST: &[u8] = b"GET /api/smart?timeout=10000 HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: */*\r\n\r\n";

/// How long an answer may take before the run fails: longer than the timeout of the request.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);

/// The role.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let target = Target { address: arguments.get("target")?, wrapper: arguments.get("wrapper")? };
    let threads: usize = arguments.get("threads")?;
    let mut shares: Vec<Vec<Connection>> = (0..threads).map(|_| Vec::new()).collect();
    for number in 0..arguments.get("connections")? {
        shares[number % threads].push(Connection::open(target)?);
    }

    let begin = Instant::now() + Duration::from_millis(arguments.get("warm-up-ms")?);
    let end = begin + Duration::from_millis(arguments.get("measured-ms")?);
    let mut loops = Vec::new();
    for (number, share) in shares.into_iter().enumerate() {
        let name = format!("load-{number}");
        loops.push(thread::Builder::new().name(name).spawn(move || drive(share, target, begin, end))?);
    }
    for (edge, word) in [(begin, "measuring"), (end, "measured")] {
        thread::sleep(edge.saturating_duration_since(Instant::now()));
        println!("{word}");
    }

    let mut tally = Tally::new()?;
    for handle in loops {
        tally.add(handle.join().map_err(|_| "a thread of the load panicked")??)?;
    }
    println!("{}", tally.to_json((end - begin).as_secs_f64()));
    Ok(())
}

/// The server to call, and the wrapper of the right answer.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    pub(crate) wrapper: Wrapper,
}

impl Target {
    /// Opens a connection, has one request answered on it, and leaves.
    pub(crate) fn ask(self) -> Result<()> {
        Connection::open(self).map(drop)
    }
}

/// Keeps every connection busy until `end`, then waits for the last answers.
fn drive(mut connections: Vec<Connection>, target: Target, begin: Instant, end: Instant) -> Result<Tally> {
    let mut tally = Tally::new()?;
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(256);
    for (at, connection) in connections.iter_mut().enumerate() {
        poll.registry().register(&mut connection.stream, Token(at), Interest::READABLE)?;
        connection.send(Instant::now())?;
    }
    let mut waiting = connections.len();
    while waiting > 0 {
        poll.poll(&mut events, Some(PATIENCE))?;
        if events.is_empty() {
            return Err(format!("{waiting} requests are not answered within {PATIENCE:?}").into());
        }
        for event in &events {
            let connection = &mut connections[event.token().0];
            if connection.sent_at.is_none() {
                continue; // answered and at rest: this is its end, or nothing
            }
            match connection.receive(target.wrapper)? {
                Received::Nothing => continue,
                Received::Gone if connection.received.is_empty() => {
                    // A server may close a connection between two requests; the request goes out once more.
                    *connection = Connection::open(target)?;
                    poll.registry().register(&mut connection.stream, event.token(), Interest::READABLE)?;
                    tally.reopened += 1;
                }
                Received::Gone => return Err("a connection was closed in the middle of an answer".into()),
                Received::Answer(answer) => {
                    let now = Instant::now();
                    let sent_at = connection.sent_at.take().unwrap_or(now);
                    tally.count(answer, now - sent_at, now >= begin && now < end)?;
                }
            }
            let now = Instant::now();
            if now < end {
                connection.send(now)?;
            } else {
                waiting -= 1;
            }
        }
    }
    Ok(tally)
}

struct Connection {
    stream: mio::net::TcpStream,
    received: Vec<u8>,
    /// Set while an answer is awaited.
    sent_at: Option<Instant>,
}

enum Received {
    Nothing,
    Answer(Answer),
    Gone,
}

impl Connection {
    /// Opens a connection and has one request answered on it before the next is opened: a burst of connections is
    /// another load, and starves some servers forever.
    fn open(target: Target) -> Result<Connection> {
        let mut stream = std::net::TcpStream::connect(target.address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(REQUEST)?;
        let mut received = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let read = stream.read(&mut chunk).map_err(|error| format!("no first answer: {error}"))?;
            received.extend_from_slice(&chunk[..read]);
            match check(&received, target.wrapper) {
                Answer::Right => break,
                Answer::Refused => return Err("the first request was refused".into()),
                Answer::Failed => return Err("the first request failed".into()),
                Answer::Wrong(why) => return Err(why.into()),
                Answer::Incomplete if read == 0 => return Err("closed before the first answer".into()),
                Answer::Incomplete => {}
            }
        }
        received.clear();
        stream.set_nonblocking(true)?;
        Ok(Connection { stream: mio::net::TcpStream::from_std(stream), received, sent_at: None })
    }

    fn send(&mut self, now: Instant) -> io::Result<()> {
        self.received.clear();
        self.sent_at = Some(now);
        match self.stream.write(REQUEST) {
            Ok(written) if written == REQUEST.len() => Ok(()),
            Ok(_) => Err(io::Error::new(ErrorKind::WriteZero, "a request does not fit into an empty socket")),
            // Closed meanwhile: the read reports it, and the request is sent again.
            Err(error) if is_gone(&error) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn receive(&mut self, wrapper: Wrapper) -> io::Result<Received> {
        let mut chunk = [0; 4096];
        loop {
            let read = match self.stream.read(&mut chunk) {
                Ok(0) => return Ok(Received::Gone),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(Received::Nothing),
                Err(error) if is_gone(&error) => return Ok(Received::Gone),
                Err(error) => return Err(error),
            };
            self.received.extend_from_slice(&chunk[..read]);
            match check(&self.received, wrapper) {
                Answer::Incomplete => {}
                answer => return Ok(Received::Answer(answer)),
            }
        }
    }
}

pub(crate) fn is_gone(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

/// The results.
struct Tally {
    /// Of right answers within the window, in microseconds.
    latencies: Histogram<u64>,
    /// Right answers, warm-up and the end included.
    right: u64,
    wrong: u64,
    first_wrong: Option<String>,
    reopened: u64,
}

impl Tally {
    fn new() -> Result<Tally> {
        Ok(Tally { latencies: Histogram::new(3)?, right: 0, wrong: 0, first_wrong: None, reopened: 0 })
    }

    fn count(&mut self, answer: Answer, latency: Duration, in_window: bool) -> Result<()> {
        match answer {
            Answer::Wrong(why) => self.count_wrong(why),
            Answer::Refused => self.count_wrong("refused".to_owned()),
            Answer::Failed => self.count_wrong("failed".to_owned()),
            Answer::Right | Answer::Incomplete => {
                self.right += 1;
                if in_window {
                    self.latencies.record(u64::try_from(latency.as_micros())?)?;
                }
            }
        }
        Ok(())
    }

    fn count_wrong(&mut self, why: String) {
        self.wrong += 1;
        self.first_wrong.get_or_insert(why);
    }

    fn add(&mut self, other: Tally) -> Result<()> {
        self.latencies.add(other.latencies)?;
        self.right += other.right;
        self.wrong += other.wrong;
        self.reopened += other.reopened;
        self.first_wrong = self.first_wrong.take().or(other.first_wrong);
        Ok(())
    }

    fn to_json(&self, seconds: f64) -> serde_json::Value {
        let mut json = serde_json::json!({
            "measured": self.latencies.len(),
            "seconds": seconds,
            "right": self.right,
            "wrong": self.wrong,
            "first_wrong": self.first_wrong,
            "reopened": self.reopened,
        });
        percentiles::add_to(&mut json, &self.latencies);
        json
    }
}
