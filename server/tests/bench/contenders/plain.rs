//! The product with its plain stack.

use super::headstart;
use crate::harness::contender::{Contender, Launch, Site};
use std::process::Command;

pub(crate) const PLAIN: Contender = Contender::new(
    "plain",
    "this binary with --plain: tiny_http, three fresh threads per request of which two sleep 300 ms, calls by ureq",
    Launch::Program(|site| Ok(command(site))),
);

fn command(site: &Site) -> Command {
    let mut command = headstart::command(site);
    command.arg("--plain");
    command
}
