//! An upstream and a contender before it, started afresh, and the loads they are put under.
//!
//! Both are ended when the stage is dropped, so that each measurement starts with cold caches and without threads and
//! sockets of another one.

use super::child::{Child, LOG};
use super::contender::{Contender, Launch};
use super::cpus::Halves;
use super::load::Target;
use super::procfs;
use super::used::{Busy, Used};
use super::{Result, role};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

const START_PATIENCE: Duration = Duration::from_secs(20);
/// Added to the time that a step takes by itself.
const STEP_PATIENCE: Duration = Duration::from_secs(20);
const SAMPLE_EVERY: Duration = Duration::from_millis(50);
/// This many requests, each on its own connection, are answered before a load begins: enough for every worker process
/// to have started.
const FIRST_ANSWERS: usize = 8;

pub(crate) struct Stage<'a> {
    halves: &'a Halves,
    upstream: Child,
    /// None when the load calls the upstream itself.
    server: Option<Child>,
    /// The processes of the contender.
    members: Vec<u32>,
    pub(crate) target: Target,
}

/// The results of one load.
pub(crate) struct Seen {
    /// The load's own results.
    pub(crate) load: Value,
    pub(crate) used: Used,
    pub(crate) busy: Busy,
    /// The most threads of the contender.
    pub(crate) threads: u64,
    /// Its memory in RAM before the load, and its peak, in bytes.
    pub(crate) memory_before: u64,
    pub(crate) memory: u64,
}

impl<'a> Stage<'a> {
    pub(crate) fn set(contender: &Contender, halves: &'a Halves) -> Result<Stage<'a>> {
        Stage::set_over(role::UPSTREAM, contender, halves)
    }

    /// The same with the upstream that this role is.
    pub(crate) fn set_over(role: &'static str, contender: &Contender, halves: &'a Halves) -> Result<Stage<'a>> {
        let threads = halves.load_threads();
        let mut upstream = Child::start(role, &halves.load, &[("threads", threads.to_string())])?;
        let upstream_address: SocketAddr = upstream.line(START_PATIENCE)?.parse()?;
        let mut target = Target { address: upstream_address, wrapper: contender.wrapper };
        let mut server = None;
        if !matches!(contender.launch, Launch::Direct) {
            target.address = free_address()?;
            let arguments = [
                ("name", contender.name.to_owned()),
                ("listen", target.address.to_string()),
                ("upstream", upstream_address.to_string()),
            ];
            let child = server.insert(Child::start(role::CONTENDER, &halves.contender, &arguments)?);
            wait_until_it_listens(child, target.address)?;
        }
        for _ in 0..FIRST_ANSWERS {
            target.ask()?;
        }
        let members = server.as_ref().map_or(Ok(Vec::new()), |server| procfs::members(server.pid()))?;
        Ok(Stage { halves, upstream, server, members, target })
    }

    /// Puts the contender under a load whose window lasts this long.
    pub(crate) fn play(&mut self, role: &'static str, arguments: &[(&str, String)], lasts: Duration) -> Result<Seen> {
        let threads = self.halves.load_threads();
        let mut all = vec![
            ("target", self.target.address.to_string()),
            ("wrapper", self.target.wrapper.to_string()),
            ("threads", threads.to_string()),
        ];
        all.extend_from_slice(arguments);
        let memory_before = self.sum(procfs::memory);
        let mut load = Child::start(role, &self.halves.load, &all)?;

        expect(&mut load, "measuring", lasts + START_PATIENCE)?;
        let before = Used::by_now(&self.members, &load, &self.upstream)?;
        let threads_seen = self.peak_threads_until_measured(&mut load, lasts + STEP_PATIENCE)?;
        let used = Used::by_now(&self.members, &load, &self.upstream)?.since(&before);
        let told: Value = serde_json::from_str(&load.line(STEP_PATIENCE)?)?;
        if let Some(status) = self.server.as_mut().map_or(Ok(None), Child::ended)? {
            return Err(format!("it ended under the load: {status}").into());
        }
        let busy = used.busy(self.halves, threads);
        let memory = self.sum(procfs::peak_memory);
        Ok(Seen { load: told, used, busy, threads: threads_seen, memory_before, memory })
    }

    /// The upstream's counts so far.
    pub(crate) fn counts(&mut self) -> Result<Value> {
        Ok(serde_json::from_str(&self.upstream.ask("count", STEP_PATIENCE)?)?)
    }

    /// The counts when the upstream has answered all requests, or after `patience`.
    pub(crate) fn counts_at_rest(&mut self, patience: Duration) -> Result<Value> {
        let give_up = Instant::now() + patience;
        loop {
            let counts = self.counts()?;
            if counts["pending"] == 0 || Instant::now() > give_up {
                return Ok(counts);
            }
            thread::sleep(SAMPLE_EVERY);
        }
    }

    /// Sets the upstream's delay from now on, as `Delay` parses it.
    pub(crate) fn delay(&mut self, delay: &str) -> Result<()> {
        match self.upstream.ask(&format!("delay {delay}"), STEP_PATIENCE)?.as_str() {
            "delayed" => Ok(()),
            other => Err(format!("the upstream says '{other}'").into()),
        }
    }

    /// Samples the contender's threads until the load reports the end of the window.
    fn peak_threads_until_measured(&self, load: &mut Child, patience: Duration) -> Result<u64> {
        let give_up = Instant::now() + patience;
        let mut peak = 0;
        loop {
            peak = peak.max(self.sum(procfs::threads));
            match load.line_within(SAMPLE_EVERY)?.as_deref() {
                Some("measured") => return Ok(peak),
                Some(other) => return Err(format!("'{other}' instead of 'measured'").into()),
                None if Instant::now() > give_up => return Err("the load does not end".into()),
                None => {}
            }
        }
    }

    /// Summed over the contender's processes, without those that have ended.
    fn sum(&self, figure: fn(u32) -> Result<u64>) -> u64 {
        self.members.iter().filter_map(|pid| figure(*pid).ok()).sum()
    }
}

/// A free address. Another process may take it before the contender does; then the contender fails to start.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Connects until it succeeds. A foreign program does not report that it listens, so this is the only way.
pub(crate) fn wait_until_it_listens(server: &mut Child, address: SocketAddr) -> Result<()> {
    let give_up = Instant::now() + START_PATIENCE;
    while TcpStream::connect(address).is_err() {
        if let Some(status) = server.ended()? {
            return Err(format!("it ended before it listened: {status}; {LOG} may say why").into());
        }
        if Instant::now() > give_up {
            return Err(format!("it does not listen within {START_PATIENCE:?}").into());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

fn expect(child: &mut Child, word: &str, patience: Duration) -> Result<()> {
    let said = child.line(patience)?;
    if said == word { Ok(()) } else { Err(format!("'{said}' instead of '{word}'").into()) }
}
