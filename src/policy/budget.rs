//! How many hedges there may be for so many primaries.
//!
//! The problem: when an upstream gets slower, a hedger without a bound doubles its load just then. And a bound counted
//! in fixed windows lets twice as much through where two windows meet. The answer: primaries and hedges are counted
//! over a window that slides, ten seconds in slots of 100 ms. A primary is one atomic addition; hedges, of which there
//! are few, are counted under a lock, so that no two of them take the same room.
//!
//! What was saved up in ten seconds is not to be spent in one: when queues grow, all requests would be hedged at once,
//! and the queues grow for that. So within a second hedges may be no more than twice their share.

use crate::sync::lock;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const SLOT: Duration = Duration::from_millis(100);
const SLOTS: usize = 100;
/// A second in slots.
const SECOND: u64 = 10;
/// Within a second, hedges may be so many times their share.
const AT_ONCE: f64 = 2.0;

/// What was sent in the last ten seconds.
pub(super) struct Budget {
    /// The slot's number in the upper half, how many primaries in the lower.
    primaries: [AtomicU64; SLOTS],
    hedges: Mutex<[(u64, u32); SLOTS]>,
}

/// What was sent in the window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) primaries: u64,
    pub(super) hedges: u64,
}

impl Budget {
    pub(super) fn new() -> Budget {
        Budget { primaries: [const { AtomicU64::new(0) }; SLOTS], hedges: Mutex::new([(0, 0); SLOTS]) }
    }

    /// Counts a primary sent `now`, counted from the clock's beginning.
    #[inline]
    pub(super) fn count_primary(&self, now: Duration) {
        let number = slot(now);
        let place = &self.primaries[number as usize % SLOTS];
        let mut seen = place.load(Ordering::Relaxed);
        loop {
            let counted = if seen >> 32 == number { seen + 1 } else { number << 32 | 1 };
            match place.compare_exchange_weak(seen, counted, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(changed) => seen = changed,
            }
        }
    }

    /// Counts a hedge if there is room for one: within `share` of the primaries, or within `min_rate` a second.
    pub(super) fn take(&self, now: Duration, share: f64, min_rate: f64) -> bool {
        let mut hedges = lock(&self.hedges);
        let number = slot(now);
        let within = |slots: u64| sum(hedges.iter().copied(), number, slots);
        let has_room = |slots, share: f64| (within(slots) + 1) as f64 <= share * self.primaries(number, slots) as f64;
        let is_within = has_room(SLOTS as u64, share) && (within(SECOND) == 0 || has_room(SECOND, share * AT_ONCE));
        let is_rare = min_rate > 0.0 && {
            // At less than one a second, one in a longer time.
            let slots = if min_rate < 1.0 { (SECOND as f64 / min_rate).ceil() as u64 } else { SECOND };
            ((within(slots) + 1) as f64) <= min_rate.max(1.0)
        };
        if !is_within && !is_rare {
            return false;
        }
        let place = &mut hedges[number as usize % SLOTS];
        *place = if place.0 == number { (number, place.1 + 1) } else { (number, 1) };
        true
    }

    /// What was sent in the window that ends `now`.
    pub(super) fn sent(&self, now: Duration) -> Sent {
        let number = slot(now);
        let hedges = sum(lock(&self.hedges).iter().copied(), number, SLOTS as u64);
        Sent { primaries: self.primaries(number, SLOTS as u64), hedges }
    }

    fn primaries(&self, number: u64, slots: u64) -> u64 {
        let counts = self.primaries.iter().map(|place| place.load(Ordering::Relaxed));
        sum(counts.map(|seen| (seen >> 32, seen as u32)), number, slots)
    }
}

/// The slot's number. The first is 1, so that an empty place has the number of none.
fn slot(now: Duration) -> u64 {
    (now.as_millis() / SLOT.as_millis()) as u64 + 1
}

/// What the last `slots` up to `number` come to.
fn sum(counts: impl Iterator<Item = (u64, u32)>, number: u64, slots: u64) -> u64 {
    counts.filter(|(at, _)| *at <= number && at + slots > number).map(|(_, count)| u64::from(count)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn hedges_stay_within_their_share_of_the_primaries() {
        let budget = Budget::new();
        assert!(!budget.take(ms(0), 0.1, 0.0), "there was no primary");
        (0..100).for_each(|_| budget.count_primary(ms(5)));
        let taken = (0..100).filter(|_| budget.take(ms(900), 0.1, 0.0)).count();
        assert_eq!(taken, 10);
        assert_eq!(budget.sent(ms(900)), Sent { primaries: 100, hedges: 10 });
    }

    #[test]
    fn what_was_saved_up_is_not_spent_in_a_second() {
        let budget = Budget::new();
        for at in (0..10_000).step_by(100) {
            (0..10).for_each(|_| budget.count_primary(ms(at)));
        }
        let taken = |at| (0..1_000).filter(|_| budget.take(ms(at), 0.1, 0.0)).count();
        assert_eq!((taken(9_900), taken(9_950)), (20, 0), "twice the share of a second's hundred primaries");
        (0..50).for_each(|_| budget.count_primary(ms(10_900)));
        assert_eq!(taken(10_900), 10);
        let rare = Budget::new();
        (0..20).for_each(|_| rare.count_primary(ms(0)));
        assert!(rare.take(ms(5_000), 0.1, 0.0), "one is never too many for a second");
        assert!(!rare.take(ms(5_000), 0.1, 0.0));
    }

    #[test]
    fn the_window_slides() {
        let budget = Budget::new();
        for at in (0..20_000).step_by(100) {
            (0..10).for_each(|_| budget.count_primary(ms(at)));
            // All the room there is, taken at once.
            while budget.take(ms(at), 0.1, 0.0) {}
            let Sent { primaries, hedges } = budget.sent(ms(at));
            assert_eq!((primaries, hedges), ((at / 10 + 10).min(1_000), (at / 100 + 1).min(100)), "{at}");
        }
        assert_eq!(budget.sent(ms(29_900)), Sent::default());
    }

    #[test]
    fn a_rare_request_can_be_hedged() {
        let budget = Budget::new();
        budget.count_primary(ms(0));
        let taken = |rate: f64, at: u64| (0..9).filter(|_| budget.take(ms(at), 0.0, rate)).count();
        assert_eq!((taken(1.0, 0), taken(1.0, 900), taken(1.0, 1_000)), (1, 0, 1));
        assert_eq!((taken(3.0, 2_000), taken(3.0, 2_500)), (3, 0));
        assert_eq!((taken(0.2, 6_900), taken(0.2, 7_000)), (0, 1));
        assert_eq!(taken(0.0, 60_000), 0);
    }

    #[test]
    fn no_two_take_the_same_room() {
        let budget = Budget::new();
        (0..1_000).for_each(|_| budget.count_primary(ms(0)));
        let taken: usize = std::thread::scope(|scope| {
            let takers: Vec<_> =
                (0..4).map(|_| scope.spawn(|| (0..100).filter(|_| budget.take(ms(1), 0.1, 0.0)).count())).collect();
            takers.into_iter().map(|taker| taker.join().unwrap()).sum()
        });
        assert_eq!(taken, 100);
    }
}
