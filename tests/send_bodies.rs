//! Responses and their bodies as they come: what is passed on, where a body ends, when a connection goes on.

#![cfg(all(feature = "http", unix))]

use crate::support::scripted::{Peer, Scripted, client, client_with, crew};
use headstart::http::{Request, Response};
use headstart::relay::Duplex;
use headstart::{CancelReason, CancelToken, Client, Deadline, Error, Phase, TimeLimit};
use headstart_testing::PATIENCE;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{BufRead, ErrorKind, Read};
use std::thread;
use std::time::{Duration, Instant};

const FAR: u64 = 100_000;

/// Sends `request` while the upstream answers it by `answer`, and returns the response, and what `answer` did.
fn exchange<T: Send>(
    client: &Client,
    request: &Request,
    upstream: &Scripted,
    answer: impl FnOnce(&mut Peer) -> T + Send,
) -> (Response, Peer, T) {
    thread::scope(|scope| {
        let served = scope.spawn(|| {
            let mut peer = upstream.accept();
            let result = answer(&mut peer);
            (peer, result)
        });
        let response = client.send(request, PATIENCE).unwrap();
        let (peer, result) = served.join().unwrap();
        (response, peer, result)
    })
}

fn says(said: impl AsRef<[u8]> + Send) -> impl FnOnce(&mut Peer) + Send {
    move |peer| {
        peer.head();
        peer.say(said);
    }
}

fn text(response: &mut Response) -> String {
    let mut text = String::new();
    response.body_mut().read_to_string(&mut text).unwrap();
    text
}

/// The error of ours within one of reading.
fn inner(error: std::io::Error) -> Error {
    error.downcast().unwrap()
}

/// What has come of a body within reason, without taking it.
fn peeked(response: &mut Response) -> Vec<u8> {
    let body = response.body_mut();
    while body.peek_now().unwrap().is_none() {
        let mut polled = [PollFd::from_borrowed_fd(Duplex::as_fd(body), PollFlags::IN)];
        assert_eq!(poll(&mut polled, Some(&Timespec::try_from(PATIENCE).unwrap())).unwrap(), 1);
    }
    body.buffered().to_vec()
}

#[test]
fn a_response_is_passed_on_as_it_was_sent() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0, FAR]);
    let said = "HTTP/1.1 203 Nearly There\r\nSet-Cookie: a=1\r\nX-Empty:\r\nset-cookie:b=2  \r\n\
                Content-Length: 5\r\n\r\nhello";
    let request = Request::get("/a%2Fb//c?d=%20&e").field("X-One", "1").field("x-one", "2").field("Accept", "a/b");
    let (mut response, _peer, head) = exchange(&client, &request, &upstream, |peer| {
        let head = peer.head();
        peer.say(said);
        head
    });
    assert!(head.starts_with("GET /a%2Fb//c?d=%20&e HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("\r\nX-One: 1\r\nx-one: 2\r\nAccept: a/b\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nhost: {}\r\n", upstream.address())), "{head}");
    for invented in ["user-agent", "accept-encoding", "content-length", "connection"] {
        assert!(!head.to_ascii_lowercase().contains(&format!("\n{invented}:")), "{head}");
    }
    assert_eq!((response.status(), response.reason(), response.attempt()), (203, &b"Nearly There"[..], 0));
    assert_eq!(response.upstream(), upstream.address().to_string());
    assert_eq!(
        response.fields().as_bytes(),
        b"Set-Cookie: a=1\r\nX-Empty: \r\nset-cookie: b=2\r\nContent-Length: 5\r\n"
    );
    assert_eq!((response.body().length(), response.body().buffered()), (Some(5), &b"hello"[..]));
    assert_eq!(client.idle_connections(), 0, "before the body is read");
    assert_eq!(text(&mut response), "hello");
    assert!(response.body().is_over());
    assert_eq!(client.idle_connections(), 1, "at once when the body is read");
}

#[test]
fn a_body_ends_where_its_framing_says_and_its_connection_goes_on_if_it_can() {
    for (said, closes, body, length, idle) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", false, "abc", Some(3), 1),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, "", Some(0), 1),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n",
            false,
            "abc",
            None,
            1,
        ),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", false, "", None, 1),
        ("HTTP/1.1 204 No Content\r\n\r\n", false, "", Some(0), 1),
        ("HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", false, "", Some(0), 1),
        ("HTTP/1.1 206 Partial\r\nContent-Range: bytes 0-0/9\r\nContent-Length: 1\r\n\r\na", false, "a", Some(1), 1),
        ("HTTP/1.1 200 OK\r\n\r\nabc", true, "abc", None, 0),
        ("HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", false, "abc", Some(3), 0),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", false, "abc", Some(3), 0),
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcHTTP/1.1 200 OK\r\n", false, "abc", Some(3), 0),
    ] {
        let (crew, upstream) = (crew(), Scripted::start());
        let client = client(&crew, &[&upstream], &[0]);
        let (mut response, mut peer, ()) = exchange(&client, &Request::get("/"), &upstream, |peer| {
            peer.head();
            peer.say(said);
            if closes {
                peer.say_end();
            }
        });
        assert_eq!((text(&mut response), response.body().length()), (body.to_owned(), length), "{said}");
        assert_eq!(client.idle_connections(), idle, "{said}");
        if idle == 0 {
            assert_eq!(peer.rest(), b"", "closed at once: {said}");
        }
    }
}

