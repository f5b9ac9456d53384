//! The second request to stop ends the process, however stuck it is: in the signal handler itself.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// From here on the first SIGTERM or SIGINT raises the flag that is returned, and a second one ends the process.
pub(super) fn ends_the_process() -> io::Result<Arc<AtomicBool>> {
    let stopping = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // In this order: the flag is still down when the first signal asks for it.
        flag::register_conditional_shutdown(signal, 128 + signal, stopping.clone())?;
        flag::register(signal, stopping.clone())?;
    }
    Ok(stopping)
}
