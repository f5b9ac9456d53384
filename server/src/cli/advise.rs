//! `headstart advise`: what was typed becomes a question, the answer goes to standard output.

use crate::advise::{Question, Source, advise};
use crate::cli::failure::Failure;
use crate::cli::hedges::per_cent;
use crate::cli::mistake::Mistake;
use crate::cli::option::Verb;
use crate::cli::options;
use crate::cli::places::listen_address;
use clap::{Arg, ArgAction, ArgMatches, Command, ValueHint};

/// What its help begins with.
const HELP: &str = "\
Tells which delay to hedge after, from what was seen of the attempts.

The figures are those of a running headstart, asked at its --admin address, or its access log, as --log-format json \
writes it. The answer is a table of delays: what half, 99 % and 99.9 % of the requests would take at most, how many \
hedges would be sent, how much time they would save and how much of the upstreams' time they would waste. It marks \
what holds now and the best within the budget, or says why hedging would not help. The delay it names is one for \
--hedge. Nothing is changed.";

/// What its help ends with.
const AFTER_HELP: &str = "\
Exit codes:
  0  done, whatever the advice is
  1  there are no figures: nobody listens there, say
  2  a mistake in the options";

pub(super) fn command() -> Command {
    let admin = options::named("admin").default_for(Verb::Proxy);
    Command::new("advise")
        .about("Tells which delay to hedge after, from what was seen of the attempts")
        .long_about(HELP)
        .after_long_help(AFTER_HELP)
        .arg(
            Arg::new("admin")
                .long("admin")
                .value_name("ADDRESS:PORT")
                .conflicts_with("log")
                .default_value(admin)
                .help("The admin address of the running headstart to ask"),
        )
        .arg(
            Arg::new("log")
                .long("log")
                .value_name("FILE")
                .value_hint(ValueHint::FilePath)
                .help("The access log to read instead, written with --log-format json; - is standard input"),
        )
        .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).help("Answers in JSON, times in seconds"))
        .arg(
            Arg::new("budget")
                .long("budget")
                .value_name("PERCENT")
                .allow_negative_numbers(true)
                .help("The hedges allowed, in percent of primaries; without it, the budget that holds, or 10"),
        )
        .arg(Arg::new("route").long("route").value_name("PATH").help("The route to tell of; without it, each"))
}

/// The answer to what was typed.
pub(super) fn answer(matches: &ArgMatches) -> Result<String, Failure> {
    let text = |name: &str| matches.get_one::<String>(name).cloned();
    let mistake = |name: &str, value: String, why| {
        Failure::Mistakes(vec![Mistake::Value { key: format!("--{name}"), value, why }])
    };
    let source = match (text("log"), text("admin")) {
        (Some(log), _) => Source::Log(log),
        (None, admin) => {
            let admin = admin.unwrap_or_default();
            Source::Admin(listen_address(&admin).map_err(|why| mistake("admin", admin, why))?)
        }
    };
    let budget = text("budget").map(|given| per_cent(&given).map_err(|why| mistake("budget", given, why)));
    let question =
        Question { source, as_json: matches.get_flag("json"), budget: budget.transpose()?, route: text("route") };
    advise(&question).map_err(Failure::Run)
}
