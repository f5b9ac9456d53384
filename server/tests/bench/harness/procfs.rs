//! CPU, threads and memory of processes, as the kernel counts them.

use super::Result;
use std::fs;
use std::ops::Sub;
use std::time::Duration;

/// CPU time of a process, its ended threads included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cpu {
    pub(crate) user: Duration,
    pub(crate) system: Duration,
}

impl Cpu {
    /// proc_pid_stat(5): the 14th and 15th field. Counted in ticks of 10 ms, so a window of seconds is accurate to one
    /// per cent.
    pub(crate) fn of(pid: u32) -> Result<Cpu> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The second field is the program's name in parentheses, which may contain spaces and parentheses.
        let fields = stat.rsplit_once(") ").ok_or("no name in /proc/PID/stat")?.1;
        let mut times = fields.split(' ').skip(11).map(ticks);
        let mut next = || times.next().ok_or("no times in /proc/PID/stat")?;
        Ok(Cpu { user: next()?, system: next()? })
    }

    /// The sum over a group's members, without those that have ended since.
    pub(crate) fn of_all(pids: &[u32]) -> Cpu {
        let cpus = pids.iter().filter_map(|pid| Cpu::of(*pid).ok());
        cpus.fold(Cpu { user: Duration::ZERO, system: Duration::ZERO }, |sum, cpu| Cpu {
            user: sum.user + cpu.user,
            system: sum.system + cpu.system,
        })
    }

    pub(crate) fn total(&self) -> Duration {
        self.user + self.system
    }
}

impl Sub for Cpu {
    type Output = Cpu;

    fn sub(self, before: Cpu) -> Cpu {
        Cpu { user: self.user.saturating_sub(before.user), system: self.system.saturating_sub(before.system) }
    }
}

/// The processes of a group: its leader, and those that the leader started.
pub(crate) fn members(group: u32) -> Result<Vec<u32>> {
    let pids = fs::read_dir("/proc")?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids.filter(|pid| group_of(*pid) == Some(group)).collect())
}

/// proc_pid_stat(5): the 5th field.
fn group_of(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(2)?.parse().ok()
}

/// The busy time of all cores together, including the time taken by other virtual machines: proc_stat(5).
pub(crate) fn machine_busy() -> Result<Duration> {
    let stat = fs::read_to_string("/proc/stat")?;
    let all = stat.lines().next().and_then(|line| line.strip_prefix("cpu ")).ok_or("no cpu line in /proc/stat")?;
    const IDLE: usize = 3;
    const IOWAIT: usize = 4;
    const STEAL: usize = 7; // beyond it, guests, who are counted as user already
    let fields = all.split_whitespace().enumerate().take(STEAL + 1);
    fields.filter(|(at, _)| ![IDLE, IOWAIT].contains(at)).map(|(_, field)| ticks(field)).sum()
}

fn ticks(field: &str) -> Result<Duration> {
    let ticks: u64 = field.parse().map_err(|_| format!("'{field}' is not a number of ticks"))?;
    Ok(Duration::from_micros(ticks * 1_000_000 / rustix::param::clock_ticks_per_second()))
}

/// Threads a process has right now.
pub(crate) fn threads(pid: u32) -> Result<u64> {
    status(pid, "Threads:")
}

/// Memory a process has in RAM right now, in bytes.
pub(crate) fn memory(pid: u32) -> Result<u64> {
    Ok(status(pid, "VmRSS:")? * 1024)
}

/// The most memory a process ever had in RAM, in bytes.
pub(crate) fn peak_memory(pid: u32) -> Result<u64> {
    Ok(status(pid, "VmHWM:")? * 1024)
}

fn status(pid: u32, key: &str) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let number = line.and_then(|line| line.split_whitespace().next()).ok_or_else(|| format!("no {key} in status"))?;
    Ok(number.parse()?)
}
