//! No hedges while upstreams fail (gRPC proposal A6, `retryThrottling`).
//!
//! There are ten tokens. An attempt that fails takes one, one that succeeds gives a tenth of one back. With half of
//! them or fewer nothing is hedged: at more than one failure to ten successes a second attempt makes things worse.

use std::sync::atomic::{AtomicU32, Ordering};

/// In thousandths of a token.
const MOST: u32 = 10_000;
const FAILURE: u32 = 1_000;
const SUCCESS: u32 = 100;

pub(super) struct Throttle {
    tokens: AtomicU32,
}

impl Throttle {
    pub(super) fn new() -> Throttle {
        Throttle { tokens: AtomicU32::new(MOST) }
    }

    #[inline]
    pub(super) fn succeeded(&self) {
        // While all goes well nothing is written.
        if self.tokens.load(Ordering::Relaxed) < MOST {
            self.change(|tokens| (tokens + SUCCESS).min(MOST));
        }
    }

    pub(super) fn failed(&self) {
        self.change(|tokens| tokens.saturating_sub(FAILURE));
    }

    /// Whether hedges may be sent.
    pub(super) fn is_open(&self) -> bool {
        self.tokens.load(Ordering::Relaxed) > MOST / 2
    }

    fn change(&self, to: impl Fn(u32) -> u32) {
        let _always = self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| Some(to(tokens)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_close_it_and_successes_open_it_again() {
        let throttle = Throttle::new();
        (0..4).for_each(|_| throttle.failed());
        assert!(throttle.is_open());
        throttle.failed();
        assert!(!throttle.is_open(), "half of the tokens are left");
        throttle.succeeded();
        assert!(throttle.is_open());
        (0..100).for_each(|_| throttle.failed());
        (0..50).for_each(|_| throttle.succeeded());
        assert!(!throttle.is_open());
        throttle.succeeded();
        assert!(throttle.is_open());
        (0..1_000).for_each(|_| throttle.succeeded());
        (0..5).for_each(|_| throttle.failed());
        assert!(!throttle.is_open(), "there are never more than ten");
    }
}
