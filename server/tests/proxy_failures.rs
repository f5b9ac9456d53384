//! Upstreams that cannot be reached, that are lost or too slow, and clients that leave.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::support::client::{Client, End};
use crate::support::message::Message;
use crate::support::proxied::{Proxied, one, two};
use crate::support::script::{Link, Upstream, nobody};
use headstart_testing::PATIENCE;
use std::time::{Duration, Instant};

const DONE: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\ndone";
const POST: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody";

/// The problem that an answer of ours is, which does not say where upstreams are.
#[track_caller]
fn problem((head, body): &(Message, String), status: u16, ports: &[u16]) {
    assert_eq!((head.status(), head.field("content-type")), (status, Some("application/problem+json")), "{body}");
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["status"], status);
    assert!(problem["title"].is_string() && problem["detail"].is_string(), "{problem}");
    assert_eq!(head.all("via"), ["1.1 headstart"]);
    for port in ports {
        let port = port.to_string();
        assert!(!body.contains(&port) && !head.lines.concat().contains(&port), "{head:?} {body}");
    }
}

fn port_of(url: &str) -> u16 {
    url.rsplit(':').next().unwrap().parse().unwrap()
}

#[test]
fn a_dead_upstream_of_two_costs_no_get_and_no_post() {
    let upstream = Upstream::start();
    for dead_first in [true, false] {
        let urls = if dead_first { [nobody(), upstream.url()] } else { [upstream.url(), nobody()] };
        let proxy = Proxied::to(&urls, &[]);
        let mut client = proxy.connect();
        for number in 0..10 {
            client.get(&format!("/get/{number}"));
            let (mut link, seen) = upstream.asked();
            assert_eq!(seen.start, format!("GET /get/{number} HTTP/1.1"));
            link.send(DONE);
            assert_eq!(client.response().1, "done");
            client.send(format!("POST /post/{number} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"));
            let (mut link, seen) = upstream.asked();
            assert_eq!(seen.start, format!("POST /post/{number} HTTP/1.1"));
            assert_eq!(link.body(&seen), b"body");
            link.send(DONE);
            assert_eq!(client.response().1, "done");
        }
        upstream.assert_left_alone();
    }
}

#[test]
fn a_body_that_streams_goes_to_the_upstream_that_lives() {
    let upstream = Upstream::start();
    for urls in [[nobody(), upstream.url()], [upstream.url(), nobody()]] {
        let proxy = Proxied::to(&urls, &[]);
        let mut client = proxy.connect();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n");
        let (mut link, _) = upstream.asked();
        assert_eq!(link.chunk(), b"body");
        client.send("0\r\n\r\n");
        assert_eq!(link.chunk(), b"");
        link.send(DONE);
        assert_eq!(client.response().1, "done");
    }
}

#[test]
fn with_all_upstreams_dead_it_is_a_bad_gateway_for_now() {
    let urls = [nobody(), nobody()];
    let ports = urls.each_ref().map(|url| port_of(url));
    let proxy = Proxied::to(&urls, &["--schedule", "0,0"]);
    let mut client = proxy.connect();
    client.get("/");
    problem(&client.response(), 502, &ports);
    client.send(POST);
    problem(&client.response(), 502, &ports);
}

#[test]
fn a_post_that_was_lost_is_not_sent_again() {
    let (proxy, upstreams) = two(&["--schedule", "0,0", "--hedge-on-failure"]);
    let ports = upstreams.each_ref().map(|upstream| upstream.address().port());
    let lose: [fn(Link); 3] = [drop, Client::reset, |mut link: Link| {
        link.send("HTTP/1.1 200 OK\r\nConte");
    }];
    for lose in lose {
        for request in [POST, "POST / HTTP/1.1\r\nHost: a\r\n\r\n", "PATCH / HTTP/1.1\r\nHost: a\r\n\r\n"] {
            let mut client = proxy.connect();
            client.send(request);
            // Whichever is asked, asked once.
            let (mut link, seen) = either(&upstreams);
            link.body(&seen);
            lose(link);
            problem(&client.response(), 502, &ports);
            upstreams.iter().for_each(Upstream::assert_left_alone);
        }
    }
}

