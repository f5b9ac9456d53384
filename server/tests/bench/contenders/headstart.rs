//! Ours: the binary as it is installed, with its defaults.

use crate::harness::contender::{Contender, Launch, Site};
use std::process::Command;

pub(crate) const HEADSTART: Contender =
    Contender::new("headstart", "this binary, with its defaults", Launch::Program(|site| Ok(command(site))));

pub(super) fn command(site: &Site) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_headstart"));
    command.args(["--listen", &site.listen.to_string(), "--upstream", &site.upstream_url()]);
    command
}