#[test]
fn what_answers_a_head_request_has_no_body_whatever_it_declares() {
    for fields in ["Content-Length: 1000\r\n", "Transfer-Encoding: chunked\r\n", ""] {
        let (crew, upstream) = (crew(), Scripted::start());
        let client = client(&crew, &[&upstream], &[0, FAR]);
        let said = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let (mut response, _peer, ()) = exchange(&client, &Request::new("HEAD", "/"), &upstream, says(said));
        assert!(response.body().is_over());
        assert_eq!((client.idle_connections(), response.body().length()), (1, Some(0)));
        assert_eq!(text(&mut response), "");
    }
}

#[test]
fn trailer_fields_are_there_when_the_body_is_over() {
    let (crew, upstream) = (crew(), Scripted::start());
    let said = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\nx-b: 7\r\n\r\n";
    let client = client(&crew, &[&upstream], &[0]);
    let (mut response, _peer, ()) = exchange(&client, &Request::get("/"), &upstream, says(said));
    assert!(response.body().trailers().is_none());
    assert_eq!(text(&mut response), "abc");
    assert_eq!(response.body().trailers().unwrap().as_bytes(), b"X-Sum: 6\r\nx-b: 7\r\n");
}

#[test]
fn a_body_is_shown_as_it_comes_and_held_back_while_nobody_takes_it() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0]);
    let said = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    let (mut response, mut peer, ()) = exchange(&client, &Request::get("/"), &upstream, says(said));
    assert_eq!(peeked(&mut response), b"hello");
    response.body_mut().consume(2);
    assert_eq!(response.body().buffered(), b"llo");
    response.body_mut().consume(3);
    assert!(response.body_mut().peek_now().unwrap().is_none(), "nothing more has come");
    peer.say("6\r\n world\r\n");
    assert_eq!(peeked(&mut response), b" world");
    response.body_mut().consume(6);
    // What is not taken is not received either: in the end there is no room on the way.
    peer.socket.set_nonblocking(true).unwrap();
    let chunk = [&b"ffff\r\n"[..], &[b'x'; 0xffff], b"\r\n"].concat();
    let (mut written, mut part) = (0, 0);
    loop {
        response.body_mut().peek_now().unwrap();
        match std::io::Write::write(&mut peer.socket, &chunk[part..]) {
            Ok(bytes) => (written, part) = (written + bytes, (part + bytes) % chunk.len()),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(error) => panic!("{error}"),
        }
        assert!(written < 100 << 20, "an upstream that nobody holds back");
    }
    assert!(response.body().buffered().len() <= 64 << 10);
}

#[test]
fn a_body_that_is_cut_or_malformed_is_an_error_and_costs_the_connection() {
    for (said, is_reset, is_malformed) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", false, false),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", true, false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", false, false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc", false, false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcX\r\n0\r\n\r\n", false, true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx\r\n\r\n", false, true),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx y\r\n\r\n", false, true),
        ("HTTP/1.1 200 OK\r\n\r\nabc", true, false),
    ] {
        let (crew, upstream) = (crew(), Scripted::start());
        let client = client(&crew, &[&upstream], &[0]);
        let (mut response, peer, ()) = exchange(&client, &Request::get("/"), &upstream, says(said));
        let mut read = [0; 3];
        response.body_mut().read_exact(&mut read).unwrap();
        assert_eq!(&read, b"abc");
        if is_reset {
            peer.reset()
        } else {
            drop(peer)
        }
        let error = inner(response.body_mut().read(&mut read).unwrap_err());
        match is_malformed {
            true => assert!(matches!(error, Error::Protocol(_)), "{said}: {error:?}"),
            false => assert!(matches!(error, Error::Lost { .. }), "{said}: {error:?}"),
        }
        assert!(response.body_mut().read(&mut read).is_err(), "again");
        assert_eq!(client.idle_connections(), 0);
    }
}

