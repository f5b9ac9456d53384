//! A value for an option, and where it came from.

use crate::cli::mistake::Mistake;
use crate::cli::option::{Opt, Verb};
use crate::cli::routes;
use crate::cli::settings::Settings;
use std::fmt;

/// A value for an option, and where it came from.
#[derive(Clone)]
pub(super) struct Given {
    pub(super) option: &'static Opt,
    pub(super) written: Written,
    pub(super) origin: Origin,
}

/// A value as it was written.
#[derive(Clone, PartialEq)]
pub(super) enum Written {
    /// As it would be typed.
    Text(String),
    /// Routes of the file: each a text or a table.
    Routes(Vec<toml::Value>),
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
    pub(super) fn text(option: &'static Opt, text: impl Into<String>, origin: Origin) -> Given {
        Given { option, written: Written::Text(text.into()), origin }
    }

    pub(super) fn default_of(option: &'static Opt, verb: Verb) -> Given {
        Given::text(option, option.default_for(verb), Origin::Default)
    }

    /// The option's name as the person who gave it knows it.
    pub(super) fn key(&self) -> String {
        match &self.origin {
            Origin::Default => self.option.key().to_owned(),
            Origin::File(place) => format!("{} in {place}", self.option.key()),
            Origin::Environment(name) | Origin::Flag(name) => name.clone(),
        }
    }

    /// Whether it says anything: an option without a default is "not set" at first.
    pub(super) fn is_set(&self) -> bool {
        self.written != Written::Text(String::new())
    }

    /// Whether somebody gave it.
    pub(super) fn is_given(&self) -> bool {
        self.origin != Origin::Default && self.is_set()
    }

    pub(super) fn apply(&self, settings: &mut Settings) -> Result<(), Mistake> {
        // The default of an option that is "not set" is the library's.
        if self.origin == Origin::Default && !self.is_set() {
            return Ok(());
        }
        let applied = match &self.written {
            Written::Text(text) => (self.option.set)(settings, text),
            Written::Routes(list) => routes::from_file(list).map(|routes| settings.routes = routes),
        };
        applied.map_err(|why| Mistake::Value { key: self.key(), value: self.written.to_string(), why })
    }
}

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Written::Text(text) => f.write_str(text),
            Written::Routes(list) => {
                let routes: Vec<String> = list.iter().map(ToString::to_string).collect();
                f.write_str(&routes.join("\n"))
            }
        }
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
