//! A body of any size through the proxy, made and compared as it flows.

use super::client::Client;
use super::message::Framing;
use super::script::Upstream;
use std::io::{Read, Write};
use std::net::SocketAddr;

/// Its period is no power of two, so that a piece in the wrong place is seen.
fn piece() -> Vec<u8> {
    (0..65_521_u32).map(|at| (at * 31 % 251) as u8).collect()
}

fn send(to: &Client, bytes: usize) {
    let piece = piece();
    let mut left = bytes;
    while left > 0 {
        let part = left.min(piece.len());
        to.stream().write_all(&piece[..part]).expect("it is read");
        left -= part;
    }
}

fn receive(from: &mut Client, bytes: usize) {
    let piece = piece();
    let mut left = bytes;
    let mut came = vec![0; piece.len()];
    // What was read together with the head.
    let early = from.take_buffered();
    assert!(early.iter().enumerate().all(|(at, byte)| *byte == piece[at % piece.len()]));
    let mut offset = early.len() % piece.len();
    left -= early.len();
    while left > 0 {
        let most = left.min(piece.len() - offset);
        let read = from.stream().read(&mut came[..most]).expect("it is sent");
        assert!(read > 0, "the end with {left} bytes to go");
        assert!(came[..read] == piece[offset..offset + read], "with {left} bytes to go");
        offset = (offset + read) % piece.len();
        left -= read;
    }
}

/// Has a client download so many bytes, and checks every one of them.
pub(crate) fn download(proxy: SocketAddr, upstream: &Upstream, bytes: usize) {
    let mut client = Client::connect(proxy);
    client.get("/large");
    let (mut link, _) = upstream.asked();
    link.send(format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {bytes}\r\n\r\n"));
    std::thread::scope(|scope| {
        scope.spawn(|| send(&link, bytes));
        assert_eq!(client.message().framing(), Framing::Length(bytes));
        receive(&mut client, bytes);
    });
}

/// Has a client upload so many bytes, and checks every one of them.
pub(crate) fn upload(proxy: SocketAddr, upstream: &Upstream, bytes: usize) {
    let mut client = Client::connect(proxy);
    client.send(format!("PUT /large HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n"));
    std::thread::scope(|scope| {
        scope.spawn(|| send(&client, bytes));
        let (mut link, seen) = upstream.asked();
        assert_eq!(seen.framing(), Framing::Length(bytes));
        receive(&mut link, bytes);
        link.send("HTTP/1.1 201 Created\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
    });
    assert_eq!(client.message().status(), 201);
}
