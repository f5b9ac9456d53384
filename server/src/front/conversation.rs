//! A response on its way, and what is left of its request.

use headstart::cancel::CancelToken;
#[cfg(unix)]
use headstart::relay::Duplex;
use std::fmt;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
#[cfg(unix)]
use std::os::fd::BorrowedFd;

/// A response whose body is being sent, and what is left of its request's body.
pub struct Conversation<'a> {
    of: PhantomData<&'a ()>,
}

impl Conversation<'_> {
    /// Canceled when the server gives up on the request.
    pub fn token(&self) -> &CancelToken {
        todo!()
    }
}

impl Write for Conversation<'_> {
    fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        todo!()
    }

    fn flush(&mut self) -> io::Result<()> {
        todo!()
    }
}

impl Read for Conversation<'_> {
    fn read(&mut self, _into: &mut [u8]) -> io::Result<usize> {
        todo!()
    }
}

#[cfg(unix)]
impl Duplex for Conversation<'_> {
    fn peek_now(&mut self) -> io::Result<Option<&[u8]>> {
        todo!()
    }

    fn consume(&mut self, _bytes: usize) {
        todo!()
    }

    fn write_now(&mut self, _bytes: &[u8]) -> io::Result<usize> {
        todo!()
    }

    fn flush_now(&mut self) -> io::Result<bool> {
        todo!()
    }

    fn finish_now(&mut self) -> io::Result<bool> {
        todo!()
    }

    fn as_fd(&self) -> BorrowedFd<'_> {
        todo!()
    }
}

impl fmt::Debug for Conversation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conversation").finish_non_exhaustive()
    }
}
