//! Four layers of settings: default, file, environment, flag.
//!
//! Precedence is the order of application: every value given is parsed and put in its place, the defaults first, the
//! flags last. So a mistake is found in every layer, also where a higher one would hide it.

use crate::cli::environment::from_environment;
use crate::cli::file;
use crate::cli::given::{Given, Origin};
use crate::cli::mistake::Mistake;
use crate::cli::option::{Verb, variable};
use crate::cli::options;
use crate::cli::passing;
use crate::cli::plain;
use crate::cli::settings::Settings;
use clap::ArgMatches;
use std::ffi::OsString;
use std::path::PathBuf;

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
    /// What was given for the setting that the library calls `key`: by the name of its setter, which is the option's
    /// with underscores, but for a few.
    pub(super) fn given_for(&self, key: &str) -> Option<&Given> {
        let name = match key {
            "upstreams" => "upstream",
            "trusted" => "upstream-ca",
            "proxy" => "upstream-proxy",
            same => &same.replace('_', "-"),
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
    let mut layers: Vec<Given> = options::all().map(|option| Given::default_of(option, verb)).collect();

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
    passing::settle(verb, &mut settings, &winners, &mut mistakes);
    plain::spell_out_plain(&mut settings, &mut winners, &mut mistakes);
    warnings.extend(plain::check(settings.front, &winners, &mut mistakes));
    warnings.extend(passing::check(&settings, &winners, &mut mistakes));
    if mistakes.is_empty() { Ok(Effective { settings, given: winners, warnings, file }) } else { Err(mistakes) }
}

/// Options that come in pairs.
const PAIRS: [(&str, &str); 2] = [("tls-cert", "tls-key"), ("tls-key", "tls-cert")];

/// A mistake for each option that lacks its other half.
fn alone(winners: &[Given]) -> Vec<Mistake> {
    let given = |name: &str| winners.iter().find(|given| given.option.name == name && given.is_set());
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

fn from_flags(verb: Verb, matches: &ArgMatches) -> Vec<Given> {
    let mut given = Vec::new();
    for option in options::all() {
        let Some(flag) = option.flag(verb) else { continue };
        let Some(values) = matches.get_many::<String>(option.name) else { continue };
        let text = values.map(String::as_str).collect::<Vec<_>>().join(option.separator());
        given.push(Given::text(option, text, Origin::Flag(format!("--{flag}"))));
    }
    given
}
