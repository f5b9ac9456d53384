//! A request's body that is sent as it comes.

use super::fields::Fields;
use std::io::{self, Read};
use std::os::fd::BorrowedFd;

/// A request's body that is sent as it comes: see [`Client::send_from`](super::Client::send_from). It is used on the
/// calling thread only.
pub trait Upload {
    /// How long it is, in bytes. `None` when that is not known before its end: then it is sent in chunks.
    fn length(&self) -> Option<u64>;

    /// What has come and was not yet consumed: `None` when that is nothing for now, an empty slice at the end. It does
    /// not wait.
    ///
    /// # Errors
    ///
    /// The rest will never come. The request is given up then, visibly for the upstream.
    fn peek_now(&mut self) -> io::Result<Option<&[u8]>>;

    /// Takes the first `bytes` of what [`peek_now`](Upload::peek_now) showed.
    fn consume(&mut self, bytes: usize);

    /// What is readable when there may be more; `None` when there always is.
    fn as_fd(&self) -> Option<BorrowedFd<'_>>;

    /// The upstream has sent an interim response: 100, 103 or another one but 101. Does nothing by default.
    ///
    /// # Errors
    ///
    /// It cannot be passed on. The request is given up then.
    fn interim(&mut self, _status: u16, _fields: &Fields) -> io::Result<()> {
        Ok(())
    }
}

/// Reads of an [`UploadFrom`] take so many bytes.
const PIECE: usize = 64 << 10;

/// Anything that can be read, as an [`Upload`]. A read that waits holds up the request, and its answer; a file does
/// not wait.
#[derive(Debug)]
pub struct UploadFrom<R> {
    reader: R,
    length: Option<u64>,
    piece: Vec<u8>,
    used: usize,
    filled: usize,
}

impl<R: Read> UploadFrom<R> {
    /// What `reader` has until its end. If that is known to be `length` bytes, the request says so; a reader that ends
    /// before has failed.
    pub fn new(reader: R, length: Option<u64>) -> UploadFrom<R> {
        UploadFrom { reader, length, piece: vec![0; PIECE], used: 0, filled: 0 }
    }
}

impl<R: Read> Upload for UploadFrom<R> {
    fn length(&self) -> Option<u64> {
        self.length
    }

    fn peek_now(&mut self) -> io::Result<Option<&[u8]>> {
        if self.used == self.filled {
            self.used = 0;
            self.filled = loop {
                match self.reader.read(&mut self.piece) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    read => break read?,
                }
            };
        }
        Ok(Some(&self.piece[self.used..self.filled]))
    }

    fn consume(&mut self, bytes: usize) {
        self.used += bytes;
    }

    fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}
