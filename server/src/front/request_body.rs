//! A request's body, read as it comes.

use std::fmt;
use std::io::{self, Read};
use std::marker::PhantomData;
#[cfg(unix)]
use std::os::fd::BorrowedFd;

/// The body of a request, read as it comes and of whatever length.
pub struct RequestBody<'a> {
    of: PhantomData<&'a ()>,
}

impl RequestBody<'_> {
    /// What has come and was not yet consumed, decoded: `None` when that is nothing for now, an empty slice at the
    /// body's end. Does not wait. A client that waits for leave to send gets it now.
    ///
    /// # Errors
    ///
    /// As those of reading.
    pub fn peek_now(&mut self) -> io::Result<Option<&[u8]>> {
        todo!()
    }

    /// Takes the first `bytes` of what [`peek_now`](RequestBody::peek_now) showed.
    pub fn consume(&mut self, bytes: usize) {
        todo!("{bytes}")
    }

    /// The client's socket, to wait for; `None` when `peek_now` waits itself.
    #[cfg(unix)]
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        todo!()
    }
}

impl Read for RequestBody<'_> {
    fn read(&mut self, _into: &mut [u8]) -> io::Result<usize> {
        todo!()
    }
}

impl fmt::Debug for RequestBody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}
