//! Which process gets which cores.
//!
//! A server that shares its cores with the load is measured by what the load leaves over. So contenders get the first
//! half of the cores this process may use, load and upstream the second.

use super::Result;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

pub(crate) struct Halves {
    pub(crate) contender: Vec<usize>,
    /// The load generator's and the upstream's.
    pub(crate) load: Vec<usize>,
}

impl Halves {
    /// The cores this process may use, in two halves. A single core is shared by all.
    pub(crate) fn of_this_process() -> Result<Halves> {
        let allowed = sched_getaffinity(None)?;
        let cores: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect();
        if cores.len() < 2 {
            return Ok(Halves { contender: cores.clone(), load: cores });
        }
        let (contender, load) = cores.split_at(cores.len() / 2);
        Ok(Halves { contender: contender.to_vec(), load: load.to_vec() })
    }

    pub(crate) fn are_apart(&self) -> bool {
        self.contender != self.load
    }

    /// How many threads the load generator has, and how many the upstream: together, one per core of their half.
    pub(crate) fn load_threads(&self) -> usize {
        (self.load.len() / 2).max(1)
    }
}

/// Cores as they go over a command line: `0,1`.
pub(crate) fn list(cores: &[usize]) -> String {
    let cores: Vec<String> = cores.iter().map(usize::to_string).collect();
    cores.join(",")
}

/// Keeps this process, and every thread it will start, on these cores.
pub(crate) fn pin(list: &str) -> Result<()> {
    let mut set = CpuSet::new();
    for core in list.split(',') {
        set.set(core.parse()?);
    }
    Ok(sched_setaffinity(None, &set)?)
}
