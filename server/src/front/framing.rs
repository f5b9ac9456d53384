//! Where a request's head ends and what it says: RFC 9112 without leniency.
//!
//! The problem: two parsers that disagree about one byte disagree about where the next request begins, and the client
//! that sends that byte speaks in another client's name (request smuggling). Leniency in a server is a hole in every
//! proxy before it.
//!
//! The answer: [`HeadScan`] finds the end of the head and refuses what may not be in one at the first byte that is
//! wrong, so the verdict does not depend on how the bytes were cut into packets; `httparse` takes the head apart;
//! [`parse`] decides what it means. Everything ambiguous is refused, and after a refusal the connection is closed.
//!
//! Stricter than the RFC demands, on purpose: a repeated `Content-Length` is refused even with the same value, so are
//! `Transfer-Encoding` in HTTP/1.0, a `%` without two hex digits, a `#` or a non-ASCII byte in the target, and every
//! version but 1.0 and 1.1.
//!
//! What this does not do: read or write anything. It is pure.

use httparse::Header;
use std::mem::MaybeUninit;
use std::ops::Range;

/// A request that gets no further: the status of the answer, and why. The connection is closed after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) why: &'static str,
}

const fn refusal(status: u16, why: &'static str) -> Refusal {
    Refusal { status, why }
}

/// What a head may have, at most.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadLimits {
    /// Bytes, empty lines before it included.
    pub(crate) head: usize,
    /// Bytes of the request target.
    pub(crate) target: usize,
}

/// How far the search for the head's end has come in the bytes received so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeadScan {
    scanned: usize,
    /// Where the request line begins, after empty lines.
    start: usize,
    /// Where the line under the eye begins.
    line: usize,
}

impl HeadScan {
    /// Looks at what has come since the last call. `bytes` is everything from the beginning.
    ///
    /// Returns the head's place once it is complete.
    pub(crate) fn advance(&mut self, bytes: &[u8], limits: HeadLimits) -> Result<Option<Range<usize>>, Refusal> {
        let seen = &bytes[..bytes.len().min(limits.head)];
        while let Some(&byte) = seen.get(self.scanned) {
            match byte {
                b'\r' => match seen.get(self.scanned + 1) {
                    Some(b'\n') => {}
                    Some(_) => return Err(refusal(400, "carriage return without line feed")),
                    None => break,
                },
                b'\n' => {
                    if self.scanned == self.line || seen[self.scanned - 1] != b'\r' {
                        return Err(refusal(400, "line feed without carriage return"));
                    }
                    let is_empty = self.scanned - 1 == self.line;
                    self.line = self.scanned + 1;
                    match is_empty {
                        true if self.start == self.line - 2 => self.start = self.line,
                        true => return Ok(Some(self.start..self.line)),
                        false => {}
                    }
                }
                b'\t' | b' '..=b'~' | 0x80.. => {}
                _ => return Err(refusal(400, "control character in the head")),
            }
            self.scanned += 1;
        }
        if bytes.len() < limits.head {
            return Ok(None);
        }
        let in_request_line = self.line == self.start;
        match in_request_line && seen.len() - self.start > limits.target {
            true => Err(refusal(414, "request target too long")),
            false => Err(refusal(431, "head too large")),
        }
    }

    /// Whether nothing but empty lines has come yet.
    pub(crate) fn is_before_request(&self) -> bool {
        self.scanned == self.start
    }
}

/// The versions of HTTP spoken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

/// How the body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    None,
    Length(u64),
    Chunked,
}

/// What the client wants to become of the connection after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Keep,
    Close,
}

/// A head that is unambiguous.
#[derive(Debug)]
pub(crate) struct Head<'a> {
    pub(crate) method: &'a str,
    /// As sent.
    pub(crate) target: &'a str,
    pub(crate) path: &'a str,
    pub(crate) query: Option<&'a str>,
    pub(crate) version: Version,
    pub(crate) fields: &'a [Header<'a>],
    pub(crate) body: Body,
    pub(crate) wish: Wish,
    /// `Expect: 100-continue`: the client waits for leave to send the body.
    pub(crate) expects_continue: bool,
}

