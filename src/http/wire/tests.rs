//! Responses over a real pair of sockets, cut in every way.

use super::super::decode::MAX_CHUNK_LINE;
use super::super::link::{INPUT, MAX_HEAD};
use super::*;
use crate::cancel::CancelToken;
use crate::crew::{Claim, Crew, CrewSettings, Job};
use crate::net::hold::Hold;
use crate::net::lease::Reusable;
use crate::net::stream::Stream;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use rustix::io::ioctl_fionread;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};
use std::thread;
use std::time::Duration;

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\n\r\n";
const LIMIT: u64 = 40_000;

/// Every wait of a test ends by then.
const PATIENCE: Duration = Duration::from_secs(20);

/// Lends the upstreams their threads.
static CREW: LazyLock<Crew> = LazyLock::new(|| Crew::new(CrewSettings::default()).unwrap());

/// What an upstream does after its last byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Then {
    Stays,
    Closes,
}

/// What a call made of a response, and whether its connection serves another one.
struct Outcome {
    result: Result<String, Error>,
    is_kept: bool,
    buffer: usize,
}

/// Has a wire read what an upstream says in `parts`, each of which is read before the next one comes.
fn read(parts: Vec<Vec<u8>>, then: Then) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = Arc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
    let (far, _) = listener.accept().unwrap();
    near.set_read_timeout(Some(PATIENCE)).unwrap();
    far.set_read_timeout(Some(PATIENCE)).unwrap();
    far.set_nodelay(true).unwrap();
    let (said, is_said) = crossbeam_channel::bounded(1);
    let is_over = Arc::new(AtomicBool::new(false));
    let run = Box::new({
        let (near, is_over) = (near.clone(), is_over.clone());
        move || {
            (&far).read_exact(&mut [0; REQUEST.len()]).unwrap();
            for part in parts {
                let _ = (&far).write_all(&part); // the other side may have heard enough
                while ioctl_fionread(&*near).unwrap() > 0 && !is_over.load(Ordering::SeqCst) {
                    thread::yield_now();
                }
            }
            said.send((then == Then::Stays).then_some(far)).unwrap();
        }
    });
    CREW.spawn(Claim::Request, Job { label: "upstream".into(), token: None, run }).unwrap();

    let token = CancelToken::new();
    let mut link = Link::new(Stream::Plain(near.clone()), Hold::new(token.clone(), &near));
    let (result, keep) = exchange(&mut link, REQUEST, "upstream", (None, LIMIT));
    is_over.store(true, Ordering::SeqCst);
    if then == Then::Closes {
        let _ = near.shutdown(std::net::Shutdown::Both);
    }
    let _far = is_said.recv_timeout(PATIENCE).unwrap();
    let result = result.map(|json| String::from_utf8(json.into_bytes()).unwrap());
    let buffer = link.buffer();
    let is_kept = keep && link.rest().and_then(|link| link.resume(&token)).is_some();
    Outcome { result, is_kept, buffer }
}

/// `bytes` cut at some places.
fn parts(bytes: &[u8], cuts: &[Index]) -> Vec<Vec<u8>> {
    let mut at: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).chain([0, bytes.len()]).collect();
    at.sort_unstable();
    at.windows(2).map(|ends| bytes[ends[0]..ends[1]].to_vec()).filter(|part| !part.is_empty()).collect()
}

fn cuts() -> impl Strategy<Value = Vec<Index>> {
    proptest::collection::vec(any::<Index>(), 0..12)
}

fn json() -> impl Strategy<Value = String> {
    prop_oneof![4 => 0..40_usize, 1 => 0..2 * LIMIT as usize].prop_map(|length| format!("\"{}\"", "x".repeat(length)))
}

fn chunked(body: &str, step: usize, trailers: &str) -> String {
    let chunk = |bytes: &[u8]| format!("{:x};a=b\r\n{}\r\n", bytes.len(), str::from_utf8(bytes).unwrap());
    let chunks: String = body.as_bytes().chunks(step).map(chunk).collect();
    format!("{chunks}0\r\n{trailers}\r\n")
}

