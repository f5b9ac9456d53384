//! The configuration file: TOML, one key for each option; a route may be a table.
//!
//! A file is read at start, and again for the keys that SIGHUP reloads. Every value knows its line, so that a mistake
//! can be found.

use crate::cli::given::{Given, Origin, Written};
use crate::cli::mistake::Mistake;
use crate::cli::option::Kind;
use crate::cli::options::{self, nearest};
use std::path::Path;
use toml::Value;
use toml::de::{DeInteger, DeTable, DeValue};

/// Reads what the file at `path` sets. `key` is the flag or variable that named it.
pub(super) fn read(key: &str, path: &Path, mistakes: &mut Vec<Mistake>) -> Vec<Given> {
    match std::fs::read_to_string(path) {
        Ok(source) => parse(&path.display().to_string(), &source, mistakes),
        Err(error) => {
            mistakes.push(Mistake::Value {
                key: key.to_owned(),
                value: path.display().to_string(),
                why: format!("expected a readable file in TOML format ({error})"),
            });
            Vec::new()
        }
    }
}

fn parse(name: &str, source: &str, mistakes: &mut Vec<Mistake>) -> Vec<Given> {
    let place = |offset: usize| format!("{name}:{}", 1 + source[..offset].matches('\n').count());
    let table = match DeTable::parse(source) {
        Ok(table) => table.into_inner(),
        Err(error) => {
            let place = error.span().map_or(name.to_owned(), |span| place(span.start));
            mistakes.push(Mistake::Syntax { place, why: error.message().to_owned() });
            return Vec::new();
        }
    };
    let mut given = Vec::new();
    for (key, value) in &table {
        let origin = place(key.span().start);
        let Some(option) = options::all().find(|option| option.key() == key.get_ref()) else {
            let name = key.get_ref();
            mistakes.push(Mistake::Key { key: format!("{name} in {origin}"), near: nearest(name) });
            continue;
        };
        match written(option.kind, value.get_ref()) {
            Some(written) => given.push(Given { option, written, origin: Origin::File(origin) }),
            None => mistakes.push(Mistake::Type {
                key: format!("{} in {origin}", option.key()),
                source: source[value.span()].to_owned(),
                expected: format!("{}, such as {}", type_of(option.kind), example(option.kind)),
            }),
        }
    }
    given
}

/// The value, if it has the right type.
fn written(kind: Kind, value: &DeValue<'_>) -> Option<Written> {
    match (kind, value) {
        (Kind::Routes, DeValue::Array(list)) => {
            let list: Option<_> = list.iter().map(|route| owned_route(route.get_ref())).collect();
            list.map(Written::Routes)
        }
        (Kind::Routes, one) => owned_route(one).map(|one| Written::Routes(vec![one])),
        _ => as_typed(kind, value).map(Written::Text),
    }
}

/// The value as it would be typed.
fn as_typed(kind: Kind, value: &DeValue<'_>) -> Option<String> {
    match (kind, value) {
        (Kind::Text | Kind::Path | Kind::Choice(_) | Kind::Quantity | Kind::List(_), DeValue::String(text)) => {
            Some(text.to_string())
        }
        (Kind::Integer | Kind::Float | Kind::Quantity | Kind::List(_), DeValue::Integer(number)) => in_decimal(number),
        (Kind::Float | Kind::Quantity, DeValue::Float(number)) => Some(number.as_str().to_owned()),
        (Kind::Switch, DeValue::Boolean(switch)) => Some(switch.to_string()),
        (Kind::List(separator), DeValue::Array(elements)) => {
            let texts: Option<Vec<String>> = elements
                .iter()
                .map(|element| match element.get_ref() {
                    DeValue::String(text) => Some(text.to_string()),
                    DeValue::Integer(number) => in_decimal(number),
                    _ => None,
                })
                .collect();
            Some(texts?.join(&separator.to_string()))
        }
        _ => None,
    }
}

/// A route, which is a text or a table.
fn owned_route(value: &DeValue<'_>) -> Option<Value> {
    owned(value).filter(|value| value.is_str() || value.is_table())
}

