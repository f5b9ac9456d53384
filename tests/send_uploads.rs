//! Requests whose bodies are sent as they come, and connections that become tunnels.

#![cfg(all(feature = "http", unix))]

use crate::support::scripted::{Peer, Scripted, client, crew};
use headstart::http::{Fields, Request, Response, Tunnel, Upload, UploadFrom};
use headstart::relay::Duplex;
use headstart::{CancelReason, CancelToken, Client, ClientSettings, Deadline, Error, Phase, TimeLimit};
use headstart_testing::PATIENCE;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::Duration;

/// A body that comes through a pipe, from the test.
struct Piped {
    from: UnixStream,
    length: Option<u64>,
    here: Vec<u8>,
    interim: Vec<u16>,
    /// Whether the end of the pipe is that of the body, or cuts it.
    is_cut: bool,
}

impl Piped {
    fn new(length: Option<u64>) -> (Piped, UnixStream) {
        let (from, to) = UnixStream::pair().unwrap();
        from.set_nonblocking(true).unwrap();
        (Piped { from, length, here: Vec::new(), interim: Vec::new(), is_cut: false }, to)
    }
}

impl Upload for Piped {
    fn length(&self) -> Option<u64> {
        self.length
    }

    fn peek_now(&mut self) -> io::Result<Option<&[u8]>> {
        let mut room = [0; 8_192];
        if self.here.is_empty() {
            match self.from.read(&mut room) {
                Ok(0) if self.is_cut => return Err(ErrorKind::ConnectionReset.into()),
                Ok(0) => return Ok(Some(&[])),
                Ok(read) => self.here.extend_from_slice(&room[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(&self.here))
    }

    fn consume(&mut self, bytes: usize) {
        self.here.drain(..bytes);
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        Some(self.from.as_fd())
    }

    fn interim(&mut self, status: u16, _: &Fields) -> io::Result<()> {
        self.interim.push(status);
        Ok(())
    }
}

fn wait_for(of: &impl Duplex, flags: PollFlags) {
    let mut polled = [PollFd::from_borrowed_fd(of.as_fd(), flags)];
    assert_eq!(poll(&mut polled, Some(&Timespec::try_from(PATIENCE).unwrap())).unwrap(), 1, "nothing in time");
}

/// The next bytes, so many.
fn read_now(of: &mut impl Duplex, bytes: usize) -> Vec<u8> {
    let mut read = Vec::new();
    while read.len() < bytes {
        match of.peek_now().unwrap().map(<[u8]>::to_vec) {
            None => wait_for(of, PollFlags::IN),
            Some(there) => {
                assert!(!there.is_empty(), "an end after {read:?}");
                let taken = there.len().min(bytes - read.len());
                read.extend_from_slice(&there[..taken]);
                of.consume(taken);
            }
        }
    }
    read
}

fn is_at_end(of: &mut impl Duplex) -> bool {
    loop {
        match of.peek_now().unwrap() {
            Some(there) => return there.is_empty(),
            None => wait_for(of, PollFlags::IN),
        }
    }
}

fn write_all(of: &mut impl Duplex, mut bytes: &[u8]) {
    while !bytes.is_empty() {
        let written = of.write_now(bytes).unwrap();
        bytes = &bytes[written..];
        if written == 0 {
            wait_for(of, PollFlags::OUT);
        }
    }
}

fn text(response: Response) -> String {
    let mut text = String::new();
    response.into_body().read_to_string(&mut text).unwrap();
    text
}

/// Sends a POST whose body comes from `piped`, and returns it, too.
fn post(client: &Client, mut piped: Piped, fields: &[(&str, &str)]) -> (Result<Response, Error>, Piped) {
    let request = fields.iter().fold(Request::new("POST", "/"), |request, (name, value)| request.field(name, value));
    (client.send_from(&request, &mut piped, PATIENCE), piped)
}

/// A peer that has read a request's head.
fn asked(upstream: &Scripted) -> (Peer, String) {
    let mut peer = upstream.accept();
    let head = peer.head();
    (peer, head)
}

const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";

#[test]
fn a_body_of_known_length_goes_out_as_it_comes() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0, 0]);
    let (piped, mut to) = Piped::new(Some(10));
    thread::scope(|scope| {
        to.write_all(b"first").unwrap();
        let sending = scope.spawn(|| post(&client, piped, &[]));
        let (mut peer, head) = asked(&upstream);
        assert!(head.contains("\r\ncontent-length: 10\r\n") && !head.contains("transfer-encoding"), "{head}");
        assert_eq!(peer.exactly(5), b"first");
        assert!(peer.hears_nothing());
        to.write_all(b"secnd").unwrap();
        assert_eq!(peer.exactly(5), b"secnd");
        peer.say(DONE);
        let (response, _) = sending.join().unwrap();
        assert_eq!(text(response.unwrap()), "done");
        assert_eq!(client.idle_connections(), 1);
    });
}

