//! Response bodies in every framing, towards every kind of client.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::support::client::{Client, End};
use crate::support::message::{Framing, Message};
use crate::support::proxied::one;
use crate::support::script::{Link, Upstream};

/// Asks with this request, and returns the upstream's end of it.
fn ask(client: &mut Client, upstream: &Upstream, request: &str) -> Link {
    client.send(request);
    upstream.asked().0
}

const PLAIN: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OLD: &str = "GET / HTTP/1.0\r\nHost: a\r\n\r\n";

#[test]
fn a_body_with_a_length_comes_with_it() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    for body in ["", "a", &"b".repeat(100_000)] {
        let mut link = ask(&mut client, &upstream, PLAIN);
        link.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
        let (head, came) = client.response();
        assert_eq!((head.framing(), came == body), (Framing::Length(body.len()), true));
    }
}

#[test]
fn a_body_in_chunks_comes_in_chunks_without_extensions() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    let big = "x".repeat(70_000);
    for (sent, body) in [
        ("0\r\n\r\n", ""),
        ("1\r\na\r\n002;x=y\r\nbc\r\n3;\"q\";z\r\ndef\r\n000\r\n\r\n", "abcdef"),
        ("6\r\n0\r\n\r\n\n\r\n0;last\r\n\r\n", "0\r\n\r\n\n"),
        (&format!("{:X}\r\n{big}\r\n0\r\n\r\n", big.len()), &big),
    ] {
        let mut link = ask(&mut client, &upstream, PLAIN);
        link.send(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{sent}"));
        let head = client.message();
        assert_eq!(head.framing(), Framing::Chunked);
        let mut came = Vec::new();
        loop {
            let chunk = client.chunk();
            if chunk.is_empty() {
                break;
            }
            came.extend_from_slice(&chunk);
        }
        assert!(came == body.as_bytes(), "{sent:?}");
    }
}

#[test]
fn a_body_until_the_close_comes_in_chunks_and_the_client_stays() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    for body in ["", "the whole"] {
        for version in ["1.0", "1.1"] {
            let mut link = ask(&mut client, &upstream, PLAIN);
            link.send(format!("HTTP/{version} 200 OK\r\n\r\n{body}"));
            drop(link);
            let (head, came) = client.response();
            assert_eq!((head.framing(), came.as_str()), (Framing::Chunked, body));
        }
    }
}

#[test]
fn a_client_of_http_1_0_gets_no_chunks_but_the_end() {
    let (proxy, upstream) = one(&[]);
    for sent in
        ["Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n", "Connection: close\r\n\r\nabcdef"]
    {
        let mut client = proxy.connect();
        let mut link = ask(&mut client, &upstream, OLD);
        link.send(format!("HTTP/1.1 200 OK\r\n{sent}"));
        drop(link);
        let head = client.message();
        assert_eq!((head.status(), head.framing()), (200, Framing::None), "{head:?}");
        assert_eq!(client.rest_and_end(), ("abcdef".to_owned(), End::Closed));
    }
    let mut client = proxy.connect();
    let mut link = ask(&mut client, &upstream, OLD);
    link.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    let head = client.message();
    assert_eq!(head.framing(), Framing::Length(3));
    assert_eq!(client.rest_and_end(), ("abc".to_owned(), End::Closed));
}

