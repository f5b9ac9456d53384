//! The built binary under attack: started with the limits of a test, and observed from outside.

use super::client::Client;
use super::process::{Process, headstart};
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};

/// A running binary.
pub(crate) struct Binary {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Binary {
    /// On a free port, with these arguments. Unless they name an upstream, there is none.
    pub(crate) fn start(args: &[&str]) -> Binary {
        Binary::run(headstart(&whole(args)))
    }

    /// The same under a limit set by the shell's `ulimit`.
    pub(crate) fn start_with_limit(limit: &str, args: &[&str]) -> Binary {
        let unlimited = headstart(&whole(args));
        let mut command = Command::new("sh");
        command.arg("-c").arg(format!("ulimit {limit}; exec \"$0\" \"$@\""));
        command.arg(unlimited.get_program()).args(unlimited.get_args());
        for (name, value) in unlimited.get_envs() {
            assert!(value.is_none(), "variables are only removed");
            command.env_remove(name);
        }
        Binary::run(command)
    }

    fn run(command: Command) -> Binary {
        let mut process = Process::start(command);
        let address = process.address().parse().unwrap();
        Binary { process, address }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Checks that a new client gets its answer.
    pub(crate) fn assert_serves(&self) {
        let answer = self.connect().get("/healthz").answer();
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// The peak of its resident memory so far, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        self.status("VmHWM")
    }

    pub(crate) fn threads(&self) -> u64 {
        self.status("Threads")
    }

    fn status(&self, row: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it is alive");
        let row = status.lines().find_map(|line| line.strip_prefix(row)?.strip_prefix(':')).expect("Linux tells");
        row.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub(crate) fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.id())).expect("it is alive").count()
    }
}

fn whole<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let mut whole = vec!["serve", "--listen", "127.0.0.1:0"];
    if !args.contains(&"--upstream") {
        whole.extend(["--upstream", "http://127.0.0.1:1/"]);
    }
    whole.extend(args);
    whole
}

/// The p99 of a healthy client's requests: it asks for `/healthz` over one connection until `is_over`.
pub(crate) fn p99(address: SocketAddr, is_over: impl Fn(usize) -> bool) -> Duration {
    let mut client = Client::connect(address);
    let mut took = Vec::new();
    while !is_over(took.len()) {
        let began = Instant::now();
        client.get("/healthz").answer();
        took.push(began.elapsed());
        std::thread::sleep(Duration::from_millis(1));
    }
    took.sort_unstable();
    took[(took.len() * 99 / 100).min(took.len() - 1)]
}

/// For promises about time on a busy machine: three tries, one of which has to succeed.
pub(crate) fn within_three_tries(mut attempt: impl FnMut() -> Result<(), String>) {
    let mut failures = Vec::new();
    for _ in 0..3 {
        match attempt() {
            Ok(()) => return,
            Err(failure) => failures.push(failure),
        }
    }
    panic!("three times: {failures:#?}");
}
