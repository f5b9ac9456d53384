//! Advice for people: what was seen, a table, and what to do in one sentence.

use super::advice::{Advice, HedgesAre, Row, Verdict};
use super::figures::{Figures, Seen};
use super::forecast::{ENOUGH_FOR_P99, ENOUGH_FOR_P999, Forecast, Quantile};
use super::numbers::{count, grouped, percent, time};
use headstart::policy::Bounds;
use std::fmt::Write;

/// Everything that is to be said, with a line break at its end.
pub(super) fn text(seen: &Seen, advised: &[(&Figures, Advice)]) -> String {
    let mut parts: Vec<String> = advised.iter().map(|(figures, advice)| part(seen, figures, advice)).collect();
    if seen.malformed > 0 {
        parts.push(format!("{} could not be read and did not count.\n", count(seen.malformed, "line")));
    }
    parts.join("\n")
}

fn part(seen: &Seen, figures: &Figures, advice: &Advice) -> String {
    let mut text = format!("{}, by {}", figures.route, seen.source);
    if let Some(window) = seen.window {
        let _ = write!(text, " of the last {}", humantime::format_duration(window));
    }
    let (primaries, hedges) = (count(advice.primaries, "primary"), count(advice.hedges, "hedge"));
    let _ = writeln!(text, ": {primaries} and {hedges}.\n{}", now(figures));
    if let Some(unhedged) = &advice.unhedged {
        let _ = write!(text, "\n{}", table(figures, advice, unhedged));
    }
    let _ = write!(text, "\n{}\n", verdict(figures, advice));
    notes(figures, advice).into_iter().fold(text, |text, note| text + &note + "\n")
}

/// What holds now, and what came of it.
fn now(figures: &Figures) -> String {
    let now = &figures.now;
    let mut text = String::from("Now: ");
    match (&now.hedge, now.delay) {
        (Some(hedge), Some(delay)) => {
            let _ = write!(text, "--hedge {hedge}, which is {}", time(delay.as_secs_f64()));
        }
        (None, Some(delay)) => {
            let _ = write!(text, "half of the hedges are sent within {}", time(delay.as_secs_f64()));
        }
        (Some(hedge), None) if hedge == "schedule" => text.push_str("hedges are sent as --schedule says"),
        (_, None) => text.push_str("no hedges are sent"),
    }
    if now.is_dry {
        text.push_str(", but nothing is sent (--hedge-dry-run)");
    }
    if now.hedges > 0 && now.primaries > 0 {
        let _ = write!(text, "; extra load {}", percent(now.hedges as f64 / now.primaries as f64));
    }
    if let (Some(saved), Some(wasted), 1..) = (now.saved, now.wasted, now.primaries) {
        let [saved, wasted] = [saved, wasted].map(|seconds| time(seconds / now.primaries as f64 * 1e3));
        let _ = write!(text, ", {saved} saved and {wasted} wasted per 1,000 requests");
    }
    let skipped: Vec<String> = now
        .skipped
        .iter()
        .filter(|(_, skipped)| *skipped > 0)
        .map(|(reason, skipped)| format!("{} for {reason}", grouped(*skipped)))
        .collect();
    if !skipped.is_empty() {
        let _ = write!(text, "; hedges not sent: {}", skipped.join(", "));
    }
    text + "."
}

const HEADINGS: [&str; 9] = ["", "delay", "p50", "p99", "p99.9", "extra load", "saved", "wasted", ""];

fn table(figures: &Figures, advice: &Advice, unhedged: &Forecast) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    let is_off = figures.now.delay.is_none() && figures.now.hedges == 0;
    let mark = if is_off { "<- now" } else { "" };
    lines.push(cells("none", "never".to_owned(), unhedged, mark));
    for row in shown(advice) {
        let mark = match (row.is_now, row.is_best) {
            (true, true) => "<- now, and best",
            (true, false) => "<- now",
            (false, true) => "<- best",
            (false, false) => "",
        };
        lines.push(cells(&name(row), time(row.delay), &row.forecast, mark));
    }
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default();
    let widths: [usize; 9] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let mut shown = format!("{:<1$}", line[0], widths[0]);
        for column in 1..8 {
            let _ = write!(shown, "  {:>1$}", line[column], widths[column]);
        }
        let _ = writeln!(text, "{}", format!("{shown}  {}", line[8]).trim_end());
    }
    text + "saved: time of 1,000 requests; wasted: time that upstreams work on losers for them\n"
}

/// All rows but those of round delays so short that everything is hedged, or longer than anything was waited for.
fn shown(advice: &Advice) -> impl Iterator<Item = &Row> {
    let rows = &advice.rows;
    let is_kept = move |(at, row): &(usize, &Row)| {
        let next_is_as_dear = rows.get(at + 1).is_some_and(|next| next.forecast.extra_load >= 0.99);
        let is_plain = row.names.is_empty() && !row.is_now && !row.is_best;
        !is_plain || (!next_is_as_dear && row.delay <= advice.longest)
    };
    rows.iter().enumerate().filter(is_kept).map(|(_, row)| row)
}

fn cells(name: &str, delay: String, forecast: &Forecast, mark: &str) -> [String; 9] {
    [
        name.to_owned(),
        delay,
        quantile(forecast.p50),
        quantile(forecast.p99),
        quantile(forecast.p999),
        percent(forecast.extra_load),
        time(forecast.saved * 1e3),
        time(forecast.wasted * 1e3),
        mark.to_owned(),
    ]
}

