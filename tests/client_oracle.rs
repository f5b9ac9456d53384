//! The call without a library reads responses as ureq does, or refuses more.
//!
//! A client that calls by ureq and one that calls by the wire are shown the same responses.

#![cfg(feature = "http")]

use headstart::http::Calls;
use headstart::race::Schedule;
use headstart::{Client, ClientSettings, Crew, CrewSettings, Error};
use headstart_testing::PATIENCE;
use headstart_testing::upstream::{Behavior, FakeUpstream};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use std::collections::BTreeMap;
use std::time::Duration;

const CASES: usize = 1_500;

/// What one response is made of, mostly sound.
fn response() -> impl Strategy<Value = Vec<u8>> {
    /// The first is ten times as likely as each of the others.
    fn mostly(values: &'static [&'static str]) -> impl Strategy<Value = &'static str> {
        let first = std::iter::repeat_n(values[0], 10);
        select(first.chain(values[1..].iter().copied()).collect::<Vec<_>>())
    }
    let version = mostly(&["HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "http/1.1"]);
    let status = mostly(&["200 OK", "200", "201 Created", "204 No Content", "500 x", "20 OK", "2000 OK"]);
    let kind = mostly(&[
        "Content-Type: application/json\r\n",
        "content-type:text/json;charset=utf-8\r\n",
        "Content-Type: application/problem+json\r\n",
        "Content-Type: text/html\r\n",
        "Content-Type : application/json\r\n",
        "",
    ]);
    let body = mostly(&["[1, 2.50]", "{}", " \"\u{e9}\" ", "null\r\n", "{", "", "[0]garbage"]);
    let framing = select((0..14).chain([4, 5, 6, 4, 5, 6]).collect::<Vec<_>>());
    let other = mostly(&["", "X: y\r\n", "Connection: close\r\n", "X: a\r\n b\r\n", "X:\0\r\n", ": y\r\n", "X\r\n"]);
    let interim = mostly(&["", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"]);
    (interim, version, status, kind, other, framing, body).prop_map(
        |(interim, version, status, kind, other, framing, body)| {
            let length = body.len();
            let (fields, body) = match framing {
                0..=3 => (format!("Content-Length: {length}\r\n"), body.to_owned()),
                4 => (String::new(), body.to_owned()),
                5 => ("Transfer-Encoding: chunked\r\n".to_owned(), format!("{length:x}\r\n{body}\r\n0\r\n\r\n")),
                6 => (
                    "Transfer-Encoding: chunked\r\n".to_owned(),
                    format!("{length:X};a=b\r\n{body}\r\n0\r\nT: x\r\n\r\n"),
                ),
                7 => ("Transfer-Encoding: chunked\r\n".to_owned(), format!("{length:x}\r\n{body}\r\n")),
                8 => ("Transfer-Encoding: chunked\r\n".to_owned(), format!("{:x}\r\n{body}\r\n0\r\n\r\n", length + 1)),
                9 => (format!("Content-Length: {}\r\n", length + 1), body.to_owned()),
                10 => (format!("Content-Length: {length}\r\nContent-Length: {length}\r\n"), body.to_owned()),
                11 => (format!("Content-Length: +{length}\r\n"), body.to_owned()),
                12 => (format!("Content-Length: {length}\r\nTransfer-Encoding: chunked\r\n"), body.to_owned()),
                _ => (format!("Transfer-Encoding: gzip\r\nContent-Length: {length}\r\n"), body.to_owned()),
            };
            format!("{interim}{version} {status}\r\n{kind}{other}{fields}\r\n{body}").into_bytes()
        },
    )
}

/// A response, or one with a byte changed.
fn maybe_broken() -> impl Strategy<Value = Vec<u8>> {
    (response(), any::<prop::sample::Index>(), any::<u8>(), 0..4).prop_map(|(mut bytes, at, byte, whether)| {
        if whether == 0 {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

#[test]
fn both_ways_read_the_same_responses_alike() {
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha),
    );
    let cases: Vec<Vec<u8>> = (0..CASES).map(|_| maybe_broken().new_tree(&mut runner).unwrap().current()).collect();
    let turns: Vec<Behavior> =
        cases.iter().flat_map(|bytes| [bytes, bytes]).map(|bytes| Behavior::SaysAndCloses(bytes.clone())).collect();
    let fake = FakeUpstream::start(Behavior::TakesTurns(turns.into()));
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let client = |calls| {
        let settings =
            ClientSettings::new([fake.url()]).schedule(Schedule::new(&[Duration::ZERO]).unwrap()).calls(calls);
        Client::new(&crew, settings).unwrap()
    };
    let (direct, by_ureq) = (client(Calls::Wire), client(Calls::Ureq));
    let mut seen = BTreeMap::<&str, usize>::new();
    for bytes in &cases {
        let shown = String::from_utf8_lossy(bytes);
        let how = match (direct.get(PATIENCE), by_ureq.get(PATIENCE)) {
            (Ok(one), Ok(other)) => {
                assert_eq!(one, other, "{shown:?}");
                "both take"
            }
            (Err(_), Err(_)) => "both refuse",
            (Err(Error::Protocol(_)), Ok(_)) => "only ureq takes",
            (one, other) => panic!("{shown:?}: {one:?} directly, {other:?} by ureq"),
        };
        *seen.entry(how).or_default() += 1;
    }
    println!("{seen:?}");
    assert!(seen["both take"] > CASES / 10 && seen["both refuse"] > CASES / 10, "{seen:?}");
    assert!(seen.get("only ureq takes").is_none_or(|stricter| *stricter < CASES / 10), "{seen:?}");
}
