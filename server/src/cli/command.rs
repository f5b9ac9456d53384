//! The command line as clap sees it, made from the table.

use crate::cli::advise;
use crate::cli::option::{Kind, Opt, Verb, variable};
use crate::cli::options;
use clap::builder::{PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, Command, ValueHint, value_parser};
use clap_complete::Shell;

/// What the help of every command with settings ends with.
const AFTER_HELP: &str = "\
Settings:
  A flag goes before its variable, the variable before the key in the file
  that --config names, the key before the default. Every value is checked,
  a hidden one too; any mistake ends the program with code 2. An empty
  variable counts as not set. --check prints what holds, and where it came
  from, in the format of the file.
  DURATION: milliseconds, or with a unit: 250, 250ms, 10s, 1m.
  SIZE: bytes, or with a unit: 65536, 64KiB, 10MiB.

Log lines:
  Written to standard error. --log chooses, in the form of env_logger: a
  level, or module=level pairs separated by commas. RUST_LOG is read too:
  it goes before the file, and HEADSTART_LOG and --log go before it.
    error, warn  what an operator has to act on
    info         start and stop, and one access line per request
    debug        each attempt
  Lines of the HTTP client below warn are written only when its module is
  named: --log debug,ureq=debug.

Signals:
  SIGTERM, SIGINT  no more requests are taken, those in flight finish within
                   --drain-timeout; ends with code 0
  a second one     ends at once, with code 143 or 130
  SIGHUP           reads --tls-cert and --tls-key again, for new connections,
                   and the key log in the file that --config names; what
                   cannot be used is logged, and what was there stays

Exit codes:
  0  done, or stopped when told to
  1  could not run: the port is taken, say
  2  a mistake in the settings";

/// What the help of `headstart proxy` begins with.
const PROXY_HELP: &str = "\
Starts a reverse proxy that passes everything through and hedges what may be sent twice.

Every request goes to an upstream that --to names as it came, and its answer comes back as it was. One of GET, HEAD or \
OPTIONS without a body that is late is sent again, to another upstream if there is one, and the first good answer \
wins; everything else is sent once. It is the server with a route /* and without endpoints of its own: page, \
/metrics, /healthz, /readyz and /openapi.json are where --admin says.";

/// What the help of `headstart fault` begins with.
const FAULT_HELP: &str = "\
Starts a TCP proxy that is as bad a network as asked, to try a program on.

A fault given once is for both directions; to-client=VALUE and to-upstream=VALUE, with a comma between them, are \
for one each: --delay to-client=100ms,to-upstream=5ms. Counts of bytes are those of one direction of one connection \
from its beginning on.

SIGHUP reads the file that --config names again: the faults it asks for are in effect at once, on open connections \
too; flags and variables still go before it. SIGTERM lets open connections finish within --drain-timeout. A log line \
per connection tells its end.";

/// The whole command line.
pub(super) fn command() -> Command {
    let root = Command::new("headstart")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Answers requests by racing an unreliable upstream's attempts and ending the losers")
        .args_conflicts_with_subcommands(true)
        .subcommand(with_options(
            Verb::Serve,
            Command::new("serve").about("Starts the server; the same as no command at all"),
        ))
        .subcommand(with_options(
            Verb::Proxy,
            Command::new("proxy")
                .about("Starts a reverse proxy that passes everything through and hedges what may be sent twice")
                .long_about(PROXY_HELP),
        ))
        .subcommand(with_options(
            Verb::Sample,
            Command::new("sample").about("Starts an upstream that is as unreliable as asked, to try the server on"),
        ))
        .subcommand(with_options(
            Verb::Fault,
            Command::new("fault")
                .about("Starts a TCP proxy that is as bad a network as asked, to try a program on")
                .long_about(FAULT_HELP),
        ))
        .subcommand(advise::command())
        .subcommand(
            Command::new("completions")
                .about("Prints a completion script")
                .arg(Arg::new("shell").required(true).value_parser(value_parser!(Shell)).help("The shell it is for")),
        )
        .subcommand(
            Command::new("man").about("Prints a manual page").arg(
                Arg::new("page")
                    .value_parser(PossibleValuesParser::new(["headstart", "proxy", "sample", "fault", "advise"]))
                    .default_value("headstart")
                    .help("What it is about"),
            ),
        );
    with_options(Verb::Serve, root)
}

fn with_options(verb: Verb, command: Command) -> Command {
    let flags = options::all().filter_map(|option| flag(option, verb));
    command
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .value_hint(ValueHint::FilePath)
                .value_parser(ValueParser::os_string())
                .help("The file to read settings from")
                .long_help(format!("The file to read settings from, in TOML\n[env: {}]", variable("config"))),
        )
        .arg(
            Arg::new("check")
                .long("check")
                .action(ArgAction::SetTrue)
                .help("Checks the settings, prints those that hold, and ends"),
        )
        .args(flags)
        .after_long_help(AFTER_HELP)
}

fn flag(option: &'static Opt, verb: Verb) -> Option<Arg> {
    let long = option.flag(verb)?;
    let action = if option.repeats() { ArgAction::Append } else { ArgAction::Set };
    let arg = Arg::new(option.name)
        .long(long)
        .value_name(option.value)
        .help_heading(option.section)
        .action(action)
        .help(short_help(option, verb))
        .long_help(long_help(option, verb))
        .allow_negative_numbers(true);
    Some(match option.kind {
        // The values are the table's to check; clap offers them in completions.
        Kind::Choice(names) => arg.value_parser(PossibleValuesParser::new(names)).hide_possible_values(true),
        Kind::Path => arg.value_hint(ValueHint::FilePath),
        Kind::Switch => arg
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .value_parser(ValueParser::string())
            .allow_negative_numbers(false),
        Kind::List(' ') | Kind::Routes => arg.value_hint(ValueHint::Url),
        _ => arg,
    })
}

fn short_help(option: &Opt, verb: Verb) -> String {
    let (first, _) = option.help.split_once(". ").unwrap_or((option.help, ""));
    match option.default_for(verb) {
        "" => first.to_owned(),
        default => format!("{first} [default: {default}]"),
    }
}

fn long_help(option: &Opt, verb: Verb) -> String {
    let choices = match option.kind {
        Kind::Choice(names) => format!("[one of: {}] ", names.join(", ")),
        _ => String::new(),
    };
    let default = match option.default_for(verb) {
        "" => "not set",
        default => default,
    };
    let (variable, key) = (option.variable(), option.key());
    format!("{}\n{choices}[env: {variable}] [key: {key}] [default: {default}]", option.help)
}
