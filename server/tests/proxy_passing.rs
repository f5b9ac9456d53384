//! What the proxy passes on as it came, both ways, and what stays here.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::support::client::{Client, End};
use crate::support::message::Message;
use crate::support::proxied::one;
use crate::support::script::Upstream;

/// The fields that the proxy may add to a request or replace in it.
pub(crate) const OURS: [&str; 7] = [
    "Via",
    "X-Forwarded-For",
    "X-Forwarded-Proto",
    "X-Forwarded-Host",
    "x-attempt",
    "x-request-timeout-ms",
    "traceparent",
];

const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// Sends a request, answers it, and returns what the upstream saw of its head.
fn seen_of(client: &mut Client, upstream: &Upstream, request: impl AsRef<[u8]>) -> Message {
    client.send(request);
    let (mut link, seen) = upstream.asked();
    link.send(DONE);
    assert_eq!(client.message().status(), 200);
    seen
}

/// Asks for `/`, answers with these fields, and returns what the client saw.
fn answered_with(client: &mut Client, upstream: &Upstream, head: &str) -> Message {
    client.get("/");
    let (mut link, _) = upstream.asked();
    link.send(head);
    client.message()
}

#[test]
fn a_target_is_passed_on_byte_for_byte() {
    let (proxy, upstream) = one(&[]);
    for target in [
        "/",
        "//",
        "//a//b/",
        "/a/../b/./c",
        "/%2f%2F%41%7e",
        "/a;b=c;d/e",
        "/?",
        "/a?b=c&d=%20&&=&b=c?e/f",
        "/!$&'()*+,-._~:@",
        "/|{}[]^`\\\"<>",
        "/%00%ff",
        "/metrics",
        "/healthz",
        "/api/smart?timeout=x",
        &format!("/{}", "a".repeat(8_000)),
    ] {
        let seen = seen_of(&mut proxy.connect(), &upstream, format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(seen.start, format!("GET {target} HTTP/1.1"));
    }
}

#[test]
fn any_token_is_a_method() {
    let (proxy, upstream) = one(&[]);
    for method in ["GET", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "M-SEARCH", "get", "PRI", "!#$%&'*+-.^_`|~09azAZ"] {
        let seen = seen_of(&mut proxy.connect(), &upstream, format!("{method} /a HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(seen.start, format!("{method} /a HTTP/1.1"));
    }
}

#[test]
fn the_asterisk_form_is_passed_on_and_the_absolute_form_as_origin_form_with_its_host() {
    let (proxy, upstream) = one(&[]);
    let seen = seen_of(&mut proxy.connect(), &upstream, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((seen.start.as_str(), seen.field("host")), ("OPTIONS * HTTP/1.1", Some("a")));
    for (target, origin, host) in [
        ("http://b.example/c//d?e", "/c//d?e", "b.example"),
        ("http://b:81", "/", "b:81"),
        ("HTTP://b?x=%2f", "/?x=%2f", "b"),
        ("https://[::1]:8/", "/", "[::1]:8"),
    ] {
        let request = format!("GET {target} HTTP/1.1\r\nHost: other\r\n\r\n");
        let seen = seen_of(&mut proxy.connect(), &upstream, request);
        assert_eq!(seen.start, format!("GET {origin} HTTP/1.1"));
        assert_eq!(seen.field("host"), Some(host), "{target}");
    }
    let request = "OPTIONS http://b.example HTTP/1.1\r\nHost: other\r\n\r\n";
    let seen = seen_of(&mut proxy.connect(), &upstream, request);
    assert_eq!((seen.start.as_str(), seen.field("host")), ("OPTIONS * HTTP/1.1", Some("b.example")));
}

#[test]
fn fields_arrive_in_order_as_often_as_sent_and_nothing_is_invented() {
    let (proxy, upstream) = one(&[]);
    let fields = [
        "Host: a.example:81",
        "X-B: 1",
        "x-a: 2",
        "X-B: 3",
        "Accept-Language: de,  en;q=0.5 , *",
        "Cookie: a=b",
        "cookie: c=d",
        "X-Empty:",
        "X-Bytes: gr\u{fc}n\u{ff}\tx  y",
        "X-b: 1",
        "Authorization: Basic YTpi",
        "Proxy-Authorization: Basic YTpi",
        "Range: bytes=1-2,5-",
        "If-None-Match: W/\"a\", \"b\"",
        "Cache-Control: no-transform",
        "x_under.score!#$%&'*+-.^`|~: 7",
    ];
    let request = format!("GET / HTTP/1.1\r\n{}\r\n\r\n", fields.join("\r\n"));
    // Latin-1, as the messages are read.
    let bytes: Vec<u8> = request.chars().map(|c| c as u8).collect();
    let seen = seen_of(&mut proxy.connect(), &upstream, bytes);
    let values = |lines: &[&str]| -> Vec<(String, String)> {
        let parts = lines.iter().map(|line| line.split_once(':').unwrap());
        parts.map(|(name, value)| (name.to_owned(), value.trim_matches(' ').to_owned())).collect()
    };
    assert_eq!(values(&seen.without(&OURS)), values(&fields), "{seen:#?}");
}

#[test]
fn fields_about_the_connection_stay_here_on_the_way_there() {
    let (proxy, upstream) = one(&[]);
    let request = "GET / HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nConnection: x-one, keep-alive ,\tX-TWO\r\nx-two: 2\r\n\
                   X-Three: 3\r\nConnection: x-four\r\nKeep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\n\
                   X-Four: 4\r\nx-one: 1\r\nTE: trailers\r\nUpgrade: h2c\r\nX-Five: 5\r\n\r\n";
    let seen = seen_of(&mut proxy.connect(), &upstream, request);
    assert_eq!(seen.without(&[&OURS[..], &["Connection"]].concat()), ["Host: a", "X-Three: 3", "X-Five: 5"]);
    let options = seen.all("connection").join(",").to_ascii_lowercase();
    assert!(["", "keep-alive", "close"].contains(&options.as_str()), "{seen:#?}");
}

#[test]
fn fields_that_frame_or_route_cannot_be_taken_away_by_naming_them_in_connection() {
    let (proxy, upstream) = one(&[]);
    // RFC 9110, 7.6.1: options that are fields of the end. Losing them would make another request of it.
    let mut client = proxy.connect();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nConnection: host, content-length\r\nContent-Length: 3\r\n\r\nabc");
    let (mut link, seen) = upstream.asked();
    assert_eq!(seen.all("host").len(), 1, "{seen:#?}");
    assert_eq!(link.body(&seen), b"abc");
    link.send(DONE);
    assert_eq!(client.message().status(), 200);
}

#[test]
fn fields_about_the_connection_stay_here_on_the_way_back() {
    let (proxy, upstream) = one(&[]);
    let seen = answered_with(
        &mut proxy.connect(),
        &upstream,
        "HTTP/1.1 200 OK\r\nX-One: 1\r\nConnection: X-ONE, x-two\r\nX-Two: 2\r\nX-Three: 3\r\nKeep-Alive: timeout=5\r\n\
         Proxy-Connection: close\r\nUpgrade: h2c\r\nConnection: x-four\r\nX-Four: 4\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(seen.without(&["Via", "Date", "Connection"]), ["X-Three: 3", "Content-Length: 0"]);
    let options = seen.all("connection").join(",").to_ascii_lowercase();
    assert!(["", "keep-alive"].contains(&options.as_str()), "{seen:#?}");
}

#[test]
fn an_upstream_that_closes_its_connection_does_not_close_the_client_s() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    for _ in 0..2 {
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
        let seen = answered_with(&mut client, &upstream, head);
        assert_eq!(seen.field("connection"), None);
    }
}

#[test]
fn the_host_is_the_client_s_or_the_upstream_s_as_chosen() {
    let request = "GET / HTTP/1.1\r\nHost: client.example:8\r\n\r\n";
    for choice in [&[][..], &["--host", "client"]] {
        let (proxy, upstream) = one(choice);
        assert_eq!(seen_of(&mut proxy.connect(), &upstream, request).field("host"), Some("client.example:8"));
    }
    let (proxy, upstream) = one(&["--host", "upstream"]);
    let seen = seen_of(&mut proxy.connect(), &upstream, request);
    assert_eq!(seen.field("host"), Some(upstream.address().to_string().as_str()));
}

#[test]
fn a_request_of_http_1_0_without_a_host_gets_the_upstream_s() {
    let (proxy, upstream) = one(&[]);
    let seen = seen_of(&mut proxy.connect(), &upstream, "GET /a HTTP/1.0\r\n\r\n");
    assert_eq!(seen.start, "GET /a HTTP/1.1");
    assert_eq!(seen.field("host"), Some(upstream.address().to_string().as_str()));
}

#[test]
fn via_names_us_after_those_before_both_ways() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nVia: 1.0 first, 2 second (x)\r\n\r\n");
    let (mut link, seen) = upstream.asked();
    assert_eq!(seen.all("via").join(", "), "1.0 first, 2 second (x), 1.1 headstart");
    link.send("HTTP/1.1 200 OK\r\nVia: 1.1 inner\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.message().all("via").join(", "), "1.1 inner, 1.1 headstart");
}

#[test]
fn via_tells_the_version_that_was_received() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    client.send("GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    let (mut link, seen) = upstream.asked();
    assert_eq!(seen.field("via"), Some("1.0 headstart"));
    link.send("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n");
    let seen = client.message();
    assert_eq!((seen.field("via"), seen.start.as_str()), (Some("1.0 headstart"), "HTTP/1.1 200 OK"));
}

#[test]
fn the_upstream_s_fields_come_once_as_sent() {
    let (proxy, upstream) = one(&[]);
    let fields = [
        "Server: theirs/1.0",
        "Date: Sat, 01 Jan 2000 00:00:00 GMT",
        "Set-Cookie: a=b; Path=/",
        "Content-Type: text/x; charset=\"utf-8\"",
        "set-cookie: c=d, e",
        "ETag: W/\"x\"",
        "Content-Encoding: gzip",
        "X-Empty:",
        "WWW-Authenticate: Basic realm=\"a, b\", Digest x=y",
        "Location: ../x//y?z",
        "x-attempt: 7",
    ];
    let head = format!("HTTP/1.1 299 Very  odd \u{e9}\r\n{}\r\nContent-Length: 0\r\n\r\n", fields.join("\r\n"));
    let mut client = proxy.connect();
    client.get("/");
    let (mut link, _) = upstream.asked();
    link.send(head.chars().map(|c| c as u8).collect::<Vec<u8>>());
    let seen = client.message();
    assert_eq!(seen.start, "HTTP/1.1 299 Very  odd \u{e9}");
    let told: Vec<String> =
        seen.without(&["Via", "Content-Length"]).iter().map(|line| line.trim_end().to_owned()).collect();
    assert_eq!(told, fields);
}

#[test]
fn a_response_without_a_date_gets_one_and_nothing_else_is_invented() {
    let (proxy, upstream) = one(&[]);
    let seen = answered_with(&mut proxy.connect(), &upstream, DONE);
    // RFC 9110, 6.6.1: a recipient with a clock dates what it forwards.
    assert_eq!(seen.without(&["Via", "Date"]), ["Content-Length: 0"]);
    assert!(seen.field("date").is_some_and(|date| date.ends_with(" GMT")), "{seen:#?}");
}

#[test]
fn every_status_passes_and_one_below_500_is_not_hedged() {
    let (proxy, upstream) = one(&["--schedule", "0,30000"]);
    let mut client = proxy.connect();
    for status in [200, 201, 202, 203, 205, 299, 300, 301, 307, 308, 400, 401, 404, 409, 418, 451, 499] {
        let head = format!("HTTP/1.1 {status} Word\r\nContent-Length: 0\r\nX: {status}\r\n\r\n");
        let seen = answered_with(&mut client, &upstream, &head);
        assert_eq!((seen.status(), seen.field("x")), (status, Some(status.to_string().as_str())));
    }
    upstream.assert_left_alone();
}

#[test]
fn requests_behind_one_another_are_answered_in_their_order() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    let requests: String = (0..3).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    client.send(requests);
    for number in 0..3 {
        let (mut link, seen) = upstream.asked();
        assert_eq!(seen.start, format!("GET /{number} HTTP/1.1"));
        link.send(format!("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n\r\n{number}"));
        assert_eq!(client.response().1, number.to_string());
    }
}

#[test]
fn connect_is_refused_and_says_what_is_allowed() {
    let (proxy, upstream) = one(&[]);
    let mut client = proxy.connect();
    client.send("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
    let (head, _) = client.response();
    assert_eq!(head.status(), 405);
    assert!(head.field("allow").is_some(), "{head:?}");
    assert_eq!(client.end(), End::Closed);
    upstream.assert_left_alone();
}

#[test]
fn max_forwards_is_counted_down_for_options_and_trace_and_ends_at_zero() {
    let (proxy, upstream) = one(&[]);
    for method in ["OPTIONS", "TRACE"] {
        let request = |left: u32| format!("{method} /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: {left}\r\n\r\n");
        let seen = seen_of(&mut proxy.connect(), &upstream, request(5));
        assert_eq!(seen.field("max-forwards"), Some("4"), "{method}");
        let mut client = proxy.connect();
        client.send(request(0));
        // Whatever it says, it is ours.
        assert!(client.message().status() >= 200);
        upstream.assert_left_alone();
    }
    let seen = seen_of(&mut proxy.connect(), &upstream, "GET /a HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n");
    assert_eq!(seen.field("max-forwards"), Some("0"), "it means nothing for a GET");
}
