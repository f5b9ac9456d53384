//! How long attempts take, when some were ended before their answer came.
//!
//! The problem: a hedger ends the slow ones. Who leaves those out, or takes them for finished, finds its upstreams
//! faster than they are, hedges sooner, ends more of them, and so on without end. The answer is that of survival
//! analysis: an attempt that was ended after 20 ms says that it takes longer than 20 ms, and nothing else (a censored
//! observation). The product over all intervals of the share that got through each (Kaplan and Meier, 1958; within an
//! interval by the life table, in which those that were ended are there for half of it) is the share that takes longer.

use std::time::Duration;

/// What was seen of the attempts whose time fell between two moments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The interval's beginning.
    pub from: Duration,
    /// Its end.
    pub to: Duration,
    /// How many attempts finished in it.
    pub finished: u64,
    /// How many were ended in it before they had finished.
    pub ended: u64,
}

/// The share of attempts that takes longer than a given time.
///
/// ```
/// use headstart::policy::{Curve, Observed};
/// use std::time::Duration;
///
/// let ms = Duration::from_millis;
/// // Of 100 attempts 90 finished within 10 ms; the others were ended then.
/// let curve = Curve::of([
///     Observed { from: ms(0), to: ms(10), finished: 90, ended: 0 },
///     Observed { from: ms(10), to: ms(11), finished: 0, ended: 10 },
/// ]);
/// assert!((curve.longer_than(ms(10)) - 0.1).abs() < 1e-9);
/// assert_eq!(curve.quantile(0.45), Some(ms(5)));
/// assert_eq!(curve.quantile(0.95), None, "nobody waited so long");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Curve {
    /// In ascending order; each ends where the next one begins, or before.
    steps: Vec<Step>,
    finished: u64,
    ended: u64,
    /// The longest time anybody was waited for.
    longest: f64,
}

/// A line of the curve: from `before` down to `after`.
#[derive(Clone, Copy, Debug)]
struct Step {
    from: f64,
    to: f64,
    before: f64,
    after: f64,
}

impl Curve {
    /// The curve of what was seen. The intervals are in ascending order and do not overlap.
    pub fn of(observed: impl IntoIterator<Item = Observed>) -> Curve {
        let observed: Vec<Observed> = observed.into_iter().filter(|seen| seen.finished + seen.ended > 0).collect();
        let finished = observed.iter().map(|seen| seen.finished).sum();
        let ended = observed.iter().map(|seen| seen.ended).sum();
        let mut at_risk = (finished + ended) as f64;
        let mut left = 1.0;
        let mut steps = Vec::with_capacity(observed.len());
        for seen in &observed {
            let exposed = at_risk - seen.ended as f64 / 2.0;
            let before = left;
            if seen.finished > 0 {
                left *= 1.0 - seen.finished as f64 / exposed.max(seen.finished as f64);
                steps.push(Step { from: seen.from.as_secs_f64(), to: seen.to.as_secs_f64(), before, after: left });
            }
            at_risk -= (seen.finished + seen.ended) as f64;
        }
        let longest = observed.last().map_or(0.0, |seen| seen.to.as_secs_f64());
        Curve { steps, finished, ended, longest }
    }

    /// How many attempts it is made of, those that were ended included.
    pub fn attempts(&self) -> u64 {
        self.finished + self.ended
    }

    /// How many of them finished.
    pub fn finished(&self) -> u64 {
        self.finished
    }

    /// The share of attempts that takes longer than `time`, from 0 to 1. Where nobody was waited for so long, it is the
    /// share that was left before.
    pub fn longer_than(&self, time: Duration) -> f64 {
        let time = time.as_secs_f64();
        let passed = self.steps.partition_point(|step| step.to <= time);
        match self.steps.get(passed) {
            Some(step) if step.from < time => {
                step.before + (step.after - step.before) * (time - step.from) / (step.to - step.from)
            }
            _ => passed.checked_sub(1).map_or(1.0, |last| self.steps[last].after),
        }
    }

    /// The time within which `share` of the attempts finish, from 0 to 1. `None` when so many were never waited for.
    pub fn quantile(&self, share: f64) -> Option<Duration> {
        let left = 1.0 - share;
        let passed = self.steps.partition_point(|step| step.after > left);
        let step = self.steps.get(passed)?;
        let part = ((step.before - left) / (step.before - step.after)).clamp(0.0, 1.0);
        Some(Duration::from_secs_f64(step.from + (step.to - step.from) * part))
    }

    /// How much longer an attempt takes, on average, that has taken `time` already. What was never waited for counts as
    /// the longest that was.
    pub fn mean_beyond(&self, time: Duration) -> Duration {
        let left = self.longer_than(time);
        if left <= 0.0 {
            return Duration::ZERO;
        }
        let (mut at, mut height, mut area) = (time.as_secs_f64(), left, 0.0);
        for step in self.steps.iter().filter(|step| step.to > time.as_secs_f64()) {
            let from = step.from.max(at);
            area += (from - at) * height;
            area += (step.to - from) * (height + step.after) / 2.0;
            (at, height) = (step.to, step.after);
        }
        area += (self.longest - at).max(0.0) * height;
        Duration::from_secs_f64(area / left)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn seen(from: u64, finished: u64, ended: u64) -> Observed {
        Observed { from: ms(from), to: ms(from + 10), finished, ended }
    }

    #[test]
    fn nothing_seen_says_nothing() {
        let curve = Curve::of([]);
        assert_eq!((curve.attempts(), curve.longer_than(ms(5)), curve.quantile(0.5)), (0, 1.0, None));
        assert_eq!(curve.mean_beyond(ms(5)), Duration::ZERO);
    }

    #[test]
    fn without_censoring_it_is_the_share_that_took_longer() {
        let curve = Curve::of([seen(0, 50, 0), seen(10, 0, 0), seen(20, 30, 0), seen(90, 20, 0)]);
        for (at, share) in [(0, 1.0), (5, 0.75), (10, 0.5), (15, 0.5), (25, 0.35), (50, 0.2), (95, 0.1), (200, 0.0)] {
            assert!((curve.longer_than(ms(at)) - share).abs() < 1e-9, "{at}: {}", curve.longer_than(ms(at)));
        }
        for (share, at) in [(0.25, 5), (0.65, 25), (0.9, 95), (1.0, 100)] {
            assert_eq!(curve.quantile(share), Some(ms(at)), "{share}");
        }
        // A fifth takes 95 ms on average, that is 45 more than 50.
        assert_eq!(curve.mean_beyond(ms(50)), ms(45));
    }

    #[test]
    fn those_that_were_ended_are_neither_finished_nor_absent() {
        // 80 finish at once. 20 are left after 10 ms, of which 10 are ended; 5 of the other 10 finish in the next
        // interval. So half of those who got so far take longer.
        let curve = Curve::of([seen(0, 80, 0), seen(10, 0, 10), seen(20, 5, 0), seen(30, 5, 0)]);
        assert!((curve.longer_than(ms(30)) - 0.1).abs() < 1e-9);
        assert_eq!((curve.attempts(), curve.finished()), (100, 90));
    }

    #[test]
    fn where_all_were_ended_nothing_is_known_beyond() {
        let curve = Curve::of([seen(0, 95, 0), seen(10, 0, 5)]);
        assert_eq!(curve.quantile(0.96), None);
        assert!((curve.longer_than(ms(500)) - 0.05).abs() < 1e-9);
        assert_eq!(curve.mean_beyond(ms(500)), Duration::ZERO);
        assert_eq!(curve.mean_beyond(ms(10)), ms(10), "so long at least, as was waited for");
    }
}
