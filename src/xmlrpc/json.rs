//! Values as JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dxr::Value;
use serde::ser::{Serialize, Serializer};

/// The value as JSON text.
///
/// Numbers, strings, booleans, arrays, structs (members by name) and nil are what JSON has for them. A date is a string
/// in the extended form of ISO 8601, without a time zone, since XML-RPC has none (`"1998-07-17T14:08:55"`); base64 is a
/// string of base64; a double that is no number in JSON (infinite, NaN), as some servers send them, is `null`.
///
/// ```
/// use headstart::xmlrpc::{Value, to_json};
///
/// let value = Value::Array(vec![Value::Integer(1), Value::Base64(b"hi".to_vec()), Value::Nil]);
/// assert_eq!(to_json(&value), r#"[1,"aGk=",null]"#);
/// ```
pub fn to_json(value: &Value) -> String {
    serde_json::to_string(&AsJson(value)).expect("all names are strings, and writing to memory does not fail")
}

struct AsJson<'a>(&'a Value);

impl Serialize for AsJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Integer(number) => serializer.serialize_i32(*number),
            Value::Long(number) => serializer.serialize_i64(*number),
            Value::Boolean(yes) => serializer.serialize_bool(*yes),
            Value::String(text) => serializer.serialize_str(text),
            Value::Double(number) => serializer.serialize_f64(*number), // `null` when it is not finite
            Value::DateTime(at) => serializer.collect_str(&format_args!(
                "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
                at.year(),
                at.month(),
                at.day(),
                at.hour(),
                at.minute(),
                at.second()
            )),
            Value::Base64(bytes) => serializer.serialize_str(&STANDARD.encode(bytes)),
            Value::Array(values) => serializer.collect_seq(values.iter().map(AsJson)),
            Value::Struct(members) => serializer.collect_map(members.iter().map(|(name, value)| (name, AsJson(value)))),
            // Nil, and what the crate of the values may learn of one day.
            _ => serializer.serialize_unit(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_said_in_json() {
        let value = Value::Struct(
            [
                ("double", Value::Double(1.5)),
                ("no number", Value::Double(f64::NAN)),
                ("i8", Value::Long(i64::MIN)),
                ("date", Value::DateTime("00010203T04:05:06".parse().unwrap())),
                ("base64", Value::Base64(vec![255; 4])),
                ("quote \"", Value::String("\u{1}é".to_owned())),
                ("in", Value::Array(vec![Value::Boolean(true), Value::Struct([].into())])),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        );
        assert_eq!(
            to_json(&value),
            [
                r#"{"base64":"/////w==","date":"0001-02-03T04:05:06","double":1.5,"i8":-9223372036854775808,"#,
                r#""in":[true,{}],"no number":null,"quote \"":"\u0001é"}"#,
            ]
            .concat()
        );
    }
}
