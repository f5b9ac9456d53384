//! Latencies as a load reports them: three figures for the tables, a line for the plots.

use hdrhistogram::Histogram;
use serde_json::{Value, json};

/// The points of a plot's line, evenly spaced on an axis that gives each further nine the same width.
const POINTS: [f64; 17] =
    [0.0, 0.25, 0.5, 0.684, 0.8, 0.9, 0.937, 0.96, 0.975, 0.984, 0.99, 0.994, 0.996, 0.9984, 0.999, 0.9996, 0.9999];

/// Adds `p50`, `p99`, `p999` and `percentiles` (pairs of a share and milliseconds) of a histogram of microseconds.
pub(crate) fn add_to(json: &mut Value, micros: &Histogram<u64>) {
    let millis = |share| micros.value_at_quantile(share) as f64 / 1_000.0;
    json["p50"] = millis(0.5).into();
    json["p99"] = millis(0.99).into();
    json["p999"] = millis(0.999).into();
    // With few answers, a point beyond the last would repeat the largest.
    let told = POINTS.iter().filter(|share| (1.0 - **share) * micros.len() as f64 >= 1.0);
    json["percentiles"] = told.map(|share| json!([share, millis(*share)])).collect();
}
