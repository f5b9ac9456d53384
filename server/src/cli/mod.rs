//! The command line: what was typed becomes settings, settings become a running server, the server's end an exit code.
//!
//! The problem: an option lives in many places (flag, variable, file, help, completions, man page, README), and they
//! drift apart. The answer: one table ([`options`]) from which all of them are made.
//!
//! Exit codes: 0 when done or stopped as told, 1 when it could not run, 2 for a mistake in the settings; a second
//! signal ends with 128 and its number.
//!
//! What this does not do: answer anything. It knows no HTTP, only which parts of the library and the binary there are.

mod advise;
mod check;
mod command;
mod environment;
mod failure;
mod fault;
mod file;
mod given;
mod hedges;
mod layers;
mod logging;
mod mistake;
mod nearest;
mod option;
mod options;
mod passing;
mod places;
mod plain;
mod probe;
mod reload;
mod routes;
mod run;
mod serve;
mod settings;
mod shown;
mod signals;
mod values;

use clap::ArgMatches;
use clap_complete::Shell;
use failure::Failure;
use logging::Log;
use option::Verb;
use std::env;
use std::io::{self, Write};
use std::process::ExitCode;

pub(crate) fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::CommandLine(error)) => {
            // Help goes to standard output and is no failure; a closed pipe there is none either.
            let _ = error.print();
            ExitCode::from(error.exit_code() as u8)
        }
        Err(Failure::Mistakes(mistakes)) => {
            for mistake in mistakes {
                complain(&mistake.to_string());
            }
            ExitCode::from(2)
        }
        Err(Failure::Run(why)) => {
            if log::log_enabled!(log::Level::Error) {
                log::error!("{why}");
            } else {
                complain(&why);
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Failure> {
    let matches = command::command().try_get_matches_from(env::args_os()).map_err(Failure::CommandLine)?;
    match matches.subcommand() {
        Some(("advise", matches)) => print(advise::answer(matches)?.as_bytes()),
        Some(("completions", matches)) => completions(matches),
        Some(("man", matches)) => man_page(matches),
        Some(("proxy", matches)) => with_settings(Verb::Proxy, matches),
        Some(("sample", matches)) => with_settings(Verb::Sample, matches),
        Some(("fault", matches)) => with_settings(Verb::Fault, matches),
        Some((_, matches)) => with_settings(Verb::Serve, matches),
        None => with_settings(Verb::Serve, &matches),
    }
}

/// `headstart serve`, `headstart proxy`, `headstart sample` and `headstart fault`.
fn with_settings(verb: Verb, matches: &ArgMatches) -> Result<(), Failure> {
    let environment: Vec<_> = env::vars_os().collect();
    let effective = layers::resolve(verb, matches, &environment).map_err(Failure::Mistakes)?;
    if matches.get_flag("check") {
        serve::try_out(&effective)?;
        if verb == Verb::Fault {
            fault::target(&effective.settings)?;
        }
        effective.warnings.iter().for_each(|warning| complain(&format!("warning: {warning}")));
        return print(check::print(verb, &effective).as_bytes());
    }
    let log = Log::start(effective.settings.log.clone(), effective.settings.log_format);
    effective.warnings.iter().for_each(|warning| log::warn!("{warning}"));
    match verb {
        Verb::Serve | Verb::Proxy => serve::serve(effective, log, || layers::resolve(verb, matches, &environment)),
        Verb::Sample => serve::sample(effective, log),
        Verb::Fault => fault::run(&effective, log, || layers::resolve(verb, matches, &environment)),
    }
}

fn completions(matches: &ArgMatches) -> Result<(), Failure> {
    let shell = *matches.get_one::<Shell>("shell").expect("clap requires it");
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command::command(), "headstart", &mut script);
    print(&script)
}

fn man_page(matches: &ArgMatches) -> Result<(), Failure> {
    let mut root = command::command();
    root.build();
    let page = match matches.get_one::<String>("page").map(String::as_str) {
        Some(verb @ ("proxy" | "sample" | "fault" | "advise")) => {
            root.find_subcommand(verb).expect("it is in the table").clone()
        }
        _ => root,
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text).map_err(|error| Failure::Run(error.to_string()))?;
    print(&text)
}

/// Standard output, which may be gone: `headstart man | head -1` is no failure.
fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::Run(format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// One line on standard error, which may be gone.
fn complain(line: &str) {
    let _ = io::stderr().lock().write_all(format!("headstart: {line}\n").as_bytes());
}
