//! Ours: the binary as it is installed, with its defaults.

use crate::harness::contender::{Contender, Launch, Site};
use std::process::Command;

pub(crate) const HEADSTART: Contender =
    Contender { name: "headstart", what: "this binary, with its defaults", launch: Launch::Program(command) };

pub(super) fn command(site: &Site) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headstart"));
    command.args(["--listen", &site.listen.to_string(), "--upstream", &site.upstream_url()]);
    command
}
