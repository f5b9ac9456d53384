//! What the proxy says anew: for whom a request comes, which attempt it is, and how long it may take.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::support::message::Message;
use crate::support::proxied::{Proxied, one};
use crate::support::script::Upstream;
use std::time::{Duration, Instant};

const DONE: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
/// As the clients of these tests come.
const TRUSTING: [&str; 2] = ["--trusted-proxies", "10.0.0.0/8,127.0.0.0/8"];
const NOT_TRUSTING: [&str; 2] = ["--trusted-proxies", "10.0.0.0/8,::1/128"];

/// What the upstream sees of a request with these fields.
fn seen(proxy: &Proxied, upstream: &Upstream, fields: &str) -> Message {
    let mut client = proxy.connect();
    client.send(format!("GET / HTTP/1.1\r\nHost: a.example:8\r\n{fields}\r\n"));
    let (mut link, seen) = upstream.asked();
    link.send(DONE);
    assert_eq!(client.message().status(), 200);
    seen
}

/// What is said of the client: for, proto, host.
fn said(seen: &Message) -> [String; 3] {
    ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"].map(|name| seen.all(name).join(", "))
}

const CLAIMED: &str = "X-Forwarded-For: 192.0.2.1, 192.0.2.2\r\nx-forwarded-for: 192.0.2.3\r\n\
                       X-Forwarded-Proto: https\r\nX-Forwarded-Host: public.example\r\n";

#[test]
fn the_upstream_is_told_for_whom_the_request_comes() {
    for arguments in [&[][..], &NOT_TRUSTING] {
        let (proxy, upstream) = one(arguments);
        assert_eq!(said(&seen(&proxy, &upstream, "")), ["127.0.0.1", "http", "a.example:8"]);
    }
}

#[test]
fn what_a_stranger_claims_is_replaced() {
    for arguments in [&[][..], &NOT_TRUSTING] {
        let (proxy, upstream) = one(arguments);
        assert_eq!(said(&seen(&proxy, &upstream, CLAIMED)), ["127.0.0.1", "http", "a.example:8"]);
    }
}

#[test]
fn what_a_trusted_proxy_says_is_extended() {
    let (proxy, upstream) = one(&TRUSTING);
    let told = said(&seen(&proxy, &upstream, CLAIMED));
    assert_eq!(told, ["192.0.2.1, 192.0.2.2, 192.0.2.3, 127.0.0.1", "https", "public.example"]);
    assert_eq!(said(&seen(&proxy, &upstream, "")), ["127.0.0.1", "http", "a.example:8"]);
}

#[test]
fn the_attempt_and_the_time_left_are_ours_to_say() {
    let (proxy, upstream) = one(&["--schedule", "0,20", "--timeout", "10s"]);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nx-attempt: 7\r\nX-Request-Timeout-Ms: 5\r\nx-attempt: 8\r\n\r\n");
    let primary = upstream.asked_by_attempt("0");
    let mut hedge = upstream.asked_by_attempt("1");
    let left = |seen: &Message| -> u64 { seen.field("x-request-timeout-ms").unwrap().parse().unwrap() };
    let lefts = [left(&primary.1), left(&hedge.1)];
    assert!(lefts[0] <= 10_000 && lefts[0] > 1_000 && lefts[1] <= 10_000 - 20, "{lefts:?}");
    hedge.0.send(DONE);
    assert_eq!(client.message().status(), 200);
}

#[test]
fn a_trusted_proxy_may_shorten_the_timeout_and_only_it() {
    let asked = |arguments: &[&str], fields: &str| {
        let (proxy, upstream) = one(&[arguments, &["--timeout", "10s"]].concat());
        seen(&proxy, &upstream, fields).field("x-request-timeout-ms").unwrap().parse::<u64>().unwrap()
    };
    let shorter = "x-request-timeout-ms: 5000\r\n";
    assert!(asked(&TRUSTING, shorter) <= 5_000);
    assert!(asked(&NOT_TRUSTING, shorter) > 5_000);
    // Longer is not shorter, and what is no number says nothing.
    for told in ["x-request-timeout-ms: 20000\r\n", "x-request-timeout-ms: soon\r\n", "x-request-timeout-ms: -1\r\n"] {
        let left = asked(&TRUSTING, told);
        assert!(left > 5_000 && left <= 10_000, "{told}: {left}");
    }
}

#[test]
fn a_shortened_timeout_is_kept() {
    let (proxy, upstream) = one(&[&TRUSTING[..], &["--timeout", "15s"]].concat());
    let mut client = proxy.connect();
    let began = Instant::now();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Request-Timeout-Ms: 200\r\n\r\n");
    let (mut link, _) = upstream.asked();
    assert_eq!(client.response().0.status(), 504);
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(200) && took < Duration::from_secs(10), "{took:?}");
    link.end();
}

#[test]
fn a_trace_is_continued_with_a_span_for_each_attempt() {
    let (proxy, upstream) = one(&["--schedule", "0,0"]);
    let given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let mut client = proxy.connect();
    client.send(format!("GET / HTTP/1.1\r\nHost: a\r\ntraceparent: {given}\r\ntracestate: v=1\r\n\r\n"));
    let mut spans = vec!["b7ad6b7169203331".to_owned()];
    let mut both = [upstream.asked(), upstream.asked()];
    for (link, seen) in &mut both {
        let parent = seen.field("traceparent").unwrap().to_owned();
        assert!(parent.starts_with("00-0af7651916cd43dd8448eb211c80319c-") && parent.ends_with("-01"), "{parent}");
        assert_eq!(seen.field("tracestate"), Some("v=1"));
        assert!(!spans.contains(&parent[36..52].to_owned()), "{parent} is not a span of its own");
        spans.push(parent[36..52].to_owned());
        link.send(DONE);
    }
    assert_eq!(client.message().status(), 200);
    // Without one there is a new one.
    assert_eq!(seen_trace(&proxy, &upstream).len(), 55);
}

fn seen_trace(proxy: &Proxied, upstream: &Upstream) -> String {
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    let (mut link, seen) = upstream.asked();
    link.send(DONE);
    client.message();
    seen.field("traceparent").unwrap().to_owned()
}
