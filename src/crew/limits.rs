//! How many threads the system lets this process have.
//!
//! On Linux a thread of the standard library takes four memory mappings (its stack, the stack's guard, the signal stack
//! and that one's guard), so `vm.max_map_count` ends a process long before memory does.
//!
//! A limited address space is the one limit that is not refused politely: where the stacks have taken it all, the next
//! small allocation ends the process. So threads may only have what is left of it after a share for everything else.

use std::fs;
use std::path::Path;

/// Mappings and process ids left to everything that is not a thread of ours.
const MARGIN: u64 = 1_000;
const MAPPINGS_PER_THREAD: u64 = 4;
/// Address space left to everything that is not a thread's, and that of each thread: its stack with some working
/// memory.
const SPACE_MARGIN: u64 = 128 << 20;
const SPACE_PER_THREAD: u64 = 2 << 20;
/// What glibc's allocator reserves for each of its arenas. Every thread begins one, up to eight per processor or to
/// `MALLOC_ARENA_MAX`.
const SPACE_PER_ARENA: u64 = 64 << 20;
/// Assumed where nothing can be read: low enough for every system we know.
const UNKNOWN: u64 = 2_048;

/// The number of threads this process may have, and the setting that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ThreadLimit {
    /// How many threads, with a margin taken off.
    pub(super) threads: usize,
    /// The lowest of the system's limits, by the name under which it is changed.
    pub(super) setting: &'static str,
}

impl ThreadLimit {
    /// Reads the limits that hold for this process now: `vm.max_map_count`, `kernel.pid_max`, `kernel.threads-max`, the
    /// control group's `pids.max`, `RLIMIT_NPROC` and `RLIMIT_AS`.
    pub(super) fn of_this_system() -> ThreadLimit {
        let limits = [
            (number("/proc/sys/vm/max_map_count").map(threads_in_mappings), "vm.max_map_count"),
            (number("/proc/sys/kernel/pid_max").map(less_margin), "kernel.pid_max"),
            (number("/proc/sys/kernel/threads-max").map(less_margin), "kernel.threads-max"),
            (pids_max("/proc/self/cgroup", "/sys/fs/cgroup").map(less_margin), "the control group's pids.max"),
            (max_user_processes().map(less_margin), "RLIMIT_NPROC (ulimit -u)"),
            (address_space().map(|bytes| threads_in(bytes, arenas())), "RLIMIT_AS (ulimit -v)"),
        ];
        let (threads, setting) = limits
            .into_iter()
            .filter_map(|(limit, setting)| Some((limit?, setting)))
            .min_by_key(|(limit, _)| *limit)
            .unwrap_or((UNKNOWN, "an assumed limit"));
        ThreadLimit { threads: threads as usize, setting }
    }
}

fn less_margin(limit: u64) -> u64 {
    // A small limit still gets threads: half of it, when the margin would leave less.
    limit.saturating_sub(MARGIN).max(limit / 2)
}

fn threads_in_mappings(maps: u64) -> u64 {
    less_margin(maps) / MAPPINGS_PER_THREAD
}

/// How many threads fit in an address space when the first `arenas` of them come with an arena.
fn threads_in(bytes: u64, arenas: u64) -> u64 {
    let bytes = bytes.saturating_sub(SPACE_MARGIN);
    let with_arena = (bytes / (SPACE_PER_THREAD + SPACE_PER_ARENA)).min(arenas);
    let rest = bytes - with_arena * (SPACE_PER_THREAD + SPACE_PER_ARENA);
    let without_arena = if with_arena == arenas { rest / SPACE_PER_THREAD } else { 0 };
    (with_arena + without_arena).max(1)
}

fn arenas() -> u64 {
    let chosen = std::env::var("MALLOC_ARENA_MAX").ok().and_then(|text| text.parse().ok());
    chosen.unwrap_or_else(|| 8 * std::thread::available_parallelism().map_or(1, |processors| processors.get() as u64))
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The lowest limit of the control group that the file `own` names, and of those around it. `root` is where groups are.
fn pids_max(own: &str, root: &str) -> Option<u64> {
    let groups = fs::read_to_string(own).ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::"))?;
    // A group without a limit says "max".
    let limit = |group: &Path| number(&format!("{root}{}/pids.max", group.to_str()?.trim_end_matches('/')));
    Path::new(path).ancestors().filter_map(limit).min()
}

#[cfg(unix)]
fn max_user_processes() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Nproc).current
}

#[cfg(unix)]
fn address_space() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::As).current
}

#[cfg(not(unix))]
fn address_space() -> Option<u64> {
    None
}

#[cfg(not(unix))]
fn max_user_processes() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_margin_is_left_but_never_more_than_half() {
        assert_eq!(less_margin(32_768), 31_768);
        assert_eq!(less_margin(1_500), 750);
        assert_eq!(less_margin(3), 1);
        assert_eq!(threads_in_mappings(65_530), 16_132);
    }

    #[test]
    fn an_address_space_holds_arenas_first_and_stacks_then() {
        assert_eq!(threads_in(0, 32), 1);
        assert_eq!(threads_in(128 * MIB, 32), 1);
        assert_eq!(threads_in((128 + 3 * 66) * MIB, 32), 3);
        assert_eq!(threads_in((128 + 3 * 66 + 65) * MIB, 32), 3, "no space for another arena");
        assert_eq!(threads_in((128 + 2 * 66 + 10 * 2) * MIB, 2), 12);
        assert!(threads_in(u64::MAX, 32) > 1 << 40);
    }

    #[test]
    fn a_file_that_holds_no_number_sets_no_limit() {
        let file = std::env::temp_dir().join(format!("headstart-number-{}", std::process::id()));
        for (text, expected) in [("4242\n", Some(4_242)), ("max\n", None), ("", None)] {
            fs::write(&file, text).unwrap();
            assert_eq!(number(file.to_str().unwrap()), expected, "{text:?}");
        }
        fs::remove_file(&file).unwrap();
        assert_eq!(number(file.to_str().unwrap()), None);
    }

    #[test]
    fn a_control_group_is_bound_by_those_around_it_too() {
        let root = std::env::temp_dir().join(format!("headstart-limits-{}", std::process::id()));
        let inner = root.join("outer/middle/inner");
        fs::create_dir_all(&inner).unwrap();
        fs::write(root.join("outer/pids.max"), "500\n").unwrap();
        fs::write(root.join("outer/middle/pids.max"), "max\n").unwrap();
        fs::write(inner.join("pids.max"), "700\n").unwrap();
        let own = root.join("cgroup");
        let (own, at) = (own.to_str().unwrap(), root.to_str().unwrap());
        let limit_of = |groups: &str| {
            fs::write(own, groups).unwrap();
            pids_max(own, at)
        };
        assert_eq!(limit_of("1:name=systemd:/\n0::/outer/middle/inner\n"), Some(500));
        assert_eq!(limit_of("0::/\n"), None, "the outermost group has no such file");
        assert_eq!(limit_of("3:pids:/outer\n"), None, "not in the unified hierarchy");
        fs::write(root.join("outer/pids.max"), "900\n").unwrap();
        assert_eq!(limit_of("0::/outer/middle/inner\n"), Some(700));
        assert_eq!(pids_max("/nowhere/cgroup", at), None);
        fs::remove_dir_all(&root).unwrap();
    }
}
