//! What stands in for a TLS session where there is none: in a build without the feature
//! `https`, and where sockets cannot be waited for.

use std::convert::Infallible;
use std::io;
use std::net::TcpStream;
use std::sync::Arc;

/// No session.
pub(crate) struct Secured(Infallible);

impl Secured {
    pub(crate) fn socket(&self) -> &Arc<TcpStream> {
        match self.0 {}
    }

    pub(crate) fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn read_now(&mut self, _: &mut [u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn is_quiet(&mut self) -> bool {
        match self.0 {}
    }
}

#[cfg(unix)]
impl Secured {
    pub(crate) fn write_now(&mut self, _: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self.0 {}
    }

    pub(crate) fn flush_now(&mut self) -> io::Result<bool> {
        match self.0 {}
    }

    pub(crate) fn has_unsent(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn finish_now(&mut self) -> io::Result<bool> {
        match self.0 {}
    }
}
