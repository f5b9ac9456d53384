//! What the server promises holds under TLS too, and a handshake harms nobody.

#![cfg(feature = "tls")]

use crate::support::client::Client;
use crate::support::server::{Fixture, echo, eventually, settings, start};
use crate::support::tls::{BOTH, Certificate, End, TlsClient};
use crossbeam_channel::unbounded;
use headstart::{CancelReason, Deadline};
use headstart_server::front::{Handler, Request, Response, TlsSettings};
use headstart_server::{Error, Server, ServerSettings};
use headstart_testing::PATIENCE;
use socket2::SockRef;
use std::fs;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const SHORT: Duration = Duration::from_millis(300);
/// What a deadline may be missed by on a busy machine.
const LATE: Duration = Duration::from_secs(5);

/// A server behind a certificate, with `change` made to its settings.
fn secured(handler: impl Handler, change: impl FnOnce(ServerSettings) -> ServerSettings) -> (Fixture, Certificate) {
    let certificate = Certificate::new();
    let settings = change(settings().tls(certificate.files.settings()));
    (start(settings, handler), certificate)
}

fn unchanged(settings: ServerSettings) -> ServerSettings {
    settings
}

fn connect(fixture: &Fixture, certificate: &Certificate) -> TlsClient {
    certificate.connect(fixture.server.local_addr())
}

fn assert_all_gone(fixture: &Fixture) {
    fixture.wait_until("no connection is left", |fixture| fixture.server.stats().connections == 0);
}

/// Works until it is told to answer or canceled, and tells of both.
fn works() -> (impl Handler, crossbeam_channel::Receiver<()>, crossbeam_channel::Receiver<Option<CancelReason>>) {
    let ((begun, begins), (ended, ends)) = (unbounded(), unbounded());
    let handler = move |request: &Request<'_>| {
        let token = request.token();
        begun.send(()).unwrap();
        ended.send(token.wait(Deadline::after(PATIENCE))).unwrap();
        Response::new(200, "text/plain", &b"too late"[..])
    };
    (handler, begins, ends)
}

