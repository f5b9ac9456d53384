//! The figures of policies, as they are now.

use headstart::policy::{Figures, PlaceState};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;

/// What a row is of.
pub(super) type Labels = Vec<(&'static str, String)>;
/// Rows of seconds.
type Seconds = Family<Labels, Counter<f64, AtomicU64>>;
type Delays = Family<Labels, Gauge<f64, AtomicU64>>;

/// What each policy has seen and decided, by the path of its route.
pub(super) fn registry(policies: &[(&str, &Figures)]) -> Registry {
    let mut registry = Registry::with_prefix("headstart");
    if policies.is_empty() {
        return registry;
    }
    let (skipped, attempts) = (Family::<Labels, Counter>::default(), Family::<Labels, Counter>::default());
    let (saved, wasted, delays) = (Seconds::default(), Seconds::default(), Delays::default());
    let (budget, states) = (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
    let in_flight = Family::<Labels, Gauge>::default();
    for (path, figures) in policies {
        let route = || ("route", (*path).to_owned());
        for (reason, count) in &figures.skipped {
            skipped.get_or_create_owned(&vec![route(), ("reason", reason.to_string())]).inc_by(*count);
        }
        saved.get_or_create_owned(&vec![route()]).inc_by(figures.saved.as_secs_f64());
        wasted.get_or_create_owned(&vec![route()]).inc_by(figures.wasted.as_secs_f64());
        budget.get_or_create_owned(&vec![route()]).set(figures.budget_left as i64);
        for place in &figures.places {
            let upstream = || vec![route(), ("upstream", place.label.clone())];
            let with = |name: &'static str, value: &str| [upstream(), vec![(name, value.to_owned())]].concat();
            if let Some(delay) = place.delay {
                delays.get_or_create_owned(&upstream()).set(delay.as_secs_f64());
            }
            in_flight.get_or_create_owned(&upstream()).set(place.in_flight as i64);
            attempts.get_or_create_owned(&with("kind", "primary")).inc_by(place.primaries_sent);
            attempts.get_or_create_owned(&with("kind", "hedge")).inc_by(place.hedges_sent);
            for (name, is_it) in states_of(place.state) {
                states.get_or_create_owned(&with("state", name)).set(i64::from(is_it));
            }
        }
    }
    registry.register("hedges_skipped", "Hedges that were due and not sent, by reason", skipped);
    registry.register_with_unit("saved", "By how much hedges that won came earlier, estimated", Unit::Seconds, saved);
    registry.register_with_unit("wasted_upstream", "Upstream time spent on losers", Unit::Seconds, wasted);
    registry.register_with_unit("hedge_delay", "The delay in force", Unit::Seconds, delays);
    registry.register("hedge_budget_left", "Hedges that the budget has room for now", budget);
    registry.register("upstream_attempts", "Attempts sent, by upstream", attempts);
    registry.register("upstream_in_flight", "Attempts that run, by upstream", in_flight);
    registry.register("upstream_state", "1 for the state an upstream is in, 0 for the others", states);
    registry
}

fn states_of(state: PlaceState) -> [(&'static str, bool); 4] {
    let is_ejected = matches!(state, PlaceState::Ejected(_));
    [
        ("serving", state == PlaceState::Serving),
        ("silent", state == PlaceState::Silent),
        ("ejected", is_ejected),
        ("ill", state == PlaceState::Ill),
    ]
}
