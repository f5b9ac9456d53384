//! A call as XML.
//!
//! The crate that writes the values writes them all, also those that no XML parser takes, and on the stack however deep
//! they are. So they are looked through before.

use crate::error::Error;
use dxr::{MethodCall, Value};

/// The call of `method` with `params`, none of them inside more than `max_nesting` arrays and structs.
pub(super) fn write(method: &str, params: Vec<Value>, max_nesting: usize) -> Result<String, Error> {
    check_text(method)?;
    for param in &params {
        check(param, max_nesting)?;
    }
    let call = MethodCall { name: method.into(), params };
    let xml = call.to_xml().map_err(|error| Error::XmlRpc(error.to_string()))?;
    Ok(format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{xml}"))
}

fn check(value: &Value, levels: usize) -> Result<(), Error> {
    let inside = || levels.checked_sub(1).ok_or_else(|| Error::XmlRpc("parameters are nested too deep".to_owned()));
    match value {
        Value::String(text) => check_text(text),
        Value::Double(number) if !number.is_finite() => Err(Error::XmlRpc(format!("there is no double {number}"))),
        Value::Array(values) => values.iter().try_for_each(|value| check(value, inside()?)),
        Value::Struct(members) => members.iter().try_for_each(|(name, value)| {
            check_text(name)?;
            check(value, inside()?)
        }),
        _ => Ok(()),
    }
}

/// The characters of XML 1.0, section 2.2.
fn check_text(text: &str) -> Result<(), Error> {
    let is_foreign =
        |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    match text.chars().find(|c| is_foreign(*c)) {
        Some(c) => Err(Error::XmlRpc(format!("XML has no character U+{:04X}; send base64", u32::from(c)))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(Value::Nil, |value, _| Value::Array(vec![value]))
    }

    #[test]
    fn what_xml_cannot_say_is_refused() {
        for c in ['\0', '\u{1b}', '\u{ffff}'] {
            for value in [Value::String(c.into()), Value::Struct([(c.into(), Value::Nil)].into())] {
                assert!(matches!(write("m", vec![value], 1), Err(Error::XmlRpc(_))));
            }
            assert!(matches!(write(&c.to_string(), vec![], 1), Err(Error::XmlRpc(_))));
        }
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert!(write("m", vec![Value::Array(vec![Value::Double(number)])], 1).is_err());
        }
        assert!(write("m", vec![Value::String("\t\r\n\u{20}\u{d7ff}\u{e000}\u{1f600}".to_owned())], 0).is_ok());
    }

    #[test]
    fn what_is_nested_too_deep_is_refused() {
        assert!(write("m", vec![nested(3)], 3).is_ok());
        assert!(write("m", vec![nested(4)], 3).is_err());
        assert!(write("m", vec![nested(10_000)], 3).is_err());
    }
}