#[test]
fn a_body_of_unknown_length_goes_out_in_chunks_as_it_comes() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0]);
    let (piped, mut to) = Piped::new(None);
    thread::scope(|scope| {
        let sending = scope.spawn(|| post(&client, piped, &[("Transfer-Encoding", "gzip"), ("Content-Length", "9")]));
        let (mut peer, head) = asked(&upstream);
        assert!(head.contains("\r\ntransfer-encoding: chunked\r\n") && !head.contains("ength"), "{head}");
        assert!(peer.hears_nothing());
        for (written, chunk) in [("first", "5\r\nfirst\r\n"), ("0123456789abcdef", "10\r\n0123456789abcdef\r\n")] {
            to.write_all(written.as_bytes()).unwrap();
            assert_eq!(peer.exactly(chunk.len()), chunk.as_bytes());
        }
        drop(to);
        assert_eq!(peer.exactly(5), b"0\r\n\r\n");
        peer.say(DONE);
        assert_eq!(text(sending.join().unwrap().0.unwrap()), "done");
        assert_eq!(client.idle_connections(), 1);
    });
}

#[test]
fn a_body_that_fails_never_looks_whole() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0]);
    for (length, is_cut, sent) in
        [(None, true, &b"3\r\nabc\r\n"[..]), (Some(9), true, b"abc"), (Some(9), false, b"abc")]
    {
        let (mut piped, mut to) = Piped::new(length);
        piped.is_cut = is_cut;
        thread::scope(|scope| {
            to.write_all(b"abc").unwrap();
            let sending = scope.spawn(|| post(&client, piped, &[]));
            let (mut peer, _) = asked(&upstream);
            drop(to);
            let (result, _) = sending.join().unwrap();
            assert!(matches!(result, Err(Error::Io(_))), "{result:?}");
            assert_eq!(peer.rest(), sent, "and then the end of the connection");
        });
        assert_eq!(client.idle_connections(), 0);
    }
}

#[test]
fn a_body_that_waits_for_100_is_sent_after_it() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0]);
    let (piped, mut to) = Piped::new(Some(3));
    thread::scope(|scope| {
        let sending = scope.spawn(|| post(&client, piped, &[("Expect", "100-continue")]));
        let (mut peer, head) = asked(&upstream);
        assert!(head.contains("\r\nExpect: 100-continue\r\n"), "{head}");
        peer.say("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        to.write_all(b"abc").unwrap();
        assert_eq!(peer.exactly(3), b"abc");
        peer.say(DONE);
        let (response, piped) = sending.join().unwrap();
        let response = response.unwrap();
        assert_eq!((piped.interim, response.interim()), (vec![100, 103], &[][..]));
        assert_eq!(text(response), "done");
    });
    // And not at all after a refusal.
    let (piped, _to) = Piped::new(Some(3));
    thread::scope(|scope| {
        let sending = scope.spawn(|| post(&client, piped, &[("Expect", "100-continue")]));
        let (mut peer, _) = asked(&upstream);
        peer.say("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n");
        let response = sending.join().unwrap().0.unwrap();
        assert!(response.status() == 417 && response.body().is_sending());
        drop(response);
        assert_eq!(peer.rest(), b"", "a request that is not whole costs its connection");
    });
}

