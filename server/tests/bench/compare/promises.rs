//! The promises, and whether a run keeps them.

use crate::contenders::DIRECT;
use crate::harness::Result;
use crate::loads::Load;
use crate::run::{Entry, Results};
use crate::table::{median, ratio_to};
use std::fmt::Write;

const OURS: &str = "headstart";
const SATURATION: Load = Load::Saturation { connections: 64 };
const MOST: Load = Load::InFlight { requests: 5_000 };
const BEYOND: Load = Load::InFlight { requests: 10_000 };

/// How much worse than the best still counts as equal: two runs of the same binary differ by as much.
const NOISE: f64 = 1.05;

pub(crate) fn list(text: &mut String, results: &Results) -> Result<()> {
    let mut lines = Vec::new();
    for (rival, bound) in [("hyper", 1.0), ("axum", 0.8), ("envoy", 0.6), ("plain", 0.04)] {
        let pair = (entry(results, SATURATION, OURS), entry(results, SATURATION, rival));
        if let (Some(ours), Some(theirs)) = pair
            && let Some(ratio) = ratio_to(ours, theirs, "cpu_us")
        {
            lines.push((ratio <= bound, format!("(a) CPU per request, ours ÷ {rival}: {ratio:.3}, promised {bound}")));
        }
    }
    for (load, key, rival, is_least, bound) in [
        (Load::ProxySmall { connections: 64 }, "cpu_us", "headstart", false, 1.0),
        (Load::ProxySmall { connections: 64 }, "cpu_us", "nginx", false, 1.25),
        (Load::ProxyLarge, "mib_per_second", "nginx", true, 0.5),
    ] {
        let pair = (entry(results, load, load.base()), entry(results, load, rival));
        if let (Some(ours), Some(theirs)) = pair
            && let Some(ratio) = ratio_to(ours, theirs, key)
        {
            let (letter, edge) = (load.letter(), if is_least { "at least" } else { "at most" });
            // The same binary twice differs by as much.
            let is_kept = if is_least { ratio >= bound } else { ratio <= bound * NOISE };
            let what = if is_least { "throughput" } else { "CPU per request" };
            lines.push((is_kept, format!("({letter}) {what}, ours ÷ {rival}: {ratio:.3}, promised {edge} {bound}")));
        }
    }
    for (load, key, what) in [
        (Load::Rate, "p50", "p50 ms"),
        (Load::Rate, "p99", "p99 ms"),
        (Load::Tail, "p99", "p99 ms"),
        (Load::Tail, "p999", "p99.9 ms"),
        (Load::Tail, "extra", "extra upstream requests %"),
    ] {
        no_worse(&mut lines, results, load, key, what);
    }
    let ours = |load, key| entry(results, load, OURS).and_then(|entry| median(entry, key));
    let mut bounded = |load: Load, key, what: &str, bound: f64, is_least: bool| {
        if let Some(value) = ours(load, key) {
            let is_kept = if is_least { value >= bound } else { value <= bound };
            let (letter, edge) = (load.letter(), if is_least { "at least" } else { "at most" });
            lines.push((is_kept, format!("({letter}) {what}: {value:.3}, promised {edge} {bound:.0}")));
        }
    };
    // Two hedges begin together, so some end together: within half a millisecond one time in 25, with these delays.
    bounded(Load::Tail, "ended", "losers ended, in per cent", 95.0, true);
    bounded(MOST, "answered", "5,000 in flight answered, in per cent", 100.0, true);
    bounded(MOST, "attempts", "attempts of each of 5,000", 3.0, true);
    bounded(MOST, "memory", "MiB at 5,000", 600.0 * 1e6 / 1_048_576.0, false);
    bounded(BEYOND, "refused_p99", "ms to a refusal at 10,000, p99", 5.0, false);
    if let (Some(answered), Some(refused)) = (ours(BEYOND, "answered"), ours(BEYOND, "refused")) {
        let both = answered + refused;
        lines.push((
            both >= 100.0,
            format!("(d) of 10,000 answered {answered:.1} %, refused {refused:.1} %, promised 100 together"),
        ));
    }
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(text, "### Promises\n")?;
    for (is_kept, line) in lines {
        let word = if is_kept { "kept" } else { "**falls short**" };
        writeln!(text, "- {word}: {line}")?;
    }
    writeln!(text)?;
    Ok(())
}

/// Compares with the best contender that does the same work. One that does not hedge says nothing about the tail, and
/// one that hedges later says nothing about the cost of hedges.
fn no_worse(lines: &mut Vec<(bool, String)>, results: &Results, load: Load, key: &str, what: &str) {
    let Some(ours) = entry(results, load, OURS).and_then(|entry| median(entry, key)) else { return };
    let others =
        if key == "extra" { &[OURS, DIRECT.name, "floor", "envoy"][..] } else { &[OURS, DIRECT.name, "floor"] };
    let rivals = results.entries.iter().filter(|entry| entry.load == load && !others.contains(&entry.contender.name));
    let figures = rivals.filter_map(|entry| Some((median(entry, key)?, entry.contender.name)));
    if let Some((best, name)) = figures.min_by(|one, other| one.0.total_cmp(&other.0)) {
        let letter = load.letter();
        let line = format!("({letter}) {what}: {ours:.2}, the best rival ({name}) {best:.2}");
        // One percentage point of extra requests is chance: every hedge shifts which requests meet the tail.
        let allowed = if key == "extra" { best + 1.0 } else { best * NOISE };
        lines.push((ours <= allowed, line));
    }
}

fn entry<'a>(results: &'a Results, load: Load, name: &str) -> Option<&'a Entry> {
    let found = |entry: &&Entry| entry.load == load && entry.contender.name == name && !entry.rounds.is_empty();
    results.entries.iter().find(found)
}
