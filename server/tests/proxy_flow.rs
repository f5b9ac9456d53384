//! Streams flow as fast as their slower end, and no more of them is held than a buffer.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::support::client::Client;
use crate::support::large::{download, upload};
use crate::support::message::Framing;
use crate::support::proxied::one;
use crate::support::queues::{in_the_kernel, send_until_stuck};

/// Far more than all buffers between two ends.
const MUCH: usize = 256 << 20;
/// What the proxy may hold of a body, each way.
const HELD: usize = 64 << 10;
/// By how much the heads differ that go before the bodies.
const HEADS: usize = 2 << 10;

fn piece() -> Vec<u8> {
    (0..1_u32 << 20).map(|at| (at * 7 % 251) as u8).collect()
}

/// Reads as many bytes as `sent` and sees that they are those of [`send_until_stuck`].
fn read_back(from: &mut Client, piece: &[u8], mut left: usize) {
    while left > 0 {
        let part = from.take(left.min(piece.len()));
        assert!(part == piece[..part.len()], "with {left} bytes to go");
        left -= part.len();
    }
}

#[test]
fn a_client_that_does_not_read_holds_the_upstream_back() {
    let (proxy, upstream) = one(&[]);
    let before = proxy.peak_memory();
    let mut client = proxy.connect();
    client.get("/");
    let (mut link, _) = upstream.asked();
    let piece = piece();
    link.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n"));
    let sent = send_until_stuck(&mut link, &piece, MUCH);
    let held = sent.saturating_sub(in_the_kernel(&[&link, &client]));
    assert!(sent < MUCH, "{sent} bytes, and nobody read");
    assert!(held <= HELD + HEADS, "{held} bytes held by the proxy, of {sent} sent");
    let grown = proxy.peak_memory() - before;
    assert!(grown < 2 << 10, "{grown} KiB more memory");
    // As it reads, everything comes, and then the rest flows.
    let head = client.message();
    assert_eq!(head.framing(), Framing::Length(MUCH));
    read_back(&mut client, &piece, sent);
    let more = piece.len() - sent % piece.len();
    link.send(&piece[sent % piece.len()..]);
    assert!(client.take(more) == piece[piece.len() - more..]);
}

#[test]
fn an_upstream_that_does_not_read_holds_the_client_back() {
    let (proxy, upstream) = one(&[]);
    let before = proxy.peak_memory();
    let mut client = proxy.connect();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {MUCH}\r\n\r\n"));
    let (mut link, seen) = upstream.asked();
    assert_eq!(seen.framing(), Framing::Length(MUCH));
    let piece = piece();
    let sent = send_until_stuck(&mut client, &piece, MUCH);
    let held = sent.saturating_sub(in_the_kernel(&[&link, &client]));
    assert!(sent < MUCH, "{sent} bytes, and nobody read");
    assert!(held <= HELD + HEADS, "{held} bytes held by the proxy, of {sent} sent");
    let grown = proxy.peak_memory() - before;
    assert!(grown < 2 << 10, "{grown} KiB more memory");
    read_back(&mut link, &piece, sent);
    client.send(&piece[sent % piece.len()..]);
    link.take(piece.len() - sent % piece.len());
}

#[test]
fn a_body_of_any_size_leaves_the_memory_flat() {
    let (proxy, upstream) = one(&[]);
    // Once each way, so that everything is there that stays.
    download(proxy.address, &upstream, 1 << 20);
    upload(proxy.address, &upstream, 1 << 20);
    let before = proxy.peak_memory();
    download(proxy.address, &upstream, MUCH);
    upload(proxy.address, &upstream, MUCH);
    let grown = proxy.peak_memory() - before;
    assert!(grown < 1 << 10, "{grown} KiB more memory");
}

#[test]
fn an_event_leaves_when_it_comes_while_the_stream_stays_open() {
    let (proxy, upstream) = one(&["--schedule", "0,30000"]);
    let mut client = proxy.connect();
    client.get("/events");
    let (mut link, _) = upstream.asked();
    // Nobody waits for a first event to see the head; no rival is begun for it.
    link.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n");
    let head = client.message();
    assert_eq!((head.field("content-type"), head.framing()), (Some("text/event-stream"), Framing::Chunked));
    for event in ["data: 1\n\n", ":\n\n", "data: 2\n\n"] {
        link.send(event);
        assert_eq!(client.chunk(), event.as_bytes());
    }
    drop(link);
    assert_eq!(client.chunk(), b"");
    upstream.assert_left_alone();
}

#[test]
fn a_byte_of_a_body_leaves_when_it_comes_in_every_framing() {
    let (proxy, upstream) = one(&[]);
    for head in ["Content-Length: 4", "Transfer-Encoding: chunked", "X: until the close"] {
        let mut client = proxy.connect();
        client.get("/");
        let (mut link, _) = upstream.asked();
        link.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n"));
        client.message();
        for byte in ["a", "b", "c"] {
            let chunk = format!("1\r\n{byte}\r\n");
            link.send(if head.starts_with("T") { &chunk } else { byte });
            // Within the length or in a chunk: what comes ends with the byte.
            client.until(byte);
        }
    }
}

#[test]
fn a_body_from_which_nothing_comes_any_more_is_cut() {
    let (proxy, upstream) = one(&["--body-idle-timeout", "200ms"]);
    for head in ["Content-Length: 9", "Transfer-Encoding: chunked"] {
        let mut client = proxy.connect();
        client.get("/");
        let (mut link, _) = upstream.asked();
        link.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\nab"));
        client.message();
        client.until("ab");
        let rest = client.rest_and_end().0;
        assert!(!rest.contains("0\r\n\r\n"), "{rest:?}");
        link.end();
    }
}

#[test]
fn a_client_that_leaves_in_the_middle_of_a_body_ends_it_upstream() {
    let (proxy, upstream) = one(&[]);
    // One that closes may still read: it is gone after a while in which nothing is sent to it.
    for (head, resets) in [
        ("Content-Length: 90", true),
        ("Transfer-Encoding: chunked", true),
        ("X: until the close", true),
        ("Content-Length: 90", false),
    ] {
        let mut client = proxy.connect();
        client.get("/");
        let (mut link, _) = upstream.asked();
        link.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n5\r\nbegun\r\n"));
        client.until("begun");
        match resets {
            true => client.reset(),
            false => drop(client),
        }
        // Nothing more is sent: the leaving alone is noticed.
        link.end();
    }
    // When something is sent, it is noticed at once.
    let mut client = proxy.connect();
    client.get("/");
    let (mut link, _) = upstream.asked();
    link.send("HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n");
    client.message();
    drop(client);
    link.send("more");
    link.send("and more");
    link.end();
}

#[test]
fn a_client_that_closes_its_sending_side_only_gets_its_answer() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    client.get("/").half_close();
    let (mut link, _) = upstream.asked();
    link.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
    client.message();
    link.send("he");
    assert_eq!(client.take(2), b"he");
    link.send("llo");
    assert_eq!(client.take(3), b"llo");
}
