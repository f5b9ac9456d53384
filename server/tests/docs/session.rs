//! The README's second session, run.

use super::{blocks, text};
use crate::support::http::get;
use crate::support::process::{self, Process};

/// Starts what a line of a session starts, on a free port instead of the one it names.
fn start(line: &str, upstream: Option<&str>) -> (Process, String) {
    let (_, arguments) = line.trim_end_matches(" &").split_once("target/release/headstart ").unwrap();
    let mut arguments: Vec<&str> = arguments.split(' ').collect();
    let listen = arguments.iter().position(|argument| *argument == "--listen").unwrap();
    arguments[listen + 1] = "127.0.0.1:0";
    if let Some(upstream) = upstream {
        *arguments.last_mut().unwrap() = upstream;
    }
    let mut process = Process::start(process::headstart(&arguments));
    let address = process.address();
    (process, address)
}

#[test]
fn the_readme_s_session_with_an_upstream_of_its_own_works_as_written() {
    let session =
        blocks(&text("README.md"), "console").into_iter().find(|block| block.contains("--upstream http")).unwrap();
    let lines: Vec<&str> = session.lines().collect();
    assert_eq!(lines.len(), 6, "{session}");
    assert!(lines[1].contains("--listen 127.0.0.1:9001 --upstream http://127.0.0.1:9000/api/work"));
    let (_sample, sample) = start(lines[0], None);
    let (_server, server) = start(lines[1], Some(&format!("http://{sample}/api/work")));
    let target = |line: &str| line.split_once("127.0.0.1:9001").unwrap().1.trim_end_matches('\'').to_owned();
    let server = server.parse().unwrap();
    assert_eq!(get(server, &target(lines[2])).text(), lines[3]);
    // What succeeds in 400 ms is chance, and an array.
    let there = get(server, &target(lines[4])).json();
    let written: serde_json::Value = serde_json::from_str(lines[5]).unwrap();
    assert!(there.is_array() && written.is_array(), "{there}");
}
