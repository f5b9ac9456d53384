//! The lab: `cargo bench --bench lab [-- --quick]`.
//!
//! Does hedging help, what does it cost, and does it hurt when it should not? The real binary as a proxy, and its
//! rivals, between a load and an upstream of ours, in ten scenarios that others have published or suffered.
//! `tests/bench/README.md` explains the method.
//!
//! ```text
//! asked -> run -> heat -> upstream | contender | load     one process each; scenarios say what happens
//!           |      figures                                what is read off
//!           table, promises, plots -> svg                 what is made of it, put away by results
//! estimators                                              no process: how to tell a quantile under hedging
//! ```
//!
//! What it does not do: measure what a request costs. `compare` does.

#[cfg(target_os = "linux")]
mod asked;
#[cfg(target_os = "linux")]
mod contenders;
#[cfg(target_os = "linux")]
mod estimators;
#[cfg(target_os = "linux")]
mod figures;
#[cfg(target_os = "linux")]
#[path = "../harness/mod.rs"]
#[allow(dead_code)] // the other benches need more of it
mod harness;
#[cfg(target_os = "linux")]
mod heat;
#[cfg(target_os = "linux")]
mod load;
#[cfg(target_os = "linux")]
mod metrics;
#[cfg(target_os = "linux")]
#[path = "../compare/places.rs"]
#[allow(dead_code)] // as above
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
mod scenario;
#[cfg(target_os = "linux")]
mod scenarios;
#[cfg(target_os = "linux")]
mod service;
#[cfg(target_os = "linux")]
#[path = "../svg.rs"]
mod svg;
#[cfg(target_os = "linux")]
mod table;
#[cfg(target_os = "linux")]
#[path = "../trial/mod.rs"]
#[allow(dead_code)] // as above
mod trial;
#[cfg(target_os = "linux")]
mod upstream;

#[cfg(target_os = "linux")]
mod roles {
    use crate::harness::Result;
    use crate::harness::role::{self, Arguments};
    use crate::{heat, load, upstream};
    use std::os::unix::process::CommandExt;
    use std::process::{Command, ExitCode};

    /// The `main` of a process that the lab started.
    pub(crate) fn play(typed: &[String]) -> ExitCode {
        match Arguments::parse(typed).and_then(|arguments| take(&arguments)) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("bench: {error}");
                ExitCode::FAILURE
            }
        }
    }

    fn take(arguments: &Arguments) -> Result<()> {
        role::settle(arguments)?;
        match arguments.get::<String>("role")?.as_str() {
            heat::UPSTREAM => {
                hurry();
                upstream::serve(arguments)
            }
            heat::LOAD => {
                hurry();
                load::run(arguments)
            }
            role::CONTENDER => contend(arguments),
            other => Err(format!("no role is called '{other}'").into()),
        }
    }

    /// Puts those who measure before other work on their cores, where that is allowed. Where not, the times are as
    /// exact as the machine is idle; the report says how exact they were.
    fn hurry() {
        const FIRST: i32 = -20;
        let _ = rustix::process::setpriority_process(None, FIRST);
    }

    /// The program replaces this process, and keeps its number, its cores and its tie to the parent.
    fn contend(arguments: &Arguments) -> Result<()> {
        let program: String = arguments.get("program")?;
        let words: Vec<String> = serde_json::from_str(&arguments.get::<String>("words")?)?;
        Err(format!("{program}: {}", Command::new(&program).args(words).exec()).into())
    }
}

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    let typed: Vec<String> = std::env::args().skip(1).collect();
    if typed.first().is_some_and(|first| first == "--role") {
        return roles::play(&typed);
    }
    trial::asked::main(asked::HELP, |asked| results::present(&asked::options(asked)?))
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("the lab pins processes and reads /proc, so it runs on Linux only");
}
