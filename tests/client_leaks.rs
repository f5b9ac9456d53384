//! After thousands of calls to an upstream that misbehaves in every way, descriptors and threads are what they were.
//!
//! In a process of its own: it counts what belongs to the whole process.

#![cfg(all(feature = "http", target_os = "linux"))]

use headstart::http::Request;
use headstart::policy::{Delay, PolicySettings};
use headstart::race::Schedule;
use headstart::{Client, ClientSettings, Crew, CrewSettings, Lookup};
use headstart_testing::eventually;
use headstart_testing::upstream::{Behavior, FakeUpstream, answer_with};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// Has other addresses each time it is asked.
struct Changes(AtomicUsize);

impl Lookup for Changes {
    fn lookup(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        let address = |last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
        match number % 4 {
            0 => Ok(vec![address(2), address(3)]),
            1 => Ok(vec![address(3)]),
            2 => Ok(vec![address(2), address(4)]),
            _ => Err(io::Error::other("the name server is gone")),
        }
    }
}

#[test]
fn nothing_leaks_where_addresses_come_and_go_and_are_checked() {
    headstart_testing::alone!();
    let (descriptors, threads) = (count("/proc/self/fd"), count("/proc/self/task"));
    let crew = Crew::new(CrewSettings::default().idle_timeout(Duration::from_millis(200))).unwrap();
    let behavior = || {
        let failure = Behavior::Says(answer_with("503 X", "text/plain", "no"));
        Behavior::TakesTurns(
            [
                Behavior::Answers("{}"),
                Behavior::AnswersAfter(Duration::from_millis(10)),
                Behavior::HangsAfterRequest,
                Behavior::ClosesIdle,
                failure,
                Behavior::Answers("{}"),
            ]
            .into(),
        )
    };
    let first = FakeUpstream::start_at(SocketAddr::from(([127, 0, 0, 2], 0)), behavior());
    let port = first.address().port();
    let others = [3, 4].map(|last| FakeUpstream::start_at(SocketAddr::from(([127, 0, 0, last], port)), behavior()));
    let policy = PolicySettings::new(Delay::After(Duration::from_millis(3))).budget(1.0).unwrap();
    let settings = ClientSettings::new([format!("http://service.test:{port}/")])
        .policy(policy)
        .lookup(Arc::new(Changes(AtomicUsize::new(0))))
        .dns_refresh(Duration::from_millis(2))
        .idle_timeout(Duration::from_millis(200))
        .health_path("/healthz");
    let client = Client::new(&crew, settings).unwrap();
    let call = |number: usize| match number % 2 {
        0 => client.get(Duration::from_millis(50)).is_ok(),
        _ => client.send(&Request::get("/"), Duration::from_millis(50)).is_ok(),
    };
    let answers: usize = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(|| (0..200).filter(|at| call(*at)).count())).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    assert!(answers > 400, "{answers} of 1600");
    let figures = client.policy().figures();
    assert!(figures.places.len() <= 2, "places that are gone are known: {:?}", figures.places);
    eventually("all hedges are over", || client.policy().figures().running_hedges == 0);
    let in_flight = || client.policy().figures().places.iter().map(|place| place.in_flight).sum::<usize>();
    eventually("all attempts are over", || in_flight() == 0);
    drop((client, crew, first, others));
    eventually("descriptors and threads are back at the baseline", || {
        count("/proc/self/fd") <= descriptors && count("/proc/self/task") <= threads
    });
}