/// Takes a complete head apart and checks it. `room` bounds the number of fields.
pub(crate) fn parse<'a>(
    head: &'a [u8],
    room: &'a mut [MaybeUninit<Header<'a>>],
    limits: HeadLimits,
) -> Result<Head<'a>, Refusal> {
    let mut request = httparse::Request::new(&mut []);
    match request.parse_with_uninit_headers(head, room) {
        Ok(httparse::Status::Complete(length)) if length == head.len() => {}
        Ok(_) => return Err(refusal(400, "malformed head")),
        Err(error) => return Err(explain(error, head)),
    }
    let (Some(method), Some(target), Some(minor)) = (request.method, request.path, request.version) else {
        return Err(refusal(400, "malformed request line"));
    };
    let version = if minor == 0 { Version::Http10 } else { Version::Http11 };
    assemble(method, target, version, request.headers, limits)
}

/// Checks a head that was taken apart, and says what it means.
pub(crate) fn assemble<'a>(
    method: &'a str,
    target: &'a str,
    version: Version,
    fields: &'a [Header<'a>],
    limits: HeadLimits,
) -> Result<Head<'a>, Refusal> {
    if target.len() > limits.target {
        return Err(refusal(414, "request target too long"));
    }
    let (path, query) = split_target(method, target)?;
    check_host(fields, version)?;
    let body = body_of(fields, version)?;
    Ok(Head {
        method,
        target,
        path,
        query,
        version,
        fields,
        body,
        wish: wish_of(fields, version),
        expects_continue: expects_continue(fields, version)?,
    })
}

fn explain(error: httparse::Error, head: &[u8]) -> Refusal {
    match error {
        httparse::Error::TooManyHeaders => refusal(431, "too many header fields"),
        httparse::Error::Version if names_a_version(head) => refusal(505, "only HTTP/1.0 and HTTP/1.1 are spoken here"),
        httparse::Error::HeaderName => refusal(400, "malformed field name"),
        httparse::Error::HeaderValue => refusal(400, "malformed field value"),
        _ => refusal(400, "malformed request line"),
    }
}

/// Whether the request line is well-formed and names a version we do not speak, rather than garbage.
fn names_a_version(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ').skip(2);
    match (words.next(), words.next()) {
        (Some([b'H', b'T', b'T', b'P', b'/', major, b'.', minor]), None) => {
            major.is_ascii_digit() && minor.is_ascii_digit()
        }
        _ => false,
    }
}

/// The values of every field of this name.
fn values<'a>(fields: &'a [Header<'a>], name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    fields.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
}

/// Path and query of a target in one of the forms of RFC 9112, section 3.2.
fn split_target<'a>(method: &str, target: &'a str) -> Result<(&'a str, Option<&'a str>), Refusal> {
    if method == "CONNECT" {
        return Err(refusal(405, "no tunnels to elsewhere here"));
    }
    if target == "*" {
        return if method == "OPTIONS" { Ok(("*", None)) } else { Err(refusal(400, "the target * is for OPTIONS")) };
    }
    let origin = if target.starts_with('/') { target } else { strip_authority(target)? };
    let bytes = origin.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let is_right = match byte {
            b'#' | 0x80.. => false,
            b'%' => matches!(bytes.get(at + 1..at + 3), Some(digits) if digits.iter().all(u8::is_ascii_hexdigit)),
            _ => true,
        };
        if !is_right {
            return Err(refusal(400, "illegal character in the request target"));
        }
    }
    let (path, query) = match origin.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (origin, None),
    };
    Ok((if path.is_empty() { "/" } else { path }, query))
}

/// What follows the host in an absolute-form target. The host it names takes the place of `Host` and is not asked for
/// here.
fn strip_authority(target: &str) -> Result<&str, Refusal> {
    const WHY: Refusal = refusal(400, "the request target is neither a path nor an http URL");
    let (scheme, rest) = target.split_once("://").ok_or(WHY)?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(WHY);
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, origin) = rest.split_at(end);
    if authority.is_empty() || !is_host(authority.as_bytes()) {
        return Err(WHY);
    }
    Ok(origin)
}

