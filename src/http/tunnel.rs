//! A connection that has become a tunnel (RFC 9110, section 7.8).

use crate::relay::Duplex;
use std::io;
use std::os::fd::BorrowedFd;

/// The connection to an upstream that has switched protocols: bytes as they are, both ways. Dropping it closes the
/// connection.
#[derive(Debug)]
pub struct Tunnel {}

impl Duplex for Tunnel {
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
