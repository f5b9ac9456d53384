//! How the sample behaves.

use crate::error::Error;
use std::time::Duration;

/// How a [`Sample`](super::Sample) behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleSettings {
    pub(super) seed: u64,
    pub(super) error_rate: f64,
    pub(super) garbage_rate: f64,
    pub(super) hang_rate: f64,
    pub(super) min: Duration,
    pub(super) max: Duration,
    pub(super) nap: Duration,
}

impl Default for SampleSettings {
    fn default() -> Self {
        SampleSettings {
            seed: 0,
            error_rate: 0.1,
            garbage_rate: 0.05,
            hang_rate: 0.05,
            min: Duration::from_millis(100),
            max: Duration::from_millis(600),
            nap: Duration::from_secs(3),
        }
    }
}

impl SampleSettings {
    /// Where the chances come from: with the same seed, the same sequence of requests meets the same fates. Defaults to
    /// 0.
    pub fn seed(mut self, seed: u64) -> SampleSettings {
        self.seed = seed;
        self
    }

    /// The share of requests answered with `500` or `503`, from 0 to 1. Defaults to 0.1.
    pub fn error_rate(mut self, share: f64) -> SampleSettings {
        self.error_rate = share;
        self
    }

    /// The share answered with `200` and something that is not JSON, from 0 to 1. Defaults to 0.05.
    pub fn garbage_rate(mut self, share: f64) -> SampleSettings {
        self.garbage_rate = share;
        self
    }

    /// The share never answered, from 0 to 1. Defaults to 0.05.
    pub fn hang_rate(mut self, share: f64) -> SampleSettings {
        self.hang_rate = share;
        self
    }

    /// The shortest time an answer takes. Defaults to 100 ms.
    pub fn min(mut self, time: Duration) -> SampleSettings {
        self.min = time;
        self
    }

    /// The longest time an answer takes. Defaults to 600 ms.
    pub fn max(mut self, time: Duration) -> SampleSettings {
        self.max = time;
        self
    }

    /// How long `/no-context` and `/with-context` sleep. Defaults to 3 s.
    pub fn nap(mut self, time: Duration) -> SampleSettings {
        self.nap = time;
        self
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let refuse = |key: &str, value: String, allowed: &str| Err(Error::setting(key, &value, allowed));
        let rates =
            [("error_rate", self.error_rate), ("garbage_rate", self.garbage_rate), ("hang_rate", self.hang_rate)];
        for (key, rate) in rates {
            if !(0.0..=1.0).contains(&rate) {
                return refuse(key, rate.to_string(), "a share from 0 to 1");
            }
        }
        let sum: f64 = rates.iter().map(|(_, rate)| rate).sum();
        if sum > 1.0 + 1e-9 {
            return refuse("error_rate + garbage_rate + hang_rate", sum.to_string(), "together at most 1");
        }
        if self.min > self.max {
            return refuse("min", format!("{:?}", self.min), "at most max");
        }
        Ok(())
    }
}