fn check_host(fields: &[Header<'_>], version: Version) -> Result<(), Refusal> {
    let mut hosts = values(fields, "host");
    match (hosts.next(), hosts.next()) {
        (None, _) if version == Version::Http10 => Ok(()),
        (None, _) => Err(refusal(400, "Host is missing")),
        (Some(_), Some(_)) => Err(refusal(400, "more than one Host")),
        (Some(host), None) if is_host(host) => Ok(()),
        (Some(_), None) => Err(refusal(400, "invalid Host")),
    }
}

/// `uri-host [ ":" port ]` of RFC 3986, section 3.2; an empty one is allowed.
fn is_host(value: &[u8]) -> bool {
    let (host, port) = match value {
        [b'[', rest @ ..] => {
            let Some(end) = rest.iter().position(|byte| *byte == b']') else { return false };
            let (literal, after) = (&rest[..end], &rest[end + 1..]);
            if literal.is_empty() || !literal.iter().all(|byte| byte.is_ascii_alphanumeric() || b".:_~-".contains(byte))
            {
                return false;
            }
            (&[][..], after)
        }
        _ => value.split_at(value.iter().position(|byte| *byte == b':').unwrap_or(value.len())),
    };
    let name = host.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte));
    let port = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    name && port
}

/// RFC 9112, section 6.3.
fn body_of(fields: &[Header<'_>], version: Version) -> Result<Body, Refusal> {
    let mut lengths = values(fields, "content-length");
    let mut codings = values(fields, "transfer-encoding");
    match (lengths.next(), codings.next()) {
        (None, None) => Ok(Body::None),
        (Some(_), Some(_)) => Err(refusal(400, "Content-Length beside Transfer-Encoding")),
        (Some(length), None) => match lengths.next() {
            Some(_) => Err(refusal(400, "more than one Content-Length")),
            None => decimal(length).map(|length| if length == 0 { Body::None } else { Body::Length(length) }),
        },
        (None, Some(_)) if version == Version::Http10 => Err(refusal(400, "Transfer-Encoding in HTTP/1.0")),
        (None, Some(coding)) => match codings.next() {
            Some(_) => Err(refusal(400, "more than one Transfer-Encoding")),
            None if coding.eq_ignore_ascii_case(b"chunked") => Ok(Body::Chunked),
            None if coding.is_empty() => Err(refusal(400, "empty Transfer-Encoding")),
            None => Err(refusal(501, "the only transfer coding known here is chunked")),
        },
    }
}

fn decimal(digits: &[u8]) -> Result<u64, Refusal> {
    const WHY: Refusal = refusal(400, "invalid Content-Length");
    if digits.is_empty() {
        return Err(WHY);
    }
    digits.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'9' => number.checked_mul(10).and_then(|ten| ten.checked_add(u64::from(digit - b'0'))).ok_or(WHY),
        _ => Err(WHY),
    })
}

/// RFC 9112, section 9.3: `close` has the last word, and HTTP/1.0 has to ask for being kept.
fn wish_of(fields: &[Header<'_>], version: Version) -> Wish {
    let mut wish = if version == Version::Http11 { Wish::Keep } else { Wish::Close };
    for option in values(fields, "connection").flat_map(|value| value.split(|byte| *byte == b',')) {
        let option = option.trim_ascii();
        if option.eq_ignore_ascii_case(b"close") {
            return Wish::Close;
        }
        if option.eq_ignore_ascii_case(b"keep-alive") {
            wish = Wish::Keep;
        }
    }
    wish
}

/// RFC 9110, section 10.1.1; HTTP/1.0 knows no expectations.
fn expects_continue(fields: &[Header<'_>], version: Version) -> Result<bool, Refusal> {
    if version == Version::Http10 {
        return Ok(false);
    }
    let mut expected = false;
    for expectation in values(fields, "expect") {
        if !expectation.eq_ignore_ascii_case(b"100-continue") {
            return Err(refusal(417, "the only expectation met here is 100-continue"));
        }
        expected = true;
    }
    Ok(expected)
}

#[cfg(test)]
mod tests;
