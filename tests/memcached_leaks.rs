//! After thousands of memcached calls to a server that misbehaves by turns, descriptors and threads are what they were.
//!
//! In a process of its own: it counts what belongs to the whole process.

#![cfg(all(feature = "memcached", target_os = "linux"))]

use crate::support::memcached::client_with;
use headstart::{Crew, CrewSettings};
use headstart_testing::eventually;
use headstart_testing::memcached::{Deed, FakeMemcached, says};
use std::time::Duration;

fn count(directory: &str) -> usize {
    std::fs::read_dir(directory).unwrap().count()
}

#[test]
fn nothing_leaks() {
    headstart_testing::alone!();
    let (descriptors, threads) = (count("/proc/self/fd"), count("/proc/self/task"));
    let crew = Crew::new(CrewSettings::default().idle_timeout(Duration::from_millis(200))).unwrap();
    let fake = FakeMemcached::start(|request| {
        let reply = request.value("hi").into_bytes();
        match request.number % 16 {
            3 => vec![Deed::Hangs],
            5 => vec![says(&reply[..7]), Deed::Hangs],
            7 => vec![says("nonsense\r\n")],
            9 => vec![Deed::Closes],
            11 => vec![says(reply), Deed::Closes],
            13 => vec![says("SERVER_ERROR out of memory\r\n")],
            15 => vec![Deed::Drips(reply)],
            _ => vec![says(reply)],
        }
    });
    let client = client_with(&crew, fake.address(), |settings| settings.idle_timeout(Duration::from_millis(200)));
    let successes: usize = std::thread::scope(|scope| {
        let call = || (0..150).filter(|_| client.get("k", Duration::from_millis(40)).is_ok()).count();
        let callers: Vec<_> = (0..8).map(|_| scope.spawn(call)).collect();
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    println!("{successes} of 1200 calls succeeded");
    assert!((100..1200).contains(&successes), "{successes}");
    eventually("idle connections are closed and idle threads leave", || {
        client.idle_connections() == 0 && crew.stats().threads == 0
    });
    drop((client, crew, fake));
    eventually("descriptors and threads are back at the baseline", || {
        count("/proc/self/fd") <= descriptors && count("/proc/self/task") <= threads
    });
}
