//! Ours: the binary as it is installed, with the front or the threads of the plain stack, and with all of it.
//!
//! Its limits are raised above the loads; all other settings have their defaults.

use crate::harness::Result;
use crate::harness::contender::{Contender, Launch, Site};
use std::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_headstart");

/// Above every load of the bench, so that the first bound reached is that of threads or files.
const REQUESTS: [&str; 2] = ["--max-in-flight", "16384"];
/// Of our front; the plain one has no such limit.
const CONNECTIONS: [&str; 2] = ["--max-connections", "16384"];

pub(crate) const HEADSTART: Contender =
    Contender::new("headstart", "this binary", Launch::Program(|site| Ok(command(site, &CONNECTIONS))));

pub(crate) const PLAIN: Contender = Contender::new(
    "plain",
    "`headstart --plain`: tiny_http, three fresh threads per request, of which two sleep 300 ms, calls by ureq",
    Launch::Program(|site| Ok(command(site, &["--plain"]))),
)
.prepared_by(|| knows("--plain"));

pub(crate) const FRONT: Contender = Contender::new(
    "front",
    "`headstart --front tiny_http`: the plain front over our race",
    Launch::Program(|site| Ok(command(site, &["--front", "tiny_http"]))),
)
.prepared_by(|| knows("--front"));

pub(crate) const THREADS: Contender = Contender::new(
    "threads",
    "`headstart --threads fresh`: our front over three fresh threads per request",
    Launch::Program(|site| Ok(command(site, &[&CONNECTIONS[..], &["--threads", "fresh"]].concat()))),
)
.prepared_by(|| knows("--threads"));

fn command(site: &Site, flags: &[&str]) -> Command {
    let mut command = Command::new(BINARY);
    command.args(["--listen", &site.listen.to_string(), "--upstream", &site.upstream_url()]).args(REQUESTS).args(flags);
    command
}

/// Whether the binary has this flag.
fn knows(flag: &str) -> Result<()> {
    let help = String::from_utf8(Command::new(BINARY).arg("--help").env_clear().output()?.stdout)?;
    // `--flag <VALUE>` or `--flag[=<VALUE>]`
    let is_known = help.split_whitespace().any(|word| word.split('[').next() == Some(flag));
    if is_known { Ok(()) } else { Err(format!("this headstart has no `{flag}`").into()) }
}
