//! The query that a call has of its own, beside that of the URL.

use crate::error::Error;
use ureq::http::Uri;
use ureq::http::uri::PathAndQuery;

/// `uri` with `query` beside its own.
pub(super) fn with_query(uri: &Uri, query: &str) -> Result<Uri, Error> {
    let mut target = uri.path_and_query().map_or("/", PathAndQuery::as_str).as_bytes().to_vec();
    add_query(&mut target, query);
    let mut parts = uri.clone().into_parts();
    let target =
        PathAndQuery::from_maybe_shared(target).map_err(|error| Error::setting("query", "", &error.to_string()));
    parts.path_and_query = Some(target?);
    Uri::from_parts(parts).map_err(|error| Error::setting("query", "", &error.to_string()))
}

/// Adds `query` to `target`, which ends where its own query does, if it has one.
pub(super) fn add_query(target: &mut Vec<u8>, query: &str) {
    let query = query.as_bytes();
    match target.iter().position(|byte| *byte == b'?') {
        _ if query.is_empty() => return,
        None => target.push(b'?'),
        Some(at) if at + 1 == target.len() => {}
        Some(_) => target.push(b'&'),
    }
    for byte in query {
        match byte {
            b'"' | b'#' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | ..=b' ' | 0x7f.. => {
                target.push(b'%');
                target.extend([byte >> 4, byte & 15].map(|digit| b"0123456789ABCDEF"[usize::from(digit)]));
            }
            byte => target.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str, query: &str) -> String {
        with_query(&url.parse().unwrap(), query).unwrap().to_string()
    }

    #[test]
    fn a_query_follows_that_of_the_url() {
        assert_eq!(target("http://a/b", "c=%2f+&c"), "http://a/b?c=%2f+&c");
        assert_eq!(target("http://a/b?own=1", "c=2"), "http://a/b?own=1&c=2");
        assert_eq!(target("http://a/b?", "c?=2"), "http://a/b?c?=2");
        assert_eq!(target("http://a", "c"), "http://a/?c");
        assert_eq!(target("http://a/b?own", ""), "http://a/b?own");
    }

    #[test]
    fn what_a_target_cannot_hold_is_percent_encoded() {
        let every: String = (0..=0x10f).filter_map(char::from_u32).collect();
        let target = target("http://a/", &every);
        assert!(target.starts_with("http://a/?%00%01") && target.contains("%20!%22%23$%&'()*+,-./0"), "{target}");
        assert!(target.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"{}|\\^`#".contains(&byte)), "{target}");
        assert_eq!(percent_decoded(target.split_once('?').unwrap().1), every);
    }

    fn percent_decoded(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((byte, after)) = rest.split_first() {
            let hex = |at: usize| char::from(*after.get(at)?).to_digit(16);
            match (byte, hex(0), hex(1)) {
                (b'%', Some(high), Some(low)) => {
                    bytes.push((high * 16 + low) as u8);
                    rest = &after[2..];
                }
                _ => {
                    bytes.push(*byte);
                    rest = after;
                }
            }
        }
        String::from_utf8(bytes).unwrap()
    }
}