#[test]
fn both_versions_are_answered_on_a_kept_connection_and_speak_http_1_1() {
    let (fixture, certificate) = secured(echo, unchanged);
    for version in BOTH {
        let config = certificate.trusting(&[version]);
        let mut client = TlsClient::connect(fixture.server.local_addr(), config).unwrap();
        assert_eq!(client.stream.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        assert_eq!(client.stream.conn.protocol_version(), Some(version.version));
        for number in 0..20 {
            assert_eq!(client.ask(&format!("/{number}")), format!("GET /{number}"));
        }
    }
    assert_all_gone(&fixture);
}

#[test]
fn a_large_answer_comes_whole() {
    let body: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let says = body.clone();
    let (fixture, certificate) =
        secured(move |_: &Request<'_>| Response::new(200, "text/plain", says.clone()), unchanged);
    let mut client = connect(&fixture, &certificate);
    for _ in 0..3 {
        assert!(client.get("/").answer().1 == body);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order_however_the_records_fall() {
    let (fixture, certificate) = secured(echo, unchanged);
    let all: String = (0..100).map(|number| format!("GET /{number} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    for size in [all.len(), 1_000, 7, 1] {
        let mut client = connect(&fixture, &certificate);
        let mut numbers = 0..100;
        // In a few batches, so that neither side's buffers fill up with tiny records.
        for batch in all.as_bytes().chunks(all.len().div_ceil(4)) {
            for piece in batch.chunks(size) {
                client.send(piece);
            }
        }
        assert!(numbers.all(|number| client.answer().1 == format!("GET /{number}").as_bytes()), "{size}");
    }
}

#[test]
fn bodies_are_dropped_and_waited_for_under_tls() {
    let (fixture, certificate) = secured(echo, unchanged);
    let mut client = connect(&fixture, &certificate);
    client.send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n");
    assert!(client.answer().0.starts_with("HTTP/1.1 100 "));
    client.send("01234").send("56789GET /b HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((client.answer().1, client.answer().1), (b"POST /a".to_vec(), b"GET /b".to_vec()));
}

#[test]
fn a_refusal_arrives_before_the_end() {
    let (fixture, certificate) = secured(echo, unchanged);
    let mut client = connect(&fixture, &certificate);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").send(vec![b'x'; 500_000]);
    assert!(client.answer().0.starts_with("HTTP/1.1 413 "));
    assert_eq!(client.end(), End::Said);
}

#[test]
fn handshakes_that_stall_are_closed_at_their_deadline_and_harm_nobody() {
    let (fixture, certificate) = secured(echo, |settings| settings.handshake_timeout(SHORT));
    let hello = client_hello(&certificate);
    let began = Instant::now();
    let mut stalled: Vec<Client> = (0..60)
        .map(|number| {
            let mut client = fixture.connect();
            client.send(match number % 3 {
                0 => &[][..],
                1 => &hello[..hello.len() / 2],
                _ => &hello[..], // takes the server's part of the handshake and leaves out its own
            });
            client
        })
        .collect();
    let mut healthy = connect(&fixture, &certificate);
    while began.elapsed() < SHORT {
        assert_eq!(healthy.ask("/"), "GET /");
    }
    for client in &mut stalled {
        client.rest();
    }
    let took = began.elapsed();
    assert!((SHORT..SHORT + LATE).contains(&took), "{took:?}");
    fixture.wait_until("only the healthy one is left", |fixture| fixture.server.stats().connections == 1);
    assert_eq!(healthy.ask("/after"), "GET /after");
}

#[test]
fn a_handshake_that_drips_gains_no_time() {
    let (fixture, certificate) = secured(echo, |settings| settings.handshake_timeout(SHORT));
    let hello = client_hello(&certificate);
    let began = Instant::now();
    let mut client = fixture.connect();
    for byte in &hello {
        client.send([*byte]);
        std::thread::sleep(Duration::from_millis(20));
        if fixture.server.stats().connections == 0 && began.elapsed() > SHORT {
            break;
        }
    }
    let took = began.elapsed();
    assert!(took < SHORT + LATE && took < Duration::from_millis(20) * hello.len() as u32, "{took:?}");
    assert_all_gone(&fixture);
}

/// The first thing a client says.
fn client_hello(certificate: &Certificate) -> Vec<u8> {
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut session = rustls::ClientConnection::new(certificate.trusting(&BOTH), name).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    hello
}

#[test]
fn plain_http_and_garbage_get_no_answer() {
    let (fixture, certificate) = secured(echo, unchanged);
    for said in
        [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], &[0; 100], &[22, 3, 1, 255, 255, 1], b"\x16\x03\x01\x00\x05hello"]
    {
        let mut client = fixture.connect();
        client.send(said).half_close();
        let answer = client.rest();
        // At most an alert, which is a record of seven bytes.
        assert!(answer.len() <= 7 && answer.first().is_none_or(|first| *first == 21), "{}", answer.escape_ascii());
    }
    assert_all_gone(&fixture);
    assert_eq!(connect(&fixture, &certificate).ask("/"), "GET /");
}

#[test]
fn a_client_that_closes_or_resets_ends_its_request() {
    let (handler, begins, ends) = works();
    let (fixture, certificate) = secured(handler, unchanged);
    let ways: [fn(TlsClient); 4] = [
        |mut client| {
            client.say_goodbye();
        },
        |client| drop(client),
        |mut client| {
            client.say_goodbye().half_close();
            client.end(); // nothing is sent any more
        },
        |client| SockRef::from(client.socket()).set_linger(Some(Duration::ZERO)).unwrap(),
    ];
    for pipelined in ["", "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"] {
        for leave in ways {
            let mut client = connect(&fixture, &certificate);
            client.send(format!("GET / HTTP/1.1\r\nHost: a\r\n\r\n{pipelined}"));
            begins.recv_timeout(PATIENCE).unwrap();
            leave(client);
            assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), Some(CancelReason::ClientGone));
        }
    }
    assert_all_gone(&fixture);
    fixture.wait_until("all are counted", |fixture| fixture.server.stats().clients_gone == 8);
    assert_eq!(fixture.server.stats().answered, 0);
}

#[test]
fn a_client_that_stays_is_not_taken_for_gone_and_gets_nothing_early() {
    let (begun, begins) = unbounded();
    let (go, told) = unbounded::<()>();
    let handler = move |request: &Request<'_>| {
        request.token();
        begun.send(()).unwrap();
        told.recv_timeout(PATIENCE).unwrap();
        Response::new(200, "text/plain", &b"whole"[..])
    };
    let (fixture, certificate) = secured(handler, unchanged);
    let mut client = connect(&fixture, &certificate);
    client.get("/").get("/next");
    for _ in 0..2 {
        begins.recv_timeout(PATIENCE).unwrap();
        std::thread::sleep(Duration::from_millis(50)); // the watch begins meanwhile
        go.send(()).unwrap();
        assert_eq!(client.answer().1, b"whole");
    }
    assert_eq!(fixture.server.stats().clients_gone, 0);
}

#[test]
fn a_client_that_only_says_that_it_will_send_no_more_gets_its_whole_answer() {
    let (begun, begins) = unbounded();
    let (go, told) = unbounded::<()>();
    let handler = move |request: &Request<'_>| {
        begun.send(request.token().clone()).unwrap();
        told.recv_timeout(PATIENCE).unwrap();
        Response::new(200, "text/plain", &b"whole"[..])
    };
    let (fixture, certificate) = secured(handler, unchanged);
    let mut client = connect(&fixture, &certificate);
    client.get("/").say_goodbye();
    let token = begins.recv_timeout(PATIENCE).unwrap();
    // Long enough for the watch to begin and to look.
    assert_eq!(token.wait(Deadline::after(Duration::from_millis(100))), None);
    go.send(()).unwrap();
    assert_eq!(client.answer().1, b"whole");
    assert_eq!(client.end(), End::Said);
    assert_eq!(fixture.server.stats().clients_gone, 0);
}

#[test]
fn an_idle_connection_is_closed_in_time_with_a_word() {
    let (fixture, certificate) = secured(echo, |settings| settings.idle_timeout(SHORT));
    let (mut fresh, mut kept) = (connect(&fixture, &certificate), connect(&fixture, &certificate));
    kept.ask("/");
    let began = Instant::now();
    assert_eq!((fresh.end(), kept.end()), (End::Said, End::Said));
    assert!(began.elapsed() < SHORT + LATE);
    assert_all_gone(&fixture);
}

#[test]
fn a_record_that_drips_gains_no_time() {
    let (fixture, certificate) = secured(echo, |settings| settings.idle_timeout(SHORT));
    let client = connect(&fixture, &certificate);
    let began = Instant::now();
    // A record of 16 KiB is announced, and comes byte by byte.
    let mut socket = client.socket();
    socket.write_all(&[23, 3, 3, 64, 0]).unwrap();
    while fixture.server.stats().connections > 0 {
        assert!(began.elapsed() < SHORT + LATE, "still open");
        let _ = socket.write(&[0]);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(began.elapsed() >= SHORT - Duration::from_millis(50), "{:?}", began.elapsed());
}

#[test]
fn a_head_that_takes_too_long_is_refused() {
    let (fixture, certificate) = secured(echo, |settings| settings.head_timeout(SHORT));
    let mut client = connect(&fixture, &certificate);
    client.send("GET / HTTP/1.1\r\n");
    assert!(client.answer().0.starts_with("HTTP/1.1 408 "));
    assert_eq!(client.end(), End::Said);
}

#[test]
fn readers_that_stall_or_drip_are_cut() {
    let (fixture, certificate) = secured(
        |_: &Request<'_>| Response::new(200, "text/plain", vec![b'x'; 32 << 20]),
        |settings| settings.write_timeout(SHORT),
    );
    let mut stalls = connect(&fixture, &certificate);
    stalls.get("/");
    let mut drips = connect(&fixture, &certificate);
    drips.get("/");
    let began = Instant::now();
    while fixture.server.stats().connections > 0 {
        assert!(began.elapsed() < PATIENCE, "still sending");
        let _ = std::io::Read::read(&mut drips.socket(), &mut [0; 64]);
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_connection_too_many_is_turned_away_in_the_language_of_tls() {
    let (fixture, certificate) = secured(echo, |settings| settings.max_connections(1));
    let mut first = connect(&fixture, &certificate);
    let refused = TlsClient::connect(fixture.server.local_addr(), certificate.trusting(&BOTH)).err().unwrap();
    assert!(refused.to_string().contains("InternalError"), "{refused}");
    assert_eq!(first.ask("/"), "GET /");
    assert_eq!(fixture.server.stats().refused_connections, 1);
}

#[test]
fn an_idle_server_stops_at_once_stalled_handshakes_or_not() {
    let (fixture, certificate) = secured(echo, unchanged);
    let (mut kept, mut stalled) = (connect(&fixture, &certificate), fixture.connect());
    kept.ask("/");
    stalled.send(&client_hello(&certificate)[..50]);
    fixture.wait_until("both are in", |fixture| fixture.server.stats().connections == 2);
    let began = Instant::now();
    fixture.server.shutdown(PATIENCE);
    assert!(began.elapsed() < LATE, "{:?}", began.elapsed());
    assert_eq!(kept.end(), End::Said);
    assert_eq!(fixture.server.stats().connections, 0);
}

#[test]
fn stops_under_load_lose_nothing_admitted() {
    for _ in 0..10 {
        let admitted = Arc::new(AtomicU64::new(0));
        let (fixture, certificate) = secured(
            {
                let admitted = admitted.clone();
                move |request: &Request<'_>| {
                    admitted.fetch_add(1, Ordering::SeqCst);
                    request.token().wait(Deadline::after(Duration::from_millis(1)));
                    Response::new(200, "text/plain", &b"whole"[..])
                }
            },
            unchanged,
        );
        let enough = AtomicBool::new(false);
        std::thread::scope(|scope| {
            // Connected before: who is still shaking hands has asked for nothing, and is not waited for.
            let clients: Vec<_> = (0..8).map(|_| connect(&fixture, &certificate)).collect();
            let enough = &enough;
            let counts: Vec<_> = clients
                .into_iter()
                .map(|mut client| {
                    scope.spawn(move || {
                        let mut answered = 0;
                        while client.get("/").try_answer().is_some_and(|(_, body)| body == b"whole") {
                            answered += 1;
                            if answered == 20 {
                                enough.store(true, Ordering::SeqCst);
                            }
                        }
                        answered
                    })
                })
                .collect();
            eventually("it is under load", || enough.load(Ordering::SeqCst));
            let drained = fixture.server.shutdown(PATIENCE);
            assert_eq!((drained.canceled, drained.cut), (0, 0));
            let answered: u64 = counts.into_iter().map(|count| count.join().unwrap()).sum();
            assert_eq!(answered, admitted.load(Ordering::SeqCst));
        });
    }
}

/// A stop ends the wait for a request by closing our receiving side, which must not be taken for the client's leaving.
#[test]
fn requests_that_come_with_the_stop_are_answered_or_not_begun() {
    for _ in 0..20 {
        let admitted = Arc::new(AtomicU64::new(0));
        let (fixture, certificate) = secured(
            {
                let admitted = admitted.clone();
                move |request: &Request<'_>| {
                    admitted.fetch_add(1, Ordering::SeqCst);
                    // Until the client is watched, and longer.
                    request.token().wait(Deadline::after(Duration::from_millis(40)));
                    Response::new(200, "text/plain", &b"whole"[..])
                }
            },
            unchanged,
        );
        let clients: Vec<_> = (0..24).map(|_| connect(&fixture, &certificate)).collect();
        std::thread::scope(|scope| {
            let answers: Vec<_> = clients
                .into_iter()
                .map(|mut client| scope.spawn(move || u64::from(client.get("/").try_answer().is_some())))
                .collect();
            let drained = fixture.server.shutdown(PATIENCE);
            assert_eq!((drained.canceled, drained.cut), (0, 0));
            let answered: u64 = answers.into_iter().map(|answer| answer.join().unwrap()).sum();
            assert_eq!(answered, admitted.load(Ordering::SeqCst));
        });
    }
}

#[test]
fn a_reload_is_for_the_connections_to_come() {
    let (fixture, mut certificate) = secured(echo, unchanged);
    let before = certificate.trusting(&BOTH);
    let at = fixture.server.local_addr();
    let mut open = TlsClient::connect(at, before.clone()).unwrap();
    certificate.renew();
    let early = TlsClient::connect(at, certificate.trusting(&BOTH));
    assert!(early.is_err(), "nobody has asked for the reload yet");
    fixture.server.reload_tls().unwrap();
    assert_eq!(connect(&fixture, &certificate).ask("/new"), "GET /new");
    assert_eq!(open.ask("/old"), "GET /old");
}

#[test]
fn a_reload_that_fails_changes_nothing() {
    let (fixture, certificate) = secured(echo, unchanged);
    let good = fs::read(&certificate.files.key).unwrap();
    for bad in ["", "nonsense", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"] {
        fs::write(&certificate.files.key, bad).unwrap();
        let result = fixture.server.reload_tls();
        assert!(matches!(&result, Err(Error::Setting { key, .. }) if key == "tls_key"), "{result:?}");
        assert_eq!(connect(&fixture, &certificate).ask("/"), "GET /");
    }
    fs::write(&certificate.files.key, good).unwrap();
    fixture.server.reload_tls().unwrap();
}

#[test]
fn without_tls_a_reload_does_nothing() {
    let fixture = start(settings(), echo);
    fixture.server.reload_tls().unwrap();
    fixture.assert_serves();
}

#[test]
fn files_that_cannot_be_used_are_refused_by_name() {
    let (ours, other) = (Certificate::new(), Certificate::new());
    let (cert, key) = (&ours.files.cert, &ours.files.key);
    let cases = [
        (TlsSettings::new("/does/not/exist", key), "tls_cert"),
        (TlsSettings::new(key, key), "tls_cert"),
        (TlsSettings::new(cert, cert), "tls_key"),
        (TlsSettings::new(cert, &other.files.key), "tls_key"),
    ];
    for (files, name) in cases {
        assert!(matches!(files.check(), Err(Error::Setting { key, .. }) if key == name), "{files:?}");
        let crew = headstart::Crew::new(headstart::CrewSettings::default()).unwrap();
        let settings = settings().tls(files);
        let result = Server::start(&crew, settings, Arc::new(echo));
        assert!(matches!(&result, Err(Error::Setting { key, .. }) if key == name), "{result:?}");
    }
    ours.files.settings().check().unwrap();
}

#[test]
fn nothing_is_left_of_clients_of_all_kinds() {
    let (fixture, certificate) = secured(echo, unchanged);
    let hello = client_hello(&certificate);
    for round in 0..50 {
        let mut raw = fixture.connect();
        raw.send(&hello[..round * hello.len() / 50]);
        let mut client = connect(&fixture, &certificate);
        assert_eq!(client.ask("/"), "GET /");
        match round % 4 {
            0 => drop(client.say_goodbye()),
            1 => raw.reset(),
            2 => drop(client.send("GET / HT")),
            _ => {}
        }
    }
    assert_all_gone(&fixture);
    fixture.server.shutdown(PATIENCE);
    assert_eq!(fixture.crew.shutdown(PATIENCE), 0);
    assert_eq!(fixture.crew.stats().threads, 0);
}
