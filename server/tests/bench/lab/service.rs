//! How long a server takes for a request.
//!
//! The time is drawn from the seed, the request's number and the attempt's: the same request takes as long for each
//! contender, and so does its first hedge, whatever happened before. So contenders can be compared request by request.

use crate::harness::chance::{mixed, normal, share};
use std::time::Duration;

#[derive(Clone, Copy)]
pub(crate) enum Service {
    Constant(Duration),
    LogNormal(LogNormal),
    /// Shares and times, in this order; what is left takes no time.
    Steps(&'static [(f64, Duration)]),
    /// Times in milliseconds and the share that takes longer, in descending order, with a power law between two points.
    Through(&'static [(f64, f64)]),
}

/// With the mean and the deviation of the times themselves, not of their logarithms.
#[derive(Clone, Copy)]
pub(crate) struct LogNormal {
    pub(crate) mean_ms: f64,
    pub(crate) deviation_ms: f64,
    /// This share takes ten times as long.
    pub(crate) slow: f64,
}

/// Which attempt of which request.
#[derive(Clone, Copy)]
pub(crate) struct Draw {
    pub(crate) seed: u64,
    pub(crate) number: u64,
    pub(crate) attempt: u64,
}

impl Draw {
    fn chance(self, nth: u64) -> f64 {
        share(mixed(self.seed ^ mixed((self.number << 12) | (self.attempt << 4) | nth)))
    }
}

impl Service {
    pub(crate) fn takes(&self, draw: Draw) -> Duration {
        match self {
            Service::Constant(takes) => *takes,
            Service::LogNormal(log_normal) => log_normal.takes(draw),
            Service::Steps(steps) => {
                let mut chance = draw.chance(0);
                for (share, takes) in *steps {
                    if chance < *share {
                        return *takes;
                    }
                    chance -= share;
                }
                Duration::ZERO
            }
            Service::Through(points) => through(points, 1.0 - draw.chance(0)),
        }
    }
}

impl LogNormal {
    fn takes(&self, draw: Draw) -> Duration {
        let relative = self.deviation_ms / self.mean_ms;
        let variance = (1.0 + relative * relative).ln();
        let mu = self.mean_ms.ln() - variance / 2.0;
        let millis = (mu + variance.sqrt() * normal(draw.chance(0), draw.chance(1))).exp();
        let times = if draw.chance(2) < self.slow { 10.0 } else { 1.0 };
        Duration::from_secs_f64(millis * times / 1_000.0)
    }
}

/// The time that the share `longer` exceeds.
fn through(points: &[(f64, f64)], longer: f64) -> Duration {
    let at = points.iter().position(|(_, share)| longer > *share).unwrap_or(points.len() - 1).max(1);
    let ((from, high), (to, low)) = (points[at - 1], points[at]);
    let part = (high / longer).ln() / (high / low).ln();
    Duration::from_secs_f64(from * (to / from).powf(part) / 1_000.0)
}
