//! A stop loses nothing that was admitted, and ends by its time.

use crate::support::client::{Client, End};
use crate::support::server;
use crate::support::server::{settings, start, start_echo};
use crossbeam_channel::{bounded, unbounded};
use headstart::{CancelReason, Deadline};
use headstart_server::front::{Request, Response};
use headstart_testing::PATIENCE;
use std::io::Write;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[test]
fn an_idle_server_stops_at_once() {
    let fixture = start_echo(settings());
    let (mut fresh, mut kept) = (fixture.connect(), fixture.connect());
    kept.get("/").answer();
    fixture.wait_until("both are in", |fixture| fixture.server.stats().connections == 2);
    let began = Instant::now();
    fixture.server.shutdown(PATIENCE);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!((fresh.end(), kept.end()), (End::Closed, End::Closed));
    assert!(TcpStream::connect(fixture.server.local_addr()).is_err(), "the listener is closed");
    assert_eq!(fixture.server.stats().connections, 0);
}

#[test]
fn clients_that_never_close_do_not_hold_the_stop_up() {
    let fixture = start_echo(settings());
    let (mut before, mut refused) = (fixture.connect(), fixture.connect());
    before.send("GET / HTTP/1.0\r\n\r\n").answer();
    refused.send("bad\r\n\r\n").answer();
    let began = Instant::now();
    fixture.server.shutdown(PATIENCE);
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
}

#[test]
fn requests_in_flight_are_answered_and_told_that_it_was_the_last() {
    let (begun, begins) = unbounded();
    let (go, told) = unbounded::<()>();
    let fixture = start(settings(), move |request: &Request<'_>| {
        begun.send(()).unwrap();
        told.recv_timeout(PATIENCE).unwrap();
        Response::new(200, "text/plain", request.is_draining().to_string().into_bytes())
    });
    let mut clients: Vec<Client> = (0..8).map(|_| fixture.connect()).collect();
    for client in &mut clients {
        client.get("/");
        begins.recv_timeout(PATIENCE).unwrap();
    }
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| fixture.server.shutdown(PATIENCE));
        fixture.wait_until("it drains", |fixture| fixture.server.stats().is_draining);
        clients.iter().for_each(|_| go.send(()).unwrap());
        for client in &mut clients {
            let answer = client.answer();
            assert_eq!((answer.status, answer.text(), answer.field("connection")), (200, "true", Some("close")));
            assert_eq!(client.end(), End::Closed);
        }
        let drained = stopping.join().unwrap();
        assert_eq!((drained.answered, drained.canceled, drained.cut), (8, 0, 0));
    });
}

#[test]
fn a_request_that_is_half_here_is_still_taken() {
    let fixture = start_echo(settings());
    let mut client = fixture.connect();
    client.get("/").answer();
    client.send("GET /late HTTP/1.1\r\nHost: ");
    // Once another client is served after it, the server has very likely read those bytes; the pause makes sure.
    fixture.assert_serves();
    std::thread::sleep(Duration::from_millis(100));
    std::thread::scope(|scope| {
        scope.spawn(|| fixture.server.shutdown(PATIENCE));
        fixture.wait_until("it drains", |fixture| fixture.server.stats().is_draining);
        client.send("a\r\n\r\n");
        let answer = client.answer();
        assert_eq!((answer.text(), answer.field("connection")), ("GET /late", Some("close")));
    });
}

#[test]
fn what_is_not_done_by_the_timeout_is_canceled_and_answered() {
    let (begun, begins) = unbounded();
    let fixture = start(settings(), move |request: &Request<'_>| {
        let token = request.token();
        begun.send(()).unwrap();
        let reason = token.wait(Deadline::after(PATIENCE));
        assert_eq!(reason, Some(CancelReason::Shutdown));
        Response::problem(503, "stopping")
    });
    let mut client = fixture.connect();
    client.get("/");
    begins.recv_timeout(PATIENCE).unwrap();
    let began = Instant::now();
    let drained = fixture.server.shutdown(Duration::from_millis(200));
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert_eq!((drained.answered, drained.canceled, drained.cut), (1, 1, 0));
    assert_eq!(client.answer().status, 503);
    assert_eq!(client.end(), End::Closed);
}

#[test]
fn what_was_answered_before_the_stop_is_not_counted_to_it() {
    let fixture = start_echo(settings());
    let mut client = fixture.connect();
    for _ in 0..3 {
        client.get("/").answer();
    }
    let drained = fixture.server.shutdown(PATIENCE);
    assert_eq!((drained.answered, drained.canceled, drained.cut), (0, 0, 0));
}

#[test]
fn what_cannot_be_canceled_is_cut() {
    let (begun, begins) = unbounded();
    let (go, told) = bounded::<()>(1);
    let fixture = start(settings(), move |_: &Request<'_>| {
        begun.send(()).unwrap();
        let _ = told.recv_timeout(PATIENCE);
        Response::new(200, "text/plain", &b""[..])
    });
    let mut client = fixture.connect();
    client.get("/");
    begins.recv_timeout(PATIENCE).unwrap();
    let drained = fixture.server.shutdown(Duration::ZERO);
    assert_eq!((drained.answered, drained.canceled, drained.cut), (0, 0, 1));
    client.end();
    assert_eq!(fixture.crew.stats().threads, 1, "it is still seen");
    go.send(()).unwrap();
    fixture.wait_until("its thread comes home", |fixture| fixture.server.stats().connections == 0);
}

