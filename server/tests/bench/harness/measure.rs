//! One contender, measured once.

use super::Result;
use super::contender::Contender;
use super::cpus::Halves;
use super::options::Options;
use super::role;
use super::stage::Stage;
use super::used::Busy;
use serde_json::Value;
use std::time::Duration;

/// The results of a contender in one round.
pub(crate) struct Figures {
    /// The contender's CPU time per right answer, in microseconds.
    pub(crate) cpu_us: f64,
    /// The user's part of it.
    pub(crate) user_us: f64,
    /// Right answers per second.
    pub(crate) throughput: f64,
    /// Milliseconds, as the load measured them.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) p999_ms: f64,
    /// The most threads seen.
    pub(crate) threads: f64,
    /// The most memory in RAM, in MiB.
    pub(crate) memory_mib: f64,
    /// Requests at the upstream for each answered one.
    pub(crate) upstream_requests: f64,
    /// Connections at the upstream for each thousand answered requests.
    pub(crate) upstream_connections: f64,
    pub(crate) busy: Busy,
    /// Wrong answers, and the first of them.
    pub(crate) wrong: u64,
    pub(crate) first_wrong: Option<String>,
    /// Connections the contender closed between two requests.
    pub(crate) reopened: u64,
}

pub(crate) fn measure(contender: &Contender, options: &Options, halves: &Halves) -> Result<Figures> {
    let mut stage = Stage::set(contender, halves)?;
    let before = stage.counts()?;
    let arguments = [
        ("connections", options.connections.to_string()),
        ("warm-up-ms", options.warm_up.as_millis().to_string()),
        ("measured-ms", options.measured.as_millis().to_string()),
    ];
    let seen = stage.play(role::LOAD, &arguments, options.warm_up + options.measured)?;
    let counts = stage.counts()?;
    let told = &seen.load;

    let measured = number(told, "measured")?;
    if measured == 0.0 {
        return Err(format!("no right answer: {}", told["first_wrong"]).into());
    }
    // The requests that opened the connections reached the upstream too.
    let answered =
        number(told, "right")? + number(told, "wrong")? + options.connections as f64 + number(told, "reopened")?;
    let counted = |key| -> Result<f64> { Ok(number(&counts, key)? - number(&before, key)?) };
    let per_answer = |time: Duration| time.as_secs_f64() * 1e6 / measured;
    Ok(Figures {
        cpu_us: per_answer(seen.used.server.total()),
        user_us: per_answer(seen.used.server.user),
        throughput: measured / number(told, "seconds")?,
        p50_ms: number(told, "p50")?,
        p99_ms: number(told, "p99")?,
        p999_ms: number(told, "p999")?,
        threads: seen.threads as f64,
        memory_mib: seen.memory as f64 / f64::from(1 << 20),
        upstream_requests: counted("requests")? / answered,
        upstream_connections: counted("connections")? * 1_000.0 / answered,
        busy: seen.busy,
        wrong: told["wrong"].as_u64().unwrap_or(0),
        first_wrong: told["first_wrong"].as_str().map(str::to_owned),
        reopened: told["reopened"].as_u64().unwrap_or(0),
    })
}

/// One figure from the results of a part.
pub(crate) fn number(account: &Value, key: &str) -> Result<f64> {
    account[key].as_f64().ok_or_else(|| format!("no number called {key}").into())
}
