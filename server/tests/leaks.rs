//! After 10,000 requests over 64 connections with an upstream that is slow, wrong and silent by turns, the process has
//! what it had before: threads, descriptors, sockets. And each of the requests got the answer that its attempts add up
//! to.
//!
//! Among the few tests that run beside few others: the machine's time is what most of it depends on.

#![cfg(all(feature = "cli", target_os = "linux"))]

use crate::support::client::{Answer, Client};
use crate::support::process::{Process, headstart};
use headstart_testing::proc;
use headstart_testing::proc::Held;
use headstart_testing::upstream::{Behavior, FakeUpstream, answer_with, field};
use rustix::process::Signal;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

const CONNECTIONS: u64 = 64;
const REQUESTS: u64 = 10_000;
const TIMEOUT: Duration = Duration::from_millis(1_000);
/// When attempts start, as the binary has it by default.
const SCHEDULE: [u64; 3] = [0, 300, 300];
/// What a busy machine may add to an answer. A success that is due less than this before the timeout may come too late.
const SLACK: Duration = Duration::from_millis(350);

/// What becomes of an attempt. Depends on the request and the attempt only, so that a test knows what to expect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Quick,
    Slow(Duration),
    Error,
    Garbage,
    Reset,
    Hang,
}

impl Fate {
    fn of(request: u64, attempt: u64) -> Fate {
        let chance = mixed(request * 16 + attempt);
        match chance % 100 {
            0..5 => Fate::Slow(Duration::from_millis(350 + chance / 100 % 551)),
            5..10 => Fate::Error,
            10..12 => Fate::Garbage,
            12 => Fate::Reset,
            13 => Fate::Hang,
            _ => Fate::Quick,
        }
    }

    /// How long its answer takes, when it is a success.
    fn success_after(self) -> Option<Duration> {
        match self {
            Fate::Quick => Some(Duration::ZERO),
            Fate::Slow(time) => Some(time),
            _ => None,
        }
    }
}

/// SplitMix64's output function (Steele, Lea, Flood 2014).
fn mixed(number: u64) -> u64 {
    let z = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Treats an attempt as its fate is. Requests are numbered by their trace.
fn treat(head: &str) -> Behavior {
    let request = u64::from_str_radix(&field(head, "traceparent")[3..35], 16).unwrap();
    match Fate::of(request, field(head, "x-attempt").parse().unwrap()) {
        Fate::Quick => Behavior::Answers(r#"{"quick":1}"#),
        Fate::Slow(time) => Behavior::AnswersAfter(time),
        Fate::Error => Behavior::Says(answer_with("500 Internal Server Error", "application/json", "{}")),
        Fate::Garbage => Behavior::Answers("{\"garbage\": "),
        Fate::Reset => Behavior::SaysAndResets(Vec::new()),
        Fate::Hang => Behavior::HangsAfterRequest,
    }
}

/// The kinds of answers.
#[derive(Clone, Copy, Debug, Default)]
struct Kinds {
    successes: usize,
    failures: usize,
    timeouts: usize,
}

impl Kinds {
    /// Counts an answer, which has to be one that the fates of the request's attempts allow.
    fn count(&mut self, request: u64, answer: &Answer, elapsed: Duration) {
        let fates = [0, 1, 2].map(|attempt| Fate::of(request, attempt));
        let due = |(attempt, fate): (usize, &Fate)| {
            fate.success_after().map(|time| time + Duration::from_millis(SCHEDULE[attempt]))
        };
        let earliest = fates.iter().enumerate().filter_map(due).min();
        let said = || format!("request {request}, {fates:?}, {elapsed:?}: {answer:?} {:?}", answer.text());
        match (answer.status, answer.text()) {
            (200, r#"{"success":true,"response":{"quick":1}}"#) => {
                assert!(fates.contains(&Fate::Quick), "{}", said());
                self.successes += 1;
            }
            (200, r#"{"success":true,"response":{"late":true}}"#) => {
                assert!(fates.iter().any(|fate| matches!(fate, Fate::Slow(_))), "{}", said());
                self.successes += 1;
            }
            (200, r#"{"success":false,"response":{}}"#) => {
                assert!(earliest.is_none() && !fates.contains(&Fate::Hang), "{}", said());
                assert!(elapsed >= Duration::from_millis(300), "a hedge is missing: {}", said());
                self.failures += 1;
            }
            (408, _) => {
                let too_late = earliest.is_some_and(|earliest| earliest > TIMEOUT - SLACK);
                assert!(too_late || earliest.is_none() && fates.contains(&Fate::Hang), "{}", said());
                assert!(elapsed >= TIMEOUT, "before its time: {}", said());
                self.timeouts += 1;
            }
            _ => panic!("{}", said()),
        }
    }

    fn and(self, other: Kinds) -> Kinds {
        Kinds {
            successes: self.successes + other.successes,
            failures: self.failures + other.failures,
            timeouts: self.timeouts + other.timeouts,
        }
    }
}

/// Every 64th request, from `first` on, over one connection.
fn ask_in_turn(address: SocketAddr, first: u64) -> Kinds {
    let mut client = Client::connect(address);
    let mut kinds = Kinds::default();
    for request in (first..=REQUESTS).step_by(CONNECTIONS as usize) {
        let sent_at = Instant::now();
        let target = format!("/api/smart?timeout={}", TIMEOUT.as_millis());
        client.send(format!(
            "GET {target} HTTP/1.1\r\nHost: localhost\r\ntraceparent: 00-{request:032x}-00000000000000ff-00\r\n\r\n"
        ));
        let answer = client.answer();
        kinds.count(request, &answer, sent_at.elapsed());
    }
    kinds
}

#[test]
fn after_ten_thousand_requests_the_process_has_what_it_had_before() {
    let upstream = FakeUpstream::start(Behavior::Chooses(treat));
    let options = ["--listen", "127.0.0.1:0", "--upstream", &upstream.url()];
    let mut process = Process::start(headstart(&options));
    let address = process.address().parse().unwrap();
    let id = process.id();
    // The thread that tried the upstream out leaves when it has been idle for long enough; the main thread stays.
    Held::until(id, headstart_testing::PATIENCE, "only the main thread", |held| held.threads_named("headstart") == 1);
    let before = Held::by(id);

    let began = Instant::now();
    let clients: Vec<_> =
        (1..=CONNECTIONS).map(|first| std::thread::spawn(move || ask_in_turn(address, first))).collect();
    let most_threads = {
        let mut most = 0;
        while !clients.iter().all(|client| client.is_finished()) {
            most = most.max(proc::threads(id));
            std::thread::sleep(Duration::from_millis(20));
        }
        most
    };
    let kinds = clients.into_iter().map(|client| client.join().unwrap()).reduce(Kinds::and).unwrap();
    println!("{kinds:?} in {:?}, at most {most_threads} threads", began.elapsed());
    assert_eq!(kinds.successes + kinds.failures + kinds.timeouts, REQUESTS as usize);
    assert!(kinds.failures > 0 && kinds.timeouts > 0, "the upstream is too good: {kinds:?}");
    assert!(most_threads > before.threads.len(), "{most_threads}");
    assert!(most_threads <= before.threads.len() + 3 * CONNECTIONS as usize, "{most_threads}");

    let took = Held::until(id, Duration::from_secs(10), "all is as before", |held| *held == before);
    println!("back at the baseline after {took:?}: {before:?}");
    process.signal(Signal::TERM);
    assert_eq!(process.wait().0.code(), Some(0));
}
