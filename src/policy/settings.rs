//! What a policy is told.

use crate::error::Error;
use crate::race::Schedule;
use std::fmt;
use std::time::Duration;

/// When hedges are due.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Delay {
    /// Never: nothing is hedged.
    Off,
    /// By the race's schedule, without budget, throttle or any other limit. The default.
    #[default]
    Scheduled,
    /// After this time.
    After(Duration),
    /// After the time within which this share of attempts finish, such as 0.95: see [`Delay::quantile`].
    Quantile {
        /// The share, above 0 and below 1.
        share: f64,
        /// No sooner and no later than this.
        bounds: Bounds,
    },
    /// After the time at which the budget is just spent.
    Auto(Bounds),
}

/// As the command line of the server has it: `off`, `schedule`, `10ms`, `p95:2ms..1s`, `auto:2ms..1s`.
impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Delay::Off => f.write_str("off"),
            Delay::Scheduled => f.write_str("schedule"),
            Delay::After(delay) => write!(f, "{delay:?}"),
            Delay::Quantile { share, bounds } => write!(f, "p{}:{bounds}", (share * 1e6).round() / 1e4),
            Delay::Auto(bounds) => write!(f, "auto:{bounds}"),
        }
    }
}

impl fmt::Display for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}..{:?}", self.shortest, self.longest)
    }
}

impl Delay {
    /// After the time within which `share` of the attempts finish.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a share that is not above 0 and below 1.
    pub fn quantile(share: f64, bounds: Bounds) -> Result<Delay, Error> {
        if share > 0.0 && share < 1.0 {
            return Ok(Delay::Quantile { share, bounds });
        }
        Err(Error::setting("hedge", &share.to_string(), "a share above 0 and below 1"))
    }
}

/// Between which times a delay stays that follows what is seen. Until enough was seen, it is the longest.
///
/// Defaults to 2 ms to 1 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub(super) shortest: Duration,
    pub(super) longest: Duration,
}

impl Bounds {
    /// From `shortest` to `longest`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] when the shortest is nothing or longer than the longest.
    pub fn new(shortest: Duration, longest: Duration) -> Result<Bounds, Error> {
        if shortest.is_zero() || shortest > longest {
            let allowed = "bounds of which the first is longer than nothing and no longer than the second";
            return Err(Error::setting("hedge", &format!("{shortest:?}..{longest:?}"), allowed));
        }
        Ok(Bounds { shortest, longest })
    }

    /// The shortest delay.
    pub fn shortest(self) -> Duration {
        self.shortest
    }

    /// The longest delay.
    pub fn longest(self) -> Duration {
        self.longest
    }
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds { shortest: Duration::from_millis(2), longest: Duration::from_secs(1) }
    }
}

/// When to hedge, and how much of it.
///
/// ```
/// use headstart::policy::{Bounds, Delay, PolicySettings};
///
/// let settings = PolicySettings::new(Delay::quantile(0.95, Bounds::default())?).budget(0.05)?;
/// # Ok::<(), headstart::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "settings do nothing before a policy is made with them"]
pub struct PolicySettings {
    pub(super) delay: Delay,
    pub(super) hedges: usize,
    pub(super) budget: f64,
    pub(super) min_rate: f64,
    pub(super) max_concurrent: Option<usize>,
    pub(super) is_dry_run: bool,
}

impl PolicySettings {
    /// Hedges that are due after `delay`.
    pub fn new(delay: Delay) -> PolicySettings {
        PolicySettings { delay, hedges: 1, budget: 0.1, min_rate: 1.0, max_concurrent: None, is_dry_run: false }
    }

    /// When hedges are due, in place of what was said before.
    pub fn after(mut self, delay: Delay) -> PolicySettings {
        self.delay = delay;
        self
    }

