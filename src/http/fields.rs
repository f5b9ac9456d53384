//! Header fields in order, with repetitions, as they are sent (RFC 9110, section 5).
//!
//! The problem: a map of fields loses what matters to who passes them on: their order, how their names were written,
//! which came twice. The answer: the lines themselves, one after the other in one piece of memory, and where each
//! begins. To pass them on is to copy that piece.
//!
//! What this does not do: know what a field means.

use crate::error::Error;
use std::fmt;

/// Header or trailer fields in order, with repetitions, names as they were written.
///
/// ```
/// use headstart::http::Fields;
///
/// let mut fields = Fields::new();
/// fields.push("Set-Cookie", "a=1")?;
/// fields.push("Set-Cookie", "b=2")?;
/// assert_eq!(fields.get("set-cookie"), Some(&b"a=1"[..]));
/// assert_eq!(fields.as_bytes(), b"Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n");
/// # Ok::<(), headstart::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Fields {
    /// `Name: value` and a line end, for each field.
    lines: Vec<u8>,
    places: Vec<Place>,
}

/// Where a field's line is.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Place {
    start: usize,
    colon: usize,
    /// Before the line end.
    end: usize,
}

impl Fields {
    /// No fields.
    pub fn new() -> Fields {
        Fields::default()
    }

    /// No fields yet, and room for `count` of them on `bytes` bytes of lines.
    pub fn with_capacity(count: usize, bytes: usize) -> Fields {
        Fields { lines: Vec::with_capacity(bytes), places: Vec::with_capacity(count) }
    }

    /// The fields in order: names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.places.iter().map(|place| (self.name(*place), self.value(*place)))
    }

    /// The fields in order: each name, and the line it begins as it is sent, with the line's end. For who passes them
    /// on.
    pub fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let line = |place: &Place| (&self.lines[place.start..place.colon], &self.lines[place.start..place.end + 2]);
        self.places.iter().map(line)
    }

    /// The value of the first field of this name, in whatever case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.all(name).next()
    }

    /// The values of all fields of this name, in order.
    pub fn all<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a [u8]> {
        self.places.iter().filter(move |place| self.is_named(**place, name)).map(|place| self.value(*place))
    }

    /// Adds a field behind the others. Spaces and tabs around the value are no part of it.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when `name` is no token or `value` holds a control character (RFC 9110, sections 5.1 and
    /// 5.5). Then nothing is added.
    pub fn push(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let value = trimmed(value.as_ref());
        if !is_token(name.as_bytes()) {
            return Err(Error::setting("header field", name, "a name of letters, digits and the marks of a token"));
        }
        if !is_text(value) {
            return Err(Error::setting("header field", name, "a value without control characters"));
        }
        self.append(name, value);
        Ok(())
    }

    /// Adds what was checked before.
    pub(super) fn append(&mut self, name: &str, value: &[u8]) {
        let start = self.lines.len();
        for part in [name.as_bytes(), b": ", value, b"\r\n"] {
            self.lines.extend_from_slice(part);
        }
        self.places.push(Place { start, colon: start + name.len(), end: self.lines.len() - 2 });
    }

    /// Takes all fields of this name out.
    pub fn remove(&mut self, name: &str) {
        if !self.contains(name) {
            return;
        }
        let mut left = Fields::with_capacity(self.places.len(), self.lines.len());
        for (other, value) in self.iter().filter(|(other, _)| !other.eq_ignore_ascii_case(name)) {
            left.append(other, value);
        }
        *self = left;
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The fields as they are sent: `Name: value` and a line end each.
    pub fn as_bytes(&self) -> &[u8] {
        &self.lines
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.places.iter().any(|place| self.is_named(*place, name))
    }

    fn is_named(&self, place: Place, name: &str) -> bool {
        place.colon - place.start == name.len()
            && self.lines[place.start..place.colon].eq_ignore_ascii_case(name.as_bytes())
    }

    fn name(&self, place: Place) -> &str {
        str::from_utf8(&self.lines[place.start..place.colon]).unwrap_or_default() // a token is ASCII
    }

    fn value(&self, place: Place) -> &[u8] {
        &self.lines[place.colon + 2..place.end]
    }
}

/// Without the spaces and tabs around it.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether this is a token (RFC 9110, section 5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    /// Looked up for each byte of each name that is passed on.
    const IN_TOKENS: [bool; 256] = {
        let (mut table, mut byte) = ([false; 256], 0);
        while byte < 256 {
            table[byte] = (byte as u8).is_ascii_alphanumeric();
            byte += 1;
        }
        let marks = b"!#$%&'*+-.^_`|~";
        let mut mark = 0;
        while mark < marks.len() {
            table[marks[mark] as usize] = true;
            mark += 1;
        }
        table
    };
    !bytes.is_empty() && bytes.iter().all(|byte| IN_TOKENS[usize::from(*byte)])
}

/// Whether this has no control character but tabs. Looks at every byte in any case, which several at a time can be.
fn is_text(bytes: &[u8]) -> bool {
    !bytes.iter().fold(false, |is_wrong, byte| is_wrong | ((*byte < b' ') & (*byte != b'\t')) | (*byte == 0x7f))
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter().map(|(name, value)| (name, String::from_utf8_lossy(value)))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_their_case_and_their_repetitions() {
        let mut fields = Fields::new();
        for (name, value) in [("B", "1"), ("a", " 2\t"), ("b", ""), ("A", "\u{e9}")] {
            fields.push(name, value).unwrap();
        }
        assert_eq!(fields.as_bytes(), "B: 1\r\na: 2\r\nb: \r\nA: \u{e9}\r\n".as_bytes());
        assert_eq!(fields.all("b").collect::<Vec<_>>(), [&b"1"[..], b""]);
        fields.remove("B");
        let left: Vec<_> = fields.iter().map(|(name, _)| name).collect();
        assert_eq!((left, fields.len()), (vec!["a", "A"], 2));
        fields.push("c", "3").unwrap();
        assert_eq!(fields.get("C"), Some(&b"3"[..]));
    }

    #[test]
    fn what_would_be_more_than_one_line_is_refused() {
        let mut fields = Fields::new();
        for (name, value) in [
            ("", "x"),
            ("a b", "x"),
            ("a:", "x"),
            ("a", "x\r\ny: z"),
            ("a", "x\n"),
            ("a", "\rx"),
            ("a", "x\0"),
            ("a", "\x7f"),
        ] {
            assert!(matches!(fields.push(name, value), Err(Error::Setting { .. })), "{name:?}: {value:?}");
        }
        assert!(fields.is_empty());
    }
}
