//! What the tests of all packages share: peers, real and fake, and how long to wait for them.
//!
//! It knows none of the packages that are tested, so that each of them can use it with any of its features.

#[cfg(unix)]
pub mod mariadb;
#[cfg(unix)]
pub mod memcached;
pub mod proc;
mod runs;
pub mod upstream;
pub mod xmlrpc;

pub use headstart_needs::needs;
pub use runs::{in_a_process_of_its_own, in_turn};

use std::time::{Duration, Instant};

/// The bound of every wait: longer than anything takes on a busy machine, so that it only ends tests that have failed.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits, within reason, until `condition` holds: for what tells of itself in figures only.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
