//! Everything a peer controls has a limit and a deadline.

use crate::support::client::{Client, End};
use crate::support::server;
use crate::support::server::{Fixture, settings, start, start_echo};
use headstart::{Crew, CrewSettings};
use headstart_server::front::{Request, Response};
use headstart_server::{Error, Server};
use headstart_testing::PATIENCE;
use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(300);
/// How late a deadline may be kept on a busy machine.
const LATE: Duration = Duration::from_secs(5);

fn assert_refused(client: &mut Client, status: u16) {
    let answer = client.answer();
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(answer.field("content-type"), Some("application/problem+json"));
    let problem: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(problem["status"], status);
}

#[test]
fn what_is_malformed_is_refused_and_nothing_after_it_is_read() {
    let fixture = start_echo(settings());
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nz\r\n", 400),
    ] {
        let mut client = fixture.connect();
        client.send(format!("{request}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_refused(&mut client, status);
        assert_eq!(client.end(), End::Closed, "{request:?}");
    }
    assert_eq!(fixture.server.stats().answered, 0);
    assert_eq!(fixture.server.stats().refused, 4);
}

#[test]
fn hostile_sizes_get_their_answer() {
    let fixture = start_echo(settings());
    for length in ["65537", "1000000000", "100000000000000", "9223372036854775808", "18446744073709551615"] {
        let mut client = fixture.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"));
        assert_refused(&mut client, 413);
    }
    let megabyte = vec![b'a'; 1 << 20];
    for (opening, status) in [
        ("GET /", 414),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: ", 431),
        ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;", 400),
    ] {
        let mut client = fixture.connect();
        client.send(opening);
        // Sent to the end, although the answer is out long before: the answer has to survive that.
        for _ in 0..8 {
            client.send(&megabyte);
        }
        assert_refused(&mut client, status);
        assert_eq!(client.half_close().end(), End::Closed, "a reset could have overtaken the answer");
    }
    fixture.assert_serves();
}

#[test]
fn a_body_within_the_limit_is_dropped() {
    let fixture = start_echo(settings());
    let mut client = fixture.connect();
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n").send(vec![0; 65_536]);
    assert_eq!(client.answer().text(), "POST /a");
    assert_eq!(client.get("/b").answer().text(), "GET /b");
}

#[test]
fn a_head_that_drips_is_ended_at_its_deadline() {
    let fixture = start_echo(settings().head_timeout(SHORT));
    let mut client = fixture.connect();
    let began = Instant::now();
    client.send("GET / HTTP/1.1\r\nX: ");
    let mut dripping = client.stream().try_clone().unwrap();
    let drip = std::thread::spawn(move || {
        let pause = crossbeam_channel::after(LATE);
        while pause.try_recv().is_err() && std::io::Write::write_all(&mut dripping, b"a").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    assert_refused(&mut client, 408);
    assert!(began.elapsed() >= SHORT);
    assert!(began.elapsed() < LATE, "{:?}", began.elapsed());
    drop(client);
    drip.join().unwrap();
}

#[test]
fn a_body_that_does_not_come_is_ended_at_its_deadline() {
    let fixture = start_echo(settings().body_timeout(SHORT));
    let mut client = fixture.connect();
    let began = Instant::now();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\na");
    assert_refused(&mut client, 408);
    assert!(began.elapsed() >= SHORT && began.elapsed() < LATE, "{:?}", began.elapsed());
}

#[test]
fn a_body_that_came_in_time_leaves_no_deadline_behind() {
    let fixture = start_echo(settings().body_timeout(SHORT));
    let mut client = fixture.connect();
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    assert_eq!(client.head().status, 100);
    assert_eq!(client.send("abc").answer().text(), "POST /a");
    std::thread::sleep(SHORT * 2);
    assert_eq!(client.get("/b").answer().text(), "GET /b");
}

#[test]
fn a_head_that_came_in_time_leaves_no_deadline_behind() {
    let fixture = start_echo(settings().head_timeout(SHORT));
    let mut client = fixture.connect();
    client.send("GET /a HTTP/1.1\r\n");
    std::thread::sleep(SHORT / 3);
    assert_eq!(client.send("Host: a\r\n\r\n").answer().text(), "GET /a");
    std::thread::sleep(SHORT * 2);
    assert_eq!(client.get("/b").answer().text(), "GET /b");
}

#[test]
fn a_silent_connection_is_closed_without_a_word() {
    let fixture = start_echo(settings().idle_timeout(SHORT));
    let (mut fresh, mut kept) = (fixture.connect(), fixture.connect());
    kept.get("/").answer();
    let began = Instant::now();
    assert_eq!(kept.end(), End::Closed);
    assert!(began.elapsed() >= SHORT - Duration::from_millis(50) && began.elapsed() < LATE, "{:?}", began.elapsed());
    assert_eq!(fresh.end(), End::Closed);
}

/// Answers with more than all buffers on the way can hold.
fn answer_at_length(_: &Request<'_>) -> Response {
    Response::new(200, "text/plain", vec![b'a'; 64 << 20])
}

#[test]
fn a_reader_that_stalls_is_closed() {
    let fixture = start(settings().write_timeout(SHORT), answer_at_length);
    let mut client = fixture.connect();
    let began = Instant::now();
    client.get("/");
    fixture.wait_until("the connection begins", |fixture| fixture.server.stats().in_flight == 1);
    fixture.wait_until("the connection ends", |fixture| fixture.server.stats().connections == 0);
    assert!(began.elapsed() >= SHORT && began.elapsed() < LATE, "{:?}", began.elapsed());
}

#[test]
fn a_reader_that_drips_is_closed() {
    let fixture = start(settings().write_timeout(SHORT), answer_at_length);
    let mut client = fixture.connect();
    client.get("/");
    let began = Instant::now();
    fixture.wait_until("the connection begins", |fixture| fixture.server.stats().in_flight == 1);
    fixture.wait_until("the connection ends", |fixture| {
        let _ = client.stream().read(&mut [0; 512]);
        fixture.server.stats().connections == 0
    });
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
}

/// One client more than there is room for, after it was told so.
fn turned_away(fixture: &Fixture) -> Client {
    let mut client = fixture.connect();
    client.get("/");
    let answer = client.answer();
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")));
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(client.end(), End::Closed);
    client
}

/// A reset could have overtaken the answer, although on this machine it did not.
fn assert_not_reset(clients: Vec<Client>) {
    for client in clients {
        assert!(client.stream().take_error().unwrap().is_none());
    }
}

#[test]
fn more_connections_than_allowed_are_refused_until_there_is_room() {
    let fixture = start_echo(settings().max_connections(2));
    let mut admitted = [fixture.connect(), fixture.connect()];
    admitted.iter_mut().for_each(|client| assert_eq!(client.get("/").answer().status, 200));
    let turned_away = (0..50).map(|_| turned_away(&fixture)).collect();
    assert_eq!(fixture.server.stats().refused_connections, 50);
    admitted.iter_mut().for_each(|client| assert_eq!(client.get("/").answer().status, 200));
    assert_not_reset(turned_away);
    drop(admitted);
    fixture.wait_until("room again", |fixture| fixture.server.stats().connections == 0);
    fixture.assert_serves();
}

#[test]
fn more_connections_of_one_client_than_allowed_are_refused_until_there_is_room() {
    let fixture = start_echo(settings().max_connections_per_client(2));
    let mut admitted = [fixture.connect(), fixture.connect()];
    admitted.iter_mut().for_each(|client| assert_eq!(client.get("/").answer().status, 200));
    assert_not_reset((0..5).map(|_| turned_away(&fixture)).collect());
    // Another address of the same machine is another client; Linux has all of 127/8.
    #[cfg(target_os = "linux")]
    {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
        socket.connect(&fixture.server.local_addr().into()).unwrap();
        let mut other = Client::over(socket.into());
        assert_eq!(other.get("/").answer().status, 200);
    }
    drop(admitted);
    fixture.wait_until("room again", |fixture| fixture.server.stats().connections <= 1);
    fixture.assert_serves();
}

#[test]
fn connections_beyond_the_crews_threads_are_refused_until_there_is_room() {
    let crew = Crew::new(CrewSettings::default().max_threads(1).kept_for_requests(0)).unwrap();
    let server = Server::start(&crew, settings(), Arc::new(server::echo)).unwrap();
    let fixture = Fixture { crew, server };
    let mut admitted = fixture.connect();
    assert_eq!(admitted.get("/").answer().status, 200);
    let turned_away = (0..50).map(|_| turned_away(&fixture)).collect();
    assert_not_reset(turned_away);
    drop(admitted);
    fixture.wait_until("room again", |fixture| fixture.crew.stats().idle == 1);
    fixture.assert_serves();
}

#[test]
fn settings_that_cannot_be_are_named() {
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let start = |settings| Server::start(&crew, settings, Arc::new(server::echo)).map(drop).unwrap_err();
    let named = |error| match error {
        Error::Setting { key, .. } => key,
        other => panic!("{other}"),
    };
    assert_eq!(named(start(settings().max_fields(257))), "max_fields");
    assert_eq!(named(start(settings().max_connections_per_client(0))), "max_connections_per_client");
    assert_eq!(named(start(settings().max_connections(0))), "max_connections");
    assert_eq!(named(start(settings().idle_timeout(Duration::ZERO))), "idle_timeout");
    let taken = start_echo(settings());
    let listen = taken.server.local_addr().to_string();
    let error = start(settings().listen(listen.clone()));
    assert!(matches!(&error, Error::Listen { at, .. } if *at == listen), "{error}");
}
