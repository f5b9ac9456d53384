//! The overload: `cargo bench --bench overload [-- --quick]`.
//!
//! First a closed loop finds what the server carries with its limit of requests in flight, over an upstream that takes
//! its time; then twice as much is offered, whether it is answered or not; then half as much. The promises: under
//! twice the load the server answers at least 90 % of what it answered at its best, no slower than twice as slow, and
//! refuses the rest within 5 ms; a second after the load is gone nothing is refused or late.
//!
//! What this does not do: find the limits of the machine. The limit is the one the operator sets, and is set so that
//! the machine carries it.

#[cfg(target_os = "linux")]
#[path = "../harness/cpus.rs"]
#[allow(dead_code)] // the harness asks it for more
mod cpus;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
#[path = "../harness/procfs.rs"]
#[allow(dead_code)] // as above
mod procfs;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
#[path = "../trial/mod.rs"]
#[allow(dead_code)] // the soak needs more of it
mod trial;
#[cfg(target_os = "linux")]
mod upstream;

#[cfg(target_os = "linux")]
use trial::Result;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    trial::asked::main(run::HELP, run::run)
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the overload pins processes to cores, so it runs on Linux only");
}
