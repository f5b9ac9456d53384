//! Values: what goes into a statement and what comes out, and how the latter reads as JSON.

use mysql::consts::ColumnType;
use mysql::{Column, Value as Wire};
use serde::ser::{Serialize, Serializer};

/// A parameter of a statement, or a column of a row.
///
/// | SQL type | variant | JSON |
/// |---|---|---|
/// | any, when `NULL` | [`Null`](Value::Null) | `null` |
/// | `TINYINT` (and `BOOLEAN`) to `BIGINT`, `YEAR` | [`Int`](Value::Int) or [`Unsigned`](Value::Unsigned) | number, all digits |
/// | `BIT` | [`Unsigned`](Value::Unsigned) | number |
/// | `FLOAT`, `DOUBLE` | [`Float`](Value::Float) | number |
/// | `DECIMAL` | [`Text`](Value::Text), all digits: `"1.50"` | string |
/// | `DATE` | [`Text`](Value::Text): `"2024-02-29"` | string |
/// | `DATETIME`, `TIMESTAMP` | [`Text`](Value::Text): `"2024-02-29 23:59:59"`, decimals as declared | string |
/// | `TIME` | [`Text`](Value::Text): `"-838:59:59"`, with as many decimals as declared | string |
/// | `CHAR`, `VARCHAR`, `TEXT`, `ENUM`, `SET`, `JSON` | [`Text`](Value::Text) | string |
/// | `BINARY`, `VARBINARY`, `BLOB`, spatial types, `INET6` | [`Bytes`](Value::Bytes) | string: hexadecimal digits |
///
/// A number beyond 2^53 keeps its digits in the JSON; whether they survive is up to who reads it.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `NULL`.
    Null,
    /// A whole number.
    Int(i64),
    /// A whole number of an `UNSIGNED` column.
    Unsigned(u64),
    /// A floating-point number.
    Float(f64),
    /// Text, and what is exact only as text.
    Text(String),
    /// Bytes that are no text.
    Bytes(Vec<u8>),
}

impl Value {
    pub(super) fn to_wire(&self) -> Wire {
        match self {
            Value::Null => Wire::NULL,
            Value::Int(number) => Wire::Int(*number),
            Value::Unsigned(number) => Wire::UInt(*number),
            Value::Float(number) => Wire::Double(*number),
            Value::Text(text) => Wire::Bytes(text.as_bytes().to_vec()),
            Value::Bytes(bytes) => Wire::Bytes(bytes.clone()),
        }
    }

    pub(super) fn from_wire(value: Wire, column: &Column) -> Value {
        match value {
            Wire::NULL => Value::Null,
            Wire::Int(number) => Value::Int(number),
            Wire::UInt(number) => Value::Unsigned(number),
            // By its digits: as a number 0.1 would become 0.10000000149.
            Wire::Float(number) => Value::Float(number.to_string().parse().unwrap_or(f64::from(number))),
            Wire::Double(number) => Value::Float(number),
            Wire::Date(year, month, day, hour, minute, second, micros) => {
                let mut text = format!("{year:04}-{month:02}-{day:02}");
                if column.column_type() != ColumnType::MYSQL_TYPE_DATE {
                    text += &format!(" {hour:02}:{minute:02}:{second:02}{}", decimals(micros, column));
                }
                Value::Text(text)
            }
            Wire::Time(is_negative, days, hours, minutes, seconds, micros) => {
                let sign = if is_negative { "-" } else { "" };
                let hours = u64::from(days) * 24 + u64::from(hours);
                Value::Text(format!("{sign}{hours:02}:{minutes:02}:{seconds:02}{}", decimals(micros, column)))
            }
            Wire::Bytes(bytes) => from_bytes(bytes, column),
        }
    }
}

fn from_bytes(bytes: Vec<u8>, column: &Column) -> Value {
    /// The "character set" of what is no text (`Protocol::ColumnDefinition41`).
    const BINARY: u16 = 63;
    match column.column_type() {
        ColumnType::MYSQL_TYPE_BIT => {
            Value::Unsigned(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
        }
        // Text that is declared to be binary.
        ColumnType::MYSQL_TYPE_NEWDECIMAL | ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_JSON => text(bytes),
        _ if column.character_set() == BINARY => Value::Bytes(bytes),
        _ => text(bytes),
    }
}

/// The connection's character set is `utf8mb4`, so it is UTF-8; if a server breaks that, the bytes stay what they are.
fn text(bytes: Vec<u8>) -> Value {
    String::from_utf8(bytes).map_or_else(|error| Value::Bytes(error.into_bytes()), Value::Text)
}

/// As many as the column has; an expression has an unknown number, and then there are as many as are needed.
fn decimals(micros: u32, column: &Column) -> String {
    match usize::from(column.decimals()) {
        0 => String::new(),
        digits @ 1..=6 => format!(".{micros:06}")[..=digits].to_owned(),
        _ if micros == 0 => String::new(),
        _ => format!(".{micros:06}"),
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_unit(),
            Value::Int(number) => serializer.serialize_i64(*number),
            Value::Unsigned(number) => serializer.serialize_u64(*number),
            Value::Float(number) => serializer.serialize_f64(*number),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => {
                let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
                serializer.serialize_str(&digits)
            }
        }
    }
}

macro_rules! from {
    ($($from:ty => $variant:ident),+ $(,)?) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Value {
                Value::$variant(value.into())
            }
        })+
    };
}

from!(bool => Int, i32 => Int, i64 => Int, u32 => Unsigned, u64 => Unsigned, f64 => Float);
from!(&str => Text, String => Text, Vec<u8> => Bytes, &[u8] => Bytes);

/// `None` is `NULL`.
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value::Null, Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_beyond_all_sense_is_text_like_any_other() {
        let column = Column::new(ColumnType::MYSQL_TYPE_TIME);
        let time = Wire::Time(true, u32::MAX, 255, 255, 255, u32::MAX);
        assert_eq!(Value::from_wire(time, &column), Value::Text("-103079215335:255:255".to_owned()));
    }
}
