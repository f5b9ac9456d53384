//! When the system refuses threads: the process lives, what is admitted gets its answer, the rest `503`, and all is as
//! before once there are threads again.
//!
//! Admitted is what got no `503`. Its primary runs on the thread that read the request, so it needs no other one;
//! hedges are left out. The upstream is a healthy one of another process: the embedded sample has its threads from the
//! same server, and what it refuses counts as an upstream's failure.
#![cfg(all(target_os = "linux", feature = "cli"))]

use crate::support::client::{Answer, Client};
use crate::support::unprivileged::Unprivileged;
use headstart_testing::upstream::{Behavior, FakeUpstream};
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);
const TOLD: &str = r#"{"success":true,"response":{"told":true}}"#;

/// Clients that have been served, and stay.
fn served(binary: &Unprivileged, clients: usize) -> Vec<Client> {
    let mut clients: Vec<Client> = (0..clients).map(|_| binary.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/healthz").answer().status, 200);
    }
    clients
}

#[test]
fn requests_admitted_while_threads_are_refused_succeed_and_the_others_are_told_at_once() {
    let _turn = headstart_testing::in_turn();
    let (tell, told) = crossbeam_channel::unbounded();
    let upstream = FakeUpstream::start(Behavior::AnswersWhenTold(told));
    let binary = Unprivileged::start(&["--upstream", &upstream.url()]);
    let mut admitted = served(&binary, 40);
    // Half of them are on their way when the threads run out, half of them ask afterwards.
    let (before, after) = admitted.split_at_mut(20);
    for client in before {
        client.get("/api/smart");
    }
    (0..20).for_each(|_| drop(upstream.next_request()));
    binary.refuse_threads();
    for client in after {
        client.get("/api/first");
    }
    (0..20).for_each(|_| drop(upstream.next_request()));

    let mut storm: Vec<Client> = (0..200).map(|_| binary.connect()).collect();
    for client in &mut storm {
        client.get("/api/smart");
    }
    // Threads that happened to be idle, or had been started for a hedge, admit some.
    let (refused, mut others): (Vec<Client>, Vec<Client>) = storm.into_iter().partition(|client| {
        client.stream().set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        client.stream().peek(&mut [0]).is_ok()
    });
    assert!(refused.len() > 150, "{} of 200 told at once", refused.len());
    for mut client in refused {
        let answer = client.answer();
        assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")), "{answer:?}");
    }

    (0..2_000).for_each(|_| tell.send(()).unwrap());
    for client in &mut admitted {
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (200, TOLD));
    }
    for client in &mut others {
        client.stream().set_read_timeout(Some(headstart_testing::PATIENCE)).unwrap();
        let answer = client.answer();
        assert!(answer.status == 503 || answer.text() == TOLD, "{answer:?}");
    }

    // After the storm the existing threads serve all clients, although no new ones can be had.
    drop((others, admitted));
    let over = Instant::now();
    loop {
        let answer = binary.connect().get("/api/smart").answer();
        match answer.status {
            503 => assert!(over.elapsed() < SECOND, "still refused"),
            _ => break assert_eq!((answer.status, answer.text()), (200, TOLD)),
        }
    }
    binary.allow_threads();
    served(&binary, 200);
}

/// One figure of `/metrics`.
fn figure(answer: &Answer, name: &str) -> u64 {
    let value = answer.text().lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    value.unwrap_or_else(|| panic!("no {name} in {}", answer.text())).parse().unwrap()
}

#[test]
fn a_name_that_finds_no_thread_to_be_looked_up_is_a_refusal_and_is_tried_again() {
    let _turn = headstart_testing::in_turn();
    let upstream = FakeUpstream::start(Behavior::Answers(r#"{"told":true}"#));
    let url = upstream.url().replace("127.0.0.1", "localhost");
    let binary = Unprivileged::start(&["--upstream", &url, "--schedule", "0"]);
    let mut client = served(&binary, 1).remove(0);
    // Nothing runs beside this connection: the probe at start is over.
    headstart_testing::eventually("all other threads are idle", || {
        let figures = client.get("/metrics").answer();
        figure(&figures, "headstart_crew_threads") == 1 + figure(&figures, "headstart_crew_threads_idle")
    });
    binary.refuse_threads();
    // Whatever thread is idle gets a connection.
    let mut others = Vec::new();
    loop {
        let mut other = binary.connect();
        if other.get("/healthz").answer().status == 503 {
            break;
        }
        others.push(other);
    }
    for path in ["/api/smart", "/api/first", "/api/all", "/api/within-timeout"] {
        let answer = client.get(path).answer();
        assert_eq!((answer.status, answer.field("retry-after")), (503, Some("1")), "{path}: {}", answer.text());
    }
    binary.allow_threads();
    assert_eq!(client.get("/api/smart").answer().text(), TOLD);
}
