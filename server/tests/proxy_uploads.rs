//! Request bodies, in every framing, whole and cut, waited for and refused.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::support::client::{Client, End};
use crate::support::message::Framing;
use crate::support::proxied::one;
use crate::support::script::Upstream;

const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";

#[test]
fn a_body_with_a_length_streams_through_as_it_comes() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nabc");
    let (mut link, seen) = upstream.asked();
    assert_eq!(seen.framing(), Framing::Length(6));
    // The second half is sent only after the first has arrived.
    assert_eq!(link.take(3), b"abc");
    client.send("def");
    assert_eq!(link.take(3), b"def");
    link.send(DONE);
    assert_eq!(client.response().1, "done");
}

#[test]
fn a_body_in_chunks_streams_through_in_chunks() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    client.send("PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n");
    let (mut link, seen) = upstream.asked();
    assert_eq!(seen.framing(), Framing::Chunked);
    assert_eq!(link.chunk(), b"abc");
    client.send("1\r\nd\r\n");
    assert_eq!(link.chunk(), b"d");
    client.send("0\r\nX-Trailer: t\r\n\r\n");
    let end = String::from_utf8(link.until("\r\n\r\n")).unwrap();
    assert!(["0\r\n\r\n", "0\r\nX-Trailer: t\r\n\r\n"].contains(&end.as_str()), "{end:?}");
    link.send(DONE);
    assert_eq!(client.response().1, "done");
}

#[test]
fn a_body_longer_than_any_buffer_arrives_whole() {
    let (proxy, upstream) = one(&[]);
    let piece: Vec<u8> = (0..70_001_u32).map(|at| (at * 11 % 253) as u8).collect();
    let pieces = 200;
    let whole = piece.repeat(pieces);
    for chunked in [false, true] {
        let mut client = proxy.connect();
        let (piece, body) = (piece.clone(), whole.clone());
        let sender = std::thread::spawn(move || {
            if chunked {
                client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
                for _ in 0..pieces {
                    client.send([format!("{:X}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat());
                }
                client.send("0\r\n\r\n");
            } else {
                client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len())).send(body);
            }
            client.response().1
        });
        let (mut link, seen) = upstream.asked();
        assert!(link.body(&seen) == whole, "chunked: {chunked}");
        link.send(DONE);
        assert_eq!(sender.join().unwrap(), "done");
    }
}

#[test]
fn no_body_is_no_body_and_an_empty_one_is_empty() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    for (fields, framing) in [
        ("", Framing::None),
        ("Content-Length: 0\r\n", Framing::Length(0)),
        ("Transfer-Encoding: chunked\r\n", Framing::Chunked),
    ] {
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
        if framing == Framing::Chunked {
            client.send("0\r\n\r\n");
        }
        let (mut link, seen) = upstream.asked();
        assert_eq!(seen.framing(), framing);
        assert_eq!(link.body(&seen), b"");
        link.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ndone");
        assert_eq!(client.response().1, "done");
    }
}

#[test]
fn a_client_of_http_1_0_uploads_too() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    client.send("POST /a HTTP/1.0\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\nabc");
    let (mut link, seen) = upstream.asked();
    assert_eq!((seen.start.as_str(), link.body(&seen)), ("POST /a HTTP/1.1", b"abc".to_vec()));
    // RFC 9110, 10.1.1 and 15.2: no interim response to HTTP/1.0, whoever sent it.
    link.send("HTTP/1.1 100 Continue\r\n\r\n").send(DONE);
    assert_eq!(client.response().1, "done");
}

/// A request's head and a part of its body.
const BEGUN: [&str; 3] = [
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nbegun",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nbegun",
];

#[test]
fn a_request_that_its_client_cuts_never_looks_whole_upstream() {
    let (proxy, upstream) = one(&[]);
    let cuts: [fn(Client); 3] = [drop, Client::reset, |mut client: Client| {
        client.half_close();
        // What it is told, if anything, is that this was no request.
        let told = client.rest_and_end().0;
        assert!(told.is_empty() || told.starts_with("HTTP/1.1 4"), "{told}");
    }];
    for begun in BEGUN {
        for cut in cuts {
            let mut client = proxy.connect();
            client.send(begun);
            let (mut link, _) = upstream.asked();
            link.until("begun");
            cut(client);
            let rest = link.rest_and_end().0;
            assert!(["", "\r\n"].contains(&rest.as_str()), "{begun:?} went on with {rest:?}");
        }
    }
    upstream.assert_left_alone();
}

#[test]
fn a_malformed_chunk_of_a_client_never_looks_whole_upstream() {
    let (proxy, upstream) = one(&[]);
    for bad in
        ["z\r\n", "-1\r\n", "5\nbegun\n", "0\r\nX : y\r\n\r\n", "10000000000000000\r\n", "3\r\nabcde", "\r\n0\r\n\r\n"]
    {
        let mut client = proxy.connect();
        client.send(BEGUN[1]);
        let (mut link, _) = upstream.asked();
        link.until("begun");
        client.send(bad).send("0\r\n\r\n");
        let rest = link.rest_and_end().0;
        assert!(!rest.contains("0\r\n\r\n"), "{bad:?} ended well: {rest:?}");
        assert_eq!(client.message().status(), 400, "{bad:?}");
    }
}