/// The last of its quantiles, and whether it spends the budget.
fn name(row: &Row) -> String {
    let quantile = row.names.iter().rfind(|name| name.starts_with('p'));
    let auto = row.names.iter().find(|name| *name == "auto");
    let names: Vec<&str> = quantile.into_iter().chain(auto).map(String::as_str).collect();
    names.join(", ")
}

/// Whether it helps, in one sentence.
fn verdict(figures: &Figures, advice: &Advice) -> String {
    let budget = percent(advice.budget);
    match (advice.verdict, advice.best(), &advice.unhedged) {
        (Verdict::Helps, Some(best), Some(unhedged)) => {
            let hedge = match best.is_now {
                true => "What holds now is the best".to_owned(),
                false => format!("Best: --hedge {}", setting(best)),
            };
            let load = percent(best.forecast.extra_load);
            format!("{hedge} within a budget of {budget}. {}, for {load} more load.", changes(unhedged, &best.forecast))
        }
        (Verdict::TooFew { seen, needed }, ..) => {
            format!(
                "Too few samples: {} seen, and at least {needed} are needed to tell whether hedging helps.",
                count(seen, "primary")
            )
        }
        (Verdict::AllAtOnce { hedge, left, primary }, ..) => {
            let upstreams = match figures.upstreams {
                Some(1) => " There is one upstream: a hedge goes to it again.",
                _ => "",
            };
            format!(
                "Hedging would not help: the tail hits every upstream at once. A hedge takes {} where its primary has \
                 {} left; a primary takes {} on average.{upstreams}",
                time(hedge),
                time(left),
                time(primary)
            )
        }
        (Verdict::EquallyFast { tail }, ..) => {
            format!(
                "Hedging would not help: all attempts are equally fast. The slowest take {tail:.1} times the median."
            )
        }
        (Verdict::SmallBudget { delay, load }, ..) => format!(
            "Nothing within a budget of {budget} would help: a hedge after {} would, for {} more load.",
            time(delay),
            percent(load)
        ),
        (Verdict::OverBudget { least }, ..) => format!(
            "No delay keeps a budget of {budget}: {} of the primaries take longer than {}, the longest any was waited \
             for.",
            percent(least),
            time(advice.longest)
        ),
        (Verdict::NoFaster | Verdict::Helps, ..) => format!(
            "Hedging would not help: within a budget of {budget}, a hedge takes as long as what is left of its primary."
        ),
    }
}

/// How the tail changes, as far as it is known.
fn changes(unhedged: &Forecast, best: &Forecast) -> String {
    let tails = [("p99", unhedged.p99, best.p99), ("p99.9", unhedged.p999, best.p999)];
    let known = tails.into_iter().filter(|(_, before, _)| *before != Quantile::TooFew);
    let change = |(name, before, after): (&str, Quantile, Quantile)| match (quantile(before), quantile(after)) {
        (before, after) if before == after => format!("{name} stays {after}"),
        (before, after) => format!("{name} goes from {before} to {after}"),
    };
    known.map(change).collect::<Vec<_>>().join(", ")
}

/// What has to be known to believe it.
fn notes(figures: &Figures, advice: &Advice) -> Vec<String> {
    let mut notes = Vec::new();
    if advice.unhedged.is_none() {
        return notes;
    }
    if advice.hedges_are == HedgesAre::Assumed {
        notes.push(
            "Assumed: a hedge is as fast as a primary. Too few were sent to know it, or to find a tail that hits every \
             upstream at once."
                .to_owned(),
        );
    }
    if figures.most > 1 {
        notes.push(format!("Up to {} hedges for each primary, each after the delay again.", figures.most));
    }
    if (ENOUGH_FOR_P99..ENOUGH_FOR_P999).contains(&advice.primaries) {
        notes.push(format!("?: p99.9 takes {} attempts.", grouped(ENOUGH_FOR_P999)));
    }
    let quantiles = advice.rows.iter().map(|row| row.forecast).chain(advice.unhedged);
    if quantiles.into_iter().any(|row| [row.p50, row.p99, row.p999].iter().any(|of| matches!(of, Quantile::Beyond(_))))
    {
        notes.push(">: longer than was ever waited for, so nobody knows.".to_owned());
    }
    notes
}

/// As `--hedge` takes it. What follows the latencies keeps to bounds, so beyond them the delay is fixed.
fn setting(row: &Row) -> String {
    let bounds = Bounds::default();
    let is_followed = bounds.shortest().as_secs_f64() <= row.delay && row.delay <= bounds.longest().as_secs_f64();
    let name = row.names.iter().rfind(|name| name.starts_with('p')).or(row.names.last()).filter(|_| is_followed);
    match name {
        Some(name) => format!("{name} ({})", time(row.delay)),
        None => match (row.delay * 1e4).round() as u64 {
            tenths if tenths >= 100 || tenths % 10 == 0 => format!("{:.0}ms", row.delay * 1e3),
            tenths => format!("{}us", tenths * 100),
        },
    }
}

fn quantile(quantile: Quantile) -> String {
    match quantile {
        Quantile::Within(seconds) => time(seconds),
        Quantile::Beyond(seconds) => format!(">{}", time(seconds)),
        Quantile::TooFew => "?".to_owned(),
    }
}
