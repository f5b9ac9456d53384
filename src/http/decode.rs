//! Where a body is in what was received (RFC 9112, section 6).
//!
//! The problem: a body's bytes come with the marks of its framing in between, cut anywhere. The answer: the decoder is
//! shown what is there and says what its first bytes are: so many of the body, so many of the framing, or too few to
//! tell. It copies nothing, so the body can be used where it was received.
//!
//! Pure. A mark that can be read in two ways is refused.

use super::fields::Fields;
use super::head::Length;

/// The longest line that says how large a chunk is, with its end, and the most trailer fields.
pub(super) const MAX_CHUNK_LINE: usize = 1 << 10;
const MAX_TRAILERS: usize = 64;
const MAX_TRAILER_BYTES: usize = 64 << 10;

/// The place in a body.
#[derive(Debug)]
pub(super) struct Decoder {
    state: State,
    trailers: Option<Box<Fields>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes are left of a body of declared length.
    Known(u64),
    ChunkSize,
    /// So many are left of a chunk.
    Chunk(u64),
    ChunkEnd,
    Trailers,
    UntilClose,
    Over,
}

/// What the first bytes of the input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// So many are the body's.
    Data(usize),
    /// So many are of the framing, and done with.
    Skip(usize),
    /// There are too few to tell.
    More,
    /// The body is over.
    Over,
}

impl Decoder {
    pub(super) fn new(length: Length) -> Decoder {
        let state = match length {
            Length::Known(0) => State::Over,
            Length::Known(length) => State::Known(length),
            Length::Chunked => State::ChunkSize,
            Length::UntilClose => State::UntilClose,
        };
        Decoder { state, trailers: None }
    }

    /// What `input` begins with. Bytes of the framing are not shown again; those of the body are, until they are
    /// [consumed](Decoder::consume).
    ///
    /// # Errors
    ///
    /// Why it cannot be.
    pub(super) fn step(&mut self, input: &[u8]) -> Result<Step, String> {
        Ok(match self.state {
            State::Over => Step::Over,
            State::Known(_) | State::Chunk(_) | State::UntilClose if input.is_empty() => Step::More,
            State::Known(left) | State::Chunk(left) => Step::Data(left.min(input.len() as u64) as usize),
            State::UntilClose => Step::Data(input.len()),
            State::ChunkSize => match httparse::parse_chunk_size(input) {
                Ok(httparse::Status::Complete((length, size)))
                    if length <= MAX_CHUNK_LINE && is_strict(&input[..length]) =>
                {
                    self.state = if size == 0 { State::Trailers } else { State::Chunk(size) };
                    Step::Skip(length)
                }
                Ok(httparse::Status::Partial) if input.len() < MAX_CHUNK_LINE => Step::More,
                _ => return Err("malformed chunk size".to_owned()),
            },
            State::ChunkEnd if input.len() < 2 => Step::More,
            State::ChunkEnd if input.starts_with(b"\r\n") => {
                self.state = State::ChunkSize;
                Step::Skip(2)
            }
            State::ChunkEnd => return Err("a chunk longer than its size".to_owned()),
            State::Trailers => self.trailers(input)?,
        })
    }

    /// What follows the last chunk.
    fn trailers(&mut self, input: &[u8]) -> Result<Step, String> {
        match httparse::parse_headers(input, &mut [httparse::EMPTY_HEADER; MAX_TRAILERS]) {
            Ok(httparse::Status::Complete((length, found))) => {
                if !found.is_empty() {
                    let mut fields = Fields::with_capacity(found.len(), length);
                    found.iter().for_each(|field| fields.append(field.name, field.value));
                    self.trailers = Some(Box::new(fields));
                }
                self.state = State::Over;
                Ok(Step::Skip(length))
            }
            Ok(httparse::Status::Partial) if input.len() <= MAX_TRAILER_BYTES => Ok(Step::More),
            _ => Err("malformed trailer fields".to_owned()),
        }
    }

    /// Counts `bytes` of the body as used.
    pub(super) fn consume(&mut self, bytes: usize) {
        let bytes = bytes as u64;
        self.state = match self.state {
            State::Known(left) if left == bytes => State::Over,
            State::Known(left) => State::Known(left - bytes),
            State::Chunk(left) if left == bytes => State::ChunkEnd,
            State::Chunk(left) => State::Chunk(left - bytes),
            state => state,
        };
    }

    /// The connection has ended. Whether the body has, too.
    pub(super) fn end(&mut self) -> bool {
        if self.state == State::UntilClose {
            self.state = State::Over;
        }
        self.is_over()
    }

    pub(super) fn is_over(&self) -> bool {
        self.state == State::Over
    }

    /// How many bytes are sure to come before the next mark of the framing.
    pub(super) fn announced(&self) -> u64 {
        match self.state {
            State::Known(left) | State::Chunk(left) => left,
            _ => 0,
        }
    }

    /// How many bytes of the body `input` begins with.
    pub(super) fn ready(&self, input: &[u8]) -> usize {
        match self.state {
            State::UntilClose => input.len(),
            _ => self.announced().min(input.len() as u64) as usize,
        }
    }

    /// Whether `input` holds all of the rest of a body of declared length.
    pub(super) fn is_whole(&self, input: &[u8]) -> bool {
        match self.state {
            State::Known(left) => left <= input.len() as u64,
            state => state == State::Over,
        }
    }

    pub(super) fn trailers_seen(&self) -> Option<&Fields> {
        self.trailers.as_deref()
    }
}

/// Whether the line of a chunk's size begins with a digit, without which httparse reads a 0, the end of the body, and
/// holds no control characters but those of its end: a line feed is the end for some.
fn is_strict(line: &[u8]) -> bool {
    let said = line.strip_suffix(b"\r\n").unwrap_or(line);
    let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    said.first().is_some_and(u8::is_ascii_hexdigit) && !said.iter().any(is_control)
}

#[cfg(test)]
mod tests;
