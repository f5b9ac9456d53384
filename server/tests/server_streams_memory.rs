//! Bodies of any length take little memory. One test, because it measures the whole process.
#![cfg(target_os = "linux")]

use crate::support::client::Client;
use crate::support::server::{settings, start, taking};
use headstart_server::front::{Request, Response};
use std::fs;
use std::io::{self, Read, Write};

/// The most memory that the process has had resident so far, in bytes.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().parse::<u64>().unwrap() << 10
}

#[test]
fn a_large_body_takes_no_more_memory_than_a_small_one() {
    headstart_testing::alone!();
    const LARGE: u64 = 256_000_000;
    let fixture = start(
        settings(),
        taking(|request: &Request<'_>| {
            let bytes = io::copy(&mut request.body(), &mut io::sink()).unwrap();
            let wanted: u64 = request.query().unwrap().parse().unwrap();
            let length = (request.path() == "/known").then_some(wanted);
            Response::streaming(200, "text/plain", length, move |conversation| {
                io::copy(&mut io::repeat(b'a').take(wanted - 8), conversation)?;
                write!(conversation, "{bytes:08x}")
            })
        }),
    );
    let exchange = |length: u64| {
        let (piece, pieces) = ([b'b'; 1_000], length / 1_000);
        let mut client = fixture.connect();
        client.send(format!("PUT /known?{length} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        for _ in 0..pieces {
            client.send(piece);
        }
        client.head();
        receive(&mut client, length);

        client.send(format!("PUT /unknown?{length} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
        client.send(format!("{:x}\r\n", length));
        for _ in 0..pieces {
            client.send(piece);
        }
        client.send("\r\n0\r\n\r\n").head();
        let mut framed = 0;
        let mut last = Vec::new();
        while !last.ends_with(b"\r\n0\r\n\r\n") {
            last.drain(..last.len().saturating_sub(6));
            last.extend(client.some());
            framed += last.len() as u64 - 6.min(last.len() as u64);
        }
        assert!(framed + 6 > length, "{framed}");
    };
    exchange(1_000);
    let before = peak();
    exchange(LARGE);
    let grown = peak() - before;
    assert!(grown < 8 << 20, "{grown}");
}

/// Reads a body of `length` bytes, whose last 8 say how long the request's was.
fn receive(client: &mut Client, length: u64) {
    let mut left = length - 8;
    while left > 0 {
        let mut piece = vec![0; left.min(64 << 10) as usize];
        client.fill(&mut piece);
        left -= piece.len() as u64;
    }
    let mut last = [0; 8];
    client.fill(&mut last);
    assert_eq!(str::from_utf8(&last).unwrap(), format!("{length:08x}"));
}
