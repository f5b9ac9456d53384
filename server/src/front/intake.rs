//! A request's body that somebody takes as it comes, or the bytes of a tunnel.
//!
//! The problem: a body of any length has to pass through little memory, its framing has to be found in the same bytes,
//! and what follows it belongs to the next request. The answer: a buffer of its own, from which the data is shown where
//! it lies; nothing is read while some of it is there, so a client that sends faster than its body is taken is held
//! back by the connection itself. The buffer begins small, grows to [`MOST`] for a client that fills it, and goes with
//! the body.
//!
//! What this does not do: keep trailer fields; they are checked and dropped.

use super::framing::Refusal;
use super::remaining::Remaining;
use super::stream::Stream;
use std::io::{self, ErrorKind};
use std::time::Duration;

/// What a buffer begins with.
const FIRST: usize = 16 << 10;
/// What it grows to.
const MOST: usize = 64 << 10;
/// From this on what is asked for is read to where it is wanted, without the buffer.
const DIRECT: usize = 4 << 10;

/// What is left of what a client sends.
#[derive(Debug, Default)]
pub(super) struct Intake {
    left: Left,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Whether the last read filled the buffer.
    was_filled: bool,
}

#[derive(Debug, Default)]
enum Left {
    /// Nothing: the body is over, or there was none.
    #[default]
    Nothing,
    Body(Remaining),
    /// Whatever comes, until the client's end.
    Raw,
    /// It cannot be read on: why.
    Broken(ErrorKind, &'static str),
}

/// What stands next in the buffer.
enum Ahead {
    /// So many bytes of data.
    Data(usize),
    End,
    /// Nothing yet.
    More,
}

impl Intake {
    /// A body of which `received` is here, and maybe something that follows it.
    pub(super) fn body(remaining: Remaining, received: &[u8]) -> Intake {
        Intake { left: Left::Body(remaining), ..Intake::holding(received.to_vec()) }
    }

    /// What is no HTTP any more, of which `received` is here.
    pub(super) fn raw(received: Vec<u8>) -> Intake {
        Intake { left: Left::Raw, ..Intake::holding(received) }
    }

    fn holding(received: Vec<u8>) -> Intake {
        Intake { end: received.len(), buffer: received, ..Intake::default() }
    }

    /// Whether the body was taken to its end.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.left, Left::Nothing)
    }

    /// Drops what is here already of a body that nobody reads on.
    pub(super) fn drop_received(&mut self) {
        while let Ok(Ahead::Data(bytes)) = self.look() {
            self.consume(bytes);
        }
    }

    /// What follows the body in what was received.
    pub(super) fn into_rest(mut self) -> Vec<u8> {
        self.buffer.truncate(self.end);
        self.buffer.drain(..self.start);
        self.buffer
    }

    /// Reads up to all of `into`, waiting up to `timeout` for the first byte; 0 at the end.
    pub(super) fn read(&mut self, stream: &mut Stream, into: &mut [u8], timeout: Duration) -> io::Result<usize> {
        if into.is_empty() {
            return Ok(0);
        }
        loop {
            match self.look()? {
                Ahead::Data(bytes) => {
                    let bytes = bytes.min(into.len());
                    into[..bytes].copy_from_slice(&self.buffer[self.start..self.start + bytes]);
                    self.consume(bytes);
                    return Ok(bytes);
                }
                Ahead::End => return Ok(0),
                Ahead::More => {}
            }
            let direct = self.data(into.len());
            if direct >= DIRECT {
                let received = stream.receive(&mut into[..direct], timeout)?.ok_or(ErrorKind::TimedOut)?;
                if received > 0 {
                    self.take_data(received);
                    return Ok(received);
                }
                self.end_of_sending();
            } else {
                let received = stream.receive(self.room(), timeout)?.ok_or(ErrorKind::TimedOut)?;
                self.receive(received);
            }
        }
    }

    /// What is here; `None` when that is nothing for now, empty at the end.
    #[cfg(unix)]
    pub(super) fn peek_now(&mut self, stream: &mut Stream) -> io::Result<Option<&[u8]>> {
        loop {
            match self.look()? {
                Ahead::Data(bytes) => return Ok(Some(&self.buffer[self.start..self.start + bytes])),
                Ahead::End => return Ok(Some(&[])),
                Ahead::More => match stream.receive_at_once(self.room())? {
                    Some(received) => self.receive(received),
                    None => return Ok(None),
                },
            }
        }
    }

    /// Takes the first `bytes` of what is here.
    ///
    /// # Panics
    ///
    /// When there are fewer.
    pub(super) fn consume(&mut self, bytes: usize) {
        assert!(bytes <= self.end - self.start, "more is consumed than was shown");
        self.start += bytes;
        self.take_data(bytes);
    }

    /// Goes over the framing to what stands behind it.
    fn look(&mut self) -> io::Result<Ahead> {
        let here = &self.buffer[self.start..self.end];
        let data = match &mut self.left {
            Left::Nothing => return Ok(Ahead::End),
            Left::Raw => here.len(),
            Left::Broken(kind, why) => return Err(io::Error::new(*kind, *why)),
            Left::Body(remaining) => match remaining.take_framing(here) {
                Ok(framing) => {
                    self.start += framing;
                    if remaining.is_over() {
                        self.left = Left::Nothing;
                        return Ok(Ahead::End);
                    }
                    remaining.data().min((here.len() - framing) as u64) as usize
                }
                Err(Refusal { why, .. }) => {
                    self.left = Left::Broken(ErrorKind::InvalidData, why);
                    return Err(io::Error::new(ErrorKind::InvalidData, why));
                }
            },
        };
        Ok(if data == 0 { Ahead::More } else { Ahead::Data(data) })
    }

    /// How many of the next `most` bytes are data for certain.
    fn data(&self, most: usize) -> usize {
        match &self.left {
            Left::Body(remaining) => remaining.data().min(most as u64) as usize,
            Left::Raw => most,
            Left::Nothing | Left::Broken(..) => 0,
        }
    }

    fn take_data(&mut self, bytes: usize) {
        if let Left::Body(remaining) = &mut self.left {
            remaining.take_data(bytes as u64);
            if remaining.is_over() {
                self.left = Left::Nothing;
            }
        }
    }

    /// Room for the next read, when all that was here is used up: not beyond the body where its end is known.
    fn room(&mut self) -> &mut [u8] {
        (self.start, self.end) = (0, 0);
        let size = if self.was_filled { MOST } else { self.buffer.len().max(FIRST) };
        if self.buffer.len() < size {
            self.buffer.resize(size, 0);
        }
        let most = match &self.left {
            Left::Body(remaining) => remaining.at_most().map_or(size, |most| most.min(size as u64) as usize),
            _ => size,
        };
        &mut self.buffer[..most]
    }

    fn receive(&mut self, received: usize) {
        if received == 0 {
            self.end_of_sending();
        }
        self.end = received;
        self.was_filled = received == self.buffer.len();
    }

    /// The client sends no more, which ends a tunnel's direction and cuts a body.
    fn end_of_sending(&mut self) {
        self.left = match self.left {
            Left::Raw => Left::Nothing,
            _ => Left::Broken(ErrorKind::UnexpectedEof, "the client closed within the body"),
        };
    }
}