/// The connection that one of both gets.
fn either(upstreams: &[Upstream; 2]) -> (Link, Message) {
    let mut found = None;
    headstart_testing::eventually("one is asked", || {
        found = found.take().or_else(|| upstreams.iter().find_map(Upstream::asked_now));
        found.is_some()
    });
    found.unwrap()
}

#[test]
fn an_idle_connection_that_was_closed_costs_no_request() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    for round in 0..20 {
        let request = if round % 2 == 0 { "GET / HTTP/1.1\r\nHost: a\r\n\r\n" } else { POST };
        client.send(request);
        let (mut link, seen) = upstream.asked();
        link.body(&seen);
        // Kept, as far as it says; and closed.
        link.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nkept");
        assert_eq!(client.response().1, "kept");
    }
}

#[test]
fn a_get_that_meets_the_end_of_an_idle_connection_is_sent_again_and_one_that_is_lost_on_a_new_one_is_not() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    client.get("/first");
    let (mut link, _) = upstream.asked();
    link.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nkept");
    assert_eq!(client.response().1, "kept");
    client.get("/second");
    assert_eq!(link.message().start, "GET /second HTTP/1.1");
    drop(link);
    let (link, seen) = upstream.asked();
    assert_eq!(seen.start, "GET /second HTTP/1.1");
    drop(link);
    problem(&client.response(), 502, &[upstream.address().port()]);
    upstream.assert_left_alone();
}

#[test]
fn what_takes_too_long_is_a_gateway_timeout_and_ended() {
    let timeout = Duration::from_millis(300);
    let (proxy, upstream) = one(&["--timeout", "300ms", "--schedule", "0,0"]);
    for begun in ["", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "HTTP/1.1 102 Processing\r\n\r\n"] {
        let mut client = proxy.connect();
        let began = Instant::now();
        client.get("/");
        let mut links = [upstream.asked().0, upstream.asked().0];
        for link in &mut links {
            link.send(begun);
        }
        let answer = client.response();
        problem(&answer, 504, &[upstream.address().port()]);
        assert!(began.elapsed() >= timeout && began.elapsed() < PATIENCE / 4, "{:?}", began.elapsed());
        links.iter_mut().for_each(|link| drop(link.rest_and_end()));
    }
    let mut client = proxy.connect();
    client.send(POST);
    let (mut link, seen) = upstream.asked();
    link.body(&seen);
    problem(&client.response(), 504, &[]);
    link.end();
}

#[test]
fn an_upload_may_take_longer_than_the_timeout_which_begins_at_its_end() {
    let timeout = Duration::from_millis(200);
    let (proxy, upstream) = one(&["--timeout", "200ms"]);
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
    let (mut link, _) = upstream.asked();
    link.chunk();
    let began = Instant::now();
    while began.elapsed() < 2 * timeout {
        client.send("1\r\na\r\n");
        assert_eq!(link.chunk(), b"a");
    }
    client.send("0\r\n\r\n");
    let ended = Instant::now();
    assert_eq!(link.chunk(), b"");
    problem(&client.response(), 504, &[]);
    assert!(ended.elapsed() >= timeout, "{:?}", ended.elapsed());
    link.end();
}

#[test]
fn the_timeout_is_until_the_commit_only() {
    let (proxy, upstream) = one(&["--timeout", "200ms", "--body-idle-timeout", "20s"]);
    let mut client = proxy.connect();
    let began = Instant::now();
    client.get("/");
    let (mut link, _) = upstream.asked();
    link.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    client.message();
    while began.elapsed() < Duration::from_millis(300) {
        link.send("1\r\na\r\n");
        assert_eq!(client.chunk(), b"a");
    }
    link.send("0\r\n\r\n");
    assert_eq!(client.chunk(), b"");
}

