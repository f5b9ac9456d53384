//! How the values about hedging are written.
//!
//! As with the other values, an error says what was expected.

use crate::cli::values::duration;
use headstart::Error;
use headstart::policy::{Bounds, Delay, PolicySettings};

const DELAY: &str = "expected off, a duration such as 10ms, a quantile from p1 to p99.99 such as p95, or auto; the \
                     latter two can have bounds behind them, such as p95:2ms..500ms";

/// When hedges are due: `off`, `10ms`, `p95`, `p99.9:2ms..1s`, `auto:2ms..1s`.
pub(super) fn delay(text: &str) -> Result<Delay, String> {
    let (what, bounds) = match text.split_once(':') {
        Some((what, bounds)) => (what, Some(bounds)),
        None => (text, None),
    };
    let follows = what == "auto" || what.starts_with('p');
    if bounds.is_some() && !follows {
        return Err(DELAY.to_owned());
    }
    let bounds = bounds.map_or(Ok(Bounds::default()), self::bounds)?;
    match what {
        "off" => Ok(Delay::Off),
        "auto" => Ok(Delay::Auto(bounds)),
        quantile if follows => {
            let per_cent = quantile.strip_prefix('p').filter(|digits| digits.len() <= 5).and_then(decimal);
            let per_cent = per_cent.filter(|per_cent| (1.0..=99.99).contains(per_cent)).ok_or(DELAY)?;
            Delay::quantile(per_cent / 100.0, bounds).map_err(expected)
        }
        _ => duration(what).map(Delay::After).map_err(|_| DELAY.to_owned()),
    }
}

fn bounds(text: &str) -> Result<Bounds, String> {
    const ALLOWED: &str = "expected bounds of two durations, the first no longer than the second, such as 2ms..500ms";
    let (shortest, longest) = text.split_once("..").ok_or(ALLOWED)?;
    let (shortest, longest) = (duration(shortest).map_err(|_| ALLOWED)?, duration(longest).map_err(|_| ALLOWED)?);
    Bounds::new(shortest, longest).map_err(|_| ALLOWED.to_owned())
}

/// A share of primaries: `10%`, or `10`.
pub(super) fn per_cent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').unwrap_or(text);
    decimal(number.trim_end())
        .map(|per_cent| per_cent / 100.0)
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "expected a percentage from 0% to 100%, such as 10%".to_owned())
}

/// So many a second.
pub(super) fn per_second(text: &str) -> Result<f64, String> {
    decimal(text)
        .filter(|rate| *rate == 0.0 || (0.1..=1e6).contains(rate))
        .ok_or_else(|| "expected 0, or a number a second from 0.1 to 1000000".to_owned())
}

/// A number without sign and exponent.
fn decimal(text: &str) -> Option<f64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    text.parse().ok().filter(|_| is_plain)
}

/// The settings of a policy in the words of the options.
pub(super) fn shown(policy: &PolicySettings) -> String {
    let per_cent = (policy.share() * 1e6).round() / 1e4;
    let mut text = format!(
        "hedge={} hedge-attempts={} hedge-budget={per_cent}% hedge-min-rate={}",
        policy.delay(),
        policy.most_hedges(),
        policy.least_rate(),
    );
    if let Some(count) = policy.most_concurrent() {
        text.push_str(&format!(" hedge-max-concurrent={count}"));
    }
    if policy.is_dry_run() {
        text.push_str(" hedge-dry-run=true");
    }
    text
}

/// What may be given, of a setting that the library refuses.
pub(super) fn expected(error: Error) -> String {
    match error {
        Error::Setting { allowed, .. } => format!("expected {allowed}"),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_delay_is_a_time_a_quantile_or_as_early_as_the_budget_allows() {
        let within = |from, to| Bounds::new(ms(from), ms(to)).unwrap();
        assert_eq!(delay("off"), Ok(Delay::Off));
        assert_eq!(delay("250"), Ok(Delay::After(ms(250))));
        assert_eq!(delay("10ms"), Ok(Delay::After(ms(10))));
        assert_eq!(delay("auto"), Ok(Delay::Auto(within(2, 1_000))));
        assert_eq!(delay("auto:1ms..2s"), Ok(Delay::Auto(within(1, 2_000))));
        assert_eq!(delay("p95"), Ok(Delay::quantile(0.95, within(2, 1_000)).unwrap()));
        assert_eq!(delay("p99.9:5..5"), Ok(Delay::quantile(0.9990000000000001, within(5, 5)).unwrap()));
    }

    #[test]
    fn what_is_none_says_what_is() {
        for wrong in
            ["", "p", "p0", "p100", "p-5", "p9e1", "pp95", "soon", "off:1ms..2ms", "10ms:1ms..2ms", "2ms..500ms"]
        {
            assert!(delay(wrong).unwrap_err().contains("p1 to p99.99"), "{wrong}: {:?}", delay(wrong));
        }
        for wrong in ["p95:", "p95:5ms", "auto:500ms..2ms", "auto:0..2ms", "auto:a..b"] {
            assert!(delay(wrong).unwrap_err().contains("bounds of two durations"), "{wrong}: {:?}", delay(wrong));
        }
        assert_eq!((per_cent("10%"), per_cent("2.5 %"), per_cent("100")), (Ok(0.1), Ok(0.025), Ok(1.0)));
        for wrong in ["120%", "-1%", "", "%", "a", "1e1%"] {
            assert!(per_cent(wrong).unwrap_err().contains("0% to 100%"), "{wrong}");
        }
        assert_eq!((per_second("0"), per_second("0.5"), per_second("20")), (Ok(0.0), Ok(0.5), Ok(20.0)));
        assert!(per_second("0.01").is_err() && per_second("-1").is_err());
    }

    #[test]
    fn what_is_shown_can_be_given_again() {
        for text in ["off", "10ms", "p95:2ms..1s", "p99.9:5ms..500ms", "auto:2ms..1s"] {
            assert_eq!(delay(text).unwrap().to_string(), text);
        }
    }
}
