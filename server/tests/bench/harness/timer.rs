//! A timer among an event loop's events.
//!
//! `Poll`'s own timeout counts whole milliseconds, more than a request takes here. A load that spins instead would
//! take a core from the contender, and would look like a saturated one.

use mio::unix::SourceFd;
use mio::{Interest, Poll, Token};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

pub(crate) struct Timer(OwnedFd);

impl Timer {
    /// Readable as `token` when it has expired.
    pub(crate) fn new(poll: &Poll, token: Token) -> io::Result<Timer> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = Timer(rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)?);
        poll.registry().register(&mut SourceFd(&timer.0.as_raw_fd()), token, Interest::READABLE)?;
        Ok(timer)
    }

    /// Expires once, after `wait`. Setting it again starts it anew.
    pub(crate) fn set(&self, wait: Duration) -> io::Result<()> {
        // Zero would turn it off.
        let wait = wait.max(Duration::from_nanos(1));
        let value = Timespec { tv_sec: wait.as_secs() as i64, tv_nsec: i64::from(wait.subsec_nanos()) as _ };
        let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value: value };
        rustix::time::timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once)?;
        Ok(())
    }
}
