//! Clients that connect to a TLS server and stall, before or within the handshake: each is closed at its deadline, and
//! the others do not notice.
#![cfg(all(target_os = "linux", feature = "cli", feature = "tls"))]

use crate::support::client::Client;
use crate::support::hostile::within_three_tries;
use crate::support::server::{Fixture, echo, settings, start};
use crate::support::tls::{BOTH, Certificate};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const DEADLINE: Duration = Duration::from_secs(1);
const LATE: Duration = Duration::from_millis(500);
/// What a healthy client's p99 may always be: below it, doubling is noise.
const FLOOR: Duration = Duration::from_millis(5);

/// The first thing a client says.
fn client_hello(certificate: &Certificate) -> Vec<u8> {
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut session = rustls::ClientConnection::new(certificate.trusting(&BOTH), name).unwrap();
    let mut hello = Vec::new();
    session.write_tls(&mut hello).unwrap();
    hello
}

/// The p99 of a healthy client that asks over one connection until `is_over`, of the number of its requests.
fn p99(fixture: &Fixture, certificate: &Certificate, is_over: impl Fn(usize) -> bool) -> Duration {
    let mut client = certificate.connect(fixture.server.local_addr());
    let mut took = Vec::new();
    while !is_over(took.len()) {
        let began = Instant::now();
        client.ask("/");
        took.push(began.elapsed());
        thread::sleep(Duration::from_millis(1));
    }
    took.sort_unstable();
    took[took.len() * 99 / 100]
}

/// 500 clients connect, do what `stall` says with their first words, and no more. They are closed at their deadline.
fn five_hundred_clients(stall: fn(&mut Client, &[u8])) -> Result<(), String> {
    let certificate = Certificate::new();
    let tls = certificate.files.settings();
    let fixture = start(settings().tls(tls).handshake_timeout(DEADLINE), echo);
    let hello = client_hello(&certificate);
    let before = p99(&fixture, &certificate, |asked| asked == 300);
    let is_over = AtomicBool::new(false);
    let (latest, during) = thread::scope(|scope| {
        let healthy =
            scope.spawn(|| p99(&fixture, &certificate, |asked| asked > 100 && is_over.load(Ordering::SeqCst)));
        let connect = |_| {
            let began = Instant::now();
            let mut client = fixture.connect();
            stall(&mut client, &hello);
            (began, client)
        };
        let stalled: Vec<(Instant, Client)> = (0..500).map(connect).collect();
        let mut latest = Duration::ZERO;
        for (began, mut client) in stalled {
            client.rest(); // the server's part of the handshake, if it came to that, and the end
            let took = began.elapsed();
            assert!(took >= DEADLINE, "{took:?}");
            latest = latest.max(took);
        }
        is_over.store(true, Ordering::SeqCst);
        (latest, healthy.join().unwrap())
    });
    fixture.wait_until("all connections end", |fixture| fixture.server.stats().connections == 0);
    assert_eq!(certificate.connect(fixture.server.local_addr()).ask("/after"), "GET /after");
    if latest >= DEADLINE + LATE {
        return Err(format!("one was closed after {latest:?}"));
    }
    match during <= before * 2 || during <= before + FLOOR {
        true => Ok(()),
        false => Err(format!("the healthy client's p99 went from {before:?} to {during:?}")),
    }
}

/// One after the other: together they would be three times five hundred.
#[test]
fn five_hundred_stalled_handshakes_are_closed_at_their_deadline_wherever_they_stall() {
    let _turn = headstart_testing::in_turn();
    within_three_tries(|| five_hundred_clients(|_, _| {}));
    within_three_tries(|| {
        five_hundred_clients(|client, hello| {
            client.send(&hello[..100]);
        })
    });
    within_three_tries(|| {
        five_hundred_clients(|client, hello| {
            // The server's part costs it a signature, slow without optimisation: one at a time.
            client.send(hello).stream().peek(&mut [0]).unwrap();
        })
    });
}
