//! A request on its way out: its head, and its body as it comes, framed.
//!
//! The problem: a body is sent in pieces of any size, by different hands (before the response's head came, and after),
//! each time as far as there is room, and it must look whole only when it is. The answer: what of the framing was not
//! yet sent waits here, the body's own bytes never do, and the end is sent by a call of its own.

use super::outgoing::Framing;
use crate::net::stream::Stream;
use std::io::{self, ErrorKind, IoSlice, Write};

/// What is left to be sent of a request.
#[derive(Debug)]
pub(super) struct Outflow {
    framing: Framing,
    /// Bytes of the head and of the framing, of which so many were sent.
    pending: Vec<u8>,
    sent: usize,
    /// How many bytes are left of the chunk, or of the body if its length is known.
    left: u64,
    /// Nothing more will be written.
    is_ended: bool,
    is_abandoned: bool,
}

impl Outflow {
    /// A request of which nothing was sent yet.
    pub(super) fn new(head: Vec<u8>, framing: Framing) -> Outflow {
        let left = if let Framing::Known(length) = framing { length } else { 0 };
        Outflow {
            framing,
            pending: head,
            sent: 0,
            left,
            is_ended: framing != Framing::Chunked && left == 0,
            is_abandoned: false,
        }
    }

    /// The buffer that the head was in.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.pending
    }

    /// Whether all is said that there is to say, as far as the body is concerned.
    pub(super) fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// Whether nothing is left to be sent, neither here nor in the stream.
    pub(super) fn is_sent(&self, stream: &Stream) -> bool {
        self.is_abandoned || (self.is_ended && self.pending.is_empty() && !stream.has_unsent())
    }

    /// Whether there is something to be sent before more of the body.
    pub(super) fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Sends what is pending and a beginning of `body`, and returns how many bytes of the body that were. Of a body of
    /// known length, what goes beyond it is an error.
    pub(super) fn write(&mut self, stream: &mut Stream, body: &[u8]) -> io::Result<usize> {
        let is_chunked = self.framing == Framing::Chunked;
        if self.is_ended || (!is_chunked && body.len() as u64 > self.left) {
            return Err(io::Error::new(ErrorKind::InvalidInput, "more of a request's body than was declared"));
        }
        if is_chunked && self.left == 0 && !body.is_empty() {
            let _ = write!(self.pending, "{:x}\r\n", body.len()); // memory takes all
            self.left = body.len() as u64;
        }
        if body.is_empty() && !self.has_pending() {
            return Ok(0);
        }
        let data = &body[..self.left.min(body.len() as u64) as usize];
        let tail: &[u8] = if is_chunked && data.len() as u64 == self.left { b"\r\n" } else { b"" };
        let mut went =
            match stream.write_now(&[IoSlice::new(&self.pending[self.sent..]), IoSlice::new(data), IoSlice::new(tail)])
            {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(went) => went,
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => 0,
                Err(error) => return Err(error),
            };
        let of_pending = went.min(self.pending.len() - self.sent);
        self.count_pending(of_pending);
        went -= of_pending;
        let of_data = went.min(data.len());
        went -= of_data;
        self.left -= of_data as u64;
        match is_chunked {
            // The chunk is complete but for what did not go of its end.
            true if of_data > 0 && self.left == 0 => self.pending.extend_from_slice(&tail[went..]),
            true => {}
            false => self.is_ended = self.left == 0,
        }
        Ok(of_data)
    }

    /// Sends what is pending. `true` when nothing is, here or in the stream.
    pub(super) fn flush(&mut self, stream: &mut Stream) -> io::Result<bool> {
        while self.has_pending() {
            match stream.write_now(&[IoSlice::new(&self.pending[self.sent..])]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(went) => self.count_pending(went),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        stream.flush_now()
    }

    /// Says that the body is over, and sends that. `true` when it was sent.
    pub(super) fn finish(&mut self, stream: &mut Stream) -> io::Result<bool> {
        if !self.is_ended {
            if self.left > 0 {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "less of a request's body than was declared"));
            }
            if self.framing == Framing::Chunked {
                self.pending.extend_from_slice(b"0\r\n\r\n");
            }
            self.is_ended = true;
        }
        self.flush(stream)
    }

    /// Gives up what was not sent: the peer takes no more.
    pub(super) fn abandon(&mut self) {
        self.pending.clear();
        (self.sent, self.left, self.is_ended, self.is_abandoned) = (0, 0, true, true);
    }

    pub(super) fn was_abandoned(&self) -> bool {
        self.is_abandoned
    }

    fn count_pending(&mut self, bytes: usize) {
        self.sent += bytes;
        if self.sent == self.pending.len() {
            self.pending.clear();
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::sync::Arc;

    /// A stream whose other end is read now and then.
    fn pair() -> (Stream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        socket2::SockRef::from(&near).set_send_buffer_size(1).unwrap();
        let (far, _) = listener.accept().unwrap();
        far.set_nonblocking(true).unwrap();
        (Stream::Plain(Arc::new(near)), far)
    }

    fn read_some(mut far: &TcpStream, read: &mut Vec<u8>) {
        let mut room = [0; 1 << 14];
        while let Ok(received @ 1..) = far.read(&mut room) {
            read.extend_from_slice(&room[..received]);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn what_arrives_is_the_body_however_it_was_handed_over(
            pieces in proptest::collection::vec(1..40_000_usize, 0..8),
            is_chunked in any::<bool>(),
        ) {
            let body: Vec<u8> = (0..pieces.iter().sum()).map(|at: usize| at as u8).collect();
            let framing = if is_chunked { Framing::Chunked } else { Framing::Known(body.len() as u64) };
            let ((mut stream, far), mut read) = (pair(), Vec::new());
            let mut outflow = Outflow::new(b"head".to_vec(), framing);
            let mut at = 0;
            for piece in pieces {
                let end = at + piece;
                while at < end {
                    at += outflow.write(&mut stream, &body[at..end]).unwrap();
                    read_some(&far, &mut read);
                }
            }
            while !outflow.finish(&mut stream).unwrap() {
                read_some(&far, &mut read);
            }
            prop_assert!(outflow.is_sent(&stream));
            drop(stream);
            far.set_nonblocking(false).unwrap();
            (&far).read_to_end(&mut read).unwrap();
            prop_assert_eq!(&read[..4], b"head");
            match is_chunked {
                false => prop_assert!(read[4..] == body),
                true => {
                    let mut found = Vec::new();
                    let mut rest = &read[4..];
                    loop {
                        let Ok(httparse::Status::Complete((line, size))) = httparse::parse_chunk_size(rest) else {
                            return Err(TestCaseError::fail("a chunk's size"));
                        };
                        let (data, end) = rest[line..].split_at(size as usize);
                        prop_assert!(end.starts_with(b"\r\n"));
                        found.extend_from_slice(data);
                        rest = &end[2..];
                        if size == 0 {
                            break;
                        }
                    }
                    prop_assert!(found == body && rest.is_empty());
                }
            }
        }
    }

    #[test]
    fn a_body_is_as_long_as_declared() {
        let (mut stream, _far) = pair();
        let mut short = Outflow::new(Vec::new(), Framing::Known(3));
        assert_eq!(short.write(&mut stream, b"ab").unwrap(), 2);
        assert_eq!(short.finish(&mut stream).unwrap_err().kind(), ErrorKind::UnexpectedEof);
        let mut long = Outflow::new(Vec::new(), Framing::Known(3));
        assert_eq!(long.write(&mut stream, b"abcd").unwrap_err().kind(), ErrorKind::InvalidInput);
        assert_eq!(long.write(&mut stream, b"abc").unwrap(), 3);
        assert!(long.is_sent(&stream));
    }
}
