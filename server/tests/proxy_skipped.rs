//! Why hedges that were due are not sent: every reason that can be brought about, in the figures and in the log.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::proxy_hedging::plain;
use crate::proxy_policy::PLENTY;
use crate::support::client::Client;
use crate::support::proxied::{Proxied, one};
use crate::support::script::Upstream;
use headstart_testing::eventually;
use serde_json::json;
use std::time::{Duration, Instant};

/// A proxy that hedges after 20 ms, logs everything, and takes the client's word for the time there is.
fn hedging(args: &[&str]) -> (Proxied, Upstream) {
    one(&[&["--hedge", "20ms", "--log", "debug", "--trusted-proxies", "127.0.0.1"], args].concat())
}

/// Waits for this reason to be counted so often, and for no other but `method`, which the requests of a test may have.
#[track_caller]
fn assert_skipped(proxy: &mut Proxied, reason: &str, count: usize) {
    proxy.process.wait_for(&format!("not sent: {reason}\n"));
    let row = format!("headstart_hedges_skipped_total{{route=\"/*\",reason=\"{reason}\"}}");
    eventually(reason, || proxy.metric(&row) == count as f64);
    let mut skipped = proxy.hedging()["skipped"].as_object().unwrap().clone();
    assert_eq!(skipped.remove(reason), Some(json!(count)));
    skipped.remove("method");
    assert!(skipped.is_empty(), "{skipped:?}");
}

/// Asks for what gets no answer within half a second.
#[track_caller]
fn ask_in_vain(proxy: &Proxied, upstream: &Upstream) {
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nx-request-timeout-ms: 500\r\n\r\n");
    let _primary = upstream.asked_by_attempt("0");
    assert_eq!(client.response().0.status(), 504);
    upstream.assert_left_alone();
}

/// A POST and its answer.
#[track_caller]
fn post(proxy: &Proxied, upstream: &Upstream, answer: &str) {
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    upstream.asked().0.send(answer);
    assert_eq!(client.message().start, answer.split("\r\n").next().unwrap());
}

#[test]
fn budget() {
    let (mut proxy, upstream) = hedging(&["--hedge-budget", "0%", "--hedge-min-rate", "0"]);
    ask_in_vain(&proxy, &upstream);
    assert_skipped(&mut proxy, "budget", 1);
}

#[test]
fn concurrency() {
    let (mut proxy, upstream) = hedging(&[&["--hedge-max-concurrent", "1"], &PLENTY[..]].concat());
    let mut first = proxy.connect();
    first.get("/");
    let mut primary = upstream.asked_by_attempt("0").0;
    let mut hedge = upstream.asked_by_attempt("1").0;
    ask_in_vain(&proxy, &upstream);
    assert_skipped(&mut proxy, "concurrency", 1);
    // Nothing happens to those that run.
    primary.send(plain("primary"));
    assert_eq!(first.response().1, "primary");
    hedge.end();
}

#[test]
fn throttle_until_upstreams_recover() {
    let (mut proxy, upstream) = hedging(&PLENTY);
    (0..5).for_each(|_| post(&proxy, &upstream, "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"));
    ask_in_vain(&proxy, &upstream);
    assert_skipped(&mut proxy, "throttle", 1);
    // The last request was a failure too, as nothing came.
    (0..11).for_each(|_| post(&proxy, &upstream, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    let mut client = proxy.connect();
    client.get("/");
    let _primary = upstream.asked_by_attempt("0");
    upstream.asked_by_attempt("1").0.send(plain("hedge"));
    assert_eq!(client.response().1, "hedge");
}

#[test]
fn pushback_of_an_upstream_that_asked_to_be_left_alone() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let (mut proxy, upstream) = hedging(&PLENTY);
        post(&proxy, &upstream, &format!("HTTP/1.1 {status}\r\nRetry-After: 60\r\nContent-Length: 0\r\n\r\n"));
        ask_in_vain(&proxy, &upstream);
        assert_skipped(&mut proxy, "pushback", 1);
    }
}

