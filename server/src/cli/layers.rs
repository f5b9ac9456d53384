//! Four layers of settings: default, file, environment, flag.
//!
//! Precedence is the order of application: every value given is parsed and put in its place, the defaults first, the flags
//! last. So a mistake is found in every layer, also where a higher one would hide it.

use crate::cli::file;
use crate::cli::front;
use crate::cli::mistake::{Mistake, nearest};
use crate::cli::option::{Opt, PREFIX, Verb, variable};
use crate::cli::options::{LOG, OPTIONS};
use crate::cli::settings::Settings;
use clap::ArgMatches;
use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

/// A value for an option, and where it came from.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) option: &'static Opt,
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Default,
    /// A file and its line, as `headstart.toml:3`.
    File(String),
    /// The variable.
    Environment(String),
    /// The flag, with its dashes.
    Flag(String),
}

impl Given {
    pub(super) fn default_of(option: &'static Opt) -> Given {
        Given { option, text: option.default.to_owned(), origin: Origin::Default }
    }

    /// The option's name as the person who gave it knows it.
    pub(super) fn key(&self) -> String {
        match &self.origin {
            Origin::Default => self.option.key().to_owned(),
            Origin::File(place) => format!("{} in {place}", self.option.key()),
            Origin::Environment(name) | Origin::Flag(name) => name.clone(),
        }
    }

    pub(super) fn apply(&self, settings: &mut Settings) -> Result<(), Mistake> {
        // The default of an option that is "not set" is the library's.
        if self.origin == Origin::Default && self.text.is_empty() {
            return Ok(());
        }
        let wrong = |allowed| Mistake::Value { key: self.key(), value: self.text.clone(), allowed };
        (self.option.set)(settings, &self.text).map_err(wrong)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Origin::Default => "default",
            Origin::File(name) | Origin::Environment(name) | Origin::Flag(name) => name,
        })
    }
}

/// What holds after all layers.
pub(super) struct Effective {
    pub(super) settings: Settings,
    /// One for each option, in the table's order: the one that won.
    pub(super) given: Vec<Given>,
    /// Variables that look like ours and are not.
    pub(super) warnings: Vec<String>,
    /// The file that was read.
    pub(super) file: Option<ConfigFile>,
}

/// The configuration file, as it was named.
#[derive(Clone)]
pub(super) struct ConfigFile {
    /// The flag or variable that named it.
    key: String,
    path: PathBuf,
}

impl ConfigFile {
    /// What it sets now.
    pub(super) fn read(&self, mistakes: &mut Vec<Mistake>) -> Vec<Given> {
        file::read(&self.key, &self.path, mistakes)
    }
}

impl Effective {
    /// What was given for the setting that the library calls `name`, which is not always the option's name.
    pub(super) fn given_for(&self, name: &str) -> Option<&Given> {
        let name = name.replace('_', "-");
        let name = match name.as_str() {
            "upstreams" => "upstream",
            "trusted" => "upstream-ca",
            "proxy" => "upstream-proxy",
            same => same,
        };
        let of_sample = |option: &str| option.strip_prefix("sample-") == Some(name);
        self.given.iter().find(|given| given.option.name == name || of_sample(given.option.name))
    }
}

/// Reads all layers for the command `verb`, whose flags are `matches`.
pub(super) fn resolve(
    verb: Verb,
    matches: &ArgMatches,
    environment: &[(OsString, OsString)],
) -> Result<Effective, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let mut layers: Vec<Given> = OPTIONS.iter().map(Given::default_of).collect();

    let (variables, mut warnings) = from_environment(environment, &mut mistakes);
    let file = config_file(matches, environment);
    if let Some(file) = &file {
        layers.extend(file.read(&mut mistakes));
    }
    layers.extend(variables);
    layers.extend(from_flags(verb, matches));

    let mut settings = Settings::default();
    let mut winners: Vec<Given> = Vec::new();
    for given in layers {
        mistakes.extend(given.apply(&mut settings).err());
        match winners.iter_mut().find(|winner| winner.option.name == given.option.name) {
            Some(winner) => *winner = given,
            None => winners.push(given),
        }
    }
    mistakes.extend(alone(&winners));
    front::spell_out_plain(&mut settings, &mut winners, &mut mistakes);
    warnings.extend(front::check(settings.front, &winners, &mut mistakes));
    if mistakes.is_empty() { Ok(Effective { settings, given: winners, warnings, file }) } else { Err(mistakes) }
}