/// A response whose end shows in itself.
fn response() -> impl Strategy<Value = Vec<u8>> {
    let interim =
        select(vec!["", "", "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n", "\r\nHTTP/1.1 100 Continue\r\n\r\n"]);
    let first = select(vec![
        "200 OK\r\nContent-Type: text/json",
        "200 OK\r\nContent-Type: text/json",
        "500 No",
        "200 OK\r\nContent-Type: a/b",
    ]);
    let padding = prop_oneof![4 => Just(0), 1 => 0..50_000_usize];
    let trailers = select(vec!["", "a: b\r\n", "a: b\r\nc: d\r\n"]);
    let step = prop_oneof![Just(None), (1..50_usize).prop_map(Some), (1..70_000_usize).prop_map(Some)];
    (interim, first, padding, json(), step, trailers).prop_map(|(interim, first, padding, body, step, trailers)| {
        let (field, body) = match step {
            None => (format!("Content-Length: {}", body.len()), body),
            Some(step) => ("Transfer-Encoding: chunked".to_owned(), chunked(&body, step, trailers)),
        };
        let padding = "p".repeat(padding);
        format!("{interim}HTTP/1.1 {first}\r\nX: {padding}\r\n{field}\r\n\r\n{body}").into_bytes()
    })
}

/// What makes and unmakes a response.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let word = select(vec![
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 100 x\r\n\r\n",
        "HTTP/1.0 204\r\n",
        "Content-Type: text/json\r\n",
        "Content-Length: ",
        "Transfer-Encoding: chunked\r\n",
        "Connection: close\r\n",
        "X: ",
        "\r\n",
        "\r\n\r\n",
        "0\r\n\r\n",
        "ffffffffffffffff\r\n",
        "5\r\n",
        "5;",
        "18446744073709551615\r\n",
        "[1,2]",
        "\n",
        "\0",
    ]);
    let part = prop_oneof![
        8 => word.prop_map(|word| word.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..40),
        1 => (select(b" a0\r:".to_vec()), 0..150_000_usize).prop_map(|(byte, length)| vec![byte; length]),
    ];
    let begun = select(vec![
        "",
        "HTTP/1.1 200 OK\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/json\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/json\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Type: text/json\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n",
    ]);
    (begun, proptest::collection::vec(part, 0..12))
        .prop_map(|(begun, parts)| [begun.as_bytes(), &parts.concat()].concat())
}

fn checked(read: Outcome) -> Outcome {
    assert!(read.buffer <= 2 * MAX_HEAD, "a buffer of {} bytes", read.buffer);
    if let Ok(body) = &read.result {
        assert!(body.len() as u64 <= LIMIT && body.capacity() as u64 <= 2 * LIMIT, "{} bytes", body.capacity());
    }
    read
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn it_does_not_matter_how_a_response_is_cut(whole in response(), short in any::<Index>(), cuts in cuts()) {
        for end in [whole.len(), short.index(whole.len())] {
            let at_once = checked(read(vec![whole[..end].to_vec()], Then::Closes));
            let in_parts = checked(read(parts(&whole[..end], &cuts), Then::Closes));
            prop_assert_eq!(format!("{:?}", at_once.result), format!("{:?}", in_parts.result));
            prop_assert!(end == whole.len() || at_once.result.is_err());
            prop_assert!(!at_once.is_kept && !in_parts.is_kept);
        }
    }

    #[test]
    fn a_connection_is_kept_after_all_of_an_answer_and_nothing_more(
        whole in response(),
        more in "(|x|HTTP/1.1 200 OK\r\n)",
        cuts in cuts(),
    ) {
        let said = [&whole[..], more.as_bytes()].concat();
        let read = checked(read(parts(&said, &cuts), Then::Stays));
        if !more.is_empty() {
            prop_assert!(!read.is_kept);
        } else if read.result.is_ok() {
            prop_assert!(read.is_kept);
        }
    }

    #[test]
    fn nothing_that_is_said_makes_it_panic_or_grow(said in soup(), cuts in cuts()) {
        let at_once = checked(read(vec![said.clone()], Then::Closes));
        let in_parts = checked(read(parts(&said, &cuts), Then::Closes));
        prop_assert_eq!(at_once.result.ok(), in_parts.result.ok());
    }
}

