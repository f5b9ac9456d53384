//! How the values of options are written.
//!
//! One rule for each kind of value, whether it comes from a flag, a variable or the file. A parser's error says what
//! was expected; its caller knows the option's name and what was given.

use headstart::http::{Calls, Commit, Statuses};
use headstart::{Error, Schedule, Threads};
use headstart_fault::{Admission, Direction, Drip, Faults};
use headstart_server::api::{HedgeMethod, HostField, Strategy};
use std::fmt::Display;
use std::fs::File;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// One hour: no timeout of a request/response server makes sense beyond it, and most typos are.
const LONGEST: Duration = Duration::from_secs(3_600);

/// A length of time above zero: plain digits are milliseconds, as in `?timeout=`; everything else carries its unit.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    duration_from(Duration::from_millis(1), text)
}

/// As [`duration`], or nothing at all.
pub(super) fn duration_or_zero(text: &str) -> Result<Duration, String> {
    duration_from(Duration::ZERO, text)
}

fn duration_from(shortest: Duration, text: &str) -> Result<Duration, String> {
    milliseconds_or_unit(text).filter(|given| (shortest..=LONGEST).contains(given)).ok_or_else(|| {
        let (from, to) = (humantime::format_duration(shortest), humantime::format_duration(LONGEST));
        format!("expected a duration from {from} to {to}: milliseconds, or with a unit, such as 250, 250ms, 10s or 1m")
    })
}

fn milliseconds_or_unit(text: &str) -> Option<Duration> {
    match digits(text) {
        Some(millis) => Some(Duration::from_millis(millis)),
        None => humantime::parse_duration(text).ok(),
    }
}

/// A duration, or `none`.
pub(super) fn duration_or_none(text: &str) -> Result<Option<Duration>, String> {
    match text {
        "none" => Ok(None),
        text => duration(text).map(Some).map_err(|expected| format!("{expected}; or none")),
    }
}

/// Start offsets, separated by commas: durations each. What makes a schedule of them is the library's to say.
pub(super) fn schedule(text: &str) -> Result<Schedule, String> {
    let offsets: Option<Vec<Duration>> = text.split(',').map(|offset| milliseconds_or_unit(offset.trim())).collect();
    Schedule::new(&offsets.unwrap_or_default()).map_err(|error| match error {
        Error::Setting { allowed, .. } => format!("expected {allowed}"),
        other => other.to_string(),
    })
}

/// The path of a file in PEM format that can be opened. What is in it is for its reader to judge.
pub(super) fn readable(text: &str) -> Result<PathBuf, String> {
    match File::open(text) {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(format!("expected a readable file in PEM format ({error})")),
    }
}

/// A count of bytes in `range`: plain, or with a unit in any case. Units are binary: `64k`, `64kb` and `64KiB` are the
/// same.
pub(super) fn size(range: RangeInclusive<u64>, text: &str) -> Result<u64, String> {
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let bytes = match &*text[number.len()..].to_ascii_lowercase() {
        "" | "b" => Some(1),
        "k" | "kb" | "kib" => Some(1 << 10),
        "m" | "mb" | "mib" => Some(1 << 20),
        "g" | "gb" | "gib" => Some(1 << 30),
        _ => None,
    };
    bytes
        .and_then(|bytes| digits(number.trim_end())?.checked_mul(bytes))
        .filter(|bytes| range.contains(bytes))
        .ok_or_else(|| {
            let (from, to) = (in_units(*range.start()), in_units(*range.end()));
            format!("expected a size from {from} to {to}: bytes, or with a unit, such as 65536, 64KiB or 10MiB")
        })
}

/// With the largest unit that leaves no remainder.
fn in_units(bytes: u64) -> String {
    let unit = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)]
        .into_iter()
        .find(|(_, unit)| bytes >= *unit && bytes.is_multiple_of(*unit));
    unit.map_or_else(|| bytes.to_string(), |(name, unit)| format!("{}{name}", bytes / unit))
}

/// A whole number in `range`.
pub(super) fn number<T>(range: RangeInclusive<T>, text: &str) -> Result<T, String>
where
    T: TryFrom<u64> + PartialOrd + Display,
{
    digits(text)
        .and_then(|given| T::try_from(given).ok())
        .filter(|given| range.contains(given))
        .ok_or_else(|| format!("expected a whole number from {} to {}", range.start(), range.end()))
}

