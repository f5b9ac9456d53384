//! The upstream: every answer takes the same time, however many are in flight.

use crate::trial::Result;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use std::collections::{HashMap, VecDeque};
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

/// How long each answer takes.
pub(crate) const TAKES: Duration = Duration::from_millis(50);

const RESPONSE: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{\"time\":50}";

const LISTENER: Token = Token(0);

/// Serves until the process ends.
pub(crate) fn start() -> Result<SocketAddr> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    socket2::SockRef::from(&listener).listen(4_096)?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    thread::Builder::new().name("upstream".to_owned()).spawn(move || {
        if let Err(error) = serve(TcpListener::from_std(listener)) {
            eprintln!("the upstream failed: {error}");
            std::process::exit(1);
        }
    })?;
    Ok(address)
}

fn serve(mut listener: TcpListener) -> io::Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1_024);
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut connections: HashMap<Token, TcpStream> = HashMap::new();
    let mut next = LISTENER.0 + 1;
    // All take equally long, so the first that came is the first to go.
    let mut due: VecDeque<(Instant, Token)> = VecDeque::new();
    loop {
        let wait = due.front().map(|(at, _)| at.saturating_duration_since(Instant::now()));
        match poll.poll(&mut events, wait) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Some((mut stream, _)) = unless_blocking(listener.accept())? {
                    stream.set_nodelay(true)?;
                    poll.registry().register(&mut stream, Token(next), Interest::READABLE)?;
                    connections.insert(Token(next), stream);
                    next += 1;
                }
            } else if let Some(stream) = connections.get_mut(&event.token()) {
                match requests(stream) {
                    Ok(count) => due.extend((0..count).map(|_| (Instant::now() + TAKES, event.token()))),
                    Err(_) => drop(connections.remove(&event.token())),
                }
            }
        }
        while due.front().is_some_and(|(at, _)| *at <= Instant::now()) {
            let Some((_, token)) = due.pop_front() else { break };
            // A client that has left meanwhile gets no answer.
            if let Some(stream) = connections.get_mut(&token) {
                let _ = stream.write_all(RESPONSE);
            }
        }
    }
}

/// How many requests have come. Requests have no bodies, and none is split on this path.
fn requests(stream: &mut TcpStream) -> io::Result<usize> {
    let mut count = 0;
    let mut bytes = [0; 4 << 10];
    while let Some(read) = unless_blocking(stream.read(&mut bytes))? {
        if read == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        count += bytes[..read].windows(4).filter(|four| *four == b"\r\n\r\n").count();
    }
    Ok(count)
}

fn unless_blocking<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
