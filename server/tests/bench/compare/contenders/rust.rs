//! The async rivals in Rust, from the package in `tests/bench/rivals`, built when they are selected.
//!
//! A package of their own keeps async out of the library's own dependencies, down to its lock file.

use crate::harness::Result;
use crate::harness::contender::{Contender, Launch, Site};
use crate::places::{self, target};
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub(crate) const HYPER: Contender = Contender::new(
    "hyper",
    "hyper on tokio, server and client, no framework",
    Launch::Program(|site| Ok(command("rival-hyper", site))),
)
.prepared_by(build);

pub(crate) const AXUM: Contender =
    Contender::new("axum", "axum with reqwest", Launch::Program(|site| Ok(command("rival-axum", site))))
        .prepared_by(build);

/// Built like this bench: unoptimised for a test.
const PROFILE: &str = if cfg!(debug_assertions) { "dev" } else { "release" };

fn build() -> Result<()> {
    let arguments = ["build", "--quiet", "--locked", "--profile", PROFILE, "--manifest-path", places::RIVALS];
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
    cargo.args(arguments).arg("--target-dir").arg(target().join("rivals"));
    // Its output would mix with the table.
    let status = cargo.stdout(Stdio::null()).status()?;
    if status.success() {
        return Ok(());
    }
    Err(format!("not built; `cargo {} --target-dir target/rivals` says why", arguments.join(" ")).into())
}

fn command(binary: &str, site: &Site) -> Command {
    let directory = if PROFILE == "dev" { "debug" } else { PROFILE };
    let program: PathBuf = target().join("rivals").join(directory).join(binary);
    let mut command = Command::new(program);
    command.args(["--listen", &site.listen.to_string(), "--upstream", &site.upstream_url()]);
    command.args(["--threads", &site.cores()]);
    command
}