#[test]
fn pushback_ends_the_further_attempts_of_its_own_race_at_once() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let (mut proxy, upstream) = one(&["--hedge", "15s", "--log", "debug"]);
        let mut client = proxy.connect();
        let began = Instant::now();
        client.get("/");
        let answer = format!("HTTP/1.1 {status}\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
        upstream.asked_by_attempt("0").0.send(&answer);
        assert_eq!(client.message().start, format!("HTTP/1.1 {status}"));
        assert!(began.elapsed() < Duration::from_secs(15), "it waited for the hedge");
        assert_skipped(&mut proxy, "pushback", 1);
    }
}

#[test]
fn chain_of_who_hedges_already_and_upstreams_see_our_own_number() {
    let (mut proxy, upstream) = hedging(&PLENTY);
    for sent in ["1", "2"] {
        let mut client = proxy.connect();
        client.send(format!("GET / HTTP/1.1\r\nHost: a\r\nX-Attempt: {sent}\r\n\r\n"));
        let (mut primary, _) = upstream.asked_by_attempt("0");
        assert_skipped(&mut proxy, "chain", sent.parse().unwrap());
        primary.send(plain("primary"));
        assert_eq!(client.response().1, "primary");
        upstream.assert_left_alone();
    }
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Attempt: 0\r\n\r\n");
    let _primary = upstream.asked_by_attempt("0");
    upstream.asked_by_attempt("1").0.send(plain("hedge"));
    assert_eq!(client.response().1, "hedge");
}

#[test]
fn deadline_that_comes_sooner_than_half_of_the_answers() {
    let (mut proxy, upstream) = hedging(&PLENTY);
    let mut client = proxy.connect();
    client.get("/");
    let (mut primary, _) = upstream.asked_by_attempt("0");
    let _hedge = upstream.asked_by_attempt("1");
    std::thread::sleep(Duration::from_millis(800));
    primary.send(plain("primary"));
    assert_eq!(client.response().1, "primary");
    ask_in_vain(&proxy, &upstream);
    assert_skipped(&mut proxy, "deadline", 1);
}

#[test]
fn method_that_may_not_be_sent_twice() {
    let (mut proxy, upstream) = hedging(&PLENTY);
    for body in ["Content-Length: 0\r\n\r\n", "Content-Length: 4\r\n\r\nbody"] {
        let mut client = proxy.connect();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{body}"));
        let (mut link, head) = upstream.asked();
        link.body(&head);
        std::thread::sleep(Duration::from_millis(25));
        link.send(plain("once"));
        assert_eq!(client.response().1, "once");
        upstream.assert_left_alone();
    }
    let row = "headstart_hedges_skipped_total{route=\"/*\",reason=\"method\"}";
    eventually("both are counted", || proxy.metric(row) == 2.0);
    proxy.process.wait_for("not sent: method\n");
    assert_eq!(proxy.hedging()["skipped"], json!({ "method": 2 }));
    assert_eq!(proxy.hedging()["primaries"]["sent"], 2);
}

#[test]
fn dry_run_decides_and_counts_and_sends_nothing() {
    let (mut proxy, upstream) = hedging(&[&["--hedge-dry-run"], &PLENTY[..]].concat());
    assert_eq!(proxy.hedging()["dry_run"], true);
    let mut client = proxy.connect();
    client.get("/");
    let (mut primary, _) = upstream.asked_by_attempt("0");
    assert_skipped(&mut proxy, "dry-run", 1);
    primary.send(plain("primary"));
    assert_eq!(client.response().1, "primary");
    upstream.assert_left_alone();
    assert_eq!(proxy.hedging()["hedges"]["sent"], 0);
}

#[test]
fn threads_that_requests_need_more() {
    let (mut proxy, _upstream) =
        hedging(&[&["--max-threads", "16", "--hedge-max-concurrent", "100"], &PLENTY[..]].concat());
    // Has its thread before they are scarce.
    let mut operator = Client::connect(proxy.admin());
    operator.get("/healthz").response();
    let mut clients: Vec<Client> = (0..12).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        client.get("/");
    }
    proxy.process.wait_for("not sent: threads\n");
    let row = "headstart_hedges_skipped_total{route=\"/*\",reason=\"threads\"} ";
    eventually("it is counted", || {
        let metrics = operator.get("/metrics").response().1;
        metrics.lines().any(|line| line.strip_prefix(row).is_some_and(|count| count != "0"))
    });
}
