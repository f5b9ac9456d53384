//! The keys of a route's table, and the texts in it.

use crate::cli::nearest::nearest;
use toml::{Table, Value};

/// What a table of a route with sources may have.
const OF_SOURCES: [&str; 14] = [
    "path",
    "source",
    "strategy",
    "schedule",
    "hedge",
    "hedge-attempts",
    "hedge-budget",
    "hedge-min-rate",
    "hedge-max-concurrent",
    "hedge-dry-run",
    "hedge-on-failure",
    "timeout",
    "success",
    "failure-status",
];
/// What that of a proxy route may have.
const OF_PASSED: [&str; 20] = [
    "path",
    "to",
    "schedule",
    "hedge",
    "hedge-attempts",
    "hedge-budget",
    "hedge-min-rate",
    "hedge-max-concurrent",
    "hedge-dry-run",
    "hedge-on-failure",
    "timeout",
    "success",
    "commit",
    "host",
    "hedge-methods",
    "hedge-max-body",
    "body-idle-timeout",
    "tunnel-idle-timeout",
    "dns-refresh",
    "health-path",
];

/// Finds a key that a route of this path cannot have.
pub(super) fn check(path: &str, is_passed: bool, table: &Table) -> Result<(), String> {
    let (own, other): (&[&'static str], &[&str]) =
        if is_passed { (&OF_PASSED, &OF_SOURCES) } else { (&OF_SOURCES, &OF_PASSED) };
    // First what says most about the slip.
    if is_passed && table.contains_key("source") {
        return Err(format!("what is below '{path}' is passed through: its upstreams are given by to"));
    }
    if !is_passed && table.contains_key("to") {
        return Err(format!("to belongs to a path that ends in /*; '{path}' is given its sources by source"));
    }
    let Some(unknown) = table.keys().find(|key| !own.contains(&key.as_str())) else { return Ok(()) };
    Err(match (unknown.as_str(), is_passed) {
        (key, true) if other.contains(&key) => format!("'{path}' is passed through, and {key} means nothing there"),
        (key, false) if other.contains(&key) => format!("{key} belongs to a path that ends in /*, unlike '{path}'"),
        (key, _) => match nearest(key, own.iter().copied()) {
            Some(near) => format!("a route has no key '{key}': did you mean {near}?"),
            None => format!("a route has no key '{key}': its keys are {}", own.join(", ")),
        },
    })
}

/// The text of a key, if it is there, as it would be typed.
pub(super) fn text(table: &Table, key: &str) -> Result<Option<String>, String> {
    table.get(key).map(|value| as_typed(value).ok_or_else(|| format!("{key} has to be text"))).transpose()
}

/// The texts of a key that has an array of them or a single one, if it is there.
pub(super) fn texts(table: &Table, key: &str) -> Result<Option<Vec<String>>, String> {
    table
        .get(key)
        .map(|value| several(value).ok_or_else(|| format!("{key} has to be text, or an array of texts")))
        .transpose()
}

/// A text, or a number as it would be typed.
fn as_typed(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        _ => None,
    }
}

/// An array of these, or a single one.
fn several(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(elements) => elements.iter().map(as_typed).collect(),
        one => as_typed(one).map(|one| vec![one]),
    }
}
