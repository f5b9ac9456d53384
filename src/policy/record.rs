//! The times of attempts over the last while, in constant memory.
//!
//! The problem: every attempt is to be counted, from all threads, for the price of a few instructions, and what is
//! older than the window is to be forgotten. The answer: an attempt is one atomic addition to a histogram of the
//! moment. From time to time, whoever is due to look takes that over into a ring of epochs, from which the oldest falls
//! out; only he holds a lock.
//!
//! What a histogram keeps of a time is its bucket, 32 to each doubling: no more than 3 % wide.

use super::curve::{Curve, Observed};
use crate::sync::lock;
use histogram::{AtomicHistogram32, Config, Histogram32};
use std::sync::Mutex;
use std::time::Duration;

/// The times of attempts over the last while.
pub(super) struct Record {
    finished: AtomicHistogram32,
    ended: AtomicHistogram32,
    epoch: Duration,
    ring: Mutex<Ring>,
}

struct Ring {
    /// The last epochs; `sum` is what they come to.
    epochs: Box<[Times]>,
    sum: Times,
    /// What was taken over last, kept for its room.
    taken: Histogram32,
    /// Of the epoch that is filled now: epochs are counted from the clock's beginning.
    number: u64,
}

/// Counts by bucket.
#[derive(Clone)]
struct Times {
    finished: Histogram32,
    ended: Histogram32,
}

/// From 1 µs to 71 minutes.
fn config() -> Config {
    Config::new(5, 32).expect("a config that the crate allows")
}

const LONGEST: u64 = u32::MAX as u64;

impl Record {
    /// One that keeps as many epochs of this length.
    pub(super) fn new(epochs: usize, epoch: Duration) -> Record {
        let config = config();
        let none = Histogram32::with_config(&config);
        let times = Times { finished: none.clone(), ended: none.clone() };
        Record {
            finished: AtomicHistogram32::with_config(&config),
            ended: AtomicHistogram32::with_config(&config),
            epoch,
            ring: Mutex::new(Ring { epochs: vec![times.clone(); epochs].into(), sum: times, taken: none, number: 0 }),
        }
    }

    /// Counts an attempt that finished after `time`.
    #[inline]
    pub(super) fn finished(&self, time: Duration) {
        let _ = self.finished.increment(micros(time)); // no time is beyond the longest
    }

    /// Counts one that was ended after `time`, before it had finished.
    #[inline]
    pub(super) fn ended(&self, time: Duration) {
        let _ = self.ended.increment(micros(time));
    }

    /// What was seen in the window that ends `now`, counted from the clock's beginning.
    pub(super) fn observed(&self, now: Duration) -> Vec<Observed> {
        self.take_over(now);
        let ring = lock(&self.ring);
        let seen = ring.sum.finished.iter().zip(ring.sum.ended.iter());
        seen.filter(|(finished, ended)| finished.count() + ended.count() > 0)
            .map(|(finished, ended)| Observed {
                from: Duration::from_micros(finished.start()),
                to: Duration::from_micros(finished.end() + 1),
                finished: finished.count(),
                ended: ended.count(),
            })
            .collect()
    }

    /// The curve of it.
    pub(super) fn curve(&self, now: Duration) -> Curve {
        Curve::of(self.observed(now))
    }

    /// Has what was counted since the last time count for the epoch of `now`.
    pub(super) fn take_over(&self, now: Duration) {
        let mut ring = lock(&self.ring);
        let ring = &mut *ring;
        let number = (now.as_nanos() / self.epoch.as_nanos().max(1)) as u64;
        let passed = number.saturating_sub(ring.number).min(ring.epochs.len() as u64);
        for back in (0..passed).rev() {
            ring.forget(number - back);
        }
        ring.number = number.max(ring.number);
        let place = (ring.number % ring.epochs.len() as u64) as usize;
        let Ring { epochs, sum, taken, .. } = ring;
        for (from, to, total) in [
            (&self.finished, &mut epochs[place].finished, &mut sum.finished),
            (&self.ended, &mut epochs[place].ended, &mut sum.ended),
        ] {
            from.drain_into(taken).expect("they have the same config");
            for ((new, to), total) in taken.as_slice().iter().zip(to.as_mut_slice()).zip(total.as_mut_slice()) {
                *to += new;
                *total += new;
            }
        }
    }
}

impl Ring {
    /// Empties the place of epoch `number` for its new one.
    fn forget(&mut self, number: u64) {
        let place = (number % self.epochs.len() as u64) as usize;
        let Ring { epochs, sum, .. } = self;
        for (old, total) in
            [(&mut epochs[place].finished, &mut sum.finished), (&mut epochs[place].ended, &mut sum.ended)]
        {
            for (old, total) in old.as_mut_slice().iter_mut().zip(total.as_mut_slice()) {
                *total -= *old;
                *old = 0;
            }
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(LONGEST).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn times_are_kept_as_long_as_the_window() {
        let record = Record::new(3, seconds(2));
        record.finished(Duration::from_millis(10));
        assert_eq!(record.curve(seconds(0)).attempts(), 1);
        record.ended(Duration::from_millis(20));
        assert_eq!(record.curve(seconds(3)).attempts(), 2);
        assert_eq!(record.curve(seconds(5)).attempts(), 2);
        // The first epoch has fallen out; what came in the second is left.
        assert_eq!((record.curve(seconds(6)).attempts(), record.curve(seconds(7)).finished()), (1, 0));
        assert_eq!(record.curve(seconds(100)).attempts(), 0);
        record.finished(seconds(1));
        assert_eq!(record.curve(seconds(100)).attempts(), 1);
    }

    #[test]
    fn a_time_is_kept_within_three_per_cent() {
        for time in [1, 7, 999, 5_000, 123_456, 10_000_000, 4_000_000_000] {
            let record = Record::new(1, seconds(1));
            record.finished(Duration::from_micros(time));
            let seen = record.observed(seconds(0));
            let [Observed { from, to, .. }] = seen[..] else { panic!("{seen:?}") };
            assert!((from.as_micros()..to.as_micros()).contains(&u128::from(time)), "{time}: {seen:?}");
            assert!((to - from).as_micros() <= u128::from(time / 32 + 1), "{time}: {seen:?}");
        }
    }

    #[test]
    fn what_is_longer_than_all_is_the_longest() {
        let record = Record::new(1, seconds(1));
        record.finished(Duration::MAX);
        assert_eq!(record.curve(seconds(0)).attempts(), 1);
    }
}
