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
    /// All of `body`, `None` when there is none. One that says to be larger than `limit` bytes is refused unread.
    pub(crate) fn of(body: Body, limit: u64) -> Result<Option<Remaining>, Refusal> {
        let delimiter = match body {
            Body::None => return Ok(None),
            Body::Length(length) if length > limit => return Err(Refusal { status: 413, why: "body too large" }),
            Body::Length(length) => Delimiter::Length(length),
            Body::Chunked => Delimiter::Chunks(Chunked::new()),
        };
        Ok(Some(Remaining { delimiter, limit }))
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