#[test]
fn an_upstream_may_answer_before_the_body_has_ended() {
    let (crew, upstream) = (crew(), Scripted::start());
    for length in [None, Some(11)] {
        let client = client(&crew, &[&upstream], &[0]);
        let (piped, mut to) = Piped::new(length);
        thread::scope(|scope| {
            let sending = scope.spawn(|| post(&client, piped, &[]));
            let (mut peer, _) = asked(&upstream);
            to.write_all(b"hello").unwrap();
            let first = peer.exactly(if length.is_some() { 5 } else { 10 });
            assert!(first.ends_with(b"hello") || first.ends_with(b"hello\r\n"));
            peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
            let (response, _) = sending.join().unwrap();
            let mut body = response.unwrap().into_body();
            assert!(body.is_sending());
            assert_eq!(read_now(&mut body, 2), b"hi");
            write_all(&mut body, b" world");
            let rest = if length.is_some() { &b" world"[..] } else { b"6\r\n world\r\n" };
            assert_eq!(peer.exactly(rest.len()), rest);
            peer.say("5\r\nagain\r\n");
            assert_eq!(read_now(&mut body, 5), b"again");
            assert!(body.finish_now().unwrap() && body.flush_now().unwrap() && !body.is_sending());
            if length.is_none() {
                assert_eq!(peer.exactly(5), b"0\r\n\r\n");
            }
            assert_eq!(client.idle_connections(), 0);
            peer.say("0\r\n\r\n");
            assert!(is_at_end(&mut body) && body.is_over());
            assert_eq!(client.idle_connections(), 1, "both are over");
        });
    }
}

#[test]
fn a_response_that_is_over_first_waits_for_the_request() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0]);
    let (piped, _to) = Piped::new(Some(3));
    thread::scope(|scope| {
        let sending = scope.spawn(|| post(&client, piped, &[]));
        let (mut peer, _) = asked(&upstream);
        peer.say(DONE);
        let mut body = sending.join().unwrap().0.unwrap().into_body();
        assert_eq!(read_now(&mut body, 4), b"done");
        assert!(body.is_over() && body.is_sending());
        assert_eq!(client.idle_connections(), 0);
        write_all(&mut body, b"abc");
        assert_eq!((body.is_sending(), client.idle_connections()), (false, 1));
        assert_eq!(peer.exactly(3), b"abc");
    });
}

#[test]
fn an_upstream_that_takes_no_more_may_still_answer() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0]);
    // It answers and closes while a large body is on its way: what it said is passed on, not the broken pipe.
    for is_known in [true, false] {
        let size = 64 << 20;
        let mut upload = UploadFrom::new(io::repeat(b'x').take(size), is_known.then_some(size));
        thread::scope(|scope| {
            let served = scope.spawn(|| {
                let (mut peer, _) = asked(&upstream);
                peer.say("HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbig");
                peer.say_end();
                peer
            });
            let response = client.send_from(&Request::new("PUT", "/"), &mut upload, PATIENCE).unwrap();
            assert_eq!(response.status(), 413);
            let mut body = response.into_body();
            drop(served.join().unwrap()); // reset: bytes of the request are left unread
            for _ in 0..1_000 {
                if !body.is_sending() {
                    break;
                }
                if body.write_now(&[b'x'; 1 << 16]).unwrap() == 0 {
                    wait_for(&body, PollFlags::OUT);
                }
            }
            assert!(!body.is_sending(), "the rest is dropped");
        });
        assert_eq!(client.idle_connections(), 0);
    }
}

#[test]
fn a_request_with_a_body_of_any_size_arrives_whole() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0]);
    let body: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_le_bytes).collect();
    thread::scope(|scope| {
        let sending = scope.spawn(|| {
            let mut upload = UploadFrom::new(&body[..], Some(body.len() as u64));
            client.send_from(&Request::new("PUT", "/"), &mut upload, PATIENCE)
        });
        let (mut peer, _) = asked(&upstream);
        assert!(peer.exactly(body.len()) == body);
        peer.say(DONE);
        assert_eq!(text(sending.join().unwrap().unwrap()), "done");
    });
}

#[test]
fn the_limit_ends_an_upload_wherever_it_waits() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0]);
    // For more of the body.
    let (mut piped, _to) = Piped::new(None);
    thread::scope(|scope| {
        let sending = scope.spawn(|| {
            client.send_from(&Request::new("POST", "/"), &mut piped, Duration::from_millis(150)).unwrap_err()
        });
        let (mut peer, _) = asked(&upstream);
        assert_eq!(peer.rest(), b"");
        let error = sending.join().unwrap();
        assert!(matches!(error, Error::TimedOut { during: Phase::Send }), "{error:?}");
    });
    // For room.
    let token = CancelToken::new();
    thread::scope(|scope| {
        let limit = TimeLimit::new(Deadline::Never, &token);
        let mut upload = UploadFrom::new(io::repeat(b'x'), None);
        let sending =
            scope.spawn(move || client.send_from(&Request::new("POST", "/"), &mut upload, limit).unwrap_err());
        let (_peer, _) = asked(&upstream);
        thread::sleep(Duration::from_millis(50));
        token.cancel(CancelReason::ClientGone);
        let error = sending.join().unwrap();
        assert!(matches!(error, Error::Canceled(CancelReason::ClientGone)), "{error:?}");
    });
}

