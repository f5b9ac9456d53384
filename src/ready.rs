//! Waiting for sockets, pipes and processes by a deadline.

use crate::deadline::Deadline;
use rustix::event::{PollFd, Timespec, poll};
use rustix::io::Errno;
use std::io;

/// Waits until something happens to one of `descriptors`, at most until `until`, and returns to how many. May return 0
/// earlier.
pub(crate) fn wait(descriptors: &mut [PollFd<'_>], until: Deadline) -> io::Result<usize> {
    // A duration that the clock cannot express is no limit.
    let left = until.remaining().and_then(|left| Timespec::try_from(left).ok());
    match poll(descriptors, left.as_ref()) {
        Err(Errno::INTR) => {
            descriptors.iter_mut().for_each(PollFd::clear_revents);
            Ok(0)
        }
        polled => Ok(polled?),
    }
}
