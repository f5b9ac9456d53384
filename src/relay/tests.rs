//! Relays over real sockets, each in a thread of its own, with the peers in the test.

use super::*;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

const IDLE: Duration = Duration::from_secs(20);

/// A socket as an end: what comes goes on as it is. With `ends_at` its reading is over after so many bytes, without the
/// peer's word.
struct Raw {
    socket: TcpStream,
    buffer: Vec<u8>,
    ends_at: Option<usize>,
    /// Calls so far, so that a busy loop is seen.
    peeks: usize,
}

impl Raw {
    fn new(socket: TcpStream) -> Raw {
        socket.set_nonblocking(true).unwrap();
        Raw { socket, buffer: Vec::new(), ends_at: None, peeks: 0 }
    }
}

impl Duplex for Raw {
    fn peek_now(&mut self) -> io::Result<Option<&[u8]>> {
        self.peeks += 1;
        assert!(self.peeks < 100_000, "a busy loop");
        if self.ends_at == Some(0) {
            return Ok(Some(&[]));
        }
        if self.buffer.is_empty() {
            let mut room = vec![0; 16 << 10];
            match self.socket.read(&mut room) {
                Ok(0) => return Ok(Some(&[])),
                Ok(received) => self.buffer.extend_from_slice(&room[..received]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(&self.buffer))
    }

    fn consume(&mut self, bytes: usize) {
        self.buffer.drain(..bytes);
        if let Some(left) = &mut self.ends_at {
            *left -= bytes;
        }
    }

    fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.socket.write(bytes) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
            written => written,
        }
    }

    fn flush_now(&mut self) -> io::Result<bool> {
        Ok(true)
    }

