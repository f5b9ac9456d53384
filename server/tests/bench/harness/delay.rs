//! How long the upstream takes.
//!
//! The heavy-tailed sequence is drawn from a seed, in the order in which requests arrive: the thousandth request of
//! every contender takes as long as that of every other one.

use super::Result;
use super::chance::{mixed, normal, share};
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(crate) enum Delay {
    None,
    Fixed(Duration),
    /// Median 20 ms, one in twenty 400 to 1,500 ms.
    Tail {
        seed: u64,
        arrived: AtomicU64,
    },
}

/// Of requests with an ordinary delay; half of all take at most `MEDIAN`.
const ORDINARY: f64 = 0.95;
const MEDIAN_MS: f64 = 20.0;
/// The spread of the ordinary delays, as the standard deviation of their logarithm.
const SIGMA: f64 = 0.35;

impl Delay {
    /// The delay of the request that has just arrived.
    pub(crate) fn next(&self) -> Duration {
        match self {
            Delay::None => Duration::ZERO,
            Delay::Fixed(delay) => *delay,
            Delay::Tail { seed, arrived } => tail(*seed, arrived.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// `none`, `fixed MS` or `tail SEED`.
impl FromStr for Delay {
    type Err = Box<dyn std::error::Error + Send + Sync>;

    fn from_str(text: &str) -> Result<Delay> {
        match text.split(' ').collect::<Vec<_>>().as_slice() {
            ["none"] => Ok(Delay::None),
            ["fixed", millis] => Ok(Delay::Fixed(Duration::from_millis(millis.parse()?))),
            ["tail", seed] => Ok(Delay::Tail { seed: seed.parse()?, arrived: AtomicU64::new(0) }),
            _ => Err(format!("'{text}' is no delay").into()),
        }
    }
}

fn tail(seed: u64, number: u64) -> Duration {
    let chance = |nth: u64| share(mixed(seed ^ mixed(number * 3 + nth)));
    let millis = if chance(0) >= ORDINARY {
        400.0 + 1_100.0 * chance(1)
    } else {
        // A little less than the median, because the tail lies above it too.
        MEDIAN_MS * 0.977 * (SIGMA * normal(chance(1), chance(2))).exp()
    };
    Duration::from_secs_f64(millis / 1_000.0)
}
