//! Which requests are hedged, which attempt wins, and what becomes of the others.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::support::proxied::{Proxied, one, two};
use crate::support::script::{Link, Upstream};

/// The hedge begins soon, but not at once.
pub(crate) const SOON: [&str; 2] = ["--schedule", "0,20"];
/// It would begin long after the test is over.
pub(crate) const NEVER: [&str; 2] = ["--schedule", "0,30000"];

pub(crate) fn plain(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

/// The attempt of this number.
#[track_caller]
pub(crate) fn attempt(upstream: &Upstream, number: &str) -> Link {
    upstream.asked_by_attempt(number).0
}

/// Lets everything begin that was due by now: a race that begins later has its hedge later.
#[track_caller]
fn until_hedges_are_due(proxy: &Proxied, upstream: &Upstream) {
    let mut other = proxy.connect();
    other.get("/until-hedges-are-due");
    for number in ["0", "1"] {
        let (_, seen) = upstream.asked_by_attempt(number);
        assert_eq!(seen.start, "GET /until-hedges-are-due HTTP/1.1");
    }
}

#[test]
fn a_hedge_wins_over_a_silent_primary_whose_connection_is_closed() {
    let (proxy, upstream) = one(&SOON);
    let mut client = proxy.connect();
    client.get("/");
    let mut primary = attempt(&upstream, "0");
    attempt(&upstream, "1").send(plain("hedge"));
    assert_eq!(client.response().1, "hedge");
    primary.end();
}

#[test]
fn a_head_without_a_body_does_not_win() {
    let (proxy, upstream) = one(&SOON);
    let mut client = proxy.connect();
    client.get("/");
    let mut primary = attempt(&upstream, "0");
    primary.send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nX: primary\r\n\r\n");
    let mut hedge = attempt(&upstream, "1");
    // Its first byte commits it; the rest may take its time.
    hedge.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: hedge\r\n\r\nh");
    let head = client.message();
    assert_eq!(head.field("x"), Some("hedge"));
    primary.end();
    hedge.send("edge");
    assert_eq!(client.take(5), b"hedge");
}

#[test]
fn a_primary_that_goes_on_after_its_hedge_began_may_still_win() {
    let (proxy, upstream) = one(&SOON);
    let mut client = proxy.connect();
    client.get("/");
    let mut primary = attempt(&upstream, "0");
    primary.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut hedge = attempt(&upstream, "1");
    primary.send("7\r\nprimary\r\n0\r\n\r\n");
    assert_eq!(client.response().1, "primary");
    hedge.end();
}

#[test]
fn the_end_of_an_empty_body_wins_like_a_first_byte() {
    let (proxy, upstream) = one(&NEVER);
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n",
        "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: /x\r\n\r\n",
    ] {
        let mut client = proxy.connect();
        client.get("/");
        let mut primary = upstream.accept();
        primary.message();
        primary.send(answer);
        assert_eq!(client.message().start, answer.split("\r\n").next().unwrap());
        drop(primary);
    }
    upstream.assert_left_alone();
}

#[test]
fn with_commit_head_a_head_wins() {
    let (proxy, upstream) = one(&[&NEVER[..], &["--commit", "head"]].concat());
    let mut client = proxy.connect();
    client.get("/");
    let mut primary = attempt(&upstream, "0");
    primary.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n");
    let head = client.message();
    primary.send("a");
    assert_eq!(client.body(&head), b"a");
}

#[test]
fn with_commit_full_only_a_whole_body_wins() {
    let (proxy, upstream) = one(&[&SOON[..], &["--commit", "full"]].concat());
    let mut client = proxy.connect();
    client.get("/");
    let mut primary = attempt(&upstream, "0");
    primary.send("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nprimar");
    attempt(&upstream, "1").send(plain("hedge"));
    assert_eq!(client.response().1, "hedge");
    primary.end();
}

#[test]
fn with_commit_full_a_body_that_is_too_long_to_hold_wins_when_no_more_is_held() {
    let (proxy, upstream) = one(&[&NEVER[..], &["--commit", "full", "--hedge-max-body", "32KiB"]].concat());
    let mut client = proxy.connect();
    client.get("/");
    let mut primary = attempt(&upstream, "0");
    let (part, rest) = (vec![b'a'; 100_000], vec![b'b'; 100_000]);
    primary.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n").send(&part);
    client.message();
    assert!(client.take(100_000) == part);
    primary.send(&rest);
    assert!(client.take(100_000) == rest);
}

