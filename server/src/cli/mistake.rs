//! What a person got wrong in the settings, in words: the key as it was given, the value, and what was expected.

use crate::cli::shown::{on_one_line, without_secrets};
use std::fmt;

/// A mistake in the settings. The program ends with code 2.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Mistake {
    /// An option cannot have the value it was given.
    Value {
        /// As it was given: `--schedule`, `HEADSTART_SCHEDULE`, `schedule in headstart.toml:3`.
        key: String,
        value: String,
        /// What is wrong with it, or what was expected.
        why: String,
    },
    /// A value in the file is of another type than its option.
    Type {
        key: String,
        /// As it stands in the file.
        source: String,
        expected: String,
    },
    /// There is no such option.
    Key {
        key: String,
        /// The one that was meant, most likely.
        near: Option<&'static str>,
    },
    /// An option has to be given, such as `example`.
    Missing { key: &'static str, example: &'static str },
    /// An option was given, `key` as it was given, that means nothing without another.
    Alone { key: String, other: &'static str },
    /// Two options, as they were given, that contradict each other.
    Together { key: String, other: String, why: String },
    /// The file does not parse.
    Syntax { place: String, why: String },
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Keys and values may come from a file with line breaks in it; the message stays one line.
        let message = match self {
            Mistake::Value { key, value, why } => format!("{key} cannot be '{}': {why}", without_secrets(value)),
            Mistake::Type { key, source, expected } => {
                format!("{key} cannot be {}: expected {expected}", without_secrets(source))
            }
            Mistake::Key { key, near: Some(near) } => format!("{key} is not an option: did you mean {near}?"),
            Mistake::Key { key, near: None } => format!("{key} is not an option: --help lists them"),
            Mistake::Missing { key, example } => format!("{key} has to be given, such as {key} {example}"),
            Mistake::Alone { key, other } => format!("{key} needs {other} beside it"),
            Mistake::Together { key, other, why } => format!("{key} and {other} do not go together: {why}"),
            Mistake::Syntax { place, why } => format!("{place}: {why}"),
        };
        f.write_str(&on_one_line(&message))
    }
}
