//! The floor: the cost of blocking sockets and threads alone.
//!
//! A thread per connection, each with an upstream connection of its own that it never shares; one attempt, no hedges,
//! no timeouts, no pool, no HTTP library. Both heads are parsed and the body is checked, as by every contender.

use crate::harness::Result;
use crate::harness::contender::{Contender, Launch, Site};
use crate::harness::upstream;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

pub(crate) const FLOOR: Contender = Contender::new(
    "floor",
    "bare blocking sockets, a thread and an upstream connection for each client connection, no hedging",
    Launch::Function(serve),
);

fn serve(site: &Site) -> Result<()> {
    let listener = upstream::listen(site.listen)?;
    let address = site.upstream;
    for stream in listener.incoming() {
        let stream = stream?;
        // Ends with its connection.
        thread::Builder::new().name("connection".to_owned()).spawn(move || {
            if let Err(error) = relay(stream, address) {
                eprintln!("bench: the floor lost a connection: {error}");
            }
        })?;
    }
    Ok(())
}

/// Answers one client's requests until it leaves.
fn relay(client: TcpStream, upstream: SocketAddr) -> Result<()> {
    let call = format!("GET /work HTTP/1.1\r\nHost: {upstream}\r\nAccept: */*\r\n\r\n");
    let mut client = Peer::new(client)?;
    let mut upstream = Peer::new(TcpStream::connect(upstream)?)?;
    let mut answer = Vec::new();
    while client.receive(request_length)? {
        upstream.stream.write_all(call.as_bytes())?;
        if !upstream.receive(response_length)? {
            return Err("the upstream closed the connection".into());
        }
        let body = body(&upstream.received)?;
        serde_json::from_slice::<Value>(body)?;
        answer.clear();
        let length = body.len() + br#"{"success":true,"response":}"#.len();
        write!(answer, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n")?;
        answer.extend_from_slice(br#"{"success":true,"response":"#);
        answer.extend_from_slice(body);
        answer.push(b'}');
        client.stream.write_all(&answer)?;
    }
    Ok(())
}

/// One side of the relay and what it has sent last.
struct Peer {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Peer {
    fn new(stream: TcpStream) -> Result<Peer> {
        stream.set_nodelay(true)?;
        Ok(Peer { stream, received: Vec::new() })
    }

    /// Reads one message, whose length `length` knows once enough of it is there. `false` when the peer is done
    /// instead.
    fn receive(&mut self, length: fn(&[u8]) -> Result<Option<usize>>) -> Result<bool> {
        self.received.clear();
        let mut chunk = [0; 4096];
        loop {
            let read = self.stream.read(&mut chunk)?;
            if read == 0 && self.received.is_empty() {
                return Ok(false);
            }
            self.received.extend_from_slice(&chunk[..read]);
            match length(&self.received)? {
                Some(length) if length == self.received.len() => return Ok(true),
                Some(length) if length < self.received.len() => return Err("more than one message at a time".into()),
                _ if read == 0 => return Err("closed in the middle of a message".into()),
                _ => {}
            }
        }
    }
}

fn request_length(received: &[u8]) -> Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(received)? else { return Ok(None) };
    match head.path {
        Some(path) if path.starts_with("/api/smart") => Ok(Some(length)),
        other => Err(format!("a request for {other:?}").into()),
    }
}

fn response_length(received: &[u8]) -> Result<Option<usize>> {
    Ok(response(received)?.map(|(head, body)| head + body))
}

fn body(received: &[u8]) -> Result<&[u8]> {
    let (head, _) = response(received)?.ok_or("a response without an end")?;
    Ok(&received[head..])
}

/// The lengths of a response's head and body.
fn response(received: &[u8]) -> Result<Option<(usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(received)? else { return Ok(None) };
    if response.code != Some(200) {
        return Err(format!("status {:?}", response.code).into());
    }
    let length = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
    let length = length.ok_or("a response without a length")?;
    Ok(Some((head, std::str::from_utf8(length.value)?.trim().parse()?)))
}
