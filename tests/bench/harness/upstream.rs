//! The upstream: answers at once, with the same bytes, and counts.
//!
//! It must never be what is waited for, so it does as little as a server can: one event loop per thread, one read and one
//! write per request. What it counts shows whether hedges were sent and whether connections were reused.
//!
//! On its input, `count` asks for the figures; the end of input ends it.

use super::Result;
use super::role::Arguments;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// What every answer holds.
pub(crate) const BODY: &[u8] = br#"{"time":0}"#;

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{\"time\":0}";

const LISTENER: Token = Token(0);

#[derive(Default)]
struct Counts {
    requests: AtomicU64,
    connections: AtomicU64,
}

/// The role: says its address, then its figures whenever it is asked.
pub(crate) fn serve(arguments: &Arguments) -> Result<()> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    let counts = Arc::new(Counts::default());
    for number in 0..arguments.get("threads")? {
        let listener = TcpListener::from_std(listener.try_clone()?);
        let counts = counts.clone();
        // Ends with the process.
        thread::Builder::new().name(format!("upstream-{number}")).spawn(move || {
            if let Err(error) = answer_all(listener, &counts) {
                eprintln!("bench: the upstream failed: {error}");
                std::process::exit(1);
            }
        })?;
    }
    println!("{}", listener.local_addr()?);
    for line in io::stdin().lines() {
        if line? == "count" {
            let requests = counts.requests.load(Ordering::Relaxed);
            let connections = counts.connections.load(Ordering::Relaxed);
            println!("{}", serde_json::json!({ "requests": requests, "connections": connections }));
        }
    }
    Ok(())
}

fn answer_all(mut listener: TcpListener, counts: &Counts) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(256);
    let mut connections: HashMap<Token, Connection> = HashMap::new();
    let mut next_token = LISTENER.0 + 1;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            if event.token() == LISTENER {
                while let Some(mut stream) = accept(&listener)? {
                    stream.set_nodelay(true)?;
                    poll.registry().register(&mut stream, Token(next_token), Interest::READABLE)?;
                    connections.insert(Token(next_token), Connection { stream, received: Vec::new() });
                    next_token += 1;
                    counts.connections.fetch_add(1, Ordering::Relaxed);
                }
            } else if connections.get_mut(&event.token()).is_some_and(|connection| connection.answer(counts).is_err()) {
                connections.remove(&event.token());
            }
        }
    }
}

/// The next connection there is; every thread hears of it, and one gets it.
fn accept(listener: &TcpListener) -> io::Result<Option<TcpStream>> {
    match listener.accept() {
        Ok((stream, _)) => Ok(Some(stream)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}

struct Connection {
    stream: TcpStream,
    /// The beginning of a request whose end has not come yet.
    received: Vec<u8>,
}

impl Connection {
    /// Answers what has come. An error is the end of the connection, whoever wanted it.
    fn answer(&mut self, counts: &Counts) -> io::Result<()> {
        let mut chunk = [0; 4096];
        loop {
            let read = match self.stream.read(&mut chunk) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            self.received.extend_from_slice(&chunk[..read]);
            while let Some(length) = request_length(&self.received)? {
                self.received.drain(..length);
                counts.requests.fetch_add(1, Ordering::Relaxed);
                self.stream.write_all(RESPONSE)?;
            }
            // A chunk that is not full has emptied the socket (epoll(7)): no second read to hear so.
            if read < chunk.len() {
                return Ok(());
            }
        }
    }
}

/// The length of the first request, once it is there. Only requests without a body are made.
fn request_length(received: &[u8]) -> io::Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    match httparse::Request::new(&mut headers).parse(received) {
        Ok(httparse::Status::Complete(length)) => Ok(Some(length)),
        Ok(httparse::Status::Partial) => Ok(None),
        Err(error) => Err(io::Error::new(ErrorKind::InvalidData, error)),
    }
}
