//! Thousands of races leave nothing behind: no thread, no descriptor. Alone in its process, whose figures it reads.

#![cfg(target_os = "linux")]

use crate::support::core::{SOON, crew, eventually, schedule};
use headstart::event::RaceEnd;
use headstart::{Attempt, CancelReason, Race, Threads};
use std::fs;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

/// Reads from a peer that never says anything, until it is ended.
fn read_from_silence(attempt: &Attempt) -> io::Result<usize> {
    let (socket, _peer) = UnixStream::pair()?;
    let socket = Arc::new(socket);
    let handle = socket.clone();
    let _cleanup = attempt.token().on_cancel(move |_| drop(handle.shutdown(Shutdown::Both)));
    (&*socket).read(&mut [0; 1])
}

#[test]
fn two_thousand_races_leak_no_thread_and_no_descriptor() {
    headstart_testing::alone!();
    let before = (threads(), descriptors());
    for kind in [Threads::Crew, Threads::Fresh] {
        two_thousand_races(kind);
        eventually("threads and descriptors are back", || (threads(), descriptors()) == before);
    }
}

fn two_thousand_races(kind: Threads) {
    let crew = crew(256);
    let racers: Vec<_> = (0..8)
        .map(|_| {
            let crew = crew.clone();
            thread::spawn(move || {
                for number in 0..250 {
                    // Every fourth race has no attempt that succeeds, and ends at its deadline.
                    let hopeless = number % 4 == 0;
                    let deadline = if hopeless { Duration::from_millis(5) } else { SOON };
                    let race = Race::new(&crew).threads(kind).schedule(schedule(&[0, 1, 1])).limit(deadline);
                    let outcome = race.first(move |attempt| {
                        if hopeless || attempt.number() == 0 { read_from_silence(attempt).map(drop) } else { Ok(()) }
                    });
                    // A read that was shut down returns, and must not pass for a success.
                    let end = if hopeless { RaceEnd::Canceled(CancelReason::DeadlineExceeded) } else { RaceEnd::Won };
                    assert_eq!(outcome.end, end);
                }
            })
        })
        .collect();
    for racer in racers {
        racer.join().unwrap();
    }
    assert_eq!(crew.shutdown(SOON), 0, "calls that never ended");
}
