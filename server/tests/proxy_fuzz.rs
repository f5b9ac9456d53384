//! By chance: requests through the proxy and directly, and connections that close when they like.
#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::proxy_passing::OURS;
use crate::support::chance::Chance;
use crate::support::client::Client;
use crate::support::closings::Closing;
use crate::support::message::{Framing, Message, latin1};
use crate::support::proxied::Proxied;
use crate::support::teller::{After, Teller};

/// `HEADSTART_PROXY_SEED` chooses another one.
fn seed() -> u64 {
    std::env::var("HEADSTART_PROXY_SEED").map_or(1, |text| text.parse().expect("a number"))
}

#[test]
fn random_requests_are_told_the_same_through_the_proxy_and_directly() {
    let upstream = Teller::start(tell);
    for (schedule, rounds) in [("0", 700), ("0,0", 300)] {
        let proxy = Proxied::to(&[upstream.url()], &["--schedule", schedule]);
        compare(&upstream, &proxy, rounds);
    }
}

fn compare(upstream: &Teller, proxy: &Proxied, rounds: usize) {
    let mut chance = Chance::of(seed());
    let (mut through, mut directly) = (proxy.connect(), Client::connect(upstream.address()));
    for number in 0..rounds {
        let request = Request::by(&mut chance);
        let [proxied, direct] = [&mut through, &mut directly].map(|client| request.told_over(client));
        let case = request.bytes[..request.bytes.len().min(2_000)].escape_ascii();
        assert_eq!(proxied.head.start, direct.head.start, "{number}: {case}");
        let hop = ["Via", "Connection", "Transfer-Encoding"];
        assert_eq!(trimmed(&proxied.head, &hop), trimmed(&direct.head, &hop), "{number}: {case}");
        let lengths = [&proxied.head, &direct.head].map(|head| head.field("content-length"));
        // An echo is longer by the fields that the proxy adds; that it is as long as it says is seen by reading it.
        let is_same = lengths[0] == lengths[1] || direct.echoed.is_some();
        assert!(is_same && lengths[0].is_some() == lengths[1].is_some(), "{number}: {lengths:?}: {case}");
        assert_eq!(proxied.echoed.as_ref().map(Echo::told), direct.echoed.as_ref().map(Echo::told), "{number}: {case}");
        if direct.is_closed {
            directly = Client::connect(upstream.address());
        }
        if proxied.is_closed {
            through = proxy.connect();
        }
    }
}

/// The fields but these, in order, without the white space around values, which is no part of them. The length is
/// where the message's framing is said, which may be anywhere.
fn trimmed(head: &Message, but: &[&str]) -> Vec<String> {
    let lines = head.without(&[but, &["Content-Length"]].concat());
    let parts = lines.iter().map(|line| line.split_once(':').unwrap());
    parts.map(|(name, value)| format!("{name}:{}", value.trim_matches([' ', '\t']))).collect()
}

struct Request {
    bytes: Vec<u8>,
    is_head: bool,
    is_old: bool,
}

struct Told {
    head: Message,
    echoed: Option<Echo>,
    is_closed: bool,
}

/// The request as the upstream saw it.
struct Echo {
    head: Message,
    body: String,
}

impl Echo {
    fn told(&self) -> (&str, Vec<String>, Framing, &str) {
        let lines = trimmed(&self.head, &[&OURS[..], &["Connection", "Transfer-Encoding"]].concat());
        (&self.head.start, lines, self.head.framing(), &self.body)
    }
}

