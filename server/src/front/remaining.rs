//! How much of a request's body is still to come.
//!
//! The one place that knows both ways in which a body is delimited. Pure: what the next request begins with is decided
//! here, and [`body`](super::body) only brings the bytes.

use super::chunked::Chunked;
use super::framing::{Body, Refusal};

/// A body under way, and the most data it may have.
#[derive(Debug)]
pub(crate) struct Remaining {
    delimiter: Delimiter,
    limit: u64,
}

#[derive(Debug)]
enum Delimiter {
    Length(u64),
    Chunks(Chunked),
}

impl Remaining {
    /// All of `body`, however large; nothing when there is none.
    pub(crate) fn of_any_size(body: Body) -> Remaining {
        let delimiter = match body {
            Body::None => Delimiter::Length(0),
            Body::Length(length) => Delimiter::Length(length),
            Body::Chunked => Delimiter::Chunks(Chunked::new()),
        };
        Remaining { delimiter, limit: u64::MAX }
    }

    /// All of `body`, `None` when there is none. One that says to be larger than `limit` bytes is refused unread.
    pub(crate) fn of(body: Body, limit: u64) -> Result<Option<Remaining>, Refusal> {
        match body {
            Body::None => Ok(None),
            Body::Length(length) if length > limit => Err(Refusal { status: 413, why: "body too large" }),
            body => Ok(Some(Remaining { limit, ..Remaining::of_any_size(body) })),
        }
    }

    /// How many of `bytes` belong to the body: fewer than all of them only when it has ended.
    pub(crate) fn take(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        match &mut self.delimiter {
            Delimiter::Length(length) => {
                let taken = (*length).min(bytes.len() as u64);
                *length -= taken;
                Ok(taken as usize)
            }
            Delimiter::Chunks(chunks) => chunks.feed(bytes, self.limit),
        }
    }

    /// As much of the next bytes as is data, where that is known: 0 before a chunk's framing, and at the end.
    pub(crate) fn data(&self) -> u64 {
        match &self.delimiter {
            Delimiter::Length(length) => *length,
            Delimiter::Chunks(chunks) => chunks.data(),
        }
    }

    /// So many bytes of the [`data`](Remaining::data) are dealt with.
    pub(crate) fn take_data(&mut self, bytes: u64) {
        match &mut self.delimiter {
            Delimiter::Length(length) => *length -= bytes,
            Delimiter::Chunks(chunks) => chunks.take_data(bytes),
        }
    }

    /// How many of `bytes` stand before the next data or the end.
    pub(crate) fn take_framing(&mut self, bytes: &[u8]) -> Result<usize, Refusal> {
        match &mut self.delimiter {
            Delimiter::Length(_) => Ok(0),
            Delimiter::Chunks(chunks) => chunks.take_framing(bytes, self.limit),
        }
    }

    /// How many bytes may be read without reading beyond the body, where its end can be seen from here.
    pub(crate) fn at_most(&self) -> Option<u64> {
        match &self.delimiter {
            Delimiter::Length(length) => Some(*length),
            Delimiter::Chunks(_) => None,
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        match &self.delimiter {
            Delimiter::Length(length) => *length == 0,
            Delimiter::Chunks(chunks) => chunks.is_done(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(body: Body) -> Remaining {
        Remaining::of(body, 10).unwrap().expect("a body")
    }

    #[test]
    fn a_length_is_counted_down_and_what_follows_is_left() {
        let mut body = of(Body::Length(5));
        assert!(!body.is_over());
        assert_eq!(body.take(b"abc"), Ok(3));
        assert!(!body.is_over());
        assert_eq!(body.take(b"deGET /"), Ok(2));
        assert!(body.is_over());
        assert_eq!(body.take(b"GET /"), Ok(0));
    }

    #[test]
    fn chunks_are_taken_to_their_end_and_what_follows_is_left() {
        let mut body = of(Body::Chunked);
        assert_eq!(body.take(b"3\r\nabc"), Ok(6));
        assert!(!body.is_over());
        assert_eq!(body.take(b"\r\n0\r\n\r\nGET /"), Ok(7));
        assert!(body.is_over());
        assert_eq!(of(Body::Chunked).take(b"b\r\n").unwrap_err().status, 413);
    }

    #[test]
    fn a_body_larger_than_the_limit_is_refused_unread_and_none_is_none() {
        assert!(Remaining::of(Body::None, 10).unwrap().is_none());
        assert!(!of(Body::Length(10)).is_over());
        assert_eq!(Remaining::of(Body::Length(11), 10).unwrap_err().status, 413);
        assert_eq!(Remaining::of(Body::Length(u64::MAX), 10).unwrap_err().status, 413);
    }
}
