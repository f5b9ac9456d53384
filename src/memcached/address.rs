//! What a user names: servers, keys, and both in one URL.

use crate::error::Error;
use crate::net::address::{Address, without_secrets};
use std::str::FromStr;

/// memcached's own.
pub(super) const DEFAULT_PORT: u16 = 11211;
/// The longest key, in bytes.
const MAX_KEY: usize = 250;

/// `key`, if the protocol can carry it: nothing in it can end the line or begin another word of it.
pub(super) fn checked_key(key: &[u8]) -> Result<&[u8], Error> {
    let is_valid = |key: &[u8]| key.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
    if (1..=MAX_KEY).contains(&key.len()) && is_valid(key) {
        return Ok(key);
    }
    let shown = String::from_utf8_lossy(&key[..key.len().min(MAX_KEY)]).escape_debug().to_string();
    Err(Error::setting("key", &shown, "1 to 250 bytes without spaces and control characters"))
}

/// A key and the server that has it, as one URL: `memcached://host[:port]/key`.
///
/// The port defaults to 11211. Everything after the first slash is the key, percent-encoded where a URL needs it (`%20`
/// would be a space, which no key may have; `%3F` is a question mark).
///
/// ```
/// use headstart::memcached::MemcachedUrl;
///
/// let url: MemcachedUrl = "memcached://127.0.0.1/greeting%3Fde".parse()?;
/// assert_eq!((url.server.as_str(), url.key.as_slice()), ("127.0.0.1:11211", b"greeting?de".as_slice()));
/// # Ok::<(), headstart::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemcachedUrl {
    /// Host and port: what [`MemcachedSettings::new`](super::MemcachedSettings::new) takes.
    pub server: String,
    /// The key, decoded.
    pub key: Vec<u8>,
}

/// # Errors
///
/// [`Error::Setting`] says what is wrong: the scheme, a user name, the host or port, a query or fragment, the key.
impl FromStr for MemcachedUrl {
    type Err = Error;

    fn from_str(url: &str) -> Result<MemcachedUrl, Error> {
        let fault = |allowed: &str| Error::setting("memcached URL", &without_secrets(url), allowed);
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("memcached") => rest,
            _ => return Err(fault("memcached://HOST[:PORT]/KEY")),
        };
        let (server, key) =
            rest.split_once('/').ok_or_else(|| fault("a URL with a key: memcached://HOST[:PORT]/KEY"))?;
        if server.contains('@') {
            return Err(fault("a URL without user name and password, which would end up in logs"));
        }
        let server = Address::parse(server, DEFAULT_PORT)
            .map_err(|_| fault("a URL with a host and, if any, a port from 1 to 65535"))?;
        if key.contains(['?', '#']) {
            return Err(fault("a URL without query and fragment; in a key, ? is %3F and # is %23"));
        }
        let key =
            percent_decoded(key).ok_or_else(|| fault("a key in which each % is followed by two hexadecimal digits"))?;
        checked_key(&key).map_err(|_| fault("a key of 1 to 250 bytes without spaces and control characters"))?;
        Ok(MemcachedUrl { server: server.to_string(), key })
    }
}

/// `None` when a percent sign begins no byte: lenient decoders keep it as it is, and a typing error finds another key.
fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let hex = |byte: u8| char::from(byte).to_digit(16);
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => (hex(bytes.next()?)? * 16 + hex(bytes.next()?)?) as u8,
            plain => plain,
        });
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_cannot_leave_their_place_in_the_line() {
        for fine in [b"k".as_slice(), &[b'k'; 250], "ключ".as_bytes(), &[0xff, 0x80]] {
            assert!(checked_key(fine).is_ok());
        }
        for wrong in [b"".as_slice(), &[b'k'; 251], b"a b", b"a\r\nflush_all", b"a\n", b"\0", b"a\x7f", b"a\tb"] {
            assert!(matches!(checked_key(wrong), Err(Error::Setting { .. })), "{wrong:?}");
        }
    }

    #[test]
    fn urls_name_a_server_and_a_key() {
        for (url, server, key) in [
            ("memcached://127.0.0.1:11211/greeting", "127.0.0.1:11211", b"greeting".as_slice()),
            ("MEMCACHED://[::1]/a/b", "[::1]:11211", b"a/b"),
            ("memcached://h/%C3%a9%2f%25", "h:11211", b"\xc3\xa9/%"),
        ] {
            let parsed: MemcachedUrl = url.parse().unwrap();
            assert_eq!((parsed.server.as_str(), parsed.key.as_slice()), (server, key));
        }
    }

    #[test]
    fn a_wrong_url_is_told_what_is_wrong() {
        for (url, said) in [
            ("http://h/k", "memcached://HOST"),
            ("h:11211/k", "memcached://HOST"),
            ("memcached://h", "with a key"),
            ("memcached:///k", "a host"),
            ("memcached://h:0/k", "a port"),
            ("memcached://h/k?x=1", "%3F"),
            ("memcached://h/k#x", "%23"),
            ("memcached://h/", "1 to 250"),
            ("memcached://h/a%0d%0ab", "control characters"),
            ("memcached://h/a%2", "hexadecimal"),
            ("memcached://h/a%+1", "hexadecimal"),
            ("memcached://h/a%zz", "hexadecimal"),
        ] {
            let error = url.parse::<MemcachedUrl>().unwrap_err();
            assert!(matches!(&error, Error::Setting { allowed, .. } if allowed.contains(said)), "{url}: {error}");
        }
        for url in ["memcached://me:secret@h/k", "http://me:secret@h/k", "memcached://me:secret/secret@h/k"] {
            let error = url.parse::<MemcachedUrl>().unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