/// A share of requests, from 0 to 1.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    f64::from_str(text)
        .ok()
        .filter(|given| (0.0..=1.0).contains(given))
        .ok_or_else(|| "expected a share from 0 to 1, such as 0.05".to_owned())
}

/// Yes or no.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    one_of(&[("true", true), ("false", false)], text)
}

/// One of these names.
pub(super) fn one_of<T: Copy>(names: &[(&str, T)], text: &str) -> Result<T, String> {
    names.iter().find(|(name, _)| *name == text).map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
        format!("expected one of {}", names.join(", "))
    })
}

/// What a route does.
pub(super) fn strategy(text: &str) -> Result<Strategy, String> {
    one_of(&Strategy::NAMES, text).map_err(|expected| format!("the strategy is wrong: {expected}"))
}

/// The names of [`Threads`].
pub(super) const THREADS: &[&str] = &["crew", "fresh"];

/// Where attempts get their threads.
pub(super) fn threads(text: &str) -> Result<Threads, String> {
    one_of(&[(THREADS[0], Threads::Crew), (THREADS[1], Threads::Fresh)], text)
}

/// The names of [`Calls`].
pub(super) const CALLS: &[&str] = &["wire", "ureq"];

/// By what upstreams are called.
pub(super) fn calls(text: &str) -> Result<Calls, String> {
    one_of(&[(CALLS[0], Calls::Wire), (CALLS[1], Calls::Ureq)], text)
}

/// Statuses and ranges of them, separated by commas.
pub(super) fn statuses(text: &str) -> Result<Statuses, String> {
    text.parse().map_err(|error| match error {
        Error::Setting { allowed, .. } => format!("expected {allowed}"),
        other => other.to_string(),
    })
}

/// The status of a failure.
pub(super) fn failure_status(text: &str) -> Result<u16, String> {
    number(500..=599, text)
}

/// Methods that may be sent more than once, separated by commas.
pub(super) fn hedge_methods(text: &str) -> Result<Vec<HedgeMethod>, String> {
    let names = HedgeMethod::ALL.map(|method| (method.as_str(), method));
    let method = |text: &str| one_of(&names, text).map_err(|expected| format!("'{text}' is none: {expected}"));
    text.split(',').map(|text| method(text.trim())).collect()
}

/// When a response is committed, by name.
pub(super) const COMMITS: [(&str, Commit); 3] =
    [("head", Commit::Head), ("first-byte", Commit::FirstByte), ("full", Commit::Full)];

/// Whose `Host` upstreams see, by name.
pub(super) const HOSTS: [(&str, HostField); 2] = [("client", HostField::Client), ("upstream", HostField::Upstream)];

/// The path of a URL.
pub(super) fn path(text: &str) -> Result<String, String> {
    let is_path = text.starts_with('/') && text.bytes().all(|byte| byte.is_ascii_graphic());
    is_path.then(|| text.to_owned()).ok_or_else(|| "expected a path, such as /healthz".to_owned())
}

/// The name of a header field (RFC 9110, section 5.1).
pub(super) fn field_name(text: &str) -> Result<String, String> {
    ureq::http::HeaderName::from_bytes(text.as_bytes())
        .map(|name| name.as_str().to_owned())
        .map_err(|_| "expected the name of a header field, such as x-request-timeout-ms".to_owned())
}

