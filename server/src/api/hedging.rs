//! What the policies know, as JSON: for `headstart advise`, and for who wants to plot it.

use headstart::policy::{Figures, Observed, PlaceState, PolicySettings};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The text of `/hedging.json`. Times are in seconds.
pub(super) fn describe(policies: &[(&str, Arc<PolicySettings>, Figures)]) -> String {
    let window = policies.first().map_or(Duration::ZERO, |(_, _, figures)| figures.window);
    let routes: Vec<Value> = policies.iter().map(|(path, settings, figures)| route(path, settings, figures)).collect();
    json!({ "window_seconds": window.as_secs(), "routes": routes }).to_string()
}

fn route(path: &str, settings: &PolicySettings, figures: &Figures) -> Value {
    let delays = figures.places.iter().filter_map(|place| place.delay);
    let skipped: serde_json::Map<String, Value> = figures
        .skipped
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|(reason, count)| (reason.to_string(), json!(count)))
        .collect();
    let upstreams: Vec<Value> = figures
        .places
        .iter()
        .map(|place| {
            json!({
                "upstream": place.label,
                "state": state(place.state),
                "in_flight": place.in_flight,
                "primaries": place.primaries_sent,
                "hedges": place.hedges_sent,
                "delay_seconds": place.delay.map(|delay| delay.as_secs_f64()),
            })
        })
        .collect();
    json!({
        "route": path,
        "hedge": settings.delay().to_string(),
        "attempts": settings.most_hedges(),
        "budget": settings.share(),
        "dry_run": settings.is_dry_run(),
        "delay_seconds": delays.min().map(|delay| delay.as_secs_f64()),
        "primaries": { "sent": figures.primaries_sent, "times": times(&figures.primaries) },
        "hedges": { "sent": figures.hedges_sent, "times": times(&figures.hedges) },
        "skipped": skipped,
        "saved_seconds": figures.saved.as_secs_f64(),
        "wasted_seconds": figures.wasted.as_secs_f64(),
        "upstreams": upstreams,
    })
}

fn times(observed: &[Observed]) -> Vec<Value> {
    let row = |seen: &Observed| json!([seen.from.as_secs_f64(), seen.to.as_secs_f64(), seen.finished, seen.ended]);
    observed.iter().map(row).collect()
}

/// The state of an upstream in a word.
pub(super) fn state(state: PlaceState) -> &'static str {
    match state {
        PlaceState::Serving => "serving",
        PlaceState::Silent => "silent",
        PlaceState::Ejected(_) => "ejected",
        _ => "ill",
    }
}
