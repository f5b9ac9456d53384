//! Sets of statuses.

use crate::error::Error;
use std::fmt;
use std::str::FromStr;

/// A set of HTTP statuses, from 100 to 599.
///
/// ```
/// use headstart::http::Statuses;
///
/// let success: Statuses = "200-299,404".parse()?;
/// assert!(success.contains(204) && success.contains(404) && !success.contains(500));
/// # Ok::<(), headstart::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses {
    /// From and to, both in the set.
    ranges: Vec<(u16, u16)>,
}

impl Statuses {
    /// Whether `status` is in the set.
    pub fn contains(&self, status: u16) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&status))
    }
}

/// Reads statuses and ranges of them, separated by commas.
impl FromStr for Statuses {
    type Err = Error;

    fn from_str(text: &str) -> Result<Statuses, Error> {
        let status = |text: &str| -> Option<u16> {
            let is_status = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
            text.parse().ok().filter(|status| is_status && (100..600).contains(status))
        };
        let range = |part: &str| -> Option<(u16, u16)> {
            let (from, to) = part.split_once('-').unwrap_or((part, part));
            Some((status(from.trim())?, status(to.trim())?)).filter(|(from, to)| from <= to)
        };
        let ranges: Option<Vec<_>> = text.split(',').map(|part| range(part.trim())).collect();
        ranges
            .map(|ranges| Statuses { ranges })
            .ok_or_else(|| Error::setting("success", text, "statuses from 100 to 599, such as 200-299,404"))
    }
}

impl fmt::Display for Statuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (from, to)) in self.ranges.iter().enumerate() {
            f.write_str(if number == 0 { "" } else { "," })?;
            if from == to { write!(f, "{from}")? } else { write!(f, "{from}-{to}")? }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_written_as_it_is_read() {
        for text in ["200", "200-299", "200-299,404", "100-599"] {
            assert_eq!(text.parse::<Statuses>().unwrap().to_string(), text);
        }
        assert_eq!(" 200 - 299 , 404 ".parse::<Statuses>().unwrap().to_string(), "200-299,404");
        for wrong in ["", ",", "200,", "99", "600", "300-200", "2xx", "+20", "200-", "-200", "0200"] {
            assert!(matches!(wrong.parse::<Statuses>(), Err(Error::Setting { .. })), "{wrong:?}");
        }
    }
}
