//! The meta protocol, as bytes: requests written, replies read. Knows no sockets.
//!
//! The problem: a reply that is taken for the answer to another request is worse than none. The answer: every request
//! carries an opaque number that no other request of this client has, the server repeats it and the key in its reply,
//! and a reply is taken only with both. memcached's `doc/protocol.txt`, "Meta Commands", is the source.
//!
//! A reply costs no more memory than what was received of it, and is given up as soon as it is seen to be wrong: a line
//! longer than [`MAX_LINE`], a length beyond the limit, any code, flag or ending that was not asked for.
//!
//! What this does not do: the classic text commands and the binary protocol, which memcached calls deprecated.

use crate::error::Error;
use std::io::Write;

/// The longest reply line taken. A key and all flags asked for take less than 330 bytes, an error message says what it
/// has to.
const MAX_LINE: usize = 1024;

/// What one request asks of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Get,
    Set { value: &'a [u8], flags: u32, expiry: i64 },
    Add { value: &'a [u8], flags: u32, expiry: i64 },
    Delete,
    Touch { expiry: i64 },
    Increment(u64),
    Decrement(u64),
}

/// What identifies a reply as the one to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    pub(super) key: &'a [u8],
    pub(super) opaque: u64,
}

/// Appends a request to `out`.
pub(super) fn write(out: &mut Vec<u8>, asked: Asked<'_>, command: Command<'_>) {
    let name: &[u8] = match command {
        Command::Get | Command::Touch { .. } => b"mg ",
        Command::Set { .. } | Command::Add { .. } => b"ms ",
        Command::Delete => b"md ",
        Command::Increment(_) | Command::Decrement(_) => b"ma ",
    };
    out.extend_from_slice(name);
    out.extend_from_slice(asked.key);
    let (number, add) = (asked.opaque, matches!(command, Command::Add { .. }));
    let written = match command {
        Command::Get => write!(out, " v f k O{number}\r\n"),
        Command::Set { value, flags, expiry } | Command::Add { value, flags, expiry } => {
            let mode = if add { " ME" } else { "" };
            write!(out, " {} F{flags} T{expiry}{mode} k O{number}\r\n", value.len())
        }
        Command::Delete => write!(out, " k O{number}\r\n"),
        Command::Touch { expiry } => write!(out, " T{expiry} k O{number}\r\n"),
        Command::Increment(delta) => write!(out, " MI D{delta} v k O{number}\r\n"),
        Command::Decrement(delta) => write!(out, " MD D{delta} v k O{number}\r\n"),
    };
    written.expect("a vector takes everything");
    if let Command::Set { value, .. } | Command::Add { value, .. } = command {
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}

/// Asks for nothing, and is answered.
pub(super) const NO_OP: &[u8] = b"mn\r\n";

/// Appends the question for the server's version.
pub(super) fn write_version(out: &mut Vec<u8>) {
    out.extend_from_slice(b"version\r\n");
}

/// A reply that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// `VA`: a value and its client flags (0 when they were not asked for).
    Value(Vec<u8>, u32),
    /// `HD`: done.
    Done,
    /// `EN` or `NF`: there is no such key.
    Absent,
    /// `NS`: not stored.
    NotStored,
}

/// Why bytes are no reply to what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Flaw {
    /// The server said that it will not: `ERROR`, `CLIENT_ERROR`, `SERVER_ERROR`.
    Refused(String),
    /// A value beyond the limit.
    TooLarge,
    /// Anything else.
    Malformed(String),
}

impl Flaw {
    /// The error for a call to the server `by`, which takes values of `limit` bytes.
    pub(super) fn into_error(self, by: &str, limit: usize) -> Error {
        match self {
            Flaw::Refused(why) => Error::Refused { by: by.to_owned(), why },
            Flaw::TooLarge => Error::BodyTooLarge { limit: limit as u64 },
            Flaw::Malformed(why) => Error::Protocol(format!("{why}, from {by}")),
        }
    }
}

/// Takes bytes as they arrive and gives replies.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    /// `received[used..]` has not been looked at, or not to an end.
    received: Vec<u8>,
    used: usize,
    /// The size and flags of a value whose line was read.
    announced: Option<(usize, u32)>,
}