impl Request {
    /// A request that is well-formed, and of which nothing is for one connection only.
    fn by(chance: &mut Chance) -> Request {
        let method =
            chance.pick(&["GET", "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "x-Odd!", "QUERY"]);
        let mut bytes = format!("{method} /").into_bytes();
        for _ in 0..chance.below(30) {
            let parts = ["a", "%2f", "//", ";", "?", "&=", "%00", "..", ".", "|", "{", "\"", "'", "\\", "^", "~", "+"];
            bytes.extend_from_slice(chance.pick(&parts).as_bytes());
        }
        let shape = chance.next();
        let is_old = method != "HEAD" && chance.one_in(12);
        let version = if is_old { "HTTP/1.0" } else { "HTTP/1.1" };
        let host = chance.below(9);
        bytes.extend_from_slice(format!(" {version}\r\nHost: h{host}\r\nX-Shape: {shape}\r\n").as_bytes());
        if is_old {
            bytes.extend_from_slice(b"X-Old: yes\r\n");
        }
        for _ in 0..chance.below(8) {
            bytes.extend_from_slice(&field(chance));
        }
        let body: Vec<u8> = (0..chance.below(3) * chance.below(25_000)).map(|_| chance.next() as u8).collect();
        match chance.below(4) {
            0 => bytes.extend_from_slice(b"\r\n"),
            1 if !is_old => {
                bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n\r\n");
                chunks(chance, &body, &mut bytes);
            }
            _ => {
                bytes.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
                bytes.extend_from_slice(&body);
            }
        }
        Request { bytes, is_head: method == "HEAD", is_old }
    }

    fn told_over(&self, client: &mut Client) -> Told {
        client.send(&self.bytes);
        let head = client.message();
        let has_none = self.is_head || [204, 304].contains(&head.status());
        let framing = if has_none { Framing::Length(0) } else { head.framing() };
        let says_close = head.all("connection").iter().any(|option| option.eq_ignore_ascii_case("close"));
        let is_closed = self.is_old || says_close || framing == Framing::None;
        let echoed = (!has_none).then(|| {
            let body = latin1(&client.body(&head));
            let (seen, body) = body.split_once("\r\n\r\n").expect("an echo");
            let mut lines = seen.split("\r\n").map(str::to_owned);
            let mut start = lines.next().unwrap();
            if self.is_old {
                // RFC 9112, 2.3: each hop speaks its own version.
                start = start.replace("HTTP/1.0", "HTTP/1.1");
            }
            Echo { head: Message { start, lines: lines.collect() }, body: body.to_owned() }
        });
        Told { head, echoed, is_closed }
    }
}

fn field(chance: &mut Chance) -> Vec<u8> {
    let name = chance.pick(&["X-A", "x-a", "Cookie", "Accept", "x_y", "If-Match", "Cache-Control", "!#$%&'*+-.^_`|~"]);
    let mut line = format!("{name}:").into_bytes();
    for _ in 0..chance.below(12) {
        let parts: [&[u8]; 9] = [b" ", b"a", b",", b"\t", b"\"x\"", b";q=1", b"\xff", b"\xe4", b"%0d%0a"];
        line.extend_from_slice(chance.pick(&parts));
    }
    line.extend_from_slice(b"\r\n");
    line
}

fn chunks(chance: &mut Chance, mut body: &[u8], out: &mut Vec<u8>) {
    while !body.is_empty() {
        let size = 1 + chance.below(body.len().min(9_000));
        let extension = chance.pick(&["", "", ";a", ";b=\"c;d\""]);
        out.extend_from_slice(format!("{size:x}{extension}\r\n").as_bytes());
        out.extend_from_slice(&body[..size]);
        out.extend_from_slice(b"\r\n");
        body = &body[size..];
    }
    out.extend_from_slice(b"0\r\n\r\n");
}

/// Answers with what was seen, in a shape that the request chooses.
fn tell(link: &mut Client, seen: &Message, body: Vec<u8>) -> After {
    let mut chance = Chance::of(seen.field("x-shape").unwrap().parse().unwrap());
    let echo: Vec<u8> =
        format!("{}\r\n{}\r\n\r\n", seen.start, seen.lines.join("\r\n")).chars().map(|c| c as u8).collect();
    let echo = [echo, body].concat();
    let status =
        chance.pick(&["200 OK", "201 ", "404 Not  Found", "302 F\u{e9}", "299 -", "204 None", "304 Same", "500 X"]);
    let mut answer: Vec<u8> = format!("HTTP/1.1 {status}\r\n").chars().map(|c| c as u8).collect();
    for _ in 0..chance.below(6) {
        answer.extend_from_slice(&field(&mut chance));
    }
    answer.extend_from_slice(b"Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n");
    let has_none = seen.start.starts_with("HEAD ") || status.starts_with("204") || status.starts_with("304");
    // The proxy speaks HTTP/1.1 for it.
    let is_old = seen.field("x-old").is_some();
    let (framing, mut after) = match chance.below(3) {
        // What a GET would have got.
        0 if has_none && !status.starts_with("204") => ("Content-Length: 12345\r\n\r\n".to_owned(), After::Keep),
        _ if has_none => ("\r\n".to_owned(), After::Keep),
        0 if !is_old => ("Transfer-Encoding: chunked\r\n\r\n".to_owned(), After::Keep),
        1 => ("\r\n".to_owned(), After::Close),
        _ => (format!("Content-Length: {}\r\n\r\n", echo.len()), After::Keep),
    };
    answer.extend_from_slice(framing.as_bytes());
    match framing.starts_with("T") {
        _ if has_none => {}
        true => chunks(&mut chance, &echo, &mut answer),
        false => answer.extend_from_slice(&echo),
    }
    link.send(answer);
    if is_old {
        after = After::Close;
    }
    after
}

#[test]
fn idle_connections_that_close_at_random_moments_cost_no_request_and_no_post_comes_twice() {
    // With hedges that win and lose at the same time, too.
    for schedule in ["0", "0,0", "0,1"] {
        let upstream = Closing::start(seed());
        let proxy = Proxied::to(&[upstream.teller.url()], &["--schedule", schedule]);
        let wrong = upstream.judge(proxy.address, seed(), 2_000, 8);
        assert!(wrong.is_empty(), "{schedule}: {} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(10)]);
    }
}
