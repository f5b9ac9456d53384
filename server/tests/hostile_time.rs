//! However slowly clients go about it: each is closed at its deadline, and the others do not notice.
#![cfg(all(target_os = "linux", feature = "cli"))]

use crate::support::client::{Client, End};
use crate::support::hostile::{p99, within_three_tries};
use crate::support::server::{Fixture, settings, start, start_echo};
use crossbeam_channel::{RecvTimeoutError, bounded};
use headstart_server::front::{Request, Response};
use socket2::{Domain, SockRef, Socket, Type};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_millis(500);
const LATE: Duration = Duration::from_millis(500);
/// What a healthy client's p99 may always be: below it, doubling is noise.
const FLOOR: Duration = Duration::from_millis(5);

/// Calls `step` with each stream again and again, until what it returns is dropped.
fn keep_at<'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    streams: Vec<TcpStream>,
    step: fn(&mut TcpStream),
) -> crossbeam_channel::Sender<()> {
    let (go_on, over) = bounded::<()>(0);
    scope.spawn(move || {
        let mut streams = streams;
        while let Err(RecvTimeoutError::Timeout) = over.recv_timeout(Duration::from_millis(100)) {
            streams.iter_mut().for_each(step);
        }
    });
    go_on
}

/// A healthy client's p99 before and during `attack`.
fn while_a_healthy_client_asks(fixture: &Fixture, attack: impl FnOnce() -> Result<(), String>) -> Result<(), String> {
    let address = fixture.server.local_addr();
    let before = p99(address, |asked| asked == 300);
    let is_over = AtomicBool::new(false);
    let (attacked, during) = std::thread::scope(|scope| {
        let healthy = scope.spawn(|| p99(address, |asked| asked > 100 && is_over.load(Ordering::SeqCst)));
        let attacked = attack();
        is_over.store(true, Ordering::SeqCst);
        (attacked, healthy.join().unwrap())
    });
    attacked?;
    match during <= before * 2 || during <= before + FLOOR {
        true => Ok(()),
        false => Err(format!("the healthy client's p99 went from {before:?} to {during:?}")),
    }
}

/// 500 clients that begin with `opening`, add a byte every 100 ms and get a `408` at their deadline.
fn slow_senders(fixture: &Fixture, opening: &str) -> Result<(), String> {
    while_a_healthy_client_asks(fixture, || {
        let mut clients: Vec<(Client, Instant)> = Vec::new();
        for _ in 0..500 {
            let mut client = fixture.connect();
            let began = Instant::now();
            client.send(opening);
            clients.push((client, began));
        }
        let streams = clients.iter().map(|(client, _)| client.stream().try_clone().unwrap()).collect();
        std::thread::scope(|scope| {
            let _dripping = keep_at(scope, streams, |stream| drop(stream.write(b"a")));
            let mut latest = Duration::ZERO;
            for (mut client, began) in clients {
                assert_eq!(client.answer().status, 408);
                assert_eq!(client.end(), End::Closed);
                let took = began.elapsed();
                assert!(took >= DEADLINE, "{took:?}");
                latest = latest.max(took);
            }
            if latest < DEADLINE + LATE { Ok(()) } else { Err(format!("one was closed after {latest:?}")) }
        })
    })
}

#[test]
fn five_hundred_dripping_heads_are_closed_at_their_deadline() {
    let _turn = headstart_testing::in_turn();
    within_three_tries(|| {
        let fixture = start_echo(settings().head_timeout(DEADLINE));
        slow_senders(&fixture, "GET / HTTP/1.1\r\nX: ")?;
        fixture.assert_serves();
        Ok(())
    });
}

#[test]
fn five_hundred_dripping_bodies_are_closed_at_their_deadline() {
    let _turn = headstart_testing::in_turn();
    within_three_tries(|| {
        let fixture = start_echo(settings().body_timeout(DEADLINE));
        slow_senders(&fixture, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n")?;
        slow_senders(&fixture, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n")
    });
}

#[test]
fn five_hundred_silent_clients_are_closed_at_their_deadline() {
    let _turn = headstart_testing::in_turn();
    within_three_tries(|| {
        let fixture = start_echo(settings().idle_timeout(DEADLINE));
        while_a_healthy_client_asks(&fixture, || {
            let clients: Vec<_> = (0..500).map(|_| (Instant::now(), fixture.connect())).collect();
            let mut latest = Duration::ZERO;
            for (began, mut client) in clients {
                assert_eq!(client.end(), End::Closed);
                latest = latest.max(began.elapsed());
            }
            if latest < DEADLINE + LATE { Ok(()) } else { Err(format!("one was closed after {latest:?}")) }
        })
    });
}

/// More than all buffers on the way hold.
const LENGTH: usize = 6 << 20;

fn answer_at_length(request: &Request<'_>) -> Response {
    static LONG: [u8; LENGTH] = [b'a'; LENGTH];
    Response::new(200, "text/plain", if request.path() == "/long" { &LONG[..] } else { b"short" })
}

/// A connection that takes in little at a time.
fn narrow(fixture: &Fixture) -> Client {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(4 << 10).unwrap();
    socket.connect(&fixture.server.local_addr().into()).unwrap();
    Client::over(socket.into())
}

/// Forty clients that ask for a long answer and read it by `step`.
fn slow_readers(step: fn(&mut TcpStream)) -> Result<(), String> {
    let fixture = start(settings().write_timeout(DEADLINE), answer_at_length);
    let attacked = while_a_healthy_client_asks(&fixture, || {
        let mut clients: Vec<Client> = (0..40).map(|_| narrow(&fixture)).collect();
        let streams: Vec<TcpStream> = clients.iter().map(|client| client.stream().try_clone().unwrap()).collect();
        for stream in &streams {
            // Reading drop by drop, each one in turn, must not wait for any of them.
            SockRef::from(stream).set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        }
        for client in &mut clients {
            client.get("/long");
        }
        let began = Instant::now();
        fixture.wait_until("all are connected", |fixture| fixture.server.stats().connections >= 40);
        std::thread::scope(|scope| {
            let _reading = keep_at(scope, streams, step);
            // The healthy client stays.
            fixture.wait_until("all connections end", |fixture| fixture.server.stats().connections <= 1);
        });
        let took = began.elapsed();
        assert!(took >= DEADLINE, "{took:?}");
        if took < DEADLINE + LATE { Ok(()) } else { Err(format!("the last was closed after {took:?}")) }
    });
    fixture.assert_serves();
    attacked
}

#[test]
fn readers_that_stall_are_closed_at_their_deadline() {
    let _turn = headstart_testing::in_turn();
    within_three_tries(|| slow_readers(|_| {}));
}

#[test]
fn readers_that_drip_are_closed_at_their_deadline() {
    let _turn = headstart_testing::in_turn();
    within_three_tries(|| slow_readers(|stream| drop(stream.read(&mut [0; 256]))));
}