#[test]
fn a_token_asked_for_after_the_timeout_is_canceled_already() {
    let (begun, begins) = unbounded();
    let fixture = start(settings(), move |request: &Request<'_>| {
        begun.send(()).unwrap();
        server::eventually("it drains", || request.is_draining());
        std::thread::sleep(Duration::from_millis(100));
        let reason = request.token().wait(Deadline::after(PATIENCE));
        Response::new(200, "text/plain", reason.map_or("none", CancelReason::as_str).as_bytes())
    });
    let mut client = fixture.connect();
    client.get("/");
    begins.recv_timeout(PATIENCE).unwrap();
    let drained = fixture.server.shutdown(Duration::ZERO);
    assert_eq!((drained.answered, drained.cut), (1, 0));
    assert_eq!(client.answer().text(), "shutdown");
}

#[test]
fn connections_that_have_just_come_do_not_hold_the_stop_up() {
    for _ in 0..10 {
        let fixture = start_echo(settings());
        let clients: Vec<Client> = (0..50).map(|_| fixture.connect()).collect();
        let began = Instant::now();
        fixture.server.shutdown(PATIENCE);
        assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
        drop(clients);
    }
}

#[test]
fn a_second_call_shortens_the_first() {
    let (begun, begins) = unbounded();
    let fixture = start(settings(), move |request: &Request<'_>| {
        let token = request.token();
        begun.send(()).unwrap();
        token.wait(Deadline::after(PATIENCE));
        Response::problem(503, "stopping")
    });
    let mut client = fixture.connect();
    client.get("/");
    begins.recv_timeout(PATIENCE).unwrap();
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| fixture.server.shutdown(PATIENCE));
        fixture.wait_until("it drains", |fixture| fixture.server.stats().is_draining);
        fixture.server.shutdown(Duration::ZERO);
    });
    assert!(began.elapsed() < PATIENCE / 2, "{:?}", began.elapsed());
    assert_eq!(client.answer().status, 503);
}

#[test]
fn a_dropped_server_is_stopped() {
    let server::Fixture { server, crew } = start_echo(settings());
    let mut client = Client::connect(server.local_addr());
    client.get("/").answer();
    let at = server.local_addr();
    drop(server);
    assert_eq!(client.end(), End::Closed);
    assert!(TcpStream::connect(at).is_err());
    assert_eq!(crew.shutdown(PATIENCE), 0);
}

/// Under load, every request that reached the handler is answered whole.
#[test]
fn twenty_stops_under_load_lose_nothing_admitted() {
    for _ in 0..20 {
        let admitted = Arc::new(AtomicU64::new(0));
        let fixture = start(settings(), {
            let admitted = admitted.clone();
            move |request: &Request<'_>| {
                admitted.fetch_add(1, Ordering::SeqCst);
                request.token().wait(Deadline::after(Duration::from_millis(1)));
                Response::new(200, "text/plain", &b"whole"[..])
            }
        });
        let enough = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let counts: Vec<_> = (0..8)
                .map(|_| {
                    // Here, since a thread that gets its turn after the stop would find nobody to connect to.
                    let mut client = fixture.connect();
                    let enough = &enough;
                    scope.spawn(move || {
                        let mut answered = 0;
                        while client.get("/").try_answer().is_some_and(|answer| answer.text() == "whole") {
                            answered += 1;
                            if answered == 20 {
                                enough.store(true, Ordering::SeqCst);
                            }
                        }
                        answered
                    })
                })
                .collect();
            server::eventually("it is under load", || enough.load(Ordering::SeqCst));
            let drained = fixture.server.shutdown(PATIENCE);
            assert_eq!((drained.canceled, drained.cut), (0, 0));
            let answered: u64 = counts.into_iter().map(|count| count.join().unwrap()).sum();
            assert_eq!(answered, admitted.load(Ordering::SeqCst));
        });
    }
}

/// A server that streams a word when it is told to, and tells what its token says when it is not.
fn start_streaming() -> (server::Fixture, crossbeam_channel::Sender<()>) {
    let (go, told) = unbounded::<()>();
    let fixture = start(settings(), move |_: &Request<'_>| {
        let told = told.clone();
        Response::streaming(200, "text/plain", None, move |conversation| {
            conversation.write_all(b"part")?;
            let (canceled, cancellation) = bounded(1);
            let _cleanup = conversation.token().on_cancel(move |reason| {
                let _ = canceled.try_send(reason);
            });
            crossbeam_channel::select! {
                recv(told) -> _ => conversation.write_all(b"last"),
                recv(cancellation) -> reason => {
                    assert_eq!(reason, Ok(CancelReason::Shutdown));
                    Err(std::io::ErrorKind::Other.into())
                }
                default(PATIENCE) => panic!("neither told nor canceled"),
            }
        })
    });
    (fixture, go)
}

#[test]
fn a_stream_under_way_is_waited_for() {
    let (fixture, go) = start_streaming();
    let mut client = fixture.connect();
    client.get("/").head();
    client.fill(&mut [0; 9]);
    std::thread::scope(|scope| {
        let stopping = scope.spawn(|| fixture.server.shutdown(PATIENCE));
        fixture.wait_until("it drains", |fixture| fixture.server.stats().is_draining);
        assert_eq!(fixture.server.stats().in_flight, 1);
        go.send(()).unwrap();
        assert_eq!(client.rest(), b"4\r\nlast\r\n0\r\n\r\n");
        let drained = stopping.join().unwrap();
        assert_eq!((drained.canceled, drained.cut), (0, 0));
    });
}

#[test]
fn a_stream_that_is_not_over_by_the_timeout_is_canceled_and_cut() {
    let (fixture, _go) = start_streaming();
    let mut client = fixture.connect();
    client.get("/").head();
    client.fill(&mut [0; 9]);
    let drained = fixture.server.shutdown(Duration::from_millis(50));
    assert_eq!((drained.canceled, drained.cut), (1, 0));
    assert_eq!(client.rest(), b"", "no last chunk");
}
