//! What the contender says of itself: the time that hedges saved, and what losers cost.

use crate::harness::Result;
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

/// In seconds. `None` where the contender has no such figure.
#[derive(Clone, Copy, Default)]
pub(crate) struct Ledger {
    pub(crate) saved: Option<f64>,
    pub(crate) wasted: Option<f64>,
}

const SAVED: &str = "headstart_saved_seconds_total";
const WASTED: &str = "headstart_wasted_upstream_seconds_total";

impl Ledger {
    pub(crate) fn of(admin: SocketAddr) -> Result<Ledger> {
        let text = metrics(admin)?;
        Ok(Ledger { saved: sum(&text, SAVED), wasted: sum(&text, WASTED) })
    }
}

/// The p99 that `headstart advise` foresees for each delay, both in milliseconds, from what was seen without hedging.
pub(crate) fn advice(admin: SocketAddr) -> Result<Vec<(f64, f64)>> {
    let advise = ["advise", "--json", "--admin", &admin.to_string()].map(str::to_owned);
    let told = Command::new(env!("CARGO_BIN_EXE_headstart")).args(advise).output()?;
    if !told.status.success() {
        return Err(format!("no advice: {}", String::from_utf8_lossy(&told.stderr)).into());
    }
    let told: Value = serde_json::from_slice(&told.stdout)?;
    let delays = told["routes"][0]["delays"].as_array().ok_or("advice without delays")?;
    let foreseen = |row: &Value| Some((row["delay_seconds"].as_f64()? * 1e3, row["p99_seconds"].as_f64()? * 1e3));
    Ok(delays.iter().filter_map(foreseen).collect())
}

fn metrics(admin: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect(admin)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Over all labels.
fn sum(text: &str, name: &str) -> Option<f64> {
    let values = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        if !rest.starts_with(['{', ' ']) {
            return None;
        }
        rest.rsplit(' ').next()?.parse::<f64>().ok()
    });
    values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
}