#[test]
fn a_client_that_asks_for_the_close_gets_it_in_every_framing() {
    let (proxy, upstream) = one(&[]);
    for (sent, came) in [
        ("Content-Length: 3\r\n\r\nabc", "abc"),
        ("Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "3\r\nabc\r\n0\r\n\r\n"),
        ("\r\nabc", "3\r\nabc\r\n0\r\n\r\n"),
    ] {
        let mut client = proxy.connect();
        let mut link = ask(&mut client, &upstream, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        link.send(format!("HTTP/1.1 200 OK\r\n{sent}"));
        drop(link);
        assert_eq!(client.message().field("connection"), Some("close"));
        assert_eq!(client.rest_and_end(), (came.to_owned(), End::Closed), "{sent:?}");
    }
}

#[test]
fn a_client_of_http_1_0_that_asks_for_it_keeps_its_connection() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    for _ in 0..2 {
        let mut link = ask(&mut client, &upstream, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        link.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc");
        let (head, body) = client.response();
        assert_eq!((head.field("connection"), body.as_str()), (Some("keep-alive"), "abc"));
    }
}

/// A response without a body leaves the connections usable: the next one begins right behind the head.
#[track_caller]
fn assert_bodiless(method: &str, head: &str) -> Message {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    let mut link = ask(&mut client, &upstream, &format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
    link.send(format!("HTTP/1.1 {head}\r\n\r\n"));
    let seen = client.message();
    client.send(PLAIN);
    assert_eq!(link.message().start, "GET / HTTP/1.1", "the upstream's connection is used again");
    link.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext");
    assert_eq!(client.response().1, "next", "after {head}");
    seen
}

#[test]
fn an_answer_to_head_has_the_length_of_a_get_and_no_body() {
    let seen = assert_bodiless("HEAD", "200 OK\r\nContent-Length: 12345\r\nContent-Type: x/y");
    assert_eq!((seen.field("content-length"), seen.field("content-type")), (Some("12345"), Some("x/y")));
    let seen = assert_bodiless("HEAD", "200 OK\r\nX: y");
    assert_eq!(seen.field("content-length"), None, "a length nobody told");
    let seen = assert_bodiless("HEAD", "200 OK\r\nTransfer-Encoding: chunked");
    assert_eq!(seen.field("content-length"), None);
}

#[test]
fn answers_without_a_body_have_none_whatever_their_fields_say() {
    let seen = assert_bodiless("GET", "204 No Content\r\nX: y");
    assert_eq!((seen.status(), seen.field("x"), seen.field("transfer-encoding")), (204, Some("y"), None));
    let seen = assert_bodiless("GET", "304 Not Modified\r\nContent-Length: 12345\r\nETag: \"a\"");
    assert_eq!((seen.status(), seen.field("etag"), seen.field("content-length")), (304, Some("\"a\""), Some("12345")));
    // RFC 9110, 8.6: a 204 has no length, not even 0.
    let seen = assert_bodiless("DELETE", "204 No Content\r\nContent-Length: 0");
    assert_eq!(seen.all("content-length"), [""; 0]);
}

#[test]
fn a_part_is_passed_on_as_the_part_it_is() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nRange: bytes=2-4\r\nIf-Range: \"v\"\r\n\r\n");
    let (mut link, seen) = upstream.asked();
    assert_eq!((seen.field("range"), seen.field("if-range")), (Some("bytes=2-4"), Some("\"v\"")));
    link.send("HTTP/1.1 206 Partial Content\r\nContent-Range: bytes 2-4/10\r\nContent-Length: 3\r\n\r\ncde");
    let (head, body) = client.response();
    assert_eq!((head.status(), head.field("content-range"), body.as_str()), (206, Some("bytes 2-4/10"), "cde"));
}

#[test]
fn interim_responses_pass_to_whom_they_may_be_sent() {
    let (proxy, upstream) = one(&[]);
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nConnection: x\r\nX: hop\r\n\r\n";
    let hinted = |request| {
        let mut client = proxy.connect();
        let mut link = ask(&mut client, &upstream, request);
        link.send(interim);
        link.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        client
    };
    let mut client = hinted(PLAIN);
    let early = client.message();
    assert_eq!((early.status(), early.field("link")), (103, Some("</a>; rel=preload")));
    assert_eq!(early.field("x"), None, "hop by hop");
    assert_eq!(client.response().1, "ok");
    assert_eq!(hinted(OLD).response().0.status(), 200, "HTTP/1.0 knows no interim responses");
}

#[test]
fn trailers_do_not_become_a_part_of_the_body_or_the_next_answer() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    let mut link = ask(&mut client, &upstream, PLAIN);
    link.send(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 6\r\n\r\n",
    );
    let head = client.message();
    assert_eq!((head.framing(), client.chunk()), (Framing::Chunked, b"abc".to_vec()));
    let end = String::from_utf8(client.until("\r\n\r\n")).unwrap();
    // Passed on or dropped: RFC 9110, 6.5.1 allows both.
    assert!(["0\r\n\r\n", "0\r\nX-Sum: 6\r\n\r\n"].contains(&end.as_str()), "{end:?}");
    client.send(PLAIN);
    link.message();
    link.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnext");
    assert_eq!(client.response().1, "next");
}

#[test]
fn what_an_upstream_says_after_its_answer_is_nobody_s() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    for _ in 0..3 {
        // Every one over a connection of its own: that of the one before is given up.
        let mut link = ask(&mut client, &upstream, PLAIN);
        let forged = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged";
        link.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrue{forged}"));
        assert_eq!(client.response().1, "true");
    }
}

#[test]
fn a_body_in_the_smallest_pieces_arrives_whole() {
    let (proxy, upstream) = one(&["--schedule", "0,0"]);
    let mut client = proxy.connect();
    client.get("/");
    let [mut one, other] = [upstream.asked().0, upstream.asked().0];
    let chunks: String = (0..50_000).map(|at| format!("1\r\n{}\r\n", at % 10)).collect();
    let sender = std::thread::spawn(move || {
        one.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").send(chunks).send("0\r\n\r\n");
        one
    });
    let (_, body) = client.response();
    assert!(body.len() == 50_000 && body.bytes().enumerate().all(|(at, byte)| byte == b'0' + (at % 10) as u8));
    drop((sender.join().unwrap(), other));
}

#[test]
fn a_body_longer_than_any_buffer_arrives_whole() {
    let (proxy, upstream) = one(&[]);
    for framing in ["Content-Length", "Transfer-Encoding", "none"] {
        let mut client = proxy.connect();
        let mut link = ask(&mut client, &upstream, PLAIN);
        let piece: Vec<u8> = (0..70_001_u32).map(|at| (at * 7 % 251) as u8).collect();
        let pieces = 200;
        let whole = piece.repeat(pieces);
        let sender = std::thread::spawn(move || match framing {
            "Content-Length" => {
                link.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", piece.len() * pieces));
                link.send(piece.repeat(pieces));
            }
            "Transfer-Encoding" => {
                link.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                for _ in 0..pieces {
                    link.send([format!("{:x}\r\n", piece.len()).as_bytes(), &piece, b"\r\n"].concat());
                }
                link.send("0\r\n\r\n");
            }
            _ => {
                link.send("HTTP/1.1 200 OK\r\n\r\n").send(piece.repeat(pieces));
            }
        });
        let head = client.message();
        assert!(client.body(&head) == whole, "{framing}");
        sender.join().unwrap();
    }
}
