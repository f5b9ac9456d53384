//! `host:port`, and what may be shown of a URL.

use std::fmt;
use std::net::Ipv6Addr;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    /// A name or an address, without the brackets of IPv6.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// The part of an address that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrongPart {
    Host,
    Port,
}

impl Address {
    /// Reads `host`, `host:port`, `[IPv6]` or `[IPv6]:port`; the port is `default_port` when the text has none.
    pub(crate) fn parse(text: &str, default_port: u16) -> Result<Address, WrongPart> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
            _ => (text, None),
        };
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        let is_host = match bare {
            Some(bare) => bare.parse::<Ipv6Addr>().is_ok(),
            None => !host.is_empty() && host.bytes().all(is_host_byte),
        };
        if !is_host {
            return Err(WrongPart::Host);
        }
        let port = match port {
            None => default_port,
            // `parse` alone would take a plus sign.
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|port| *port > 0).ok_or(WrongPart::Port)?
            }
            Some(_) => return Err(WrongPart::Port),
        };
        Ok(Address { host: bare.unwrap_or(host).to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

/// What may be shown of a URL that may be wrong in any way: neither what stands between its scheme and an `@`, which
/// may be a password, nor its query, which may hold a key.
pub(crate) fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (&url[..scheme.len() + 3], rest));
    let (user, rest) = rest.rsplit_once('@').map_or(("", rest), |(_, rest)| ("***@", rest));
    match rest.split_once('?') {
        Some((place, query)) if !query.is_empty() => format!("{scheme}{user}{place}?***"),
        _ => format!("{scheme}{user}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_a_port() {
        for (given, meant) in [
            ("localhost", "localhost:11211"),
            ("127.0.0.1:1", "127.0.0.1:1"),
            ("cache_1.example:65535", "cache_1.example:65535"),
            ("[::1]", "[::1]:11211"),
            ("[::1]:22", "[::1]:22"),
        ] {
            assert_eq!(Address::parse(given, 11211).unwrap().to_string(), meant);
        }
        for wrong in ["", ":1", "::1", "::1:22", "[a]:1", "[]:1", "a b:1", "a/b", "u@a", "[::1]x"] {
            assert_eq!(Address::parse(wrong, 11211), Err(WrongPart::Host), "{wrong:?}");
        }
        for wrong in ["a:", "a:0", "a:65536", "a:+1", "a:b"] {
            assert_eq!(Address::parse(wrong, 11211), Err(WrongPart::Port), "{wrong:?}");
        }
    }

    #[test]
    fn neither_a_user_nor_a_query_is_shown() {
        for (url, shown) in [
            ("http://host/path", "http://host/path"),
            ("http://me:secret@host/", "http://***@host/"),
            ("http://host/path?key=secret", "http://host/path?***"),
            ("me:secret@host?secret", "***@host?***"),
            ("http://me:a?secret@host/?secret@x?", "http://***@x?"),
            ("?", "?"),
        ] {
            assert_eq!(without_secrets(url), shown);
        }
    }
}
