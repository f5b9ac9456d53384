//! What the process is told from outside.
//!
//! SIGTERM and SIGINT mean stop. The first is waited for by the main thread, which then drains; a second one ends the
//! process in the signal handler itself, so it works however stuck everything else is. SIGHUP means reload.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::io;

/// Stop requests. From the moment this exists no signal above does what it would by default.
pub(crate) struct StopRequests(Signals);

impl StopRequests {
    pub(crate) fn register() -> io::Result<StopRequests> {
        super::second::ends_the_process()?;
        Ok(StopRequests(Signals::new([SIGTERM, SIGINT, SIGHUP])?))
    }

    /// Waits for a request to stop, and names it. Calls `reload` at each SIGHUP before.
    pub(crate) fn wait(&mut self, reload: impl Fn()) -> &'static str {
        for signal in self.0.forever() {
            match signal {
                SIGTERM => return "SIGTERM",
                SIGINT => return "SIGINT",
                _ => reload(),
            }
        }
        unreachable!("nobody closes the signals")
    }
}
