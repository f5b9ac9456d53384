//! An upgraded connection is a tunnel: bytes in both directions, and each direction ends for itself.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::support::client::{Client, End};
use crate::support::proxied::{Proxied, one};
use crate::support::queues::{in_the_kernel, send_until_stuck};
use crate::support::script::{Link, Upstream};
use std::time::{Duration, Instant};

const UPGRADE: &str = "GET /chat?x HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCHED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// A tunnel through the proxy.
fn tunnel(proxy: &Proxied, upstream: &Upstream) -> (Client, Link) {
    let mut client = proxy.connect();
    client.send(UPGRADE);
    let (mut link, _) = upstream.asked();
    link.send(SWITCHED);
    assert_eq!(client.message().status(), 101);
    (client, link)
}

#[test]
fn an_upgrade_passes_and_the_connection_becomes_a_tunnel() {
    let (proxy, upstream) = one(&["--schedule", "0,0"]);
    let mut client = proxy.connect();
    client.send(UPGRADE);
    let (mut link, seen) = upstream.asked();
    assert_eq!(seen.start, "GET /chat?x HTTP/1.1");
    assert_eq!((seen.field("upgrade"), seen.field("sec-websocket-version")), (Some("websocket"), Some("13")));
    assert!(seen.all("connection").join(",").eq_ignore_ascii_case("upgrade"), "{seen:?}");
    link.send(SWITCHED);
    let head = client.message();
    assert_eq!((head.status(), head.field("upgrade")), (101, Some("websocket")));
    assert!(head.all("connection").join(",").eq_ignore_ascii_case("upgrade"), "{head:?}");
    assert_eq!(head.field("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    assert_eq!((head.field("content-length"), head.field("transfer-encoding")), (None, None));
    for word in ["\0\x01\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "0\r\n\r\n"] {
        client.send(word);
        assert_eq!(link.take(word.len()), word.as_bytes());
        link.send(word);
        assert_eq!(client.take(word.len()), word.as_bytes());
    }
    // Sent once, though hedges were due at once.
    upstream.assert_left_alone();
}

#[test]
fn what_comes_right_behind_the_heads_is_in_the_tunnel() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    client.send(format!("{UPGRADE}from the client"));
    let (mut link, _) = upstream.asked();
    link.send(format!("{SWITCHED}from the upstream"));
    assert_eq!(client.message().status(), 101);
    assert_eq!(client.take(17), b"from the upstream");
    assert_eq!(link.take(15), b"from the client");
}

#[test]
fn each_side_may_close_its_half_and_hear_the_other_s() {
    let (proxy, upstream) = one(&[]);
    let (mut client, mut link) = tunnel(&proxy, &upstream);
    client.send("last").half_close();
    assert_eq!(link.take(4), b"last");
    assert_eq!(link.end(), End::Closed);
    link.send("still").send("here");
    assert_eq!(client.take(9), b"stillhere");
    link.half_close();
    assert_eq!(client.end(), End::Closed);

    let (mut client, mut link) = tunnel(&proxy, &upstream);
    link.send("last").half_close();
    assert_eq!(client.take(4), b"last");
    assert_eq!(client.end(), End::Closed);
    client.send("still").send("here");
    assert_eq!(link.take(9), b"stillhere");
    client.half_close();
    assert_eq!(link.end(), End::Closed);
}

#[test]
fn a_side_that_breaks_off_ends_the_other() {
    let (proxy, upstream) = one(&[]);
    let (client, mut link) = tunnel(&proxy, &upstream);
    client.reset();
    link.end();
    let (mut client, link) = tunnel(&proxy, &upstream);
    link.reset();
    client.end();
}

#[test]
fn a_tunnel_at_rest_ends_after_its_idle_timeout_and_not_before() {
    let idle = Duration::from_millis(300);
    let (proxy, upstream) =
        one(&["--tunnel-idle-timeout", "300ms", "--body-idle-timeout", "10ms", "--timeout", "200ms"]);
    let (mut client, mut link) = tunnel(&proxy, &upstream);
    // Bytes in either direction keep it.
    let began = Instant::now();
    while began.elapsed() < idle {
        client.send("a");
        link.take(1);
        link.send("b");
        client.take(1);
    }
    let rest = Instant::now();
    client.end();
    link.end();
    assert!(rest.elapsed() + Duration::from_millis(20) >= idle, "{:?}", rest.elapsed());
}

#[test]
fn a_tunnel_holds_no_more_than_a_buffer() {
    let (proxy, upstream) = one(&[]);
    let (mut client, mut link) = tunnel(&proxy, &upstream);
    let piece: Vec<u8> = (0..1_u32 << 20).map(|at| (at % 249) as u8).collect();
    let much = 256 << 20;
    // Both are full at once, and neither end reads.
    let there = send_until_stuck(&mut client, &piece, much);
    let back = send_until_stuck(&mut link, &piece, much);
    let held = (there + back).saturating_sub(in_the_kernel(&[&client, &link]));
    assert!(there < much && back < much, "{there} {back}");
    assert!(held <= 2 * (64 << 10) + 1_024, "{held} held of {there} and {back}");
    for (end, mut left) in [(&mut client, back), (&mut link, there)] {
        while left > 0 {
            let part = end.take(left.min(piece.len()));
            assert!(part == piece[..part.len()]);
            left -= part.len();
        }
    }
}

#[test]
fn an_upgrade_that_is_not_wanted_is_an_ordinary_answer() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    for status in [200, 400, 426] {
        client.send(UPGRADE);
        let (mut link, _) = upstream.asked();
        link.send(format!("HTTP/1.1 {status} No\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno"));
        let (head, body) = client.response();
        assert_eq!((head.status(), body.as_str()), (status, "no"));
    }
}

#[test]
fn an_upgrade_that_connection_does_not_name_or_of_http_1_0_is_none() {
    let (proxy, upstream) = one(&[]);
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n",
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let mut client = proxy.connect();
        client.send(request);
        let (mut link, seen) = upstream.asked();
        assert_eq!(seen.field("upgrade"), None, "{request}");
        // And one who switches unasked is no upstream.
        link.send(SWITCHED);
        assert_eq!(client.message().status(), 502);
    }
}

#[test]
fn a_client_that_leaves_ends_its_upgrade_and_its_tunnel() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    client.send(UPGRADE);
    let (mut link, _) = upstream.asked();
    client.reset();
    link.end();
    let (client, mut link) = tunnel(&proxy, &upstream);
    drop(client);
    assert_eq!(link.end(), End::Closed);
}

#[test]
fn a_drain_ends_tunnels_at_its_end() {
    let (mut proxy, upstream) = one(&["--drain-timeout", "100ms"]);
    let (mut client, mut link) = tunnel(&proxy, &upstream);
    proxy.process.signal(rustix::process::Signal::TERM);
    client.end();
    link.end();
    assert_eq!(proxy.process.wait().0.code(), Some(0), "{:#?}", proxy.process.stderr);
}