impl Decoder {
    /// Takes what was received.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.received.drain(..self.used);
        self.used = 0;
        self.received.extend_from_slice(bytes);
    }

    /// Whether nothing is left over.
    pub(super) fn is_empty(&self) -> bool {
        self.used == self.received.len() && self.announced.is_none()
    }

    /// Gives back what a large value took.
    pub(super) fn shrink(&mut self, to: usize) {
        self.received.drain(..self.used);
        self.used = 0;
        self.received.shrink_to(to);
    }

    /// The reply to `asked`, or `None` while there is not all of it. After an error, what follows means nothing.
    pub(super) fn reply(&mut self, asked: Asked<'_>, max_value: usize) -> Result<Option<Reply>, Flaw> {
        let (size, flags) = match self.announced {
            Some(announced) => announced,
            None => {
                let Some(line) = self.line()? else { return Ok(None) };
                match parse(line, asked)? {
                    Line::Whole(reply) => return Ok(Some(reply)),
                    Line::Announces { size, .. } if size > max_value as u64 => return Err(Flaw::TooLarge),
                    Line::Announces { size, flags } => *self.announced.insert((size as usize, flags)),
                }
            }
        };
        let rest = &self.received[self.used..];
        let Some((value, after)) = rest.split_at_checked(size) else { return Ok(None) };
        let Some(end) = after.get(..2) else { return Ok(None) };
        if end != b"\r\n" {
            return Err(Flaw::Malformed("a value of another length than announced".to_owned()));
        }
        let value = value.to_vec();
        self.used += size + 2;
        self.announced = None;
        Ok(Some(Reply::Value(value, flags)))
    }

    /// The reply to [`write_version`].
    pub(super) fn version(&mut self) -> Result<Option<String>, Flaw> {
        let Some(line) = self.line()? else { return Ok(None) };
        match line.strip_prefix(b"VERSION ") {
            Some(version) => Ok(Some(shown(version))),
            None => Err(refusal(line).unwrap_or_else(|| unexpected("no version", line))),
        }
    }

    /// The reply to [`NO_OP`].
    pub(super) fn no_op(&mut self) -> Result<Option<()>, Flaw> {
        match self.line()? {
            None => Ok(None),
            Some(b"MN") => Ok(Some(())),
            Some(line) => Err(refusal(line).unwrap_or_else(|| unexpected("an answer to nothing", line))),
        }
    }

    /// The next line without its end, once it is there.
    fn line(&mut self) -> Result<Option<&[u8]>, Flaw> {
        let rest = &self.received[self.used..];
        let rest = &rest[..rest.len().min(MAX_LINE + 2)];
        match rest.iter().position(|byte| *byte == b'\n') {
            Some(at) if at > 0 && rest[at - 1] == b'\r' => {
                let begin = self.used;
                self.used += at + 1;
                Ok(Some(&self.received[begin..begin + at - 1]))
            }
            Some(at) => Err(unexpected("a line that does not end in CR LF", &rest[..at])),
            None if rest.len() == MAX_LINE + 2 => Err(Flaw::Malformed(format!("a line longer than {MAX_LINE} bytes"))),
            None => Ok(None),
        }
    }
}

/// What a reply's line says.
enum Line {
    Whole(Reply),
    Announces { size: u64, flags: u32 },
}

fn parse(line: &[u8], asked: Asked<'_>) -> Result<Line, Flaw> {
    if let Some(refusal) = refusal(line) {
        return Err(refusal);
    }
    let mut words = line.split(|byte| *byte == b' ');
    let code = words.next().unwrap_or_default();
    let size = match code {
        b"VA" => words.next().and_then(number).ok_or_else(|| unexpected("a value without a length", line))?,
        _ => 0,
    };
    let (mut key, mut opaque, mut flags) = (None, None, None);
    for word in words {
        let repeated = match word.split_first() {
            Some((b'k', token)) => key.replace(token).is_some(),
            Some((b'O', token)) => opaque.replace(token).is_some(),
            Some((b'f', token)) => {
                let token = number(token).and_then(|flags| u32::try_from(flags).ok());
                flags.replace(token.ok_or_else(|| unexpected("flags that are no number", line))?).is_some()
            }
            // Unasked: the item was invalidated by somebody (X), and who is to bring a new one (W, Z).
            Some((b'W' | b'X' | b'Z', [])) => false,
            _ => return Err(unexpected("a flag that was not asked for", line)),
        };
        if repeated {
            return Err(unexpected("a flag given twice", line));
        }
    }
    if key != Some(asked.key) || opaque.and_then(number) != Some(asked.opaque) {
        return Err(unexpected("a reply to another request", line));
    }
    Ok(match code {
        b"VA" => Line::Announces { size, flags: flags.unwrap_or_default() },
        b"HD" => Line::Whole(Reply::Done),
        b"EN" | b"NF" => Line::Whole(Reply::Absent),
        b"NS" => Line::Whole(Reply::NotStored),
        _ => return Err(unexpected("an unknown reply", line)),
    })
}

/// A decimal number as the server writes one: digits and nothing else, without leading zeros.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    let is_plain =
        !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) && (digits[0] != b'0' || digits.len() == 1);
    is_plain.then(|| str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

fn refusal(line: &[u8]) -> Option<Flaw> {
    if line == b"ERROR" {
        return Some(Flaw::Refused("unknown command (the meta commands need memcached 1.6)".to_owned()));
    }
    let why = line.strip_prefix(b"CLIENT_ERROR ").or_else(|| line.strip_prefix(b"SERVER_ERROR "))?;
    Some(Flaw::Refused(shown(why)))
}

fn unexpected(what: &str, line: &[u8]) -> Flaw {
    /// So much of a line is enough to tell what it is.
    const SHOWN: usize = 80;
    Flaw::Malformed(format!("{what} ('{}')", shown(&line[..line.len().min(SHOWN)])))
}

/// Bytes of the peer's, fit for a message.
fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).escape_debug().to_string()
}

#[cfg(test)]
mod tests;
