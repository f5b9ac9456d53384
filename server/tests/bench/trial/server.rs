//! The built binary as a process, observed from outside.

use super::Result;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};

/// A running server, killed when dropped.
pub(crate) struct Server {
    process: Child,
    address: SocketAddr,
    /// Passes on what the server logs; ends with it.
    reader: Option<JoinHandle<()>>,
}

/// The kernel's figures of a process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Figures {
    /// Resident memory that is not backed by a file, in KiB.
    pub(crate) memory: u64,
    pub(crate) threads: u64,
    pub(crate) descriptors: u64,
}

impl Server {
    /// Starts `headstart` with these arguments on a free port.
    pub(crate) fn start(arguments: &[&str]) -> Result<Server> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_headstart"));
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        // No proxies, no settings of other programs, no access lines: they would be most of the work.
        command.env_clear().env("RUST_LOG", "warn,headstart::cli=info");
        // The allocator's setting is kept: with it a leak can be told from an allocator that keeps memory.
        if let Some(arenas) = std::env::var_os("MALLOC_ARENA_MAX") {
            command.env("MALLOC_ARENA_MAX", arenas);
        }
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn()?;
        let mut log = BufReader::new(process.stderr.take().ok_or("no standard error")?).lines();
        let address = log.by_ref().map_while(std::io::Result::ok).find_map(|line| {
            let address = line.split("listening on http://").nth(1)?;
            address.trim().parse().ok()
        });
        let reader = thread::Builder::new().name("server-log".to_owned()).spawn(move || {
            let lines = log.map_while(std::io::Result::ok);
            lines.filter(|line| !line.contains(" INFO ")).for_each(|line| eprintln!("server: {line}"));
        })?;
        let Some(address) = address else {
            let _ = process.kill();
            return Err(format!("the server ended before it listened: {}", process.wait()?).into());
        };
        Ok(Server { process, address, reader: Some(reader) })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// proc_pid_status(5), proc_pid_fd(5).
    pub(crate) fn figures(&self) -> Result<Figures> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id()))?;
        let number = |key: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let word = line.and_then(|line| line.split_whitespace().next());
            Ok(word.ok_or_else(|| format!("no {key} in status"))?.parse()?)
        };
        let descriptors = fs::read_dir(format!("/proc/{}/fd", self.id()))?.count() as u64;
        Ok(Figures { memory: number("RssAnon:")?, threads: number("Threads:")?, descriptors })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail only for a process that has ended and been waited for.
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}
