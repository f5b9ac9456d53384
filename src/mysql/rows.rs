//! Results, and rows as JSON.

use super::value::Value;
use mysql::Column;
use serde::ser::{Serialize, SerializeMap, Serializer};
use std::collections::HashMap;

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
        // Each name in use, with the last number that was appended to it: a server may send very many of the same.
        let mut used: HashMap<String, usize> = HashMap::with_capacity(columns.len());
        let free_name = |column: &Column| {
            let given = column.name_str();
            let mut name = given.to_string();
            while used.contains_key(&name) {
                let count = used.entry(given.to_string()).or_insert(1);
                *count += 1;
                name = format!("{given}_{count}");
            }
            used.insert(name.clone(), 1);
            name
        };
        Rows { columns: columns.iter().map(free_name).collect(), rows: Vec::new() }
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

#[cfg(test)]
mod tests {
    use super::*;
    use mysql::consts::ColumnType;
    use std::time::{Duration, Instant};

    fn names(given: &[&str]) -> Vec<String> {
        let column = |name: &&str| Column::new(ColumnType::MYSQL_TYPE_LONG).with_name(name.as_bytes());
        Rows::with_columns(&given.iter().map(column).collect::<Vec<_>>()).columns
    }

    #[test]
    fn a_name_that_comes_again_is_numbered_past_those_that_are_taken() {
        assert_eq!(names(&["a", "a", "a_2", "a", "b"]), ["a", "a_2", "a_2_2", "a_3", "b"]);
        assert_eq!(names(&["a_2", "a", "a", "", ""]), ["a_2", "a", "a_3", "", "_2"]);
    }

    /// With a search through the names for each number it is minutes.
    #[test]
    fn as_many_equal_names_as_fit_into_a_result_are_told_apart_at_once() {
        let (began, names) = (Instant::now(), names(&["a"; 20_000]));
        assert_eq!(names.last().map(String::as_str), Some("a_20000"));
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    }
}
