//! The soak: `cargo bench --bench soak -- --minutes 10`.
//!
//! Healthy, slow, hostile and vanishing clients, all at the same time, at a server whose upstream hangs, drips, resets
//! and lies. The promises: no wrong answer; memory, threads and descriptors stay where they were after the warm-up;
//! after all clients have left, the server is back at its first figures and answers.
//!
//! What this does not do: measure. The load depends on the clients; `request` and `overload` measure.

#[cfg(target_os = "linux")]
#[path = "../../support/chance.rs"]
#[allow(dead_code)] // the tests need more of it
mod chance;
#[cfg(target_os = "linux")]
mod clients;
#[cfg(target_os = "linux")]
mod deed;
#[cfg(target_os = "linux")]
mod judge;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
#[path = "../trial/mod.rs"]
#[allow(dead_code)] // the overload needs more of it
mod trial;
#[cfg(target_os = "linux")]
mod upstream;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    trial::asked::main(run::HELP, run::run)
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the soak reads /proc, so it runs on Linux only");
}
