//! What happens to a request for work, by chance that can be repeated.
//!
//! The chance is a pure function of the seed and the request's place in the sequence: no state to lock, and threads
//! that overtake each other draw the same lots.

use super::settings::SampleSettings;
use crate::front::{Ending, Response};
use std::ops::RangeInclusive;
use std::time::Duration;

/// What is to become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Success,
    /// An answer with this status.
    Error(u16),
    Garbage(Garbage),
    /// No answer ever.
    Hang,
}

/// A `200` that is not what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Garbage {
    /// Declared as JSON, and none.
    Malformed,
    /// Not even declared as JSON.
    WrongType,
    /// Cut off in the middle.
    Truncated,
}

/// The lots of one request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Chance {
    pub(super) seed: u64,
    /// Its place in the sequence of requests.
    pub(super) place: u64,
}

impl Chance {
    /// A number of 64 random bits; each `lot` is another one.
    fn draw(self, lot: u64) -> u64 {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let stream = split_mix(self.seed.wrapping_add(GOLDEN.wrapping_mul(lot + 1)));
        split_mix(stream.wrapping_add(GOLDEN.wrapping_mul(self.place + 1)))
    }

    /// A number from 0 up to, not including, 1.
    fn share(self, lot: u64) -> f64 {
        (self.draw(lot) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A time within `range`, each millisecond as likely as the other.
    pub(super) fn time(self, range: RangeInclusive<Duration>) -> Duration {
        let (min, max) = (range.start().as_millis() as u64, range.end().as_millis() as u64);
        let steps = max.saturating_sub(min).saturating_add(1);
        Duration::from_millis(min + (self.share(0) * steps as f64) as u64)
    }

    /// One of `choices`.
    fn one_of<T: Copy>(self, lot: u64, choices: &[T]) -> T {
        choices[(self.share(lot) * choices.len() as f64) as usize]
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
fn split_mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

impl SampleSettings {
    /// What becomes of the request with this chance.
    pub(super) fn fate(&self, chance: Chance) -> Fate {
        let lot = chance.share(1);
        if lot < self.error_rate {
            Fate::Error(chance.one_of(2, &[500, 503]))
        } else if lot < self.error_rate + self.garbage_rate {
            Fate::Garbage(chance.one_of(2, &[Garbage::Malformed, Garbage::WrongType, Garbage::Truncated]))
        } else if lot < self.error_rate + self.garbage_rate + self.hang_rate {
            Fate::Hang
        } else {
            Fate::Success
        }
    }
}

impl Garbage {
    /// The answer of a request that took `millis`.
    pub(super) fn response(self, millis: u128) -> Response {
        let whole = format!(r#"{{"time": {millis}}}"#).into_bytes();
        match self {
            Garbage::Malformed => {
                Response::new(200, "application/json", format!(r#"{{"time": {millis}, "#).into_bytes())
            }
            Garbage::WrongType => Response::new(200, "text/html; charset=utf-8", b"<p>It works!</p>\n".as_slice()),
            Garbage::Truncated => {
                let half = whole.len() / 2;
                Response::new(200, "application/json", whole).with_ending(Ending::CutAfter(half))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fates(settings: &SampleSettings, count: u64) -> Vec<(Fate, Duration)> {
        (0..count)
            .map(|place| Chance { seed: settings.seed, place })
            .map(|chance| (settings.fate(chance), chance.time(settings.min..=settings.max)))
            .collect()
    }

    #[test]
    fn the_same_seed_brings_the_same_fates_and_another_seed_others() {
        let seven = SampleSettings::default().seed(7);
        let eight = SampleSettings::default().seed(8);
        assert_eq!(fates(&seven, 200), fates(&seven, 200));
        assert_ne!(fates(&seven, 200), fates(&eight, 200));
    }

    #[test]
    fn each_fate_comes_as_often_as_its_rate_says() {
        const COUNT: u64 = 100_000;
        let settings = SampleSettings::default();
        let fates = fates(&settings, COUNT);
        let share =
            |wanted: fn(&Fate) -> bool| fates.iter().filter(|(fate, _)| wanted(fate)).count() as f64 / COUNT as f64;
        let near = |share: f64, rate: f64| assert!((share - rate).abs() < 0.005, "{share} instead of {rate}");
        near(share(|fate| matches!(fate, Fate::Error(_))), settings.error_rate);
        near(share(|fate| matches!(fate, Fate::Garbage(_))), settings.garbage_rate);
        near(share(|fate| matches!(fate, Fate::Hang)), settings.hang_rate);
        near(share(|fate| matches!(fate, Fate::Success)), 0.8);
    }

    #[test]
    fn times_fill_the_range_evenly_and_never_leave_it() {
        let settings = SampleSettings::default();
        let times: Vec<_> = fates(&settings, 100_000).into_iter().map(|(_, time)| time).collect();
        assert_eq!(times.iter().min(), Some(&settings.min));
        assert_eq!(times.iter().max(), Some(&settings.max));
        let mean = times.iter().sum::<Duration>() / times.len() as u32;
        assert!(mean.abs_diff(Duration::from_millis(350)) < Duration::from_millis(3), "{mean:?}");
    }

    #[test]
    fn a_rate_of_one_leaves_room_for_nothing_else() {
        let settings = SampleSettings::default().error_rate(0.0).garbage_rate(0.0).hang_rate(1.0);
        assert!(fates(&settings, 1_000).iter().all(|(fate, _)| *fate == Fate::Hang));
    }

    #[test]
    fn settings_that_cannot_be_are_refused_by_name() {
        let refused = |change: fn(&mut SampleSettings)| {
            let mut settings = SampleSettings::default();
            change(&mut settings);
            settings.check().unwrap_err().to_string()
        };
        assert!(refused(|settings| settings.error_rate = 1.5).starts_with("error_rate cannot be '1.5'"));
        assert!(refused(|settings| settings.hang_rate = f64::NAN).starts_with("hang_rate cannot be"));
        assert!(refused(|settings| settings.garbage_rate = 0.95).contains("together at most 1"));
        assert!(refused(|settings| settings.min = Duration::from_secs(1)).starts_with("min cannot be '1s'"));
    }
}