#[test]
fn a_head_that_can_be_read_in_two_ways_is_a_failure() {
    for said in [
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "SSH-2.0-x\r\n\r\n",
    ] {
        let (crew, upstream) = (crew(), Scripted::start());
        let client = client(&crew, &[&upstream], &[0]);
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut peer = upstream.accept();
                peer.head();
                peer.say(said);
                assert_eq!(peer.rest(), b"");
            });
            let result = client.send(&Request::get("/"), PATIENCE);
            assert!(matches!(result, Err(Error::Protocol(_))), "{said}: {result:?}");
        });
    }
}

#[test]
fn interim_responses_are_told() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0]);
    let said = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\nLink: </b>\r\n\r\n\
                HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    let (response, _peer, ()) = exchange(&client, &Request::get("/"), &upstream, says(said));
    assert_eq!((response.status(), response.interim().len()), (200, 1));
    assert_eq!(response.interim()[0].status, 103);
    assert_eq!(response.interim()[0].fields.as_bytes(), b"Link: </a>\r\nLink: </b>\r\n");
    let many = "HTTP/1.1 102 x\r\n\r\n".repeat(1_000) + "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    thread::scope(|scope| {
        scope.spawn(|| says(many)(&mut upstream.accept()));
        drop(response);
        // The first connection is idle: its upstream sees the request, and the test closes it.
        drop(_peer);
        let result = client.send(&Request::get("/"), PATIENCE);
        assert!(matches!(result, Err(Error::Protocol(_))), "{result:?}");
    });
}

#[test]
fn a_body_that_is_dropped_before_its_end_closes_its_connection() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0]);
    let said = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc";
    let (response, mut peer, ()) = exchange(&client, &Request::get("/"), &upstream, says(said));
    assert!(peer.hears_nothing());
    drop(response);
    assert_eq!((peer.rest(), client.idle_connections()), (vec![], 0));
}

#[test]
fn the_wait_between_bytes_is_bounded_and_the_deadline_is_that_of_the_head_only() {
    const IDLE: Duration = Duration::from_millis(150);
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client_with(&crew, &[&upstream], &[0], |settings| settings.body_idle_timeout(IDLE));
    thread::scope(|scope| {
        let served = scope.spawn(|| {
            let mut peer = upstream.accept();
            peer.head();
            peer.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
            peer
        });
        let limit = Duration::from_secs(1);
        let began = Instant::now();
        let mut response = client.send(&Request::get("/"), limit).unwrap();
        let mut peer = served.join().unwrap();
        let mut read = [0; 3];
        response.body_mut().read_exact(&mut read).unwrap();
        thread::sleep((limit + Duration::from_millis(50)).saturating_sub(began.elapsed()));
        peer.say("def");
        response.body_mut().read_exact(&mut read).unwrap();
        let waits = Instant::now();
        let error = response.body_mut().read(&mut read).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(matches!(inner(error), Error::TimedOut { during: Phase::Body }));
        assert!(waits.elapsed() >= IDLE, "{:?}", waits.elapsed());
        assert_eq!(peer.rest(), b"");
    });
}

#[test]
fn the_token_of_the_limit_ends_the_body() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0, FAR]);
    let token = CancelToken::new();
    thread::scope(|scope| {
        let served = scope.spawn(|| {
            let mut peer = upstream.accept();
            peer.head();
            peer.say("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
            peer
        });
        let mut response = client.send(&Request::get("/"), TimeLimit::new(Deadline::Never, &token)).unwrap();
        let mut peer = served.join().unwrap();
        assert_eq!(response.body_mut().fill_buf().unwrap(), b"abc");
        response.body_mut().consume(3);
        let reading = scope.spawn(move || response.body_mut().fill_buf().map(<[u8]>::len).unwrap_err());
        token.cancel(CancelReason::ClientGone);
        assert!(matches!(inner(reading.join().unwrap()), Error::Canceled(CancelReason::ClientGone)));
        assert_eq!(peer.rest(), b"", "the connection is closed");
    });
}

#[test]
fn a_large_body_arrives_whole() {
    let (crew, upstream) = (crew(), Scripted::start());
    let client = client(&crew, &[&upstream], &[0]);
    let body: Vec<u8> = (0..5_000_000_u32).flat_map(u32::to_le_bytes).collect();
    for is_chunked in [false, true] {
        thread::scope(|scope| {
            let served = scope.spawn(|| {
                let mut peer = upstream.accept();
                peer.head();
                if !is_chunked {
                    peer.say(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len()));
                    peer.say(&body);
                } else {
                    peer.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
                    for chunk in body.chunks(70_001) {
                        peer.say(format!("{:x}\r\n", chunk.len()));
                        peer.say(chunk);
                        peer.say("\r\n");
                    }
                    peer.say("0\r\n\r\n");
                }
            });
            let mut read = Vec::new();
            client.send(&Request::get("/"), PATIENCE).unwrap().into_body().read_to_end(&mut read).unwrap();
            assert!(read == body);
            served.join().unwrap();
        });
    }
}
