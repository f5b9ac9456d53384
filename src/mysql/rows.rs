//! Results, and rows as JSON.

use super::value::Value;
use mysql::Column;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// The rows of a result.
///
/// Serialised, they are an array with an object per row, its keys the columns' names in the order of the statement:
///
/// ```
/// use headstart::mysql::{Rows, Value};
///
/// let mut rows = Rows::default();
/// rows.columns = vec!["id".to_owned(), "name".to_owned()];
/// rows.rows = vec![vec![Value::Int(1), Value::Null], vec![Value::Int(2), "Ada".into()]];
/// assert_eq!(rows.to_json(), r#"[{"id":1,"name":null},{"id":2,"name":"Ada"}]"#);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Rows {
    /// The columns' names. A name that comes again has `_2`, `_3` and so on appended, so that no column hides another.
    pub columns: Vec<String>,
    /// One value per column, row by row.
    pub rows: Vec<Vec<Value>>,
}

/// What a statement without a result did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Executed {
    /// Rows that were inserted, deleted, or changed by an update: one that sets what is there already does not count.
    pub affected_rows: u64,
    /// The first value generated for an `AUTO_INCREMENT` column, if any was.
    pub last_insert_id: Option<u64>,
}

impl Rows {
    pub(super) fn with_columns(columns: &[Column]) -> Rows {
        let mut names: Vec<String> = Vec::with_capacity(columns.len());
        for column in columns {
            let name = column.name_str();
            let again = (2..).map(|count| format!("{name}_{count}"));
            let free = std::iter::once(name.to_string()).chain(again).find(|name| !names.contains(name));
            names.extend(free);
        }
        Rows { columns: names, rows: Vec::new() }
    }

    /// The rows as JSON: see [`Value`] for each type's form.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("keys are strings and every value has a form")
    }
}

impl Serialize for Rows {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.rows.iter().map(|row| Object { columns: &self.columns, row }))
    }
}

struct Object<'a> {
    columns: &'a [String],
    row: &'a [Value],
}

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.row.len()))?;
        for (name, value) in self.columns.iter().zip(self.row) {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}
