//! A process that was stopped and continued (Ctrl-Z and `fg`) goes on serving. One test, because it stops the whole
//! process.
#![cfg(target_os = "linux")]

use crate::support::server::{settings, start_echo};
use std::process::Command;

/// Stops the process it is told, waits until each of its threads has stopped, and has it continue in any case.
const STOP_AND_CONTINUE: &str = r#"
kill -STOP $1
rounds=0
while [ -n "$(grep -L '^State:.T' /proc/$1/task/*/status)" ] && [ $rounds -lt 500 ]; do
    rounds=$((rounds + 1))
    sleep 0.01
done
kill -CONT $1
"#;

/// The wait of an event loop ends with an error (`EINTR`) then.
#[test]
fn a_server_that_was_stopped_and_continued_accepts_as_before() {
    headstart_testing::alone!();
    let fixture = start_echo(settings());
    let mut kept = fixture.connect();
    kept.get("/before").answer();
    for _ in 0..3 {
        let us = std::process::id().to_string();
        assert!(Command::new("sh").args(["-c", STOP_AND_CONTINUE, "sh", &us]).status().unwrap().success());
        fixture.assert_serves();
        assert_eq!(kept.get("/after").answer().text(), "GET /after");
    }
}
