//! An end, as a relay uses it.

use std::io;
use std::os::fd::BorrowedFd;

/// One end of a connection with bytes in both directions, which is read and written without waiting.
pub trait Duplex {
    /// What has come and was not yet consumed: `None` when that is nothing for now, an empty slice at the end.
    ///
    /// # Errors
    ///
    /// The connection broke, or what came is malformed.
    fn peek_now(&mut self) -> io::Result<Option<&[u8]>>;

    /// Takes the first `bytes` of what [`peek_now`](Duplex::peek_now) showed.
    fn consume(&mut self, bytes: usize);

    /// Sends a part of `bytes`, as many as there is room for now, and tells how many that were.
    ///
    /// # Errors
    ///
    /// The connection broke.
    fn write_now(&mut self, bytes: &[u8]) -> io::Result<usize>;

    /// Sends on what was taken by [`write_now`](Duplex::write_now) and is still held here. `true` when nothing is.
    ///
    /// # Errors
    ///
    /// The connection broke.
    fn flush_now(&mut self) -> io::Result<bool>;

    /// Says that nothing more will be written. `true` when that is said, `false` when there was no room for it yet.
    ///
    /// # Errors
    ///
    /// The connection broke.
    fn finish_now(&mut self) -> io::Result<bool>;

    /// The socket, to wait for.
    fn as_fd(&self) -> BorrowedFd<'_>;
}
