//! `examples/plain.rs` does what it shows: it hedges, keeps the time, and discards what is late.

use headstart_testing::upstream;
use headstart_testing::upstream::{Behavior, FakeUpstream};
use headstart_testing::{PATIENCE, eventually};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The example as a process, killed when it is dropped.
struct Plain {
    child: Child,
    address: String,
}

impl Plain {
    fn start(upstream: &FakeUpstream) -> Plain {
        let mut child = Command::new(built_example())
            .args([&upstream.url(), "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the example starts");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").expect("it says where it listens").to_owned();
        Plain { child, address }
    }

    /// Status and body of the answer.
    fn get(&self, target: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(socket, "GET {target} HTTP/1.1\r\nHost: plain\r\nConnection: close\r\n\r\n").unwrap();
        let mut reply = String::new();
        socket.read_to_string(&mut reply).unwrap();
        let (head, body) = reply.split_once("\r\n\r\n").expect("a whole head");
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }
}

impl Drop for Plain {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The example's program, beside the tests'. A test that runs alone has it built.
fn built_example() -> PathBuf {
    let here = std::env::current_exe().unwrap();
    let built = here.ancestors().nth(2).unwrap().join("examples/plain");
    if !built.exists() {
        let target = built.ancestors().nth(3).unwrap();
        let build = Command::new(env!("CARGO"))
            .args(["build", "--offline", "--example", "plain", "--target-dir"])
            .arg(target)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .status();
        assert!(build.unwrap().success(), "the example builds");
    }
    built
}

#[test]
fn an_early_success_is_the_answer_and_what_sleeps_never_calls() {
    let upstream = FakeUpstream::start(Behavior::Answers(r#"{"time":7}"#));
    let plain = Plain::start(&upstream);
    for target in ["/api/smart", "/api/smart?timeout=20000"] {
        assert_eq!(plain.get(target), (200, r#"{"response":{"time":7},"success":true}"#.to_owned()));
    }
    std::thread::sleep(Duration::from_millis(400)); // by now the sleepers are awake
    assert_eq!(upstream.requests(), 2);
}

#[test]
fn a_hedge_wins_when_the_primary_hangs_and_the_losers_end_by_the_deadline() {
    // The other hedge says nothing either, and both are let go by their own timeouts.
    let turns = [Behavior::HangsAfterRequest, Behavior::Answers("[1]"), Behavior::HangsAfterRequest];
    let upstream = FakeUpstream::start(Behavior::TakesTurns(Arc::new(turns)));
    let plain = Plain::start(&upstream);
    let began = Instant::now();
    assert_eq!(plain.get("/api/smart?timeout=2000"), (200, r#"{"response":[1],"success":true}"#.to_owned()));
    assert!(began.elapsed() >= Duration::from_millis(300), "before a hedge was due");
    eventually("the losers have left", || upstream.requests() == 1 + upstream.abandoned());
    assert!(began.elapsed() >= Duration::from_millis(1_900), "a loser was ended, which this form cannot do");
}

#[test]
fn without_a_success_in_time_the_answer_is_408() {
    let upstream = FakeUpstream::start(Behavior::HangsAfterRequest);
    let plain = Plain::start(&upstream);
    let began = Instant::now();
    assert_eq!(plain.get("/api/smart?timeout=500").0, 408);
    assert!(began.elapsed() >= Duration::from_millis(500));
    eventually("all three have left", || upstream.abandoned() == 3);
}

#[test]
fn when_all_fail_the_answer_is_502_and_a_timeout_that_is_none_400() {
    let upstream = FakeUpstream::start(Behavior::Says(upstream::answer_with("500 Oops", "text/plain", "no")));
    let plain = Plain::start(&upstream);
    assert_eq!(plain.get("/api/smart").0, 502);
    assert_eq!(upstream.requests(), 3);
    assert_eq!(plain.get("/api/smart?timeout=0").0, 400);
    assert_eq!(plain.get("/api/smart?timeout=soon").0, 400);
    assert_eq!(upstream.requests(), 3);
}
