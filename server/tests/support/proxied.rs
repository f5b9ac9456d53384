//! `headstart proxy` as a process, before the upstreams of a test.

use super::client::Client;
use super::http::get;
use super::process::{Process, headstart};
use super::script::Upstream;
use serde_json::Value;
use std::net::SocketAddr;

pub(crate) struct Proxied {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Proxied {
    /// Before these URLs, with these arguments. Unless they say when hedges are due, nothing is hedged: a hedge of a
    /// busy machine is not for tests about other things.
    pub(crate) fn to(urls: &[String], args: &[&str]) -> Proxied {
        let mut whole = vec!["proxy", "--admin", "127.0.0.1:0"];
        if !args.contains(&"--listen") {
            whole.extend(["--listen", "127.0.0.1:0"]);
        }
        urls.iter().for_each(|url| whole.extend(["--to", url]));
        if !["--schedule", "--hedge", "--config"].iter().any(|says| args.contains(says)) {
            whole.extend(["--schedule", "0"]);
        }
        whole.extend(args);
        let mut process = Process::start(headstart(&whole));
        let address = address_in(&process.wait_for("listening on http"));
        Proxied { process, address }
    }

    pub(crate) fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    /// Where the endpoints for operators are.
    pub(crate) fn admin(&mut self) -> SocketAddr {
        address_in(&self.process.wait_for("page, metrics and health are on http://"))
    }

    /// What `/hedging.json` says of its first route.
    pub(crate) fn hedging(&mut self) -> Value {
        get(self.admin(), "/hedging.json").json()["routes"][0].clone()
    }

    /// The value of the row of `/metrics` that begins with this.
    #[track_caller]
    pub(crate) fn metric(&mut self, row: &str) -> f64 {
        let metrics = get(self.admin(), "/metrics");
        let value = metrics.text().lines().find_map(|line| line.strip_prefix(row)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no row {row}")).parse().unwrap()
    }

    pub(crate) fn url(&self, target: &str) -> String {
        format!("http://{}{target}", self.address)
    }

    /// The peak of its resident memory so far, in KiB.
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it is alive");
        let row = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux tells");
        row.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

/// The address behind the last slash of a line of the log, in either form.
fn address_in(line: &str) -> SocketAddr {
    let address = line.trim_end().rsplit('/').next().unwrap();
    address.trim_end_matches(['"', '}']).parse().unwrap()
}

/// A proxy before one upstream.
pub(crate) fn one(args: &[&str]) -> (Proxied, Upstream) {
    let upstream = Upstream::start();
    (Proxied::to(&[upstream.url()], args), upstream)
}

/// A proxy before two upstreams. Which one gets a first attempt is the proxy's choice.
pub(crate) fn two(args: &[&str]) -> (Proxied, [Upstream; 2]) {
    let upstreams = [Upstream::start(), Upstream::start()];
    (Proxied::to(&upstreams.each_ref().map(Upstream::url), args), upstreams)
}
