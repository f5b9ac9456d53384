//! However an upstream misbehaves: clients have an answer by their timeout, it is never a part of one, and neither
//! memory nor other requests suffer.
#![cfg(all(target_os = "linux", feature = "cli"))]

use crate::support::client::Client;
use crate::support::hostile::Binary;
use headstart_testing::upstream;
use headstart_testing::upstream::{AcceptsNothing, Behavior, FakeUpstream};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const TIMEOUT: Duration = Duration::from_millis(200);
/// How much later than that an answer may come on a busy machine.
const LATE: Duration = Duration::from_millis(1_500);

const GOOD: &str = r#"{"time":12345678901234567890}"#;
const FAILED: &str = r#"{"success":false,"response":{}}"#;

fn head(fields: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{fields}\r\n").into_bytes()
}

fn with_body(fields: &str, body: &str) -> Vec<u8> {
    [head(fields), body.into()].concat()
}

/// Every way in which an upstream can fail to give an answer, by name.
fn misbehaviors() -> Vec<(&'static str, Behavior)> {
    use Behavior::{Repeats, Says, SaysAndCloses, SaysAndResets};
    let megabyte = vec![b' '; 1 << 20];
    vec![
        ("hangs after accepting", Behavior::HangsAfterAccept),
        ("hangs after the request", Behavior::HangsAfterRequest),
        ("hangs in the head", Says(b"HTTP/1.1 200 OK\r\ncontent-ty".to_vec())),
        ("hangs after the head", Behavior::HangsAfterHeaders),
        ("drips its head", Behavior::DripsHeaders),
        ("drips its body", Behavior::DripsBody),
        ("floods with 100 Continue", Repeats(vec![], b"HTTP/1.1 100 Continue\r\n\r\n".repeat(100))),
        ("floods with 102 Processing", Repeats(vec![], b"HTTP/1.1 102 Processing\r\n\r\n".repeat(100))),
        (
            "floods with 103 and fields",
            Repeats(vec![], b"HTTP/1.1 103 Early Hints\r\nlink: </a>; rel=x\r\n\r\n".repeat(100)),
        ),
        ("hangs after 102 Processing", Says(b"HTTP/1.1 102 Processing\r\n\r\n".to_vec())),
        (
            "switches protocols",
            Says(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n".to_vec()),
        ),
        ("has fields without end", Repeats(b"HTTP/1.1 200 OK\r\n".to_vec(), b"x: a\r\n".repeat(1_000))),
        ("has a field without end", Repeats(b"HTTP/1.1 200 OK\r\nx: ".to_vec(), megabyte.clone())),
        ("has a status line without end", Repeats(b"HTTP/1.1 200 ".to_vec(), vec![b'a'; 1 << 20])),
        ("says garbage", Repeats(vec![], vec![0xff; 4 << 10])),
        ("says a little garbage", SaysAndCloses(b"\0\x01\x02garbage\r\n\r\n".to_vec())),
        ("says nothing and closes", SaysAndCloses(vec![])),
        ("promises 10^9 bytes", Repeats(with_body("content-length: 1000000000\r\n", "["), megabyte.clone())),
        ("promises 2^64 bytes", Repeats(with_body("content-length: 18446744073709551616\r\n", "["), megabyte.clone())),
        ("has a body of 100 MB and more", Repeats(with_body("", "["), megabyte.clone())),
        (
            "has chunks without end",
            Repeats(with_body("transfer-encoding: chunked\r\n", "1\r\n[\r\n"), b"1\r\n \r\n".repeat(1_000)),
        ),
        ("has a chunk size without end", Repeats(head("transfer-encoding: chunked\r\n"), b"0".repeat(10_000))),
        (
            "has a chunk extension without end",
            Repeats(with_body("transfer-encoding: chunked\r\n", "1;"), b"a".repeat(10_000)),
        ),
        (
            "has trailers without end",
            Repeats(with_body("transfer-encoding: chunked\r\n", "2\r\n{}\r\n0\r\n"), b"x: a\r\n".repeat(1_000)),
        ),
        ("has a shorter body than it says", SaysAndCloses(with_body("content-length: 20\r\n", r#"{"time":1}"#))),
        ("keeps the rest of its body back", Says(with_body("content-length: 20\r\n", r#"{"time":1}"#))),
        ("says to be shorter than it is", Says(with_body("content-length: 9\r\n", r#"{"time":1}"#))),
        ("has a chunk cut off", SaysAndCloses(with_body("transfer-encoding: chunked\r\n", "14\r\n{\"time\":1}"))),
        ("has no last chunk", SaysAndCloses(with_body("transfer-encoding: chunked\r\n", "a\r\n{\"time\":1}\r\n"))),
        ("has an array cut off by its end", SaysAndCloses(with_body("", r#"[{"time":1},"#))),
        ("resets at once", SaysAndResets(vec![])),
        ("resets in the head", SaysAndResets(b"HTTP/1.1 200 OK\r\ncontent-ty".to_vec())),
        ("resets after the head", SaysAndResets(head("content-length: 20\r\n"))),
        ("resets in the body", SaysAndResets(with_body("content-length: 20\r\n", r#"{"time":1}"#))),
        ("resets in a chunk", SaysAndResets(with_body("transfer-encoding: chunked\r\n", "14\r\n{\"time\":1}"))),
        ("has lengths that differ", Says(with_body("content-length: 10\r\ncontent-length: 2\r\n", r#"{"time":1}"#))),
    ]
}

/// Asks for a race and says what came, and after how long.
fn ask(address: SocketAddr, target: &str) -> (u16, String, Duration) {
    let mut client = Client::connect(address);
    let began = Instant::now();
    let answer = client.get(target).answer();
    (answer.status, answer.text().to_owned(), began.elapsed())
}

fn assert_failed(name: &str, (status, text, took): &(u16, String, Duration)) {
    assert!(*status == 408 || (*status == 200 && text == FAILED), "{name}: {status} {text}");
    assert!(*took < TIMEOUT + LATE, "{name}: {took:?}");
}

#[test]
fn whatever_an_upstream_does_clients_have_an_answer_by_their_timeout_and_memory_stays() {
    let _turn = headstart_testing::in_turn();
    for (name, behavior) in misbehaviors() {
        let upstream = FakeUpstream::start(behavior);
        let binary = Binary::start(&["--upstream", &upstream.url(), "--schedule", "0,50"]);
        assert_failed(name, &ask(binary.address, "/api/smart?timeout=200"));
        let before = binary.peak_memory();
        std::thread::scope(|scope| {
            let address = binary.address;
            let asked: Vec<_> = (0..4).map(|_| scope.spawn(move || ask(address, "/api/first?timeout=200"))).collect();
            // Meanwhile the server is there for everybody else.
            let mut other = binary.connect();
            for _ in 0..20 {
                let began = Instant::now();
                assert_eq!(other.get("/healthz").answer().status, 200);
                assert!(began.elapsed() < LATE, "{name}: {:?}", began.elapsed());
            }
            asked.into_iter().for_each(|asked| assert_failed(name, &asked.join().unwrap()));
        });
        // Each of eight attempts may hold a body of --upstream-max-body, whose buffer doubles as it grows.
        let grown = binary.peak_memory().saturating_sub(before);
        assert!(grown < 8 * 2 * (10 << 10) + (5 << 10), "{name}: {grown} KiB");
        binary.assert_serves();
    }
}

#[test]
fn an_upstream_that_cannot_be_reached_costs_no_more_than_the_timeout() {
    let _turn = headstart_testing::in_turn();
    let nowhere = AcceptsNothing::start();
    let binary = Binary::start(&["--upstream", &nowhere.url()]);
    for _ in 0..3 {
        assert_failed("accepts nothing", &ask(binary.address, "/api/smart?timeout=200"));
    }
    let unknown = Binary::start(&["--upstream", "http://does-not-exist.invalid/"]);
    for _ in 0..3 {
        assert_failed("has no address", &ask(unknown.address, "/api/smart?timeout=200"));
    }
}

#[test]
fn beside_an_upstream_that_misbehaves_a_good_one_wins_whole() {
    let _turn = headstart_testing::in_turn();
    let good = FakeUpstream::start(Behavior::Answers(GOOD));
    let whole = format!(r#"{{"success":true,"response":{GOOD}}}"#);
    for (name, behavior) in misbehaviors() {
        let evil = FakeUpstream::start(behavior);
        let binary = Binary::start(&["--upstream", &evil.url(), "--upstream", &good.url(), "--schedule", "0,0"]);
        for _ in 0..4 {
            let (status, text, _) = ask(binary.address, "/api/first?timeout=10000");
            assert_eq!((status, text.as_str()), (200, whole.as_str()), "{name}");
        }
    }
}

#[test]
fn what_an_upstream_says_after_its_answer_is_never_taken_for_the_next_one() {
    let _turn = headstart_testing::in_turn();
    let forged = upstream::answer(r#"{"forged":true}"#);
    let both = [upstream::answer(GOOD), forged].concat();
    let upstream = FakeUpstream::start(Behavior::Says(both));
    let binary = Binary::start(&["--upstream", &upstream.url(), "--schedule", "0"]);
    let mut client: Client = binary.connect();
    for _ in 0..20 {
        let answer = client.get("/api/smart?timeout=5000").answer();
        assert_eq!(answer.text(), format!(r#"{{"success":true,"response":{GOOD}}}"#));
    }
}

#[test]
fn a_reset_is_not_taken_for_the_end_of_a_body_that_has_no_length() {
    let _turn = headstart_testing::in_turn();
    // What has come is JSON by itself: nothing but the reset tells that it is a part.
    let upstream = FakeUpstream::start(Behavior::SaysAndResetsLater(with_body("", "123")));
    let binary = Binary::start(&["--upstream", &upstream.url(), "--schedule", "0"]);
    for _ in 0..20 {
        assert_failed("resets in a number", &ask(binary.address, "/api/smart?timeout=200"));
    }
}