#[test]
fn a_failure_of_an_upstream_is_passed_on_for_what_is_sent_once() {
    let (proxy, upstream) = one(&["--schedule", "0,0", "--hedge-on-failure"]);
    let mut client = proxy.connect();
    client.send(POST);
    let (mut link, seen) = upstream.asked();
    link.body(&seen);
    link.send("HTTP/1.1 503 Not now\r\nRetry-After: 3\r\nContent-Length: 5\r\n\r\nsorry");
    let (head, body) = client.response();
    assert_eq!((head.start.as_str(), head.field("retry-after")), ("HTTP/1.1 503 Not now", Some("3")));
    assert_eq!(body, "sorry");
    upstream.assert_left_alone();
}

#[test]
fn a_client_that_leaves_ends_its_attempts_in_every_phase() {
    let (proxy, upstream) = one(&["--schedule", "0,0"]);
    let leave: [fn(Client); 2] = [drop, Client::reset];
    for leave in leave {
        // Before anything came, with a head from one of them, and from both.
        for heads in 0..3 {
            let mut client = proxy.connect();
            client.get("/");
            let mut links = [upstream.asked().0, upstream.asked().0];
            for link in links.iter_mut().take(heads) {
                link.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
            }
            leave(client);
            for link in &mut links {
                link.end();
            }
        }
        // With its request whole, and nothing answered.
        let mut client = proxy.connect();
        client.send(POST);
        let (mut link, seen) = upstream.asked();
        link.body(&seen);
        leave(client);
        assert_eq!(link.rest_and_end().0, "");
    }
}

#[test]
fn nothing_is_left_of_what_was_cut() {
    let (mut proxy, upstream) = one(&["--schedule", "0,0", "--upstream-max-idle", "0"]);
    // The last thing that it opens by itself.
    proxy.process.wait_for("page, metrics and health are on");
    let files = || std::fs::read_dir(format!("/proc/{}/fd", proxy.process.id())).unwrap().count();
    let before = files();
    for round in 0..60 {
        let mut client = proxy.connect();
        client.send(if round % 2 == 0 { "GET / HTTP/1.1\r\nHost: a\r\n\r\n" } else { &POST[..POST.len() - 2] });
        let mut links = vec![upstream.asked().0];
        if round % 2 == 0 {
            links.push(upstream.asked().0);
        }
        for link in &mut links {
            match round % 3 {
                0 => {}
                1 => drop(link.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").stream()),
                _ => drop(link.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nbegun").stream()),
            }
        }
        match round % 5 {
            0 | 1 => client.reset(),
            2 | 3 => drop(links),
            _ => links.into_iter().for_each(Client::reset),
        }
    }
    headstart_testing::eventually("all is closed", || files() <= before);
}

#[test]
fn a_proxy_that_is_its_own_upstream_ends_the_loop() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{address}");
    let proxy = Proxied::to(&[url], &["--max-in-flight", "30", "--listen", &address.to_string()]);
    let mut client = proxy.connect();
    client.get("/");
    // Refused by the last of them, and passed back through all the others.
    let (head, _) = client.response();
    assert_eq!(head.status(), 503);
    assert!(head.all("via").len() > 10, "{head:?}");
}

#[test]
fn a_drain_lets_a_stream_end_and_refuses_new_connections() {
    let (mut proxy, upstream) = one(&["--drain-timeout", "20s"]);
    let mut client = proxy.connect();
    client.get("/");
    let (mut link, _) = upstream.asked();
    link.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na");
    client.message();
    client.until("a");
    proxy.process.signal(rustix::process::Signal::TERM);
    proxy.process.wait_for("SIGTERM");
    link.send("b");
    assert_eq!(client.rest_and_end(), ("b".to_owned(), End::Closed));
    assert_eq!(proxy.process.wait().0.code(), Some(0), "{:#?}", proxy.process.stderr);
}
