//! How the values of options are written.
//!
//! One rule for each kind of value, whether it comes from a flag, a variable or the file. A parser's error says what is
//! allowed; who calls it knows the option's name and what was given.

use std::fmt::Display;
use std::fs::File;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use ureq::http::Uri;

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
        format!(
            "allowed is a duration from {from} to {to}: milliseconds, or with a unit, such as 250, 250ms, 10s or 1m"
        )
    })
}

fn milliseconds_or_unit(text: &str) -> Option<Duration> {
    match digits(text) {
        Some(millis) => Some(Duration::from_millis(millis)),
        None => humantime::parse_duration(text).ok(),
    }
}

/// Start offsets, separated by commas: durations each. What makes a schedule of them is the library's to say.
pub(super) fn offsets(text: &str) -> Result<Vec<Duration>, String> {
    text.split(',').map(|offset| milliseconds_or_unit(offset.trim())).collect::<Option<_>>().ok_or_else(|| {
        "allowed are 1 to 16 start offsets in milliseconds, separated by commas, the first 0, none smaller than the one \
         before it"
            .to_owned()
    })
}

/// The path of a file in PEM format that can be opened. What is in it is for its reader to judge.
pub(super) fn readable(text: &str) -> Result<PathBuf, String> {
    match File::open(text) {
        Ok(_) => Ok(text.into()),
        Err(error) => Err(format!("allowed is a readable file in PEM format ({error})")),
    }
}

/// A count of bytes in `range`: plain, or with `KiB`, `MiB` or `GiB`.
pub(super) fn size(range: RangeInclusive<u64>, text: &str) -> Result<u64, String> {
    const UNITS: [(&str, u64); 4] = [("", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
    let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = &text[number.len()..];
    UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .and_then(|(_, bytes)| digits(number.trim_end())?.checked_mul(*bytes))
        .filter(|bytes| range.contains(bytes))
        .ok_or_else(|| {
            let (from, to) = (range.start(), range.end());
            format!("allowed is a size from {from} to {to}: bytes, or with a unit, such as 65536, 64KiB or 10MiB")
        })
}

/// A whole number in `range`.
pub(super) fn number<T>(range: RangeInclusive<T>, text: &str) -> Result<T, String>
where
    T: TryFrom<u64> + PartialOrd + Display,
{
    digits(text)
        .and_then(|given| T::try_from(given).ok())
        .filter(|given| range.contains(given))
        .ok_or_else(|| format!("allowed is a whole number from {} to {}", range.start(), range.end()))
}

/// A share of requests, from 0 to 1.
pub(super) fn rate(text: &str) -> Result<f64, String> {
    f64::from_str(text)
        .ok()
        .filter(|given| (0.0..=1.0).contains(given))
        .ok_or_else(|| "allowed is a share from 0 to 1, such as 0.05".to_owned())
}

/// Yes or no.
pub(super) fn switch(text: &str) -> Result<bool, String> {
    text.parse().map_err(|_| "allowed are true and false".to_owned())
}

/// Where to listen. The name is looked up when listening begins; here only its form is checked.
pub(super) fn listen_address(text: &str) -> Result<String, String> {
    let host_ends_well = |host: &str| match host.strip_prefix('[') {
        Some(v6) => v6.strip_suffix(']').is_some_and(|v6| v6.parse::<std::net::Ipv6Addr>().is_ok()),
        None => !host.is_empty() && !host.contains([':', '/', '[', ']']) && !host.contains(char::is_whitespace),
    };
    text.rsplit_once(':')
        .filter(|(host, port)| host_ends_well(host) && digits(port).is_some_and(|port| port <= 65_535))
        .map(|_| text.to_owned())
        .ok_or_else(|| "allowed is address:port, such as 127.0.0.1:8081, [::1]:8081 or 0.0.0.0:80".to_owned())
}

/// Several URLs, separated by white space, which no URL contains.
pub(super) fn urls(text: &str) -> Result<Vec<String>, String> {
    text.split_whitespace().map(url).collect()
}

fn url(text: &str) -> Result<String, String> {
    let schemes: &[&str] = if cfg!(feature = "tls") { &["http", "https"] } else { &["http"] };
    let wrong = |why: &str| Err(format!("{why}; allowed is a URL such as http://127.0.0.1:9000/api/work"));
    let Ok(uri) = text.parse::<Uri>() else { return wrong("that is not a URL") };
    match uri.scheme_str() {
        None => return wrong("the scheme is missing"),
        Some(scheme) if !schemes.contains(&scheme) => {
            return wrong(&format!("the scheme has to be {}", schemes.join(" or ")));
        }
        Some(_) => {}
    }
    if uri.host().is_none_or(str::is_empty) {
        return wrong("the host is missing");
    }
    if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return wrong("a URL with a user name or password would show up in logs");
    }
    Ok(text.to_owned())
}

/// The name of a header field (RFC 9110, section 5.1).
pub(super) fn field_name(text: &str) -> Result<String, String> {
    ureq::http::HeaderName::from_bytes(text.as_bytes())
        .map(|name| name.as_str().to_owned())
        .map_err(|_| "allowed is the name of a header field, such as x-request-timeout-ms".to_owned())
}

fn digits(text: &str) -> Option<u64> {
    // `parse` alone would take a sign.
    if text.bytes().all(|byte| byte.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// `text` as it may be shown: what stands between `//` and `@` is somebody's password.
pub(super) fn without_secrets(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("//") {
        shown.push_str(before);
        shown.push_str("//");
        let authority = after.split(|c: char| c == '/' || c.is_whitespace()).next().unwrap_or_default();
        rest = match authority.rfind('@') {
            Some(at) => {
                shown.push_str("***");
                &after[at..]
            }
            None => after,
        };
    }
    shown + rest
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
        for text in ["", "0", "MiB", "1.5MiB", "10MB", "99999999999GiB", "-1"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_listen_address_has_a_host_and_a_port() {
        for text in ["127.0.0.1:0", "0.0.0.0:80", "[::1]:8081", "localhost:65535"] {
            assert_eq!(listen_address(text), Ok(text.to_owned()));
        }
        for text in
            ["", "8081", ":8081", "::1:8081", "[::1]", "[::g]:1", "127.0.0.1:65536", "http://a:80", "a b:1", "a:-1"]
        {
            assert!(listen_address(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_url_names_what_is_wrong_with_it() {
        assert!(urls("http://127.0.0.1:9000/api/work http://b/").is_ok());
        for (text, why) in [
            ("http://[::1/", "not a URL"),
            ("127.0.0.1:9000", "scheme is missing"),
            ("/api/work", "scheme is missing"),
            ("ftp://a/", "scheme has to be"),
            ("http://u:secret@a/", "password"),
        ] {
            assert!(urls(text).unwrap_err().contains(why), "{text}: {:?}", urls(text));
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        assert_eq!(without_secrets("http://u:p@a/x http://b/@c"), "http://***@a/x http://b/@c");
        assert_eq!(without_secrets("ftp://u:p@rt@a"), "ftp://***@a");
        assert_eq!(without_secrets("0,300"), "0,300");
    }
}
