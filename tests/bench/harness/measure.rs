//! One contender, measured once.
//!
//! Upstream, contender and load are started afresh and ended afterwards, so that no measurement inherits another one's
//! warm caches, threads or sockets.

use super::child::Child;
use super::contender::Contender;
use super::cpus::Halves;
use super::options::Options;
use super::procfs::{self, Cpu};
use super::{Result, role};
use serde_json::Value;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

/// What was seen of a contender in one round.
pub(crate) struct Figures {
    /// The contender's CPU time per right answer, in microseconds.
    pub(crate) cpu_us: f64,
    /// The user's part of it.
    pub(crate) user_us: f64,
    /// Right answers per second.
    pub(crate) throughput: f64,
    /// Milliseconds, as the load saw them.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    /// The most threads seen.
    pub(crate) threads: f64,
    /// The most memory in RAM, in MiB.
    pub(crate) memory_mib: f64,
    /// Requests the upstream saw for each that was answered.
    pub(crate) upstream_requests: f64,
    /// Connections the upstream saw for each thousand requests answered.
    pub(crate) upstream_connections: f64,
    pub(crate) busy: Busy,
    /// Answers that were not what they should be, and the first of them.
    pub(crate) wrong: u64,
    pub(crate) first_wrong: Option<String>,
    /// Connections the contender closed between two requests.
    pub(crate) reopened: u64,
}

/// Shares of the CPU time there was: 1 is all of it.
pub(crate) struct Busy {
    /// The contender, of its cores.
    pub(crate) contender: f64,
    /// The load generator and the upstream, of as many cores as each has threads.
    pub(crate) load: f64,
    pub(crate) upstream: f64,
    /// Everybody who is no part of the bench, of the whole machine.
    pub(crate) others: f64,
}

const START_PATIENCE: Duration = Duration::from_secs(10);
/// Beyond the time that a step takes by itself.
const STEP_PATIENCE: Duration = Duration::from_secs(20);
const SAMPLE_EVERY: Duration = Duration::from_millis(50);

pub(crate) fn measure(contender: &Contender, options: &Options, halves: &Halves) -> Result<Figures> {
    let threads = halves.load_threads();
    let mut upstream = Child::start(role::UPSTREAM, &halves.load, &[("threads", threads.to_string())])?;
    let upstream_address: SocketAddr = upstream.line(START_PATIENCE)?.parse()?;
    let listen = free_address()?;
    let mut server = Child::start(
        role::CONTENDER,
        &halves.contender,
        &[
            ("name", contender.name.to_owned()),
            ("listen", listen.to_string()),
            ("upstream", upstream_address.to_string()),
        ],
    )?;
    wait_until_it_listens(&mut server, listen)?;
    let mut load = Child::start(
        role::LOAD,
        &halves.load,
        &[
            ("target", listen.to_string()),
            ("threads", threads.to_string()),
            ("connections", options.connections.to_string()),
            ("warm-up-ms", options.warm_up.as_millis().to_string()),
            ("measured-ms", options.measured.as_millis().to_string()),
        ],
    )?;

    expect(&mut load, "measuring", options.warm_up + START_PATIENCE)?;
    let before = Used::by_now(&server, &load, &upstream)?;
    let peak_threads = peak_threads_until_measured(&mut load, &server, options.measured + STEP_PATIENCE)?;
    let used = Used::by_now(&server, &load, &upstream)?.since(&before);
    let seen: Value = serde_json::from_str(&load.line(STEP_PATIENCE)?)?;
    let counts: Value = serde_json::from_str(&upstream.ask("count", STEP_PATIENCE)?)?;

    let number = |value: &Value, key: &str| value[key].as_f64().ok_or_else(|| format!("no number called {key}"));
    let measured = number(&seen, "measured")?;
    if measured == 0.0 {
        return Err(format!("no right answer: {}", seen["first_wrong"]).into());
    }
    // The requests with which the connections were opened reached the upstream too.
    let answered =
        number(&seen, "right")? + number(&seen, "wrong")? + options.connections as f64 + number(&seen, "reopened")?;
    let per_answer = |time: Duration| time.as_secs_f64() * 1e6 / measured;
    Ok(Figures {
        cpu_us: per_answer(used.server.total()),
        user_us: per_answer(used.server.user),
        throughput: measured / number(&seen, "seconds")?,
        p50_ms: number(&seen, "p50")?,
        p99_ms: number(&seen, "p99")?,
        p999_ms: number(&seen, "p999")?,
        threads: peak_threads as f64,
        memory_mib: procfs::peak_memory(server.pid())? as f64 / f64::from(1 << 20),
        upstream_requests: number(&counts, "requests")? / answered,
        upstream_connections: number(&counts, "connections")? * 1_000.0 / answered,
        busy: used.busy(halves, threads),
        wrong: seen["wrong"].as_u64().unwrap_or(0),
        first_wrong: seen["first_wrong"].as_str().map(str::to_owned),
        reopened: seen["reopened"].as_u64().unwrap_or(0),
    })
}

/// CPU time of everybody, at one moment or between two.
struct Used {
    at: Instant,
    wall: Duration,
    server: Cpu,
    load: Cpu,
    upstream: Cpu,
    machine: Duration,
}

impl Used {
    fn by_now(server: &Child, load: &Child, upstream: &Child) -> Result<Used> {
        Ok(Used {
            at: Instant::now(),
            wall: Duration::ZERO,
            server: Cpu::of(server.pid())?,
            load: Cpu::of(load.pid())?,
            upstream: Cpu::of(upstream.pid())?,
            machine: procfs::machine_busy()?,
        })
    }

    fn since(self, before: &Used) -> Used {
        Used {
            at: self.at,
            wall: self.at - before.at,
            server: self.server - before.server,
            load: self.load - before.load,
            upstream: self.upstream - before.upstream,
            machine: self.machine.saturating_sub(before.machine),
        }
    }

    fn busy(&self, halves: &Halves, threads: usize) -> Busy {
        let share = |time: Duration, cores: usize| time.as_secs_f64() / (self.wall.as_secs_f64() * cores as f64);
        let ours = self.server.total() + self.load.total() + self.upstream.total();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Busy {
            contender: share(self.server.total(), halves.contender.len()),
            load: share(self.load.total(), threads),
            upstream: share(self.upstream.total(), threads),
            others: share(self.machine.saturating_sub(ours), cores),
        }
    }
}

/// An address nobody listens on right now. Somebody else may take it before the contender does, who then fails to start.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Tries until it is let in. A foreign program has no way of saying that it listens, so asking is all there is.
fn wait_until_it_listens(server: &mut Child, address: SocketAddr) -> Result<()> {
    let give_up = Instant::now() + START_PATIENCE;
    while TcpStream::connect(address).is_err() {
        if let Some(status) = server.ended()? {
            return Err(format!("it ended before it listened: {status}").into());
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

/// Looks at the contender's threads now and then until the load says that the window is over.
fn peak_threads_until_measured(load: &mut Child, server: &Child, patience: Duration) -> Result<u64> {
    let give_up = Instant::now() + patience;
    let mut peak = 0;
    loop {
        peak = peak.max(procfs::threads(server.pid())?);
        match load.line_within(SAMPLE_EVERY)?.as_deref() {
            Some("measured") => return Ok(peak),
            Some(other) => return Err(format!("'{other}' instead of 'measured'").into()),
            None if Instant::now() > give_up => return Err("the load does not end".into()),
            None => {}
        }
    }
}
