//! The live figures of a running headstart.
//!
//! They are at `/hedging.json` of its admin address, in seconds. Who else might answer there is told apart: nobody, one
//! that does not answer in time, and one that is no headstart.

use super::figures::{Figures, Now, Seen};
use headstart::policy::Observed;
use headstart::{Error, fetch};
use serde_json::Value;
use std::time::Duration;

/// For the whole exchange. The answer is ready when it is asked for.
const PATIENCE: Duration = Duration::from_secs(5);

/// What the headstart whose admin address this is tells.
pub(super) fn ask(address: &str) -> Result<Seen, String> {
    let url = format!("http://{address}/hedging.json");
    let fetched = fetch(&url, PATIENCE).map_err(|error| refused(address, &error))?;
    let figures: Value = serde_json::from_slice(&fetched.body).unwrap_or_default();
    let unknown = |what: String| format!("{address} answers, but is no headstart of this version: {what} in {url}");
    let routes = figures["routes"].as_array().ok_or_else(|| unknown("there are no routes".to_owned()))?;
    let routes: Result<Vec<Figures>, String> = routes.iter().map(route).collect();
    let routes = routes.map_err(unknown)?;
    if routes.is_empty() {
        return Err(format!(
            "headstart at {address} has no routes that hedge: 'headstart proxy', or --route 'PATH/*=URL', starts one"
        ));
    }
    let window = seconds(&figures["window_seconds"]);
    Ok(Seen { source: format!("headstart at {address}"), window, routes, malformed: 0 })
}

fn refused(address: &str, error: &Error) -> String {
    match error {
        Error::Connect { source, .. } => format!(
            "nobody listens at {address} ({source}): start headstart with --admin {address}, or name with --admin \
             where it is"
        ),
        Error::Lookup { .. } => format!("{address} cannot be asked: {error}"),
        Error::TimedOut { .. } => {
            format!("{address} did not answer within {}", humantime::format_duration(PATIENCE))
        }
        Error::Status(status) => format!(
            "{address} answers /hedging.json with {status}: it is no headstart, or not its admin address (--admin)"
        ),
        error => format!("{address} does not answer as headstart does: {error}"),
    }
}

/// Or what is missing.
fn route(told: &Value) -> Result<Figures, String> {
    let name = told["route"].as_str().ok_or("a route has no name")?;
    let [primaries, hedges] = ["primaries", "hedges"].map(|attempts| {
        times(&told[attempts]["times"]).ok_or_else(|| format!("route {name} has no times of {attempts}"))
    });
    let skipped = told["skipped"].as_object().into_iter().flatten();
    Ok(Figures {
        route: name.to_owned(),
        primaries: primaries?,
        hedges: hedges?,
        most: told["attempts"].as_u64().and_then(|most| u32::try_from(most).ok()).map_or(1, |most| most.clamp(1, 15)),
        budget: told["budget"].as_f64(),
        upstreams: told["upstreams"].as_array().map(Vec::len),
        now: Now {
            hedge: told["hedge"].as_str().map(str::to_owned),
            delay: seconds(&told["delay_seconds"]),
            is_dry: told["dry_run"].as_bool().unwrap_or_default(),
            primaries: told["primaries"]["sent"].as_u64().unwrap_or_default(),
            hedges: told["hedges"]["sent"].as_u64().unwrap_or_default(),
            skipped: skipped.filter_map(|(reason, count)| Some((reason.clone(), count.as_u64()?))).collect(),
            saved: told["saved_seconds"].as_f64(),
            wasted: told["wasted_seconds"].as_f64(),
        },
    })
}

/// Rows of `[from, to, finished, ended]`.
fn times(told: &Value) -> Option<Vec<Observed>> {
    let mut rows: Vec<Observed> = told.as_array()?.iter().map(row).collect::<Option<_>>()?;
    rows.sort_by_key(|row| row.from);
    Some(rows)
}

fn row(told: &Value) -> Option<Observed> {
    let [from, to] = [seconds(&told[0])?, seconds(&told[1])?];
    // A row without width would be a step that no line between its ends describes.
    let to = to.max(from + Duration::from_nanos(1));
    Some(Observed { from, to, finished: told[2].as_u64()?, ended: told[3].as_u64()? })
}

fn seconds(told: &Value) -> Option<Duration> {
    Duration::try_from_secs_f64(told.as_f64()?).ok()
}
