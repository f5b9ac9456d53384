//! What the process is told from outside, where there are no Unix signals.
//!
//! Windows delivers Ctrl-C as SIGINT, for which signal-hook can raise a flag there and no more: waiting for a console
//! event takes unsafe code. So the main thread looks at the flag a few times a second. A second Ctrl-C ends the
//! process.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Stop requests.
pub(crate) struct StopRequests(Arc<AtomicBool>);

impl StopRequests {
    pub(crate) fn register() -> io::Result<StopRequests> {
        super::second::ends_the_process().map(StopRequests)
    }

    /// Waits for a request to stop, and names it. Nothing asks for a reload here.
    pub(crate) fn wait(&mut self, _reload: impl Fn()) -> &'static str {
        while !self.0.load(Ordering::SeqCst) {
            std::thread::sleep(LOOK_EVERY);
        }
        "Ctrl-C"
    }
}
