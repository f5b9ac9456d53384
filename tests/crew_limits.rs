//! The crew's default bound heeds the limits of its process. One test, because they belong to the whole process.
#![cfg(target_os = "linux")]

use headstart::CrewSettings;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What holds while the soft limit of `resource` is `limit`.
fn under(resource: Resource, limit: u64) -> (usize, &'static str) {
    let before = getrlimit(resource);
    setrlimit(resource, Rlimit { current: Some(limit), maximum: before.maximum }).unwrap();
    let bound = CrewSettings::default().bound();
    setrlimit(resource, before).unwrap();
    bound
}

#[test]
fn the_lowest_limit_is_the_bound_and_is_named() {
    headstart_testing::alone!();
    const MIB: u64 = 1 << 20;
    let unlimited = CrewSettings::default().bound();
    assert!(unlimited.0 > 600, "this test needs a system that has room for more than {unlimited:?}");

    let processes = under(Resource::Nproc, 1_200);
    assert_eq!(processes, (600, "RLIMIT_NPROC (ulimit -u)"));

    // 128 MiB are left to everything else, 66 MiB taken by a thread with an arena, 2 MiB by one without.
    let bytes = 1_200 * MIB;
    let processors = std::thread::available_parallelism().unwrap().get();
    let arenas = std::env::var("MALLOC_ARENA_MAX").map_or(8 * processors, |most| most.parse().unwrap());
    let expected = if arenas > 16 { 16 } else { arenas + (1_072 - 66 * arenas) / 2 };
    let space = under(Resource::As, bytes);
    assert_eq!(space, (expected, "RLIMIT_AS (ulimit -v)"));

    assert_eq!(CrewSettings::default().bound(), unlimited);
}
