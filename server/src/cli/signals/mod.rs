//! What the process is told from outside.

#[cfg(not(unix))]
mod other;
mod second;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(super) use other::StopRequests;
#[cfg(unix)]
pub(super) use unix::StopRequests;
