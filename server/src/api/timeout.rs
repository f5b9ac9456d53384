//! The `timeout` of a request's query.
//!
//! A timeout that is not understood is refused, never guessed: a client that asked for `5e3` or `-1` would otherwise
//! wait for something else than it meant.

use std::time::Duration;

/// How much of a wrong value is repeated to who sent it.
const SHOWN: usize = 40;

/// The timeout that `query` names, or `otherwise` when it names none, or `ceiling`, which no timeout exceeds. `None`
/// where there is none of the three. Other parameters are not looked at.
///
/// # Errors
///
/// What is wrong, in words, with the value and what is allowed.
pub(super) fn parse(
    query: Option<&str>,
    otherwise: Option<Duration>,
    ceiling: Option<Duration>,
) -> Result<Option<Duration>, String> {
    let otherwise = otherwise.into_iter().chain(ceiling).min();
    let Some(query) = query else { return Ok(otherwise) };
    let mut values =
        form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "timeout").map(|(_, value)| value);
    let Some(value) = values.next() else { return Ok(otherwise) };
    let most = ceiling.map(|ceiling| ceiling.as_millis());
    let allowed = || match most {
        Some(most) => format!("an integer from 1 to {most} (milliseconds)"),
        None => "a positive integer (milliseconds)".to_owned(),
    };
    if values.next().is_some() {
        return Err(format!("timeout is given more than once: it has to be {}", allowed()));
    }
    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    // Digits that do not fit are above any ceiling.
    let millis = digits.then(|| value.parse::<u64>().unwrap_or(u64::MAX)).filter(|millis| *millis > 0);
    match millis {
        Some(millis) if most.is_none_or(|most| u128::from(millis) <= most) => Ok(Some(Duration::from_millis(millis))),
        _ => Err(format!("timeout cannot be '{}': it has to be {}", shorten(&value), allowed())),
    }
}

/// What `query` says beside the timeout: its other parameters, in order and as sent. `None` when that is nothing.
pub(super) fn rest(query: &str) -> Option<String> {
    // Nearly every query is this and nothing else.
    if query.strip_prefix("timeout=").is_some_and(|value| value.bytes().all(|byte| byte.is_ascii_digit())) {
        return None;
    }
    let is_timeout = |parameter: &&str| form_urlencoded::parse(parameter.as_bytes()).any(|(key, _)| key == "timeout");
    let others: Vec<&str> = query.split('&').filter(|parameter| !is_timeout(parameter)).collect();
    Some(others.join("&")).filter(|rest| !rest.is_empty())
}

fn shorten(value: &str) -> String {
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CEILING: Duration = Duration::from_secs(60);

    fn millis(query: &str) -> Result<u128, String> {
        parse(Some(query), None, Some(CEILING)).map(|timeout| timeout.unwrap().as_millis())
    }

    #[test]
    fn an_absent_timeout_is_the_ceiling() {
        assert_eq!(parse(None, None, Some(CEILING)), Ok(Some(CEILING)));
        for query in ["", "&", "Timeout=5", "xtimeout=5", "a=timeout", "timeout%3D5"] {
            assert_eq!(parse(Some(query), None, Some(CEILING)), Ok(Some(CEILING)), "{query}");
        }
    }

    #[test]
    fn without_a_ceiling_every_positive_integer_is_taken_and_none_is_no_limit() {
        assert_eq!(parse(None, None, None), Ok(None));
        assert_eq!(parse(Some("timeout=86400000"), None, None), Ok(Some(Duration::from_secs(86_400))));
        assert_eq!(parse(None, Some(CEILING), None), Ok(Some(CEILING)));
        assert!(parse(Some("timeout=99999999999999999999999"), None, None).is_ok());
        assert!(
            parse(Some("timeout=0"), None, None)
                .unwrap_err()
                .ends_with("it has to be a positive integer (milliseconds)")
        );
    }

    #[test]
    fn a_route_s_own_timeout_holds_where_none_is_named_and_never_above_the_ceiling() {
        let own = Some(Duration::from_secs(5));
        assert_eq!(parse(None, own, Some(CEILING)), Ok(own));
        assert_eq!(parse(None, Some(CEILING * 2), Some(CEILING)), Ok(Some(CEILING)));
        assert_eq!(parse(Some("timeout=50000"), own, Some(CEILING)), Ok(Some(Duration::from_secs(50))));
    }

    #[test]
    fn a_percent_encoded_timeout_is_decoded_on_both_sides() {
        assert_eq!(millis("%74imeout=%35%30"), Ok(50));
    }

    #[test]
    fn a_long_value_is_not_repeated_in_full() {
        let error = millis(&format!("timeout={}", "é".repeat(5_000))).unwrap_err();
        assert!(error.len() < 300, "{error}");
    }

    #[test]
    fn the_rest_of_a_query_is_what_is_not_the_timeout_as_sent() {
        for (query, others) in [
            ("", None),
            ("timeout=5", None),
            ("%74imeout=5", None),
            ("timeout", None),
            ("a=1&timeout=5&b=%2f+&a", Some("a=1&b=%2f+&a")),
            ("timeout=5&a=timeout", Some("a=timeout")),
            ("a&&b=;c", Some("a&&b=;c")),
            ("Timeout=5", Some("Timeout=5")),
        ] {
            assert_eq!(rest(query).as_deref(), others, "{query}");
        }
    }

    proptest! {
        #[test]
        fn every_integer_up_to_the_ceiling_is_taken(
            wanted in 1_u64..=60_000,
            zeros in 0_usize..4,
            noise in "[a-s]{0,5}=[0-9]{0,3}",
        ) {
            let value = format!("{}{wanted}", "0".repeat(zeros));
            prop_assert_eq!(millis(&format!("{noise}&timeout={value}&{noise}")), Ok(u128::from(wanted)));
        }

        #[test]
        fn every_integer_above_the_ceiling_is_refused(digits in "[1-9][0-9]{5,60}") {
            let error = millis(&format!("timeout={digits}")).unwrap_err();
            prop_assert!(error.contains(&digits[..6]) && error.contains("60000"), "{}", error);
        }

        #[test]
        fn whatever_holds_anything_but_digits_is_refused(value in "\\PC*[^0-9&]\\PC*") {
            let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("timeout", &value).finish();
            prop_assert!(millis(&query).is_err(), "{}", query);
        }

        #[test]
        fn a_timeout_given_twice_is_refused_whatever_it_says(first in "[0-9]{0,4}", second in "[0-9]{0,4}") {
            let error = millis(&format!("timeout={first}&timeout={second}")).unwrap_err();
            prop_assert!(error.contains("more than once"), "{}", error);
        }

        #[test]
        fn no_query_makes_it_panic(query in "\\PC*") {
            let _ = millis(&query);
        }
    }
}
