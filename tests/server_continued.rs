//! A process that was stopped and continued (Ctrl-Z and `fg`) goes on serving. One test, because it stops the whole process.
#![cfg(target_os = "linux")]

#[path = "support/client.rs"]
mod client;
#[path = "support/server.rs"]
mod server;

use server::{settings, start_echo};
use std::process::Command;

/// The wait of an event loop ends with an error (`EINTR`) then.
#[test]
fn a_server_that_was_stopped_and_continued_accepts_as_before() {
    let fixture = start_echo(settings());
    let mut kept = fixture.connect();
    kept.get("/before").answer();
    for _ in 0..3 {
        let us = std::process::id();
        let status = Command::new("sh").args(["-c", &format!("kill -STOP {us} && kill -CONT {us}")]).status();
        assert!(status.unwrap().success());
        fixture.assert_serves();
        assert_eq!(kept.get("/after").answer().text(), "GET /after");
    }
}
