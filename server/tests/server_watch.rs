//! The watch for clients that leave keeps its own time, and none while nobody asks for anything.
#![cfg(target_os = "linux")]

use crate::support::server::{settings, start};
use headstart_server::front::{Request, Response};
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

/// How often the watching thread was put to sleep so far; `None` while it has not begun.
fn sleeps() -> Option<u64> {
    let mut tasks = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let is_watch = |task: &PathBuf| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm == "headstart-watch\n");
    let status = fs::read_to_string(tasks.find(is_watch)?.join("status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:")?.trim().parse().ok())
}

#[test]
fn the_watch_wakes_at_its_pace_under_load_and_sleeps_when_there_is_none() {
    headstart_testing::alone!();
    let fixture = start(settings(), |request: &Request<'_>| {
        request.token();
        Response::new(200, "text/plain", b"done".as_slice())
    });
    let mut client = fixture.connect();
    fixture.wait_until("the watch has begun", |_| sleeps().is_some());
    let before = sleeps().unwrap();
    for _ in 0..5_000 {
        assert_eq!(client.get("/").answer().status, 200);
    }
    let under_load = sleeps().unwrap() - before;
    assert!(under_load < 2_500, "{under_load} wake-ups for 5,000 fast requests");
    // Long enough for all quiet ticks to be over on a busy machine; an absence can only be waited for.
    thread::sleep(Duration::from_millis(600));
    let quiet = sleeps().unwrap();
    thread::sleep(Duration::from_millis(300));
    assert!(sleeps().unwrap() - quiet <= 1, "it wakes with nothing to do");
}