    /// How many hedges a race has at most, each after the same delay again. Defaults to 1.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] unless it is 1 to 15.
    pub fn hedges(mut self, hedges: usize) -> Result<PolicySettings, Error> {
        let most = Schedule::MAX_ATTEMPTS - 1;
        if !(1..=most).contains(&hedges) {
            let allowed = format!("a whole number from 1 to {most}");
            return Err(Error::setting("hedge-attempts", &hedges.to_string(), &allowed));
        }
        self.hedges = hedges;
        Ok(self)
    }

    /// How many hedges may be sent for each primary, over the last 10 s. Defaults to 0.1.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] for a share below 0 or above 1.
    pub fn budget(mut self, share: f64) -> Result<PolicySettings, Error> {
        if !(0.0..=1.0).contains(&share) {
            return Err(Error::setting("hedge-budget", &share.to_string(), "a share from 0 to 1"));
        }
        self.budget = share;
        Ok(self)
    }

    /// How many hedges may be sent in each second beyond the budget, so that rare requests can be hedged at all.
    /// Defaults to 1. Below 1 it is one hedge in more than a second: 0.1 is one in ten seconds.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] unless it is 0, or 0.1 to 1,000,000.
    pub fn min_rate(mut self, per_second: f64) -> Result<PolicySettings, Error> {
        if per_second != 0.0 && !(0.1..=1e6).contains(&per_second) {
            return Err(Error::setting("hedge-min-rate", &per_second.to_string(), "0, or a rate from 0.1 to 1000000"));
        }
        self.min_rate = per_second;
        Ok(self)
    }

    /// How many hedges may run at a time. Defaults to no limit.
    pub fn max_concurrent(mut self, hedges: usize) -> PolicySettings {
        self.max_concurrent = Some(hedges);
        self
    }

    /// The same, unless it was said before.
    pub fn max_concurrent_by_default(mut self, hedges: usize) -> PolicySettings {
        self.max_concurrent.get_or_insert(hedges);
        self
    }

    /// Whether everything is decided and counted as usual, and no hedge is sent. Defaults to no.
    pub fn dry_run(mut self, is_dry_run: bool) -> PolicySettings {
        self.is_dry_run = is_dry_run;
        self
    }

    /// When hedges are due.
    pub fn delay(&self) -> Delay {
        self.delay
    }

    /// How many hedges a race has at most; by a schedule, its number of attempts less one.
    pub fn most_hedges(&self) -> usize {
        self.hedges
    }

    /// How many hedges may be sent for each primary.
    pub fn share(&self) -> f64 {
        self.budget
    }

    /// Whether no hedge is sent although everything is decided.
    pub fn is_dry_run(&self) -> bool {
        self.is_dry_run
    }
}

impl Default for PolicySettings {
    fn default() -> PolicySettings {
        PolicySettings::new(Delay::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused<T>(key: &str, result: Result<T, Error>) {
        assert!(matches!(result, Err(Error::Setting { key: named, .. }) if named == key), "{key}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let ms = Duration::from_millis;
        let settings = PolicySettings::default;
        is_refused("hedge", Delay::quantile(0.0, Bounds::default()));
        is_refused("hedge", Delay::quantile(1.0, Bounds::default()));
        is_refused("hedge", Delay::quantile(f64::NAN, Bounds::default()));
        is_refused("hedge", Bounds::new(ms(0), ms(5)));
        is_refused("hedge", Bounds::new(ms(6), ms(5)));
        is_refused("hedge-attempts", settings().hedges(0));
        is_refused("hedge-attempts", settings().hedges(16));
        is_refused("hedge-budget", settings().budget(1.2));
        is_refused("hedge-budget", settings().budget(f64::NAN));
        is_refused("hedge-min-rate", settings().min_rate(0.05));
        is_refused("hedge-min-rate", settings().min_rate(f64::INFINITY));
        assert!(Bounds::new(ms(5), ms(5)).is_ok() && settings().hedges(15).is_ok() && settings().min_rate(0.0).is_ok());
    }
}
