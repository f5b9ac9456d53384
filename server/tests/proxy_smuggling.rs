//! What can be read in two ways goes no further: not a byte of it reaches an upstream.
//!
//! The oracle (`oracle/over_proxy.rs`) does the same with generated requests.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::support::client::End;
use crate::support::proxied::one;

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

/// Heads, each with the status of its refusal.
const HEADS: &[(&str, u16)] = &[
    ("GET / HTTP/1.1\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400),
    ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
    ("GET / HTTP/1.1\nHost: a\n\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: a\r\n: a\r\n\r\n", 400),
];

/// Fields that leave in doubt where a body ends.
const BODIES: &[(&str, u16)] = &[
    ("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
    ("Transfer-Encoding: chunked\r\nContent-Length: 0\r\n", 400),
    ("Content-Length: 1\r\nContent-Length: 2\r\n", 400),
    ("Content-Length: 1\r\ncontent-length: 1\r\n", 400),
    ("Content-Length: 1, 1\r\n", 400),
    ("Content-Length: +1\r\n", 400),
    ("Content-Length: -1\r\n", 400),
    ("Content-Length: 0x1\r\n", 400),
    ("Content-Length: 1 1\r\n", 400),
    ("Content-Length:\r\n", 400),
    ("Content-Length: 18446744073709551616\r\n", 400),
    ("Content-Length : 1\r\n", 400),
    ("Transfer-Encoding:\r\n", 400),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 400),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", 400),
    ("Transfer-Encoding: gzip\r\n", 501),
    ("Transfer-Encoding: gzip, chunked\r\n", 501),
    ("Transfer-Encoding: chunked, identity\r\n", 501),
    ("Transfer-Encoding: chunked;a=b\r\n", 501),
    ("Transfer-Encoding: identity\r\n", 501),
    ("Transfer-Encoding: xchunked\r\n", 501),
    ("Transfer-Encoding: \"chunked\"\r\n", 501),
    ("Transfer-Encoding : chunked\r\n", 400),
    ("Transfer-Encoding: \x0bchunked\r\n", 400),
    ("Transfer-Encoding:\r\n chunked\r\n", 400),
    ("X: y\nTransfer-Encoding: chunked\r\n", 400),
    ("Expect: 200-ok\r\n", 417),
];

#[test]
fn what_can_be_read_in_two_ways_is_refused_before_a_byte_goes_upstream() {
    let (proxy, upstream) = one(&["--schedule", "0,0"]);
    let of_bodies = BODIES.iter().map(|(fields, status)| {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        (head, *status)
    });
    let old = ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(), 400);
    for (head, status) in HEADS.iter().map(|(head, status)| ((*head).to_owned(), *status)).chain(of_bodies).chain([old])
    {
        let mut client = proxy.connect();
        client.send(format!("{head}0\r\n\r\n{SMUGGLED}"));
        let (answer, _) = client.response();
        assert_eq!(answer.status(), status, "{head:?}");
        assert_eq!(client.end(), End::Closed, "nothing after it is read: {head:?}");
        upstream.assert_left_alone();
    }
}

#[test]
fn what_is_in_a_body_is_not_a_request() {
    let (proxy, upstream) = one(&[]);
    let length = SMUGGLED.len();
    for request in [
        format!("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}"),
        format!(
            "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{length:x}\r\n{SMUGGLED}\r\n0\r\n\r\n"
        ),
        format!("GET /a HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{SMUGGLED}"),
    ] {
        let mut client = proxy.connect();
        client.send(request);
        let (mut link, seen) = upstream.asked();
        assert_eq!(link.body(&seen), SMUGGLED.as_bytes());
        link.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok");
        assert_eq!(client.response().1, "ok");
        drop(client);
        assert_eq!(link.rest_and_end().0, "", "more than the request");
        upstream.assert_left_alone();
    }
}

#[test]
fn a_field_cannot_bring_a_line_of_its_own() {
    let (proxy, upstream) = one(&[]);
    // Bytes that some take for a line's end: they are refused, or arrive as what they are within their field.
    for byte in [0x85_u8, 0x0b, 0x0c, 0x1c, 0x00, 0x7f, 0xa0, 0x8a, 0x8d] {
        let mut client = proxy.connect();
        client.send([b"GET / HTTP/1.1\r\nHost: a\r\nX: a".as_slice(), &[byte], b"Y: b\r\n\r\n"].concat());
        if byte < 0x20 || byte == 0x7f {
            assert_eq!(client.response().0.status(), 400, "{byte:#x}");
            upstream.assert_left_alone();
            continue;
        }
        let (mut link, seen) = upstream.asked();
        assert_eq!(seen.field("x"), Some(&*format!("a{}Y: b", char::from(byte))));
        link.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(client.message().status(), 200);
    }
}
