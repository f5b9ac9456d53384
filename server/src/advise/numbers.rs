//! Numbers for people: as many digits as they are worth, with their unit.

/// A time in seconds: two digits or three.
pub(super) fn time(seconds: f64) -> String {
    match seconds * 1e3 {
        0.0 => "0 ms".to_owned(),
        millis if millis < 0.995 => format!("{millis:.2} ms"),
        millis if millis < 9.95 => format!("{millis:.1} ms"),
        millis if millis < 999.5 => format!("{millis:.0} ms"),
        _ if seconds < 9.995 => format!("{seconds:.2} s"),
        _ if seconds < 99.95 => format!("{seconds:.1} s"),
        _ => format!("{} s", grouped(seconds.round() as u64)),
    }
}

/// A share in percent.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent >= 9.95 || percent == 0.0 { format!("{percent:.0} %") } else { format!("{percent:.1} %") }
}

/// Such as `1 line` and `12,345 primaries`.
pub(super) fn count(number: u64, what: &str) -> String {
    match (number, what.strip_suffix('y')) {
        (1, _) => format!("1 {what}"),
        (_, Some(stem)) => format!("{} {stem}ies", grouped(number)),
        (_, None) => format!("{} {what}s", grouped(number)),
    }
}

/// With a comma before each three digits.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_as_long_as_they_are_worth() {
        for (seconds, shown) in [
            (0.0, "0 ms"),
            (0.000_12, "0.12 ms"),
            (0.005_04, "5.0 ms"),
            (0.012_3, "12 ms"),
            (0.999_4, "999 ms"),
            (1.234, "1.23 s"),
            (12.34, "12.3 s"),
            (12_345.6, "12,346 s"),
        ] {
            assert_eq!(time(seconds), shown);
        }
        assert_eq!([0.0, 0.0012, 0.05, 0.123, 1.0].map(percent), ["0 %", "0.1 %", "5.0 %", "12 %", "100 %"]);
        assert_eq!(
            [count(1, "line"), count(2, "line"), count(1_234_567, "primary")],
            ["1 line", "2 lines", "1,234,567 primaries"]
        );
    }
}
