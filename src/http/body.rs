//! A response's body as it comes, and what is left of its request's.

use super::fields::Fields;
use super::tunnel::Tunnel;
use crate::relay::Duplex;
use std::io::{self, BufRead, Read};
use std::os::fd::BorrowedFd;

/// A response's body, read as it comes.
#[derive(Debug)]
pub struct Body {}

impl Body {
    /// How long the body is, if that was declared. 0 where there is none: after HEAD, with 204 and 304.
    pub fn length(&self) -> Option<u64> {
        todo!()
    }

    /// Whether all of it was read.
    pub fn is_over(&self) -> bool {
        todo!()
    }

    /// What of it is here, in one piece, and was not yet consumed.
    pub fn buffered(&self) -> &[u8] {
        todo!()
    }

    /// Whether the request's body is still to be sent, by [`Duplex::write_now`] and [`Duplex::finish_now`].
    pub fn is_sending(&self) -> bool {
        todo!()
    }

    /// The trailer fields, once the body is over, if there were any.
    pub fn trailers(&self) -> Option<&Fields> {
        todo!()
    }

    /// The connection as a tunnel, after status 101.
    ///
    /// # Panics
    ///
    /// After any other status.
    pub fn into_tunnel(self) -> Tunnel {
        todo!()
    }
}

impl Read for Body {
    fn read(&mut self, _room: &mut [u8]) -> io::Result<usize> {
        todo!()
    }
}

impl BufRead for Body {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        todo!()
    }

    fn consume(&mut self, _bytes: usize) {
        todo!()
    }
}

impl Duplex for Body {
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
