//! Whether hedges are worth what they cost.
//!
//! The problem: where requests wait in queues, or everything is slow at once, a hedge is no faster than its primary. It
//! only makes the queues longer, and within a budget of a tenth that is enough to double a tail at high load. The
//! answer: of the races that were hedged, the policy knows how many their hedge has won. Where slowness is a matter of
//! single requests that is most of them; where it is not, hardly any. (An attempt whose end is as near as it was at its
//! beginning loses half of its races.) As that share falls, so does the part of the budget that is used, down to a
//! tenth of it, which goes on trying.

use std::sync::atomic::{AtomicU32, Ordering};

/// One is this much.
const ONE: u32 = 1 << 16;
/// The share moves by so much of the way with each hedged race.
const STEP: u32 = 64;
/// With at least this share won, all of the budget is used; with this or less, the least of it.
const ENOUGH: f64 = 0.5;
const TOO_LITTLE: f64 = 0.3;
const LEAST: f64 = 0.1;

/// How many of the hedged races of late a hedge has won.
pub(super) struct Worth {
    won: AtomicU32,
}

impl Worth {
    /// Nothing speaks against hedging yet.
    pub(super) fn new() -> Worth {
        Worth { won: AtomicU32::new(ONE) }
    }

    /// Counts a race in which a hedge was sent.
    pub(super) fn count(&self, is_won_by_hedge: bool) {
        let next = |won: u32| Some(if is_won_by_hedge { won + (ONE - won) / STEP } else { won - won / STEP });
        let _always = self.won.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next);
    }

    /// The part of the budget that is to be used, from a tenth to one.
    pub(super) fn part(&self) -> f64 {
        let won = f64::from(self.won.load(Ordering::Relaxed)) / f64::from(ONE);
        let part = (won - TOO_LITTLE) / (ENOUGH - TOO_LITTLE);
        part.clamp(LEAST, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hedges_that_win_now_and_then_may_use_all_of_the_budget_and_such_that_never_do_a_tenth() {
        let worth = Worth::new();
        let races = |won_of_eight| (0..2_000).for_each(|race| worth.count(race % 8 < won_of_eight));
        assert_eq!(worth.part(), 1.0);
        races(6);
        assert_eq!(worth.part(), 1.0);
        races(3);
        assert!((0.3..0.7).contains(&worth.part()), "{}", worth.part());
        races(0);
        assert_eq!(worth.part(), 0.1);
        (0..100).for_each(|_| worth.count(true));
        assert_eq!(worth.part(), 1.0, "it is soon seen that they win again");
    }
}