/// A whole number.
pub(super) fn digits(text: &str) -> Option<u64> {
    // `parse` alone would take a sign.
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// One value for both directions, or `to-client=` and `to-upstream=` with one each. What is not named has none,
/// whatever a lower layer says.
pub(super) fn each_way<T: Copy + Default>(
    faults: &mut Faults,
    text: &str,
    parse: impl Fn(&str) -> Result<T, String>,
    put: impl Fn(&mut Direction, T),
) -> Result<(), String> {
    let (mut to_client, mut to_upstream) = (None, None);
    for part in text.split(',').map(str::trim) {
        let (way, value) = part.split_once('=').unwrap_or(("", part));
        let value = parse(value.trim())?;
        let taken = match way.trim() {
            "" => to_client.replace(value).or(to_upstream.replace(value)),
            "to-client" => to_client.replace(value),
            "to-upstream" => to_upstream.replace(value),
            _ => return Err("before the '=' stands one of to-client and to-upstream".to_owned()),
        };
        if taken.is_some() {
            return Err("expected one value for each direction".to_owned());
        }
    }
    put(&mut faults.to_client, to_client.unwrap_or_default());
    put(&mut faults.to_upstream, to_upstream.unwrap_or_default());
    Ok(())
}

/// `SIZE/DURATION`.
pub(super) fn drip(text: &str) -> Result<Option<Drip>, String> {
    let parsed = text.split_once('/').and_then(|(bytes, every)| {
        Some(Drip { bytes: size(1..=1 << 30, bytes.trim()).ok()?, every: duration(every.trim()).ok()? })
    });
    parsed.map(Some).ok_or_else(|| {
        "expected a size and a duration with a slash between them, such as 1/50ms or 64KiB/1s".to_owned()
    })
}

/// A count of bytes.
pub(super) fn bytes(text: &str) -> Result<Option<u64>, String> {
    size(0..=1 << 40, text).map(Some)
}

/// What can become of a connection, by name.
pub(super) const ADMISSIONS: [(&str, Admission); 4] = [
    ("pass", Admission::Pass),
    ("silent", Admission::Silent),
    ("reset", Admission::Reset),
    ("never", Admission::Never),
];

/// What becomes of a connection.
pub(super) fn admission(text: &str) -> Result<Admission, String> {
    one_of(&ADMISSIONS, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_digits_are_milliseconds_and_units_are_taken() {
        for (text, millis) in [("250", 250), ("250ms", 250), ("10s", 10_000), ("1m 30s", 90_000), ("1h", 3_600_000)] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn durations_that_make_no_sense_are_refused() {
        for text in ["", "0", "0s", "-1", "+5", "1.5", "10 parsecs", "2h", "99999999999999999999", "soon"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert_eq!(duration_or_zero("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn sizes_take_binary_units() {
        let size = |text| size(1..=1 << 40, text);
        assert_eq!(size("65536"), Ok(65_536));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("10 MiB"), Ok(10 << 20));
        for text in ["64k", "64K", "64kb", "64KB", "64kib", "64 KIB"] {
            assert_eq!(size(text), Ok(65_536), "{text}");
        }
        for text in ["", "0", "MiB", "1.5MiB", "10XB", "99999999999GiB", "-1"] {
            assert!(size(text).is_err(), "{text}");
        }
        assert!(size("-1").unwrap_err().contains("from 1 to 1024GiB: bytes"), "{:?}", size("-1"));
    }

    fn delays(text: &str) -> Result<(u128, u128), String> {
        let mut faults = Faults::both_ways(Direction { delay: Duration::from_secs(9), ..Direction::default() });
        each_way(&mut faults, text, duration_or_zero, |way, delay| way.delay = delay)?;
        Ok((faults.to_client.delay.as_millis(), faults.to_upstream.delay.as_millis()))
    }

    #[test]
    fn a_fault_is_for_both_directions_or_for_those_that_are_named() {
        assert_eq!(delays("100ms"), Ok((100, 100)));
        assert_eq!(delays("to-client=1s"), Ok((1_000, 0)));
        assert_eq!(delays("to-upstream=5, to-client = 1s"), Ok((1_000, 5)));
        for (text, why) in [
            ("5,6", "one value for each"),
            ("5,to-client=6", "one value for each"),
            ("to-client=5,to-client=6", "one value for each"),
            ("client=5", "to-client and to-upstream"),
            ("to-client", "duration"),
            ("", "duration"),
            ("5,", "duration"),
        ] {
            assert!(delays(text).unwrap_err().contains(why), "{text}: {:?}", delays(text));
        }
    }

    #[test]
    fn a_drip_is_a_size_and_a_duration() {
        let taken = |bytes, millis| Ok(Some(Drip { bytes, every: Duration::from_millis(millis) }));
        assert_eq!(drip("1/50ms"), taken(1, 50));
        assert_eq!(drip("64KiB / 1s"), taken(65_536, 1_000));
        for text in ["", "1", "1/", "/50ms", "0/50ms", "1/0", "1/50ms/2", "-1/50ms"] {
            assert!(drip(text).is_err(), "{text}");
        }
    }
}