/// A tunnel, and its other end, which has said `early` together with its 101.
fn tunnel(early: &str, limit: impl Into<TimeLimit> + Send) -> (Tunnel, Peer) {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0, 0]);
    let request = Request::get("/chat").field("Connection", "Upgrade").field("Upgrade", "websocket");
    thread::scope(|scope| {
        let served = scope.spawn(|| {
            let (mut peer, head) = asked(&upstream);
            assert!(head.contains("\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"), "{head}");
            peer.say(format!("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n{early}"));
            peer
        });
        let response = client.send(&request, limit).unwrap();
        assert_eq!((response.status(), response.fields().len()), (101, 1));
        assert!(upstream.is_quiet(), "never hedged");
        (response.into_body().into_tunnel(), served.join().unwrap())
    })
}

#[test]
fn a_tunnel_passes_bytes_both_ways_until_each_end_has_said_its_last() {
    let (mut tunnel, mut peer) = tunnel("early", PATIENCE);
    assert_eq!(read_now(&mut tunnel, 5), b"early");
    assert!(tunnel.peek_now().unwrap().is_none());
    write_all(&mut tunnel, b"to the peer");
    assert_eq!(peer.exactly(11), b"to the peer");
    assert!(tunnel.finish_now().unwrap() && tunnel.flush_now().unwrap());
    assert_eq!(peer.rest(), b"", "one half is closed");
    peer.say("and back");
    assert_eq!(read_now(&mut tunnel, 8), b"and back");
    peer.say_end();
    assert!(is_at_end(&mut tunnel));
}

#[test]
fn a_tunnel_outlives_the_deadline_and_ends_with_the_token() {
    let token = CancelToken::new();
    let limit = Duration::from_millis(500);
    let (mut tunnel, mut peer) = tunnel("", TimeLimit::new(Deadline::after(limit), &token));
    thread::sleep(limit);
    peer.say("late");
    assert_eq!(read_now(&mut tunnel, 4), b"late");
    token.cancel(CancelReason::Shutdown);
    let error = tunnel.peek_now().unwrap_err();
    assert!(matches!(error.downcast().unwrap(), Error::Canceled(CancelReason::Shutdown)));
    assert_eq!(peer.rest(), b"");
}

#[test]
fn a_dropped_tunnel_is_closed() {
    let (tunnel, mut peer) = tunnel("", PATIENCE);
    drop(tunnel);
    assert_eq!(peer.rest(), b"");
}

#[test]
fn a_body_that_stops_coming_ends_its_request() {
    let (crew, upstream) = (crew(), Scripted::start());
    let settings = ClientSettings::new([upstream.url()]).body_idle_timeout(Duration::from_millis(50));
    let client = Client::new(&crew, settings).unwrap();
    let (piped, mut to) = Piped::new(Some(10));
    to.write_all(b"first").unwrap();
    let (result, _) = post(&client, piped, &[]);
    assert!(matches!(&result, Err(Error::Io(error)) if error.kind() == ErrorKind::TimedOut), "{result:?}");
    let (mut peer, _) = asked(&upstream);
    assert_eq!(peer.rest(), b"first");
}

#[test]
fn the_time_for_the_head_begins_when_the_body_was_sent() {
    const TIMEOUT: Duration = Duration::from_millis(50);
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0, 0]);
    let (mut piped, to) = Piped::new(None);
    thread::scope(|scope| {
        let request = Request::new("POST", "/").response_timeout(TIMEOUT);
        let sending = scope.spawn(move || client.send_from(&request, &mut piped, Deadline::Never));
        let (_peer, head) = asked(&upstream);
        assert!(head.contains("\r\nx-request-timeout-ms: 50\r\n"), "{head}");
        thread::sleep(TIMEOUT * 2);
        assert!(!sending.is_finished(), "the body may take its time");
        drop(to);
        let result = sending.join().unwrap();
        assert!(matches!(result, Err(Error::TimedOut { during: Phase::Head })), "{result:?}");
    });
}