#[test]
fn a_body_that_comes_no_more_is_ended() {
    let (proxy, upstream) = one(&["--body-idle-timeout", "200ms"]);
    for begun in BEGUN {
        let mut client = proxy.connect();
        client.send(begun);
        let (mut link, _) = upstream.asked();
        link.until("begun");
        let rest = link.rest_and_end().0;
        assert!(["", "\r\n"].contains(&rest.as_str()), "{begun:?} went on with {rest:?}");
        assert_eq!(client.message().status(), 408);
    }
}

const EXPECTING: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";

#[test]
fn an_upstream_that_says_continue_gets_the_body() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    client.send(EXPECTING);
    let (mut link, seen) = upstream.asked();
    assert_eq!(seen.field("expect"), Some("100-continue"));
    link.send("HTTP/1.1 100 Continue\r\n\r\n");
    assert_eq!(client.message().status(), 100);
    client.send("body");
    assert_eq!(link.take(4), b"body");
    link.send(DONE);
    assert_eq!(client.response().1, "done", "after one 100 and no more");
}

#[test]
fn an_upstream_that_refuses_an_expected_body_is_not_sent_it() {
    let (proxy, upstream) = one(&[]);
    for status in [417, 413, 401, 302] {
        let mut client = proxy.connect();
        client.send(EXPECTING);
        let (mut link, _) = upstream.asked();
        link.send(format!("HTTP/1.1 {status} No\r\nContent-Length: 2\r\n\r\nno"));
        let (head, body) = client.response();
        assert_eq!((head.status(), body.as_str()), (status, "no"), "first of all: no 100");
        drop(client);
        assert_eq!(link.rest_and_end().0, "", "a request without its body is over with its connection");
    }
}

#[test]
fn an_upstream_that_never_says_continue_gets_the_body_of_a_client_that_does_not_wait() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    client.send(EXPECTING);
    let (mut link, _) = upstream.asked();
    client.send("body");
    assert_eq!(link.take(4), b"body");
    link.send(DONE);
    let mut head = client.message();
    if head.status() == 100 {
        head = client.message();
    }
    assert_eq!((head.status(), client.body(&head)), (200, b"done".to_vec()));
}

/// Sends the head of an endless request, and answers it before its end.
fn answered_early(client: &mut Client, upstream: &Upstream, answer: &str) -> Client {
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n");
    let (mut link, _) = upstream.asked();
    assert_eq!(link.chunk(), b"begun");
    link.send(answer);
    link
}

#[test]
fn an_answer_comes_before_the_body_has_ended_and_both_flow_at_once() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n";
    let mut link = answered_early(&mut client, &upstream, answer);
    let head = client.message();
    // Nobody knows yet whether the request will be read to its end; so it may be the connection's last.
    let closes = head.field("connection") == Some("close");
    assert_eq!((head.status(), client.chunk()), (200, b"yes".to_vec()));
    // Each waits for the other: only both directions at once get through this.
    for turn in ["one", "two", "six"] {
        client.send(format!("3\r\n{turn}\r\n"));
        assert_eq!(link.chunk(), turn.as_bytes());
        link.send(format!("3\r\n{turn}\r\n"));
        assert_eq!(client.chunk(), turn.as_bytes());
    }
    client.send("0\r\n\r\n");
    assert_eq!(link.chunk(), b"");
    link.send("0\r\n\r\n");
    assert_eq!(client.chunk(), b"");
    if closes {
        assert_eq!(client.end(), End::Closed);
    } else {
        client.get("/next");
        assert_eq!(upstream.asked().1.start, "GET /next HTTP/1.1");
    }
}

#[test]
fn a_whole_answer_ends_a_request_whose_body_goes_on() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    let mut link = answered_early(&mut client, &upstream, "HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno");
    let (head, body) = client.response();
    assert_eq!((head.status(), body.as_str()), (413, "no"));
    // Nobody wants the rest; the client reads the answer, not a reset, and then the end.
    client.send("5\r\nstill\r\n");
    assert_eq!(client.half_close().end(), End::Closed);
    let rest = link.rest_and_end().0;
    assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
}

#[test]
fn an_upstream_that_answers_and_resets_in_the_middle_of_the_body_is_heard() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    let answer = "HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
    let link = answered_early(&mut client, &upstream, answer);
    let (head, body) = client.response();
    assert_eq!((head.status(), body.as_str()), (413, "no"));
    link.reset();
    // More of the body than any buffer takes: it is read and dropped, or the connection ends, but nobody hangs.
    let piece = [b"10000\r\n".as_slice(), &[b'x'; 0x1_0000], b"\r\n"].concat();
    for _ in 0..64 {
        client.send(&piece);
    }
    client.rest_and_end();
}
