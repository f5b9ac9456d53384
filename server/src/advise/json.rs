//! Advice for machines: one JSON object, all times in seconds, all shares from 0.
//!
//! A quantile that is not known is `null`. One that is known to be longer has its least in `…_beyond_seconds` with it.

use super::advice::{Advice, HedgesAre, Row, Verdict};
use super::figures::{Figures, Seen};
use super::forecast::{Forecast, Quantile};
use serde_json::{Map, Value, json};
use std::time::Duration;

/// The object, with a line break at its end.
pub(super) fn json(seen: &Seen, advised: &[(&Figures, Advice)]) -> String {
    let routes: Vec<Value> = advised.iter().map(|(figures, advice)| route(figures, advice)).collect();
    let told = json!({
        "source": seen.source,
        "window_seconds": seen.window.map(|window| window.as_secs_f64()),
        "malformed_lines": seen.malformed,
        "routes": routes,
    });
    format!("{told:#}\n")
}

fn route(figures: &Figures, advice: &Advice) -> Value {
    let now = &figures.now;
    json!({
        "route": figures.route,
        "primaries": advice.primaries,
        "hedges": advice.hedges,
        "hedge_attempts": figures.most,
        "budget": advice.budget,
        "longest_seconds": advice.longest,
        "hedges_are": match advice.hedges_are {
            HedgesAre::Seen => "seen",
            HedgesAre::Assumed => "assumed",
        },
        "now": {
            "hedge": now.hedge,
            "delay_seconds": now.delay.map(|delay: Duration| delay.as_secs_f64()),
            "dry_run": now.is_dry,
            "primaries_sent": now.primaries,
            "hedges_sent": now.hedges,
            "saved_seconds": now.saved,
            "wasted_seconds": now.wasted,
        },
        "verdict": match advice.verdict {
            Verdict::Helps => "helps",
            Verdict::TooFew { .. } => "too_few_samples",
            Verdict::AllAtOnce { .. } => "tail_hits_all_upstreams_at_once",
            Verdict::EquallyFast { .. } => "equally_fast",
            Verdict::NoFaster => "hedges_no_faster",
            Verdict::SmallBudget { .. } => "budget_too_small",
            Verdict::OverBudget { .. } => "over_budget",
        },
        "unhedged": advice.unhedged.map(|forecast| Value::Object(members(&forecast))),
        "delays": advice.rows.iter().map(row).collect::<Vec<_>>(),
    })
}

fn row(row: &Row) -> Value {
    let mut told = members(&row.forecast);
    told.insert("names".to_owned(), json!(row.names));
    told.insert("delay_seconds".to_owned(), json!(row.delay));
    told.insert("now".to_owned(), json!(row.is_now));
    told.insert("best".to_owned(), json!(row.is_best));
    Value::Object(told)
}

fn members(forecast: &Forecast) -> Map<String, Value> {
    let mut told = Map::new();
    for (name, quantile) in [("p50", forecast.p50), ("p99", forecast.p99), ("p99.9", forecast.p999)] {
        let known = if let Quantile::Within(seconds) = quantile { Some(seconds) } else { None };
        told.insert(format!("{name}_seconds"), json!(known));
        if let Quantile::Beyond(least) = quantile {
            told.insert(format!("{name}_beyond_seconds"), json!(least));
        }
    }
    told.insert("extra_load".to_owned(), json!(forecast.extra_load));
    told.insert("saved_seconds_per_1000".to_owned(), json!(forecast.saved * 1e3));
    told.insert("wasted_seconds_per_1000".to_owned(), json!(forecast.wasted * 1e3));
    told
}
