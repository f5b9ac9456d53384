//! From what was seen to a delay.

use super::curve::Curve;
use super::settings::{Bounds, Delay, PolicySettings};
use std::time::Duration;

/// Until so many attempts were seen nothing follows from them.
const ENOUGH: u64 = 50;

/// How much of the budget is planned for. The rest is for what chance brings beyond that: a hedge that comes late for
/// want of room is worth less than one that was not planned.
const PLANNED: f64 = 0.98;

/// The delay that `settings` make of `curve`, when hedges may be this `share` of primaries. `None` when too little was
/// seen, or nothing follows from it.
pub(super) fn delay(settings: &PolicySettings, share: f64, curve: &Curve) -> Option<Duration> {
    if curve.attempts() < ENOUGH {
        return None;
    }
    let (wanted, bounds) = match settings.delay {
        Delay::Quantile { share, bounds } => (curve.quantile(share), bounds),
        Delay::Auto(bounds) => (Some(spending(curve, share, settings.hedges, bounds)), bounds),
        Delay::Off | Delay::Scheduled | Delay::After(_) => return None,
    };
    Some(wanted.unwrap_or(bounds.longest).clamp(bounds.shortest, bounds.longest))
}

/// The delay at which hedges come to what is planned of the budget, or the nearest within the bounds.
fn spending(curve: &Curve, share: f64, most: usize, bounds: Bounds) -> Duration {
    let planned = share * PLANNED;
    let (mut shortest, mut longest) = (bounds.shortest.as_secs_f64(), bounds.longest.as_secs_f64());
    // Each step halves the logarithm of what is between them, so that the last one is below a per mille.
    for _ in 0..20 {
        let middle = (shortest * longest).sqrt();
        if hedges(curve, Duration::from_secs_f64(middle), most) > planned {
            shortest = middle;
        } else {
            longest = middle;
        }
    }
    Duration::from_secs_f64(longest)
}

/// How many hedges a race has on average with `delay`. The first is sent if the primary takes longer than that; the
/// next if the primary takes longer than twice that and the hedge longer than once; and so on.
fn hedges(curve: &Curve, delay: Duration, most: usize) -> f64 {
    let mut sent = 0.0;
    let mut all_run = 1.0;
    for number in 1..=most {
        all_run *= curve.longer_than(delay.saturating_mul(number as u32));
        sent += all_run;
    }
    sent
}

#[cfg(test)]
mod tests {
    use super::super::curve::Observed;
    use super::*;

    fn delay(settings: &PolicySettings, curve: &Curve) -> Option<Duration> {
        super::delay(settings, settings.share(), curve)
    }

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Times spread evenly from 0 to 100 ms.
    fn even() -> Curve {
        Curve::of((0..100).map(|at| Observed { from: ms(at), to: ms(at + 1), finished: 10, ended: 0 }))
    }

    fn auto(from: u64, to: u64) -> PolicySettings {
        PolicySettings::new(Delay::Auto(Bounds::new(ms(from), ms(to)).unwrap()))
    }

    fn is_about(delay: Option<Duration>, millis: f64) {
        let delay = delay.unwrap().as_secs_f64() * 1_000.0;
        assert!((delay - millis).abs() < 0.1, "{delay} is not {millis}");
    }

    #[test]
    fn too_few_attempts_say_nothing() {
        let few = Curve::of([Observed { from: ms(0), to: ms(1), finished: 49, ended: 0 }]);
        assert_eq!(delay(&auto(1, 1_000), &few), None);
    }

    #[test]
    fn a_quantile_stays_within_its_bounds() {
        let quantile = |share, from, to| {
            let bounds = Bounds::new(ms(from), ms(to)).unwrap();
            delay(&PolicySettings::new(Delay::quantile(share, bounds).unwrap()), &even())
        };
        is_about(quantile(0.95, 1, 1_000), 95.0);
        assert_eq!((quantile(0.95, 1, 50), quantile(0.5, 60, 80)), (Some(ms(50)), Some(ms(60))));
    }

    #[test]
    fn beyond_what_was_waited_for_it_is_the_longest() {
        let curve = Curve::of([Observed { from: ms(0), to: ms(1), finished: 80, ended: 20 }]);
        let bounds = Bounds::new(ms(1), ms(700)).unwrap();
        assert_eq!(delay(&PolicySettings::new(Delay::quantile(0.95, bounds).unwrap()), &curve), Some(ms(700)));
        assert_eq!(delay(&auto(1, 700), &curve), Some(ms(700)));
    }

    #[test]
    fn auto_spends_what_is_planned_of_the_budget() {
        is_about(delay(&auto(1, 1_000).budget(0.1).unwrap(), &even()), 90.2);
        is_about(delay(&auto(1, 1_000).budget(0.5).unwrap(), &even()), 51.0);
        // (1 - x) + (1 - x)(1 - 2x) = 0.98 at x = 0.3.
        is_about(delay(&auto(1, 1_000).budget(1.0).unwrap().hedges(2).unwrap(), &even()), 30.0);
        is_about(delay(&auto(1, 1_000).budget(0.0).unwrap(), &even()), 100.0);
    }
}
