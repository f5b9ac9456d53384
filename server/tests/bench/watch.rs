//! What the watch for clients that leave costs a race that is over fast: `cargo bench --bench watch`.
//!
//! The same server with and without it, in turns; the ratio of their CPU per request, `CPU ÷ ours` of `watched`, is
//! the answer.

#[cfg(target_os = "linux")]
#[path = "contenders/watch.rs"]
mod contenders;
#[cfg(target_os = "linux")]
#[allow(dead_code)] // it can start programs too
mod harness;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    harness::main(&[contenders::UNWATCHED, contenders::WATCHED, contenders::ENDLESS])
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the bench pins processes and reads /proc, so it runs on Linux only");
}
