//! Large bodies: an upstream that has one, and a load that takes it over and over.
//!
//! The upstream answers `/large` with [`LENGTH`] bytes, as fast as they are taken, and everything else as the other
//! upstream does. It has a thread for each connection: with bodies of this size nothing else about it matters. The load
//! has one connection, compares every byte, and counts those of its window.
//!
//! What it does not do: measure latency.

use super::Result;
use super::load::PATIENCE;
use super::role::Arguments;
use super::upstream::{RESPONSE, listen, request_length};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// 100 MiB.
const LENGTH: usize = 100 << 20;
/// What it repeats; its length divides the body's.
const PIECE: usize = 64 << 10;
const TARGET: &str = "/large";

fn piece() -> Vec<u8> {
    (0..PIECE as u32).map(|at| (at * 31 % 251) as u8).collect()
}

/// The upstream's role: writes its address; the end of input ends it.
pub(crate) fn serve(_: &Arguments) -> Result<()> {
    let listener = listen("127.0.0.1:0".parse()?)?;
    println!("{}", listener.local_addr()?);
    thread::Builder::new().name("source".to_owned()).spawn(move || {
        for stream in listener.incoming().map_while(std::io::Result::ok) {
            // Ends with its connection.
            let started = thread::Builder::new().name("source-connection".to_owned()).spawn(move || answer(stream));
            drop(started);
        }
    })?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Answers one connection's requests until it is left. An error is its end.
fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (piece, mut received, mut chunk) = (piece(), Vec::new(), [0; 4096]);
    loop {
        while let Some(length) = request_length(&received)? {
            let line: Vec<u8> = received.drain(..length).collect();
            if line.split(|byte| *byte == b' ').nth(1) != Some(TARGET.as_bytes()) {
                stream.write_all(RESPONSE)?;
                continue;
            }
            let head = format!("HTTP/1.1 200 OK\r\nContent-Type: x/y\r\nContent-Length: {LENGTH}\r\n\r\n");
            stream.write_all(head.as_bytes())?;
            for _ in 0..LENGTH / PIECE {
                stream.write_all(&piece)?;
            }
        }
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Ok(());
        }
        received.extend_from_slice(&chunk[..read]);
    }
}

/// The load's role: writes `measuring` and `measured` at both ends of its window, then its figures.
pub(crate) fn fetch(arguments: &Arguments) -> Result<()> {
    let target: SocketAddr = arguments.get("target")?;
    let begin = Instant::now() + Duration::from_millis(arguments.get("warm-up-ms")?);
    let end = begin + Duration::from_millis(arguments.get("measured-ms")?);
    let (bytes, is_over) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let fetching = thread::Builder::new().name("fetch".to_owned()).spawn({
        let (bytes, is_over) = (bytes.clone(), is_over.clone());
        move || fetch_until(target, &bytes, &is_over)
    })?;
    let mut counted = [0; 2];
    for (at, (edge, word)) in [(begin, "measuring"), (end, "measured")].into_iter().enumerate() {
        thread::sleep(edge.saturating_duration_since(Instant::now()));
        counted[at] = bytes.load(Ordering::Relaxed);
        println!("{word}");
    }
    is_over.store(true, Ordering::Relaxed);
    let bodies = fetching.join().map_err(|_| "the load panicked")??;
    let seconds = (end - begin).as_secs_f64();
    println!("{}", json!({ "bytes": counted[1] - counted[0], "bodies": bodies, "seconds": seconds, "wrong": 0 }));
    Ok(())
}

/// Takes body after body, and returns how many. A wrong one is an error.
fn fetch_until(target: SocketAddr, bytes: &AtomicU64, is_over: &AtomicBool) -> Result<u64> {
    let mut stream = TcpStream::connect(target)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let piece = piece();
    let mut room = vec![0; 256 << 10];
    let mut bodies = 0;
    while !is_over.load(Ordering::Relaxed) {
        stream.write_all(format!("GET {TARGET} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").as_bytes())?;
        let (mut there, mut body) = (0, 0);
        let begins_at = loop {
            there += read_some(&mut stream, &mut room[there..])?;
            if let Some(length) = head_of(&room[..there])? {
                break length;
            }
        };
        let mut part = &room[begins_at..there];
        loop {
            while !part.is_empty() {
                let most = part.len().min(PIECE - body % PIECE);
                if part[..most] != piece[body % PIECE..][..most] {
                    return Err(format!("wrong bytes at {body}").into());
                }
                body += most;
                part = &part[most..];
            }
            if body >= LENGTH {
                break;
            }
            let read = read_some(&mut stream, &mut room)?;
            bytes.fetch_add(read as u64, Ordering::Relaxed);
            part = &room[..read];
        }
        if body > LENGTH {
            return Err("more than one body".into());
        }
        bodies += 1;
    }
    Ok(bodies)
}

fn read_some(stream: &mut TcpStream, room: &mut [u8]) -> Result<usize> {
    match stream.read(room)? {
        0 => Err("closed in the middle of a body".into()),
        read => Ok(read),
    }
}

/// The length of a head, once it is complete, which has to announce the body.
fn head_of(received: &[u8]) -> Result<Option<usize>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(length) = head.parse(received)? else { return Ok(None) };
    let mut declared = head.headers.iter().filter(|field| field.name.eq_ignore_ascii_case("content-length"));
    let declared = declared.next().map(|field| field.value);
    match head.code == Some(200) && declared == Some(LENGTH.to_string().as_bytes()) {
        true => Ok(Some(length)),
        false => Err(format!("not the large body: {}", received.escape_ascii()).into()),
    }
}