fn owned(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(switch) => Value::Boolean(*switch),
        DeValue::Integer(number) => Value::Integer(in_decimal(number)?.parse().ok()?),
        DeValue::Float(number) => Value::Float(number.as_str().parse().ok()?),
        DeValue::Array(elements) => {
            Value::Array(elements.iter().map(|element| owned(element.get_ref())).collect::<Option<_>>()?)
        }
        DeValue::Table(table) => Value::Table(
            table
                .iter()
                .map(|(key, value)| Some((key.get_ref().to_string(), owned(value.get_ref())?)))
                .collect::<Option<_>>()?,
        ),
        DeValue::Datetime(_) => return None,
    })
}

fn in_decimal(number: &DeInteger<'_>) -> Option<String> {
    i128::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
}

fn type_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Text | Kind::Path | Kind::Choice(_) => "text in quotes",
        Kind::Integer => "an integer without quotes",
        Kind::Float => "a number without quotes",
        Kind::Quantity => "a number, or text with a unit",
        Kind::Switch => "true or false without quotes",
        Kind::List(_) => "text in quotes, or an array",
        Kind::Routes => "text in quotes, or a table",
    }
}

fn example(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "\"127.0.0.1:8081\"",
        Kind::Path => "\"/etc/ssl/ca.pem\"",
        Kind::Choice(_) => "\"text\"",
        Kind::Integer => "16",
        Kind::Float => "0.05",
        Kind::Quantity => "250 or \"10s\"",
        Kind::Switch => "true",
        Kind::List(' ') => "[\"http://127.0.0.1:9000/\"]",
        Kind::List(_) => "[0, 300, 300]",
        Kind::Routes => "[\"/api/http=http://127.0.0.1:9000/\"]",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(source: &str) -> Result<Vec<(String, String)>, Vec<String>> {
        let mut mistakes = Vec::new();
        let given = parse("f.toml", source, &mut mistakes);
        match mistakes.is_empty() {
            true => Ok(given.into_iter().map(|given| (given.key(), given.written.to_string())).collect()),
            false => Err(mistakes.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn every_kind_of_value_is_read() {
        let source = "schedule = [0, 0x64, '1s']\nmax-in-flight = 1_000\nlisten = 'a:1'\nhedge-on-failure = true\n\
                      sample-hang-rate = 0.5\ntimeout-ceiling = 250\nupstream = ['http://a/', 'http://b/']";
        let mut texts = texts(source).unwrap();
        texts.sort();
        let expected = [
            ("hedge-on-failure in f.toml:4", "true"),
            ("listen in f.toml:3", "a:1"),
            ("max-in-flight in f.toml:2", "1000"),
            ("sample-hang-rate in f.toml:5", "0.5"),
            ("schedule in f.toml:1", "0,100,1s"),
            ("timeout-ceiling in f.toml:6", "250"),
            ("upstream in f.toml:7", "http://a/ http://b/"),
        ];
        assert_eq!(texts, expected.map(|(key, text)| (key.to_owned(), text.to_owned())));
    }

    #[test]
    fn a_wrong_type_names_line_value_and_what_is_expected() {
        for (source, message) in [
            (
                "\nmax-in-flight = '16'",
                "max-in-flight in f.toml:2 cannot be '16': expected an integer without quotes, such as 16",
            ),
            ("listen = 8081", "listen in f.toml:1 cannot be 8081: expected text in quotes"),
            ("hedge-on-failure = 1", "hedge-on-failure in f.toml:1 cannot be 1: expected true or false"),
            ("schedule = [[0]]", "schedule in f.toml:1 cannot be [[0]]: expected text in quotes, or an array"),
            ("[listen]", "listen in f.toml:1 cannot be"),
        ] {
            let mistakes = texts(source).unwrap_err();
            assert!(mistakes.len() == 1 && mistakes[0].starts_with(message), "{mistakes:?}");
        }
    }

    #[test]
    fn no_input_makes_it_panic() {
        for source in
            ["=", "listen", "listen = ", "\u{feff}listen = 1", "é = é", "a.b = 1", "listen = 'a'\nlisten = 'b'", "\0"]
        {
            let _ = texts(source);
        }
    }
}
