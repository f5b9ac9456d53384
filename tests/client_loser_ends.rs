//! A loser's upstream learns of its end at once: within 5 ms for 99 of 100.
//!
//! No other test runs beside it. The machine may still be busy with something else; so each
//! ending is followed by one made by hand, with bare sockets and as many threads on the way, and what those take is not
//! counted against the client.

#![cfg(feature = "http")]

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use headstart::http::Call;
use headstart::race::Schedule;
use headstart::{Client, ClientSettings, Crew, CrewSettings};
use headstart_testing::PATIENCE;
use headstart_testing::upstream::{Behavior, FakeUpstream};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// From the winner's answer to the loser's end as its upstream sees it, and the same by hand.
fn endings(count: usize) -> [Vec<Duration>; 2] {
    let (tell, told) = unbounded();
    let loser = FakeUpstream::start(Behavior::HangsAfterRequest);
    let winner = FakeUpstream::start(Behavior::AnswersWhenTold(told));
    let crew = Crew::new(CrewSettings::default()).unwrap();
    let settings = ClientSettings::new([loser.url(), winner.url()]);
    let client = Client::new(&crew, settings.schedule(Schedule::new(&[Duration::ZERO; 2]).unwrap())).unwrap();

    let hand = ByHand::start();
    let (mut by_client, mut by_hand) = (Vec::new(), Vec::new());
    for _ in 0..count {
        let racing = thread::spawn({
            let client = client.clone();
            move || client.first(&Call::new(PATIENCE)).winner().is_some()
        });
        loser.next_request();
        let answered = Instant::now();
        tell.send(()).unwrap();
        by_client.push(loser.next_gone() - answered);
        assert!(racing.join().unwrap());
        by_hand.push(hand.ending());
    }
    by_client.sort();
    by_hand.sort();
    [by_client, by_hand]
}

/// Three threads, waiting: the first hears a word and writes it to a connection, the second reads it there and writes
/// it to another, the third reads it and says when: the way of an answer and of the ending that follows.
struct ByHand {
    tell: Sender<()>,
    gone: Receiver<Instant>,
}

impl ByHand {
    fn start() -> ByHand {
        let pair = || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            (near, listener.accept().unwrap().0)
        };
        let ((mut answering, mut waiting), (mut ending, mut seeing)) = (pair(), pair());
        let ((tell, told), (see, gone)) = (bounded(1), bounded(1));
        // Each ends with the one before it, the first with `tell`.
        thread::spawn(move || while told.recv().is_ok() && answering.write_all(b"!").is_ok() {});
        thread::spawn(move || while waiting.read_exact(&mut [0]).is_ok() && ending.write_all(b"!").is_ok() {});
        thread::spawn(move || while seeing.read_exact(&mut [0]).is_ok() && see.send(Instant::now()).is_ok() {});
        ByHand { tell, gone }
    }

    fn ending(&self) -> Duration {
        let answered = Instant::now();
        self.tell.send(()).unwrap();
        self.gone.recv_timeout(PATIENCE).unwrap() - answered
    }
}

#[test]
fn of_1000_losers_99_percent_are_seen_closed_within_5_ms() {
    let _turn = headstart_testing::in_turn();
    const BOUND: Duration = Duration::from_millis(5);
    let mut seen = Vec::new();
    for _ in 0..3 {
        let [p99, p99_by_hand] = endings(1_000).map(|sorted| {
            let p99 = sorted[sorted.len() * 99 / 100];
            println!("p50 {:?}, p99 {p99:?}, max {:?}", sorted[sorted.len() / 2], sorted[sorted.len() - 1]);
            p99
        });
        // Twice: on a busy machine the two are waits for a turn, and differ by as much as they last.
        if p99 <= BOUND + 2 * p99_by_hand {
            return;
        }
        seen.push((p99, p99_by_hand));
    }
    panic!("p99 by the client and by hand, of three runs: {seen:?}");
}
