//! Bytes moved both ways between two ends, by one thread.
//!
//! The problem: a proxy has two peers that may both speak at any moment, and a thread that waits for the one does not
//! hear the other. Two threads would do, at twice the price, and each of them would have to learn of the other's end.
//! The answer: no end is ever waited for alone. Each is asked for what it has and told what the other one said, both
//! without waiting; when nothing moves, one `poll` waits for both.

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
