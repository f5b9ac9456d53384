//! A thousand races whose primary hangs, in the built binary, and half as many on each other stack: every loser is
//! closed, and threads do not pile up.
//!
//! Among the few tests that run beside few others: the machine's time is what most of it depends on.

#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::support::client::Client;
use crate::support::process::{Process, headstart};
use headstart_testing::eventually;
use headstart_testing::proc;
use headstart_testing::upstream::{Behavior, FakeUpstream, Sight, field};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::time::Duration;

const CONNECTIONS: usize = 50;

fn hang_the_primary(head: &str) -> Behavior {
    match field(head, "x-attempt") {
        "0" => Behavior::HangsAfterRequest,
        _ => Behavior::Answers(r#"{"hedge":1}"#),
    }
}

fn ask(address: SocketAddr, requests: usize) {
    let mut client = Client::connect(address);
    for _ in 0..requests {
        let answer = client.get("/api/smart?timeout=20000").answer();
        assert_eq!((answer.status, answer.text()), (200, r#"{"success":true,"response":{"hedge":1}}"#));
    }
}

/// One after the other, for the machine's sake.
#[test]
fn every_primary_that_hangs_is_closed_and_threads_do_not_pile_up() {
    for (stack, threads_each) in
        [(&[][..], 3), (&["--threads", "fresh"], 7), (&["--front", "tiny_http"], 4), (&["--plain"], 8)]
    {
        println!("{stack:?}");
        closes_every_primary_that_hangs(stack, threads_each);
    }
}

/// With so many threads for each connection at most: its own, its worker's, its attempts', and as many fresh ones
/// about to end. If they piled up, there would be more than a thousand.
fn closes_every_primary_that_hangs(stack: &[&str], threads_each: usize) {
    let upstream = FakeUpstream::start(Behavior::Chooses(hang_the_primary));
    let requests_each = if stack.is_empty() { 20 } else { 10 };
    let options = ["--listen", "127.0.0.1:0", "--schedule", "0,100,100", "--upstream", &upstream.url()];
    let mut process = Process::start(headstart(&[&options, stack].concat()));
    let address = process.address().parse().unwrap();
    let idle_threads = proc::threads(process.id());

    let clients: Vec<_> = (0..CONNECTIONS).map(|_| std::thread::spawn(move || ask(address, requests_each))).collect();
    let mut most_threads = idle_threads;
    while !clients.iter().all(|client| client.is_finished()) {
        most_threads = most_threads.max(proc::threads(process.id()));
        std::thread::sleep(Duration::from_millis(5));
    }
    clients.into_iter().for_each(|client| client.join().unwrap());
    // Under load a fresh thread may be so late that its race is over before it calls.
    let is_primary = |sight: &Sight| matches!(sight, Sight::Request(head) if field(head, "x-attempt") == "0");
    let primaries = upstream.sights.try_iter().filter(is_primary).count();
    assert!(primaries > CONNECTIONS * requests_each * 9 / 10, "{primaries} primaries");
    assert!(!stack.is_empty() || primaries == CONNECTIONS * requests_each, "{primaries} primaries");
    eventually("every loser is closed", || upstream.abandoned() == primaries);
    println!("from {idle_threads} to {most_threads} threads");
    assert!(most_threads <= idle_threads + threads_each * CONNECTIONS, "{most_threads} threads, {idle_threads} before");
    process.signal(Signal::TERM);
    assert_eq!(process.wait().0.code(), Some(0));
}
