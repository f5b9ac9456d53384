//! What a person got wrong in the settings, in words: the key as it was given, the value, and what is allowed.

use crate::cli::options::OPTIONS;
use crate::cli::values::without_secrets;
use std::fmt;

/// A mistake in the settings. The program ends with code 2.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// An option cannot have the value it was given.
    Value {
        /// As it was given: `--schedule`, `HEADSTART_SCHEDULE`, `schedule in headstart.toml:3`.
        key: String,
        value: String,
        allowed: String,
    },
    /// There is no such option.
    Key { key: String, name: String },
    /// An option was given, `key` as it was given, that means nothing without another.
    Alone { key: String, other: &'static str },
    /// Two options, as they were given, that contradict each other.
    Together { key: String, other: String, why: String },
    /// The file does not parse.
    Syntax { place: String, why: String },
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mistake::Value { key, value, allowed } => {
                // A value may come from a file with line breaks in it; the message stays one line.
                write!(f, "{key} cannot be '{}': {allowed}", without_secrets(value).escape_debug())
            }
            Mistake::Key { key, name } => {
                write!(f, "{} is not an option", key.escape_debug())?;
                if let Some(near) = nearest(name) {
                    write!(f, ", did you mean {near}?")?;
                }
                let keys: Vec<&str> = OPTIONS.iter().map(|option| option.key()).collect();
                write!(f, " Allowed are {}", keys.join(", "))
            }
            Mistake::Alone { key, other } => write!(f, "{} needs {other} beside it", key.escape_debug()),
            Mistake::Together { key, other, why } => {
                write!(f, "{} and {} do not go together: {why}", key.escape_debug(), other.escape_debug())
            }
            Mistake::Syntax { place, why } => write!(f, "{place}: {}", why.escape_debug()),
        }
    }
}

/// The option's name that `name` is most likely a misspelling of.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    OPTIONS
        .iter()
        .map(|option| (strsim::jaro_winkler(name, option.name), option.name))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}
