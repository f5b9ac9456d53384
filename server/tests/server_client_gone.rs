//! A client's leaving ends its request, and only its leaving does.
#![cfg(unix)]

use crate::support::client::{Client, End};
use crate::support::server::{Fixture, settings, start};
use crossbeam_channel::{Receiver, Sender, unbounded};
use headstart::{CancelReason, Deadline};
use headstart_server::front::{Request, Response};
use headstart_testing::PATIENCE;
use std::time::{Duration, Instant};

/// A server whose handler works until its token is canceled, or until it is told to answer.
struct Works {
    fixture: Fixture,
    begins: Receiver<()>,
    ends: Receiver<(Option<CancelReason>, Instant)>,
    answer: Sender<()>,
}

impl Works {
    fn start() -> Works {
        let ((begun, begins), (ended, ends), (answer, told)) = (unbounded(), unbounded(), unbounded::<()>());
        let fixture = start(settings(), move |request: &Request<'_>| {
            let token = request.token().clone();
            let (canceled, cancellation) = crossbeam_channel::bounded(1);
            let _cleanup = token.on_cancel(move |_| {
                let _ = canceled.try_send(());
            });
            begun.send(()).unwrap();
            crossbeam_channel::select! {
                recv(cancellation) -> _ => {}
                recv(told) -> _ => {}
                default(PATIENCE) => {}
            }
            ended.send((token.reason(), Instant::now())).unwrap();
            Response::new(200, "text/plain", &b"the whole answer"[..])
        });
        Works { fixture, begins, ends, answer }
    }

    /// A client whose request is being worked on.
    fn client(&self, request: &str) -> Client {
        let mut client = self.fixture.connect();
        client.send(request);
        self.begins.recv_timeout(PATIENCE).unwrap();
        client
    }

    /// How long after `left` the request was canceled.
    fn assert_canceled(&self, left: Instant) -> Duration {
        let (reason, at) = self.ends.recv_timeout(PATIENCE).unwrap();
        assert_eq!(reason, Some(CancelReason::ClientGone));
        at.saturating_duration_since(left)
    }

    fn assert_whole(&self, client: &mut Client) {
        self.answer.send(()).unwrap();
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (200, "the whole answer"));
        assert_eq!(self.ends.recv_timeout(PATIENCE).unwrap().0, None);
    }
}

const PLAIN: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/// Every way to have asked, as far as it could matter.
const REQUESTS: [&str; 5] = [
    PLAIN,
    "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "GET / HTTP/1.0\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
];

#[test]
fn a_client_that_closes_ends_its_request() {
    let _turn = headstart_testing::in_turn();
    let works = Works::start();
    for request in REQUESTS {
        let client = works.client(request);
        let left = Instant::now();
        drop(client);
        works.assert_canceled(left);
    }
    works.fixture.wait_until("all is over", |fixture| fixture.server.stats().connections == 0);
    // The watch counts after it has canceled.
    works.fixture.wait_until("all are counted", |fixture| fixture.server.stats().clients_gone >= REQUESTS.len() as u64);
    assert_eq!(works.fixture.server.stats().clients_gone, REQUESTS.len() as u64);
    assert_eq!(works.fixture.server.stats().answered, 0);
}

#[test]
fn a_client_that_resets_ends_its_request() {
    let _turn = headstart_testing::in_turn();
    let works = Works::start();
    for request in REQUESTS {
        let client = works.client(request);
        let left = Instant::now();
        client.reset();
        works.assert_canceled(left);
    }
}

#[test]
fn a_client_that_closes_later_ends_its_request_within_50_ms() {
    let _turn = headstart_testing::in_turn();
    let works = Works::start();
    let mut took: Vec<Duration> = (0..40)
        .map(|round| {
            let client = works.client(REQUESTS[round % REQUESTS.len()]);
            // Past the moment at which the watch begins.
            std::thread::sleep(Duration::from_millis(round as u64));
            let left = Instant::now();
            if round % 2 == 0 {
                drop(client)
            } else {
                client.reset()
            }
            works.assert_canceled(left)
        })
        .collect();
    took.sort_unstable();
    assert!(took[30] < Duration::from_millis(50), "{took:?}");
}

#[test]
fn a_client_that_pipelines_while_it_waits_and_then_closes_ends_its_request() {
    let _turn = headstart_testing::in_turn();
    let works = Works::start();
    let mut client = works.client(PLAIN);
    for _ in 0..100 {
        client.send(PLAIN);
    }
    let left = Instant::now();
    drop(client);
    works.assert_canceled(left);
}

#[test]
fn a_client_that_only_half_closes_gets_its_whole_answer() {
    let _turn = headstart_testing::in_turn();
    let works = Works::start();
    for request in REQUESTS {
        let mut client = works.client(request);
        client.half_close();
        // The opening is the proof that the watch has seen the end of the client's sending.
        let opening = &mut [0; 9];
        client.stream().peek(opening).unwrap();
        assert_eq!(opening, b"HTTP/1.1 ");
        works.assert_whole(&mut client);
        if request.contains("/next") {
            works.begins.recv_timeout(PATIENCE).unwrap();
            works.assert_whole(&mut client);
        }
        assert_eq!(client.end(), End::Closed);
    }
    assert_eq!(works.fixture.server.stats().clients_gone, 0);
}

#[test]
fn a_client_that_is_answered_before_it_is_watched_can_half_close_too() {
    let _turn = headstart_testing::in_turn();
    let works = Works::start();
    for _ in 0..50 {
        let mut client = works.client(PLAIN);
        client.half_close();
        works.assert_whole(&mut client);
        assert_eq!(client.end(), End::Closed);
    }
}

#[test]
fn a_client_that_stays_is_not_taken_for_gone() {
    let _turn = headstart_testing::in_turn();
    let works = Works::start();
    let mut client = works.client(PLAIN);
    client.send(PLAIN); // read after the first answer
    std::thread::sleep(Duration::from_millis(100));
    works.assert_whole(&mut client);
    works.begins.recv_timeout(PATIENCE).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    works.assert_whole(&mut client);
    // The same connection is watched again.
    client.send(PLAIN);
    works.begins.recv_timeout(PATIENCE).unwrap();
    let left = Instant::now();
    drop(client);
    works.assert_canceled(left);
}

#[test]
fn a_handler_that_cannot_be_ended_finds_its_client_gone_when_it_returns() {
    let _turn = headstart_testing::in_turn();
    let (begun, begins) = unbounded();
    let (go, told) = unbounded::<()>();
    let fixture = start(settings(), move |request: &Request<'_>| {
        let token = request.token();
        begun.send(()).unwrap();
        token.wait(Deadline::after(PATIENCE));
        told.recv_timeout(PATIENCE).unwrap();
        Response::new(200, "text/plain", &b"too late"[..])
    });
    let mut client = fixture.connect();
    client.get("/");
    begins.recv_timeout(PATIENCE).unwrap();
    drop(client);
    fixture.wait_until("the client is found gone", |fixture| fixture.server.stats().clients_gone == 1);
    assert_eq!(fixture.server.stats().in_flight, 1);
    go.send(()).unwrap();
    fixture.wait_until("the request is over", |fixture| fixture.server.stats().connections == 0);
    assert_eq!(fixture.server.stats().answered, 0);
}
