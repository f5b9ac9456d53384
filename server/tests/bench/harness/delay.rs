//! How long the upstream takes.
//!
//! The heavy-tailed sequence is drawn from a seed, in the order in which requests arrive: the thousandth request of
//! every contender takes as long as that of every other one.

use super::Result;
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
        // Box and Muller's normal deviate, as a power.
        let normal = (-2.0 * (1.0 - chance(1)).ln()).sqrt() * (std::f64::consts::TAU * chance(2)).cos();
        // A little less than the median, because the tail lies above it too.
        MEDIAN_MS * 0.977 * (SIGMA * normal).exp()
    };
    Duration::from_secs_f64(millis / 1_000.0)
}

/// SplitMix64's output function (Steele, Lea, Flood 2014).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// From 0 to 1, 1 excluded.
fn share(number: u64) -> f64 {
    (number >> 11) as f64 / (1u64 << 53) as f64
}
