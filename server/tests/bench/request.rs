//! What a request costs: `cargo bench`.
//!
//! The server's CPU per request, throughput and latency at 64 keep-alive connections over an upstream that answers at
//! once, next to the plain stack and to the least that blocking sockets need. `tests/bench/README.md` explains the
//! method.

#[cfg(target_os = "linux")]
mod contenders;
#[cfg(target_os = "linux")]
#[allow(dead_code)] // the comparison asks it for more
mod harness;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    harness::main(&[contenders::HEADSTART, contenders::FLOOR, contenders::PLAIN])
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the bench pins processes and reads /proc, so it runs on Linux only");
}
