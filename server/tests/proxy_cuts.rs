//! What an upstream leaves unfinished or says wrongly: the client sees that it is not whole.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::support::client::End;
use crate::support::message::Message;
use crate::support::proxied::{Proxied, one};
use crate::support::script::{Link, Upstream};

const PLAIN: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OLD: &str = "GET / HTTP/1.0\r\nHost: a\r\n\r\n";

/// How an upstream ends its connection.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Close,
    Reset,
}

impl Cut {
    fn end(self, link: Link) {
        match self {
            Cut::Close => drop(link),
            Cut::Reset => link.reset(),
        }
    }
}

/// Every framing and every end that leaves a body of it unfinished.
const UNFINISHED: [(&str, &str, Cut); 7] = [
    ("Content-Length: 9", "begun", Cut::Close),
    ("Content-Length: 9", "begun", Cut::Reset),
    ("Transfer-Encoding: chunked", "5\r\nbegun\r\n", Cut::Close),
    ("Transfer-Encoding: chunked", "5\r\nbegun\r\n", Cut::Reset),
    ("Transfer-Encoding: chunked", "9\r\nbegun", Cut::Close),
    ("Transfer-Encoding: chunked", "5\r\nbegun\r\n0\r\n", Cut::Close),
    ("X: until the close", "begun", Cut::Reset),
];

#[test]
fn a_body_that_its_upstream_cuts_is_cut_for_the_client() {
    let (proxy, upstream) = one(&[]);
    for (field, part, cut) in UNFINISHED {
        let mut client = proxy.connect();
        client.send(PLAIN);
        let (mut link, _) = upstream.asked();
        link.send(format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n{part}"));
        assert_eq!(client.message().status(), 200);
        let mut came = String::from_utf8(client.until("begun")).unwrap();
        cut.end(link);
        came += &client.rest_and_end().0;
        // Without the length it was to have, and without a last chunk.
        assert!(
            ["begun", "5\r\nbegun", "5\r\nbegun\r\n", "9\r\nbegun"].contains(&came.as_str()),
            "{field} {cut:?}: {came:?}"
        );
    }
}

#[test]
fn a_client_of_http_1_0_is_told_of_a_cut_by_a_reset() {
    let (proxy, upstream) = one(&[]);
    for (field, part, cut) in UNFINISHED.into_iter().filter(|(field, ..)| !field.contains("Length")) {
        let mut client = proxy.connect();
        client.send(OLD);
        let (mut link, _) = upstream.asked();
        link.send(format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n{part}"));
        client.until("begun");
        cut.end(link);
        // An orderly end would be the end of a whole body.
        assert_eq!(client.rest_and_end(), (String::new(), End::Reset), "{field} {part:?} {cut:?}");
    }
}

/// A problem of ours, which says nothing about where upstreams are.
#[track_caller]
fn assert_problem(head: &Message, body: &str, status: u16, upstream: &Upstream) {
    assert_eq!(head.status(), status, "{body}");
    assert_eq!(head.field("content-type"), Some("application/problem+json"));
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["status"], status);
    let secret = upstream.address().port().to_string();
    assert!(!body.contains(&secret) && !head.lines.concat().contains(&secret), "{head:?} {body}");
}

/// Asks, has the upstream say this and then end so (or go on), and expects our 502 on a connection that lives on.
#[track_caller]
fn assert_bad_gateway(proxy: &Proxied, upstream: &Upstream, said: &[u8], cut: Option<Cut>) {
    let mut client = proxy.connect();
    client.send(PLAIN);
    let (mut link, _) = upstream.asked();
    link.send(said);
    match cut {
        Some(cut) => cut.end(link),
        // What cannot be understood is not waited for: the connection is given up.
        None => drop(link.rest_and_end()),
    }
    let (head, body) = client.response();
    assert_problem(&head, &body, 502, upstream);
    client.send(PLAIN);
    let (mut link, _) = upstream.asked();
    link.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    assert_eq!(client.response().1, "ok", "after {}", said.escape_ascii());
}

#[test]
fn an_upstream_that_ends_before_its_head_is_whole_is_a_bad_gateway() {
    let (proxy, upstream) = one(&[]);
    for said in
        ["", "H", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", "HTTP/1.1 100 Continue\r\n\r\n"]
    {
        for cut in [Cut::Close, Cut::Reset] {
            assert_bad_gateway(&proxy, &upstream, said.as_bytes(), Some(cut));
        }
    }
}

#[test]
fn a_head_that_can_be_read_in_two_ways_is_a_bad_gateway() {
    let (proxy, upstream) = one(&[]);
    for fields in [
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length:",
        "Content-Length: 18446744073709551616",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:",
        "Transfer-Encoding: \x0bchunked",
        "Content Length: 5",
        "X : y",
        "X: y\r\n folded",
        "X: a\0b",
        "X: a\rb",
        ": y",
        "no colon",
    ] {
        let said = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\nhello");
        assert_bad_gateway(&proxy, &upstream, said.as_bytes(), None);
    }
}

#[test]
fn what_is_not_http_is_a_bad_gateway() {
    let (proxy, upstream) = one(&[]);
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(100_000));
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "y".repeat(1_000_000));
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(10_000);
    for said in [
        &interim,
        "HTTP/2 200 OK\r\n\r\n",
        "HTTP/1.2 200 OK\r\n\r\n",
        "HTTP/1.1 2000 OK\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 000 OK\r\n\r\n",
        "HTTP/1.1 099 OK\r\n\r\n",
        "ICY 200 OK\r\n\r\n",
        "220 mail.example ESMTP\r\n",
        "\0\x01\x02\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        &many,
        &long,
    ] {
        assert_bad_gateway(&proxy, &upstream, said.as_bytes(), None);
    }
}

#[test]
fn a_malformed_chunk_cuts_the_body() {
    let (proxy, upstream) = one(&[]);
    for bad in [
        "z\r\nx\r\n",
        "-1\r\nx\r\n",
        "+1\r\nx\r\n",
        " 1\r\nx\r\n",
        "0x1\r\nx\r\n",
        "1\nx\n",
        "1\rx\r\n",
        "1\r\nxy\r\n",
        "1\r\nx\n",
        "\r\nx\r\n",
        "10000000000000000\r\nx\r\n",
        "1;\0\r\nx\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\nX : y\r\n\r\n",
    ] {
        let mut client = proxy.connect();
        client.send(PLAIN);
        let (mut link, _) = upstream.asked();
        link.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n");
        client.until("begun");
        link.send(format!("{bad}0\r\n\r\n"));
        let rest = client.rest_and_end().0;
        assert!(!rest.contains("0\r\n\r\n"), "{bad:?} ended well: {rest:?}");
        // And its connection is given up.
        link.rest_and_end();
    }
}
