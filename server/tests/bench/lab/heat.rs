//! Some contenders at the same time, each with an upstream and a load of its own.
//!
//! Where a load leaves the machine idle, contenders that run side by side meet the same disturbances, and a run of an
//! hour takes ten minutes. All processes are started by the main thread, which they end with (see `child`).

use crate::contenders::{Contender, NONE, Site};
use crate::harness::Result;
use crate::harness::child::Child;
use crate::harness::cpus::Halves;
use crate::harness::procfs::{self, Cpu};
use crate::harness::role;
use crate::harness::stage::{free_address, wait_until_it_listens};
use crate::load::{Request, requests};
use crate::metrics::{self, Ledger};
use crate::scenario::{Scenario, Size};
use serde_json::Value;
use std::time::Duration;

/// The role of the upstream.
pub(crate) const UPSTREAM: &str = "lab-upstream";
/// The role of the load.
pub(crate) const LOAD: &str = "lab-load";

const START_PATIENCE: Duration = Duration::from_secs(20);
const PATIENCE: Duration = Duration::from_secs(60);
/// Of a closed loop, whose end nobody knows.
const CLOSED: Duration = Duration::from_secs(300);

/// What was heard of one contender.
pub(crate) struct Told {
    pub(crate) requests: Vec<Request>,
    /// The upstream's account.
    pub(crate) upstream: Value,
    /// CPU time of the contender.
    pub(crate) cpu: Duration,
    pub(crate) ledger: Ledger,
    /// What `headstart advise` made of a run without hedging.
    pub(crate) advice: Vec<(f64, f64)>,
}

/// What all of them have in common.
pub(crate) struct Heat<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) size: Size,
    pub(crate) round: usize,
    pub(crate) halves: &'a Halves,
}

struct Lane {
    upstream: Child,
    server: Child,
    members: Vec<u32>,
    site: Site,
    before: Cpu,
    load: Option<Child>,
}

impl Heat<'_> {
    /// One result for each of them, in their order.
    pub(crate) fn run(&self, contenders: &[&Contender]) -> Vec<Result<Told>> {
        let mut lanes: Vec<Result<Lane>> = contenders.iter().map(|contender| self.lane(contender)).collect();
        for lane in &mut lanes {
            if let Ok(ready) = lane
                && let Err(error) = self.start(ready)
            {
                *lane = Err(error);
            }
        }
        let both = lanes.into_iter().zip(contenders);
        both.map(|(lane, contender)| lane.and_then(|lane| self.end(lane, contender))).collect()
    }

    fn lane(&self, contender: &Contender) -> Result<Lane> {
        let named = self.scenario.named(self.size, self.round);
        let mut upstream = Child::start(UPSTREAM, &self.halves.load, &named)?;
        let upstreams = upstream.line(START_PATIENCE)?.split(',').map(str::to_owned).collect();
        let cores = self.halves.contender.len();
        let site = Site { listen: free_address()?, admin: free_address()?, upstreams, cores };
        let words = contender.arguments(self.scenario, &site)?;
        let program = contender.program()?.display().to_string();
        let arguments = [("program", program), ("words", serde_json::to_string(&words)?)];
        let mut server = Child::start(role::CONTENDER, &self.halves.contender, &arguments)?;
        wait_until_it_listens(&mut server, site.listen)?;
        let members = procfs::members(server.pid())?;
        let before = Cpu::of_all(&members);
        Ok(Lane { upstream, server, members, site, before, load: None })
    }

    fn start(&self, lane: &mut Lane) -> Result<()> {
        let mut arguments = self.scenario.named(self.size, self.round).to_vec();
        arguments.push(("target", lane.site.listen.to_string()));
        lane.load = Some(Child::start(LOAD, &self.halves.load, &arguments)?);
        Ok(())
    }

    fn end(&self, mut lane: Lane, contender: &Contender) -> Result<Told> {
        let patience = self.scenario.lasts().unwrap_or(CLOSED) + self.scenario.patience() + PATIENCE;
        let told: Value = serde_json::from_str(&lane.load.as_mut().ok_or("no load")?.line(patience)?)?;
        let cpu = (Cpu::of_all(&lane.members) - lane.before).total();
        if let Some(status) = lane.server.ended()? {
            return Err(format!("it ended under the load: {status}").into());
        }
        let upstream = serde_json::from_str(&lane.upstream.ask("report", PATIENCE)?)?;
        let ledger = if contender.has_metrics() { Ledger::of(lane.site.admin)? } else { Ledger::default() };
        let is_foreseen = contender.name == NONE && self.scenario.is_foreseen();
        let advice = if is_foreseen { metrics::advice(lane.site.admin)? } else { Vec::new() };
        Ok(Told { requests: requests(&told).ok_or("the load tells nothing")?, upstream, cpu, ledger, advice })
    }
}
