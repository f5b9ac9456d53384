//! A set of statuses, as it is written: `200-299,404`.

use std::str::FromStr;

/// Some of the final statuses, 200 to 599.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses {
    /// First and last of each range.
    ranges: Vec<(u16, u16)>,
}

impl Statuses {
    /// Whether `status` is one of them.
    pub fn contains(&self, status: u16) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&status))
    }
}

impl FromStr for Statuses {
    /// What was expected.
    type Err = String;

    fn from_str(text: &str) -> Result<Statuses, String> {
        let range = |range: &str| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let (first, last) = (status(first)?, status(last)?);
            (first <= last).then_some((first, last))
        };
        let ranges: Option<Vec<_>> = text.split(',').map(|part| range(part.trim())).collect();
        let ranges = ranges.ok_or("expected statuses from 200 to 599, or ranges of them, such as 200-299,404")?;
        Ok(Statuses { ranges })
    }
}

fn status(text: &str) -> Option<u16> {
    let is_number = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|status| is_number && (200..600).contains(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_ranges_are_taken() {
        let set: Statuses = "200-204, 404".parse().unwrap();
        assert!([200, 202, 204, 404].iter().all(|status| set.contains(*status)));
        assert!(![199, 205, 403, 500].iter().any(|status| set.contains(*status)));
    }

    #[test]
    fn what_is_no_set_of_statuses_is_refused() {
        for text in ["", "2xx", "199", "600", "204-200", "200,", "+200", "200-", "0200"] {
            assert!(text.parse::<Statuses>().unwrap_err().contains("200 to 599"), "{text}");
        }
    }
}
