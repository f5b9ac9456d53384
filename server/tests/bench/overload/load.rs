//! The load: many connections on one event loop, with a request at a time on each.

use crate::trial::Result;
use hdrhistogram::Histogram;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const REQUEST: &[u8] = b"GET /api/smart?timeout=10000 HTTP/1.1\r\nHost: localhost\r\n\r\n";
const RIGHT: &[u8] = br#"{"success":true,"response":{"time":50}}"#;

/// Longer than any answer may take.
const PATIENCE: Duration = Duration::from_secs(15);

/// When requests are sent.
#[derive(Clone, Copy)]
pub(crate) enum Pace {
    /// On this many connections, the next request when the last is answered.
    Closed(usize),
    /// This many a second, independent of the answers.
    Open(f64),
}

pub(crate) struct Load {
    poll: Poll,
    connections: Vec<Connection>,
    /// The connections without a request in flight, longest idle first.
    free: VecDeque<usize>,
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
    sent_at: Instant,
}

/// The results of a phase.
pub(crate) struct Tally {
    pub(crate) lasted: Duration,
    pub(crate) sent: u64,
    /// Requests that were due and found no free connection: the load was not offered.
    pub(crate) unsent: u64,
    /// In microseconds from the write of the request.
    pub(crate) right: Histogram<u64>,
    pub(crate) refused: Histogram<u64>,
    pub(crate) wrong: Vec<String>,
}

impl Load {
    pub(crate) fn open(server: SocketAddr, connections: usize) -> Result<Load> {
        let poll = Poll::new()?;
        let mut load = Load { poll, connections: Vec::new(), free: (0..connections).collect() };
        for number in 0..connections {
            let stream = std::net::TcpStream::connect(server)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let mut stream = TcpStream::from_std(stream);
            load.poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
            load.connections.push(Connection { stream, received: Vec::new(), sent_at: Instant::now() });
        }
        Ok(load)
    }

    /// Sends at this pace for this long, then waits for the remaining answers. The tally counts all of them.
    pub(crate) fn run(&mut self, pace: Pace, lasts: Duration) -> Result<Tally> {
        let mut tally = Tally {
            lasted: lasts,
            sent: 0,
            unsent: 0,
            right: Histogram::new(3)?,
            refused: Histogram::new(3)?,
            wrong: Vec::new(),
        };
        let mut events = Events::with_capacity(1_024);
        let began = Instant::now();
        let all = self.connections.len();
        loop {
            let now = began.elapsed();
            let due = match pace {
                _ if now >= lasts => 0,
                Pace::Closed(most) => most.saturating_sub(all - self.free.len()) as u64,
                Pace::Open(rate) => ((now.as_secs_f64() * rate) as u64).saturating_sub(tally.sent + tally.unsent),
            };
            for _ in 0..due {
                match self.free.pop_front() {
                    Some(at) => {
                        self.connections[at].send()?;
                        tally.sent += 1;
                    }
                    None => tally.unsent += 1,
                }
            }
            if now >= lasts && self.free.len() == all {
                return Ok(tally);
            }
            if now >= lasts + PATIENCE {
                return Err(format!("{} requests are not answered", all - self.free.len()).into());
            }
            // Paced by the millisecond, the resolution of the event queue.
            match self.poll.poll(&mut events, Some(Duration::from_millis(1))) {
                Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
                _ => {}
            }
            for event in &events {
                let at = event.token().0;
                if self.connections[at].receive(&mut tally)? {
                    self.free.push_back(at);
                }
            }
        }
    }
}

impl Connection {
    fn send(&mut self) -> io::Result<()> {
        self.sent_at = Instant::now();
        self.stream.write_all(REQUEST)
    }

    /// Whether the answer is complete now.
    fn receive(&mut self, tally: &mut Tally) -> Result<bool> {
        let mut chunk = [0; 4 << 10];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(read) => self.received.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        let Some((head, body)) = split(&self.received) else { return Ok(false) };
        let micros = self.sent_at.elapsed().as_micros() as u64;
        if head.starts_with("HTTP/1.1 200 ") && body == RIGHT {
            tally.right.record(micros)?;
        } else if head.starts_with("HTTP/1.1 503 ") && head.to_ascii_lowercase().contains("\r\nretry-after: ") {
            tally.refused.record(micros)?;
        } else {
            tally.wrong.push(String::from_utf8_lossy(&self.received).into_owned());
        }
        self.received.clear();
        Ok(true)
    }
}

/// Head and body of an answer, once it is complete.
fn split(received: &[u8]) -> Option<(&str, &[u8])> {
    let end = received.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let head = str::from_utf8(&received[..end]).ok()?;
    let length = head.split("\r\n").find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("content-length").then(|| value.parse::<usize>().ok())?
    })?;
    let body = &received[end..];
    (body.len() == length).then_some((head, body))
}
