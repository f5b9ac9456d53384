//! CPU time of all processes that take part.

use super::Result;
use super::child::Child;
use super::cpus::Halves;
use super::procfs::{self, Cpu};
use std::thread;
use std::time::{Duration, Instant};

/// Shares of the available CPU time: 1 is all of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Busy {
    /// The contender, of its cores.
    pub(crate) contender: f64,
    /// The load generator and the upstream, of as many cores as each has threads.
    pub(crate) load: f64,
    pub(crate) upstream: f64,
    /// All other processes, of the whole machine.
    pub(crate) others: f64,
}

/// CPU time of all parts, at one moment or between two.
pub(crate) struct Used {
    at: Instant,
    wall: Duration,
    pub(crate) server: Cpu,
    load: Cpu,
    upstream: Cpu,
    machine: Duration,
}

impl Used {
    /// `server` are the contender's processes.
    pub(crate) fn by_now(server: &[u32], load: &Child, upstream: &Child) -> Result<Used> {
        Ok(Used {
            at: Instant::now(),
            wall: Duration::ZERO,
            server: Cpu::of_all(server),
            load: Cpu::of(load.pid())?,
            upstream: Cpu::of(upstream.pid())?,
            machine: procfs::machine_busy()?,
        })
    }

    pub(crate) fn since(self, before: &Used) -> Used {
        Used {
            at: self.at,
            wall: self.at - before.at,
            server: self.server - before.server,
            load: self.load - before.load,
            upstream: self.upstream - before.upstream,
            machine: self.machine.saturating_sub(before.machine),
        }
    }

    /// `threads` are the numbers of threads of the load and of the upstream.
    pub(crate) fn busy(&self, halves: &Halves, threads: usize) -> Busy {
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