#[test]
fn only_reads_without_a_body_and_upgrade_are_hedged() {
    let (proxy, upstream) = one(&SOON);
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
        "POST / HTTP/1.1\r\nHost: a\r\n\r\n",
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
        "DELETE / HTTP/1.1\r\nHost: a\r\n\r\n",
        "PATCH / HTTP/1.1\r\nHost: a\r\n\r\n",
        "QUERY / HTTP/1.1\r\nHost: a\r\n\r\n",
        "get / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody",
        "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let mut client = proxy.connect();
        client.send(request);
        let mut link = attempt(&upstream, "0");
        until_hedges_are_due(&proxy, &upstream);
        link.send(plain("once"));
        assert_eq!(client.response().1, "once", "{request}");
    }
    for method in ["GET", "HEAD", "OPTIONS"] {
        let mut client = proxy.connect();
        client.send(format!("{method} /a HTTP/1.1\r\nHost: a\r\n\r\n"));
        let _primary = attempt(&upstream, "0");
        attempt(&upstream, "1").send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(client.message().status(), 200);
    }
}

#[test]
fn put_and_delete_are_hedged_where_said_and_their_bodies_held() {
    let methods = ["--hedge-methods", "GET,PUT,DELETE", "--hedge-max-body", "1000"];
    let (proxy, upstream) = one(&[&SOON[..], &methods].concat());
    for method in ["PUT", "DELETE"] {
        let body = "b".repeat(1_000);
        let mut client = proxy.connect();
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n{body}"));
        for number in ["0", "1"] {
            let (mut link, seen) = upstream.asked_by_attempt(number);
            assert!(link.body(&seen) == body.as_bytes());
            if number == "1" {
                link.send(plain("twice"));
            }
            // The primary's is closed unanswered, which alone decides nothing.
        }
        assert_eq!(client.response().1, "twice");
        // One that is longer is sent once, as it comes.
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n{body}"));
        let (mut link, seen) = upstream.asked();
        link.take(1_000);
        until_hedges_are_due(&proxy, &upstream);
        client.send("b");
        link.take(1);
        link.send(plain("once"));
        assert_eq!((seen.field("x-attempt"), client.response().1.as_str()), (Some("0"), "once"));
    }
}

#[test]
fn a_hedge_goes_to_another_upstream() {
    let (proxy, upstreams) = two(&SOON);
    for _ in 0..4 {
        let mut client = proxy.connect();
        client.get("/");
        let seen: Vec<(Link, Option<String>)> = upstreams
            .iter()
            .map(|upstream| {
                let (link, seen) = upstream.asked();
                (link, seen.field("x-attempt").map(str::to_owned))
            })
            .collect();
        let mut numbers: Vec<_> = seen.iter().map(|(_, number)| number.as_deref()).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, [Some("0"), Some("1")]);
        let (mut hedge, _) = seen.into_iter().find(|(_, number)| number.as_deref() == Some("1")).unwrap();
        hedge.send(plain("hedge"));
        assert_eq!(client.response().1, "hedge");
    }
}

#[test]
fn an_event_stream_wins_by_its_head_and_is_not_hedged_from_there() {
    let (proxy, upstream) = one(&SOON);
    for (accept, content_type) in [("", "text/event-stream; charset=utf-8"), ("Accept: text/event-stream\r\n", "x/y")] {
        let mut client = proxy.connect();
        client.send(format!("GET /events HTTP/1.1\r\nHost: a\r\n{accept}\r\n"));
        let mut link = attempt(&upstream, "0");
        link.send(format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n\r\n"));
        assert_eq!(client.message().field("content-type"), Some(content_type));
    }
}

#[test]
fn after_the_commit_there_is_no_hedge() {
    let (proxy, upstream) = one(&["--schedule", "0,100"]);
    let mut client = proxy.connect();
    client.get("/");
    let mut primary = attempt(&upstream, "0");
    primary.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
    client.message();
    until_hedges_are_due(&proxy, &upstream);
    primary.send("b");
    assert_eq!(client.take(2), b"ab");
}

#[test]
fn an_answer_is_never_given_to_another_request() {
    let (proxy, upstream) = one(&["--schedule", "0,0"]);
    let mut client = proxy.connect();
    for number in 0..20 {
        client.get(&format!("/{number}"));
        let [mut one, mut other] = [upstream.asked().0, upstream.asked().0];
        // Both, at the same time.
        one.send(plain(&number.to_string()));
        other.send(plain(&number.to_string()));
        assert_eq!(client.response().1, number.to_string());
    }
}