#[test]
fn a_chunk_without_a_size_is_not_the_last_one() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    for end in
        ["\r\n\r\n", ";a\r\n\r\n", " \r\n\r\n", "0;\n\r\n\r\n", "0\n\r\n", "00000000000000000\r\n\r\n", "0x0\r\n\r\n"]
    {
        let Outcome { result, is_kept, .. } = read(vec![format!("{head}1\r\n7\r\n{end}").into_bytes()], Then::Closes);
        assert!(matches!(result, Err(Error::Protocol(_))) && !is_kept, "{end:?}: {result:?}");
    }
}

#[test]
fn nothing_but_a_body_may_be_large_and_small_chunks_take_no_room() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/json\r\nTransfer-Encoding: chunked\r\n";
    for (begin, endless) in [
        ("HTTP/1.1 200 ".to_owned(), "a"),
        (head.to_owned(), "X: y\r\n"),
        (format!("{head}X: "), "a"),
        (format!("{head}\r\n"), "0"),
        (format!("{head}\r\n5;"), "a"),
        (format!("{head}\r\n0\r\nX: "), "a"),
        (format!("{head}\r\n0\r\n"), "X: y\r\n"),
    ] {
        let said = format!("{begin}{}", endless.repeat(4 * MAX_HEAD)).into_bytes();
        let outcome = checked(read(vec![said], Then::Closes));
        assert!(matches!(outcome.result, Err(Error::Protocol(_))), "{begin}: {:?}", outcome.result);
    }
    let body = format!("\"{}\"", "x".repeat(LIMIT as usize - 2));
    let said = format!("{head}\r\n{}", chunked(&body, 1, "")).into_bytes();
    let outcome = read(vec![said], Then::Closes);
    assert_eq!((outcome.result.unwrap(), outcome.buffer), (body, INPUT));
}

#[test]
fn a_body_may_be_as_large_as_allowed_and_no_larger() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/json\r\n";
    for (length, is_taken) in [(LIMIT, true), (LIMIT + 1, false)] {
        let body = format!("\"{}\"", "x".repeat(length as usize - 2));
        for said in [
            format!("{head}Content-Length: {length}\r\n\r\n{body}"),
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunked(&body, 1_000, "")),
            format!("{head}Transfer-Encoding: chunked\r\n\r\n{}", chunked(&body, body.len(), "")),
            format!("{head}\r\n{body}"),
        ] {
            match read(vec![said.into_bytes()], Then::Closes).result {
                Ok(taken) => assert!(is_taken && taken == body, "{} bytes", taken.len()),
                Err(error) => assert!(!is_taken && matches!(error, Error::BodyTooLarge { limit: LIMIT }), "{error:?}"),
            }
        }
    }
}

#[test]
fn the_line_of_a_chunk_may_be_as_long_as_allowed_and_no_longer_however_it_is_cut() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    for (length, is_taken) in [(MAX_CHUNK_LINE, true), (MAX_CHUNK_LINE + 1, false)] {
        let line = format!("1;{}\r\n", "a".repeat(length - 4));
        assert_eq!(line.len(), length);
        let said = format!("{head}{line}7\r\n0\r\n\r\n").into_bytes();
        let last_of_line = head.len() + length - 1;
        let cut = vec![said[..last_of_line].to_vec(), said[last_of_line..].to_vec()];
        for parts in [vec![said.clone()], cut] {
            let result = read(parts, Then::Closes).result;
            assert_eq!(result.is_ok(), is_taken, "{length} bytes: {result:?}");
        }
    }
}

#[test]
fn a_connection_whose_token_was_canceled_is_not_kept() {
    for is_canceled in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = Arc::new(TcpStream::connect(listener.local_addr().unwrap()).unwrap());
        let token = CancelToken::new();
        let link = Link::new(Stream::Plain(near.clone()), Hold::new(token.clone(), &near));
        if is_canceled {
            token.cancel(crate::cancel::CancelReason::Superseded);
        }
        assert_eq!(link.rest().is_some(), !is_canceled);
    }
}
