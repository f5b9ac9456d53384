//! The phases of a front's life, in their order: it serves, it drains, it cuts.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// How long canceled requests have to say so to their clients.
pub(super) const GRACE: Duration = Duration::from_millis(500);

const SERVING: u8 = 0;
const DRAINING: u8 = 1;
const CUTTING: u8 = 2;

/// Where a front stands in its life. It only ever goes forward.
#[derive(Debug)]
pub(super) struct Lifecycle(AtomicU8);

impl Lifecycle {
    pub(super) fn new() -> Lifecycle {
        Lifecycle(AtomicU8::new(SERVING))
    }

    /// From here on nothing new is accepted, and every answer is its connection's last.
    pub(super) fn drain(&self) {
        self.0.fetch_max(DRAINING, Ordering::SeqCst);
    }

    /// From here on what is under way is canceled.
    pub(super) fn cut(&self) {
        self.0.fetch_max(CUTTING, Ordering::SeqCst);
    }

    /// Whether it drains, or cuts already.
    pub(super) fn is_draining(&self) -> bool {
        self.0.load(Ordering::SeqCst) >= DRAINING
    }

    pub(super) fn is_cutting(&self) -> bool {
        self.0.load(Ordering::SeqCst) >= CUTTING
    }
}
