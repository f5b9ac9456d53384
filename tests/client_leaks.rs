//! After thousands of calls to an upstream that misbehaves in every way, descriptors and threads are what they were.
//!
//! In a process of its own: it counts what belongs to the whole process.

#![cfg(all(feature = "http", target_os = "linux"))]

use headstart::race::Schedule;
use headstart::{Client, ClientSettings, Crew, CrewSettings};
use headstart_testing::eventually;
use headstart_testing::upstream::{Behavior, FakeUpstream, answer_with};
use std::time::Duration;

fn count(directory: &str) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

#[test]
fn nothing_leaks() {
    headstart_testing::alone!();
    let (descriptors, threads) = (count("/proc/self/fd"), count("/proc/self/task"));
    let crew = Crew::new(CrewSettings::default().idle_timeout(Duration::from_millis(200))).unwrap();
    let fake = FakeUpstream::start(Behavior::TakesTurns(
        [
            Behavior::Answers("{}"),
            Behavior::HangsAfterRequest,
            Behavior::Answers("{}"),
            Behavior::SaysAndResets(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n[".to_vec()),
            Behavior::DripsBody,
            Behavior::Says(answer_with("500 X", "text/plain", "no")),
            Behavior::SaysAndResets(Vec::new()),
            Behavior::Answers("nonsense"),
            Behavior::ClosesIdle,
            Behavior::HangsAfterHeaders,
            Behavior::EndlessBody,
        ]
        .into(),
    ));
    let settings = ClientSettings::new([fake.url()])
        .schedule(Schedule::new(&[0, 5, 5].map(Duration::from_millis)).unwrap())
        .idle_timeout(Duration::from_millis(200))
        .max_body(1 << 20);
    let client = Client::new(&crew, settings).unwrap();

    let successes: usize = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| (0..200).filter(|_| client.get(Duration::from_millis(50)).is_ok()).count()))
            .collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    println!("{successes} of 3200 calls succeeded");
    assert!(successes > 1_000, "hedging does not help: {successes} of 3200");
    eventually("idle connections are closed and idle threads leave", || {
        client.idle_connections() == 0 && crew.stats().threads == 0
    });
    drop((client, crew, fake));
    eventually("descriptors and threads are back at the baseline", || {
        count("/proc/self/fd") <= descriptors && count("/proc/self/task") <= threads
    });
}
