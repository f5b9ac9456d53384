//! An upstream that is as unreliable as asked.

use crate::error::Error;
use crate::server::{Handler, Request, Response};
use std::time::Duration;

/// How a [`Sample`] behaves.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleSettings {
    /// Where the chances come from: with the same seed, the same sequence of requests meets the same fates. Defaults to 0.
    pub seed: u64,
    /// The share of requests answered with `500` or `503`, from 0 to 1. Defaults to 0.1.
    pub error_rate: f64,
    /// The share answered with `200` and something that is not what was asked for, from 0 to 1. Defaults to 0.05.
    pub garbage_rate: f64,
    /// The share never answered, from 0 to 1. Defaults to 0.05.
    pub hang_rate: f64,
    /// The shortest time an answer takes. Defaults to 100 ms.
    pub min: Duration,
    /// The longest time an answer takes. Defaults to 600 ms.
    pub max: Duration,
    /// How long `/no-context` and `/with-context` sleep. Defaults to 3 s.
    pub nap: Duration,
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

/// The sample upstream.
pub struct Sample {}

impl Sample {
    /// An upstream that behaves as `settings` say.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when a rate is not between 0 and 1, when the rates add up to more than 1, or when `min` is above
    /// `max`.
    pub fn new(_settings: SampleSettings) -> Result<Sample, Error> {
        todo!("sample")
    }
}

impl Handler for Sample {
    fn handle(&self, _request: &Request<'_>) -> Response {
        todo!("sample")
    }
}