/// Options that come in pairs.
const PAIRS: [(&str, &str); 2] = [("tls-cert", "tls-key"), ("tls-key", "tls-cert")];

/// A mistake for each option that lacks its other half.
fn alone(winners: &[Given]) -> Vec<Mistake> {
    let given = |name: &str| winners.iter().find(|given| given.option.name == name && !given.text.is_empty());
    PAIRS
        .iter()
        .filter_map(|(one, other)| given(one).filter(|_| given(other).is_none()).map(|one| (one, *other)))
        .map(|(one, other)| Mistake::Alone { key: one.key(), other })
        .collect()
}

/// The file named by flag or variable.
fn config_file(matches: &ArgMatches, environment: &[(OsString, OsString)]) -> Option<ConfigFile> {
    let flag = matches.get_one::<OsString>("config");
    flag.map(|path| ConfigFile { key: "--config".to_owned(), path: path.into() }).or_else(|| {
        let name = variable("config");
        let (_, path) = environment.iter().find(|(given, path)| **given == *name && !path.is_empty())?;
        Some(ConfigFile { key: name, path: path.into() })
    })
}

/// What the programs of many authors read their log levels from.
const COMMON_LOG: &str = "RUST_LOG";

/// The variables that are ours, and `RUST_LOG`. An empty one counts as not set, as is usual where a variable cannot be removed.
fn from_environment(environment: &[(OsString, OsString)], mistakes: &mut Vec<Mistake>) -> (Vec<Given>, Vec<String>) {
    let (mut given, mut warnings) = (Vec::new(), Vec::new());
    // The one that means this program only goes before the one that means all.
    let (common, ours): (Vec<_>, Vec<_>) = environment.iter().partition(|(name, _)| *name == COMMON_LOG);
    for (name, value) in common.into_iter().chain(ours) {
        let name = name.to_string_lossy();
        let option = match &*name {
            COMMON_LOG => OPTIONS.iter().find(|option| option.name == LOG),
            name if !name.starts_with(PREFIX) || name == variable("config") || is_from_kubernetes(name) => continue,
            name => OPTIONS.iter().find(|option| option.variable() == name),
        };
        let Some(option) = option else {
            warnings.push(unknown_variable(&name));
            continue;
        };
        match value.to_str() {
            Some("") => {}
            Some(text) => {
                let origin = Origin::Environment(name.into_owned());
                given.push(Given { option, text: text.to_owned(), origin });
            }
            None => mistakes.push(Mistake::Value {
                key: name.into_owned(),
                value: value.to_string_lossy().into_owned(),
                allowed: "allowed is text in UTF-8".to_owned(),
            }),
        }
    }
    (given, warnings)
}

/// A warning and not a mistake: whoever sets variables for a whole host or pod may mean another program by it.
fn unknown_variable(name: &str) -> String {
    let as_option = name[PREFIX.len()..].to_ascii_lowercase().replace('_', "-");
    match nearest(&as_option) {
        Some(near) => format!("{name} is set and means nothing, did you mean {}?", variable(near)),
        None => format!("{name} is set and means nothing: --help lists the variables"),
    }
}

/// Kubernetes sets `<SERVICE>_PORT` and the like for each service, ours being called `headstart` more often than not.
fn is_from_kubernetes(name: &str) -> bool {
    let rest = &name[PREFIX.len()..];
    ["SERVICE_HOST", "SERVICE_PORT", "PORT"].contains(&rest)
        || rest.starts_with("SERVICE_PORT_")
        || rest.starts_with("PORT_")
}

fn from_flags(verb: Verb, matches: &ArgMatches) -> Vec<Given> {
    let mut given = Vec::new();
    for option in OPTIONS {
        let Some(flag) = option.flag(verb) else { continue };
        let Some(values) = matches.get_many::<String>(option.name) else { continue };
        let text = values.map(String::as_str).collect::<Vec<_>>().join(option.separator());
        given.push(Given { option, text, origin: Origin::Flag(format!("--{flag}")) });
    }
    given
}
