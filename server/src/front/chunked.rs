//! A chunked body, taken apart byte by byte: RFC 9112, section 7.1, without leniency.
//!
//! Data is only counted here; who wants it is told which bytes it is. What matters is where the body ends, and that
//! nobody can make it end elsewhere or make finding the end expensive: every line is bounded, so is the trailer
//! section.
//!
//! What this does not do: read anything. It is pure, and the verdict does not depend on how the bytes were cut.

use super::framing::Refusal;

/// Bytes of one chunk-size line with its extensions, and of the whole trailer section.
const MAX_LINE: usize = 1 << 10;
const MAX_TRAILERS: usize = 8 << 10;

/// Where in the grammar the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size {
        digits: u32,
    },
    /// Spaces before a `;`, which have to be followed by one.
    BeforeExtension,
    ExtensionName {
        begun: bool,
    },
    /// Spaces after an extension's name.
    AfterName,
    ExtensionValue {
        begun: bool,
    },
    Quoted,
    QuotedPair,
    AfterQuoted,
    SizeLineFeed,
    Data,
    DataReturn,
    DataLineFeed,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    LastLineFeed,
    Done,
}

/// A chunked body under way.
#[derive(Debug)]
pub(crate) struct Chunked {
    at: At,
    /// Of the current chunk: its size while that is read, then what is left of it.
    chunk: u64,
    line: usize,
    trailers: usize,
    /// Bytes of data seen so far.
    data: u64,
}

impl Chunked {
    pub(crate) fn new() -> Chunked {
        Chunked { at: At::Size { digits: 0 }, chunk: 0, line: 0, trailers: 0, data: 0 }
    }

    /// Whether the body has ended.
    pub(crate) fn is_done(&self) -> bool {
        self.at == At::Done
    }

    /// Takes in what belongs to the body and returns how many of `bytes` that were: fewer than all of them only when
    /// the body has ended. More data than `limit` bytes is refused, as soon as a chunk's size says so.
    pub(crate) fn feed(&mut self, bytes: &[u8], limit: u64) -> Result<usize, Refusal> {
        let mut taken = 0;
        loop {
            let left = &bytes[taken..];
            let data = self.data().min(left.len() as u64);
            self.take_data(data);
            let step = if data > 0 { data as usize } else { self.take_framing(left, limit)? };
            if step == 0 {
                return Ok(taken);
            }
            taken += step;
        }
    }

    /// How many of the next bytes are data: 0 before framing and at the end.
    pub(crate) fn data(&self) -> u64 {
        if self.at == At::Data { self.chunk } else { 0 }
    }

    /// So many bytes of the [`data`](Chunked::data) are dealt with.
    pub(crate) fn take_data(&mut self, bytes: u64) {
        if bytes > 0 {
            self.chunk -= bytes;
            if self.chunk == 0 {
                self.at = At::DataReturn;
            }
        }
    }

    /// Takes in what stands before the next data or the end, as far as it is in `bytes`, and tells how many bytes that
    /// were. The rest as of [`feed`](Chunked::feed).
    pub(crate) fn take_framing(&mut self, bytes: &[u8], limit: u64) -> Result<usize, Refusal> {
        let mut taken = 0;
        while taken < bytes.len() && !matches!(self.at, At::Data | At::Done) {
            self.step(bytes[taken], limit)?;
            taken += 1;
        }
        Ok(taken)
    }

    fn step(&mut self, byte: u8, limit: u64) -> Result<(), Refusal> {
        const GRAMMAR: Refusal = Refusal { status: 400, why: "malformed chunk" };
        const TRAILER: Refusal = Refusal { status: 400, why: "malformed trailer field" };
        self.line += 1;
        if self.line > MAX_LINE && self.trailers == 0 {
            return Err(Refusal { status: 400, why: "chunk-size line too long" });
        }
        self.at = match (self.at, byte) {
            (At::Size { digits }, byte) if byte.is_ascii_hexdigit() => {
                let digit = (byte as char).to_digit(16).unwrap_or_default();
                let size = self.chunk.checked_mul(16).ok_or(Refusal { status: 400, why: "chunk size too large" })?;
                self.chunk = size + u64::from(digit);
                At::Size { digits: digits + 1 }
            }
            (At::Size { digits: 0 }, _) => return Err(GRAMMAR),
            (At::Size { .. } | At::ExtensionName { begun: true } | At::AfterQuoted, b'\r')
            | (At::ExtensionValue { begun: true }, b'\r') => At::SizeLineFeed,
            (At::Size { .. } | At::AfterQuoted | At::BeforeExtension, b' ' | b'\t') => At::BeforeExtension,
            (At::ExtensionValue { begun: true }, b' ' | b'\t') => At::BeforeExtension,
            (At::Size { .. } | At::BeforeExtension | At::AfterQuoted | At::AfterName, b';')
            | (At::ExtensionName { begun: true } | At::ExtensionValue { begun: true }, b';') => {
                At::ExtensionName { begun: false }
            }
            (At::ExtensionName { begun: false }, b' ' | b'\t') => At::ExtensionName { begun: false },
            (At::ExtensionName { .. }, byte) if is_token(byte) => At::ExtensionName { begun: true },
            (At::ExtensionName { begun: true } | At::AfterName, b' ' | b'\t') => At::AfterName,
            (At::ExtensionName { begun: true } | At::AfterName, b'=') => At::ExtensionValue { begun: false },
            (At::ExtensionValue { begun: false }, b' ' | b'\t') => At::ExtensionValue { begun: false },
            (At::ExtensionValue { begun: false }, b'"') => At::Quoted,
            (At::ExtensionValue { .. }, byte) if is_token(byte) => At::ExtensionValue { begun: true },
            (At::Quoted, b'"') => At::AfterQuoted,
            (At::Quoted, b'\\') => At::QuotedPair,
            (At::Quoted | At::QuotedPair, b'\t' | b' '..=b'~' | 0x80..) => At::Quoted,
            (At::SizeLineFeed, b'\n') => return self.end_of_size(limit),
            (At::DataReturn, b'\r') => At::DataLineFeed,
            (At::DataLineFeed, b'\n') => {
                self.line = 0;
                At::Size { digits: 0 }
            }
            (At::TrailerStart, b'\r') => At::LastLineFeed,
            (At::TrailerStart | At::TrailerName, byte) if is_token(byte) => At::TrailerName,
            (At::TrailerName, b':') => At::TrailerValue,
            (At::TrailerValue, b'\r') => At::TrailerLineFeed,
            (At::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => At::TrailerValue,
            (At::TrailerLineFeed, b'\n') => At::TrailerStart,
            (At::LastLineFeed, b'\n') => At::Done,
            (At::TrailerStart | At::TrailerName | At::TrailerValue | At::TrailerLineFeed | At::LastLineFeed, _) => {
                return Err(TRAILER);
            }
            _ => return Err(GRAMMAR),
        };
        if matches!(self.at, At::TrailerStart | At::TrailerName | At::TrailerValue) {
            self.trailers += 1;
            if self.trailers > MAX_TRAILERS {
                return Err(Refusal { status: 431, why: "trailer section too large" });
            }
        }
        Ok(())
    }

    fn end_of_size(&mut self, limit: u64) -> Result<(), Refusal> {
        self.line = 0;
        self.data = self.data.saturating_add(self.chunk);
        if self.data > limit {
            return Err(Refusal { status: 413, why: "body too large" });
        }
        self.trailers = usize::from(self.chunk == 0);
        self.at = if self.chunk == 0 { At::TrailerStart } else { At::Data };
        Ok(())
    }
}

fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
