//! What `--check` prints: the effective settings, as a file that would set them.

use crate::cli::given::{Given, Written};
use crate::cli::layers::Effective;
use crate::cli::option::{Kind, Verb};
use crate::cli::shown::{HIDDEN, without_secrets};
use std::fmt::Write;
use toml::Value;

/// The settings of `verb` in TOML, each line with where its value came from.
pub(super) fn print(verb: Verb, effective: &Effective) -> String {
    let mut text = format!("# headstart {}: effective settings, and where each came from\n", env!("CARGO_PKG_VERSION"));
    let mut section = "";
    for given in effective.given.iter().filter(|given| given.option.flag(verb).is_some()) {
        if given.option.section != section {
            section = given.option.section;
            let _ = write!(text, "\n# {section}\n");
        }
        let _ = writeln!(text, "{:<50} # {}", line(given), given.origin);
    }
    if text.contains(HIDDEN) {
        let _ = write!(text, "\n# {HIDDEN} stands for what is not shown: a login, or the query of a URL\n");
    }
    text
}

fn line(given: &Given) -> String {
    let key = given.option.key();
    match &given.written {
        Written::Text(text) if text.is_empty() => format!("# {key} is not set"),
        Written::Text(text) => format!("{key} = {}", in_toml(given.option.kind, &without_secrets(text))),
        Written::Routes(list) => format!("{key} = {}", redacted(&Value::Array(list.clone()))),
    }
}

/// `text`, which its option's parser has taken, in the TOML type that the file has for it.
fn in_toml(kind: Kind, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    match kind {
        Kind::Text | Kind::Path | Kind::Choice(_) => as_text(),
        Kind::Integer | Kind::Quantity => text.parse().map_or_else(|_| as_text(), Value::Integer),
        Kind::Float => text.parse().map_or_else(|_| as_text(), Value::Float),
        Kind::Switch => text.parse().map_or_else(|_| as_text(), Value::Boolean),
        Kind::List(separator) => {
            Value::Array(text.split(separator).filter(|element| !element.is_empty()).map(element_in_toml).collect())
        }
        Kind::Routes => Value::Array(text.lines().map(|line| Value::String(line.to_owned())).collect()),
    }
}

fn element_in_toml(text: &str) -> Value {
    let text = text.trim();
    text.parse().map_or_else(|_| Value::String(text.to_owned()), Value::Integer)
}

fn redacted(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(without_secrets(text)),
        Value::Array(elements) => Value::Array(elements.iter().map(redacted).collect()),
        Value::Table(table) => Value::Table(table.iter().map(|(key, value)| (key.clone(), redacted(value))).collect()),
        other => other.clone(),
    }
}