    fn finish_now(&mut self) -> io::Result<bool> {
        let _ = self.socket.shutdown(Shutdown::Write);
        Ok(true)
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// A socket for the relay, and its peer.
fn pair() -> (Raw, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    peer.set_read_timeout(Some(IDLE)).unwrap();
    (Raw::new(listener.accept().unwrap().0), peer)
}

/// A relay under way between two ends, its peers, and where its result comes.
struct Relayed {
    client: TcpStream,
    upstream: TcpStream,
    result: Receiver<Result<(), Interrupted>>,
}

impl Relayed {
    fn begin(
        run: fn(&mut dyn Duplex, &mut dyn Duplex, Duration) -> Result<(), Interrupted>,
        idle: Duration,
    ) -> Relayed {
        Relayed::of(run, idle, |_| {})
    }

    fn of(
        run: fn(&mut dyn Duplex, &mut dyn Duplex, Duration) -> Result<(), Interrupted>,
        idle: Duration,
        prepare: impl FnOnce(&mut Raw),
    ) -> Relayed {
        let ((mut first, client), (mut second, upstream)) = (pair(), pair());
        prepare(&mut first);
        let (done, result) = channel();
        thread::spawn(move || done.send(run(&mut first, &mut second, idle)));
        Relayed { client, upstream, result }
    }

    fn result(&self) -> Result<(), Interrupted> {
        self.result.recv_timeout(IDLE).expect("the relay ends")
    }
}

fn read(peer: &mut TcpStream, bytes: usize) -> Vec<u8> {
    let mut read = vec![0; bytes];
    peer.read_exact(&mut read).unwrap();
    read
}

#[test]
fn each_end_is_told_what_the_other_says_and_of_its_end() {
    let mut relay = Relayed::begin(tunnel, IDLE);
    relay.client.write_all(b"ping").unwrap();
    assert_eq!(read(&mut relay.upstream, 4), b"ping");
    relay.client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(relay.upstream.read(&mut [0]).unwrap(), 0, "the half-close has come through");
    relay.upstream.write_all(b"pong").unwrap();
    assert_eq!(read(&mut relay.client, 4), b"pong", "the other half is still open");
    drop(relay.upstream);
    assert_eq!(relay.client.read(&mut [0]).unwrap(), 0);
    assert!(relay.result.recv_timeout(IDLE).unwrap().is_ok());
}

#[test]
fn both_directions_flow_at_once_although_neither_peer_reads_first() {
    const SIZE: usize = 8 << 20;
    let relay = Relayed::begin(tunnel, IDLE);
    let both = [relay.client.try_clone().unwrap(), relay.upstream.try_clone().unwrap()];
    let writers: Vec<_> = [relay.client.try_clone().unwrap(), relay.upstream.try_clone().unwrap()]
        .into_iter()
        .map(|mut peer| {
            thread::spawn(move || {
                peer.write_all(&vec![7; SIZE]).unwrap();
                peer.shutdown(Shutdown::Write).unwrap();
            })
        })
        .collect();
    let readers: Vec<_> = both
        .into_iter()
        .map(|mut peer| {
            thread::spawn(move || {
                let mut all = Vec::new();
                peer.read_to_end(&mut all).unwrap();
                all.len()
            })
        })
        .collect();
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    readers.into_iter().for_each(|reader| assert_eq!(reader.join().unwrap(), SIZE));
    assert!(relay.result().is_ok());
}

#[test]
fn who_does_not_read_holds_the_other_one_back() {
    let mut relay = Relayed::begin(tunnel, IDLE);
    relay.upstream.set_nonblocking(true).unwrap();
    // Nobody reads at the client. The relay takes no more than the system's buffers and its own have room for.
    let (mut sent, mut quiet) = (0_u64, 0);
    while quiet < 20 {
        match relay.upstream.write(&[0; 64 << 10]) {
            Ok(more) => (sent, quiet) = (sent + more as u64, 0),
            Err(_) => {
                quiet += 1;
                thread::sleep(Duration::from_millis(5));
            }
        }
        assert!(sent < 64 << 20, "it is not held back");
    }
    // It goes on when the client reads.
    relay.upstream.set_nonblocking(false).unwrap();
    relay.upstream.shutdown(Shutdown::Write).unwrap();
    let received = io::copy(&mut relay.client, &mut io::sink()).unwrap();
    assert_eq!(received, sent);
}

#[test]
fn a_relay_in_which_nothing_moves_ends() {
    let relay = Relayed::begin(tunnel, Duration::from_millis(50));
    assert!(matches!(relay.result(), Err(Interrupted::Idle)));
}

#[test]
fn a_client_that_resets_ends_the_relay_also_when_nothing_is_read_from_it() {
    let Relayed { client, upstream: _upstream, result } = Relayed::of(exchange, IDLE, |end| end.ends_at = Some(0));
    socket2::SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert!(matches!(result.recv_timeout(IDLE).unwrap(), Err(Interrupted::First(_))));
}

#[test]
fn a_client_that_has_closed_one_side_still_gets_its_response() {
    let mut relay = Relayed::of(exchange, IDLE, |end| end.ends_at = Some(0));
    relay.client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(relay.upstream.read(&mut [0]).unwrap(), 0, "its request has ended");
    relay.upstream.write_all(b"late").unwrap();
    assert_eq!(read(&mut relay.client, 4), b"late");
    relay.upstream.shutdown(Shutdown::Write).unwrap();
    assert!(relay.result().is_ok());
}

#[cfg(target_os = "linux")]
#[test]
fn a_client_that_has_closed_and_to_whom_nothing_is_sent_has_gone() {
    const PATIENCE: Duration = Duration::from_millis(100);
    fn impatient(client: &mut dyn Duplex, upstream: &mut dyn Duplex, idle: Duration) -> Result<(), Interrupted> {
        Relay { patience: PATIENCE, ..Relay::new(client, upstream, Kind::Exchange) }.run(idle)
    }
    let Relayed { client, upstream: _upstream, result } = Relayed::of(impatient, IDLE, |end| end.ends_at = Some(0));
    let closed = Instant::now();
    drop(client);
    assert!(matches!(result.recv_timeout(IDLE).unwrap(), Err(Interrupted::First(_))));
    assert!(closed.elapsed() >= PATIENCE);
}

#[test]
fn an_upstream_that_takes_no_more_of_the_request_still_has_its_response_passed_on() {
    let mut relay = Relayed::begin(exchange, IDLE);
    relay.upstream.write_all(b"no").unwrap();
    relay.upstream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read(&mut relay.client, 2), b"no");
    assert!(relay.result().is_ok(), "the rest of the request is nobody's any more");
}
