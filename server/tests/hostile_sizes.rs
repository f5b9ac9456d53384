//! However much a client sends or says it will send: it gets its answer, memory stays where it was, the process lives.
#![cfg(all(target_os = "linux", feature = "cli"))]

use crate::support::client::Client;
use crate::support::hostile::Binary;
use std::io::Write;

/// By how much memory may grow, in KiB.
const GROWTH: u64 = 5 << 10;

/// Runs `attack` against a binary that has served a few clients before, and looks at its memory.
fn without_growth(attack: impl FnOnce(&Binary)) {
    let binary = Binary::start(&[]);
    let mut clients: Vec<Client> = (0..10).map(|_| binary.connect()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/healthz").answer().status, 200);
    }
    drop(clients);
    let before = binary.peak_memory();
    attack(&binary);
    binary.assert_serves();
    let grown = binary.peak_memory() - before;
    assert!(grown < GROWTH, "{grown} KiB");
}

/// Sends `opening` and then `piece` so many times, to the end although the answer may be out long before.
fn refusal(binary: &Binary, opening: &str, piece: &[u8], times: usize) -> u16 {
    let mut client = binary.connect();
    client.send(opening);
    let mut stream = client.stream().try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || (0..times).try_for_each(|_| stream.write_all(piece)));
        let answer = client.answer();
        assert_eq!(answer.field("connection"), Some("close"), "{answer:?}");
        answer.status
    })
}

#[test]
fn bodies_of_any_announced_length_are_refused_unread() {
    without_growth(|binary| {
        for length in ["65537", "1000000000", "100000000000000", "9223372036854775808", "18446744073709551615"] {
            let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
            assert_eq!(refusal(binary, &head, b"", 0), 413, "{length}");
        }
        let beyond = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n";
        assert_eq!(refusal(binary, beyond, b"", 0), 400);
        let chunk = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n";
        assert_eq!(refusal(binary, chunk, b"", 0), 413);
    });
}

#[test]
fn a_line_of_100_mb_is_refused() {
    without_growth(|binary| {
        let megabyte = vec![b'a'; 1_000_000];
        assert_eq!(refusal(binary, "GET / HTTP/1.1\r\nHost: a\r\nX: ", &megabyte, 100), 431);
        assert_eq!(refusal(binary, "GET /", &megabyte, 100), 414);
        assert_eq!(refusal(binary, "", &megabyte, 100), 414);
    });
}

#[test]
fn a_million_fields_are_refused() {
    without_growth(|binary| {
        let thousand = b"X: a\r\n".repeat(1_000);
        assert_eq!(refusal(binary, "GET / HTTP/1.1\r\nHost: a\r\n", &thousand, 1_000), 431);
    });
}

#[test]
fn a_million_empty_lines_are_refused() {
    without_growth(|binary| assert_eq!(refusal(binary, "", &b"\r\n".repeat(1_000), 1_000), 431));
}

#[test]
fn a_chunked_body_without_end_is_refused() {
    without_growth(|binary| {
        let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        let extension = vec![b'a'; 1_000_000];
        assert_eq!(refusal(binary, &format!("{chunked}1;"), &extension, 50), 400, "a chunk-size line");
        assert_eq!(refusal(binary, chunked, &vec![b'0'; 1_000_000], 50), 400, "a chunk size");
        assert_eq!(refusal(binary, chunked, &b"1\r\na\r\n".repeat(1_000), 1_000), 413, "chunks");
        assert_eq!(refusal(binary, &format!("{chunked}0\r\n"), &b"X: a\r\n".repeat(1_000), 1_000), 431, "trailers");
    });
}

#[test]
fn a_hundred_thousand_pipelined_requests_are_answered_in_order() {
    const ROUNDS: usize = 100_000 / 4;
    const ROUND: [(&str, u16); 4] =
        [("/healthz", 200), ("/nowhere", 404), ("/api/smart?timeout=0", 400), ("/openapi.json", 200)];
    without_growth(|binary| {
        let mut client = binary.connect();
        let mut stream = client.stream().try_clone().unwrap();
        let round: String =
            ROUND.iter().map(|(target, _)| format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")).collect();
        std::thread::scope(|scope| {
            scope.spawn(move || (0..ROUNDS).try_for_each(|_| stream.write_all(round.as_bytes())));
            for number in 0..ROUNDS {
                for (target, status) in ROUND {
                    assert_eq!(client.answer().status, status, "{target} in round {number}");
                }
            }
        });
    });
}
