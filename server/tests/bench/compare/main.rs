//! The comparison: `cargo bench --bench compare [-- --quick]`.
//!
//! Threads against async, our thread design against the plain one, a small server against a big proxy. Each contender
//! is a process of its own, one at a time, in turns, under the same loads over the same upstream.
//! `tests/bench/README.md` explains the method and how to install the contenders.
//!
//! ```text
//! asked -> run -> loads -> harness::stage          what is measured
//!           |
//!           table, promises, plots -> svg          what is made of it, put away by results
//! ```

#[cfg(target_os = "linux")]
mod asked;
#[cfg(target_os = "linux")]
mod contenders;
#[cfg(target_os = "linux")]
#[path = "../contenders/floor.rs"]
mod floor;
#[cfg(target_os = "linux")]
#[path = "../harness/mod.rs"]
#[allow(dead_code)] // the request bench has rounds, options and a report of its own
mod harness;
#[cfg(target_os = "linux")]
mod loads;
#[cfg(target_os = "linux")]
mod places;
#[cfg(target_os = "linux")]
mod plots;
#[cfg(target_os = "linux")]
mod promises;
#[cfg(target_os = "linux")]
mod results;
#[cfg(target_os = "linux")]
mod run;
#[cfg(target_os = "linux")]
#[path = "../svg.rs"]
mod svg;
#[cfg(target_os = "linux")]
mod table;
#[cfg(target_os = "linux")]
#[path = "../trial/mod.rs"]
#[allow(dead_code)] // the trials need more of it
mod trial;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let typed: Vec<String> = std::env::args().skip(1).collect();
    if typed.first().is_some_and(|first| first == "--role") {
        return harness::play_role(&typed, &contenders::ALL);
    }
    trial::asked::main(asked::HELP, |asked| results::present(&asked::options(asked)?))
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the comparison pins processes and reads /proc, so it runs on Linux only");
}
