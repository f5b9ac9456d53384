//! The tables: a row for each contender in each scenario.

use crate::asked::Options;
use crate::figures::Figures;
use crate::harness::Result;
use crate::harness::report::{Spread, said_by, span};
use crate::run::{Entry, Results};
use crate::scenario::Scenario;
use std::fmt::Write;
use std::{fs, thread};

pub(crate) fn markdown(options: &Options, results: &Results) -> Result<String> {
    let mut text = heading(options, results)?;
    for (place, scenario) in options.scenarios.iter().enumerate() {
        writeln!(text, "\n### {}: {}\n", scenario.id, scenario.title)?;
        rows(&mut text, place, scenario, results)?;
    }
    notes(&mut text, options, results)?;
    Ok(text)
}

fn heading(options: &Options, results: &Results) -> Result<String> {
    let kind = match fs::read_to_string("/proc/cpuinfo").unwrap_or_default().contains("hypervisor") {
        true => "VM",
        false => "machine",
    };
    let halves = &results.halves;
    Ok(format!(
        "{}, headstart {}, a {}-core Linux {kind}, contenders on cores {}, load and upstream on {}. `{}`: rounds: \
         {}, minutes: {:.0}. Medians over the rounds; in brackets the smallest and the largest.\n",
        said_by("date", &["-u", "+%Y-%m-%d"]),
        env!("CARGO_PKG_VERSION"),
        thread::available_parallelism()?,
        span(&halves.contender),
        span(&halves.load),
        options.command,
        options.rounds,
        results.seconds / 60.0,
    ))
}

fn rows(text: &mut String, place: usize, scenario: &Scenario, results: &Results) -> Result<()> {
    let dies = scenario.number == 5;
    write!(text, "| contender | requests | failed | p50 ms | p99 ms | p99.9 ms | extra % | worst 10 s % ")?;
    write!(text, "| saved s | wasted s | CPU µs/request |")?;
    writeln!(text, "{}", if dies { " at the dead one % | back after s |" } else { "" })?;
    writeln!(text, "|---|{}{}", "--:|".repeat(10), if dies { "--:|--:|" } else { "" })?;
    for entry in results.entries.iter().filter(|entry| entry.scenario == place) {
        let name = entry.contender.name;
        if entry.rounds.is_empty() {
            writeln!(text, "| {name} | {} |", entry.failed.as_deref().unwrap_or("not run"))?;
            continue;
        }
        let cell = |digits, value: &dyn Fn(&Figures) -> Option<f64>| shown(spread(entry, value), digits);
        write!(text, "| {name} | {} ", cell(0, &|figures| Some(figures.sent as f64)))?;
        write!(text, "| {} ", cell(0, &|figures| Some(figures.failed as f64)))?;
        let times: [fn(&Figures) -> f64; 3] = [|figures| figures.p50, |figures| figures.p99, |figures| figures.p999];
        for time in times {
            write!(text, "| {} ", cell(1, &|figures| Some(time(figures))))?;
        }
        write!(text, "| {} ", cell(1, &|figures| Some(figures.extra * 100.0)))?;
        write!(text, "| {} ", cell(1, &|figures| Some(figures.worst * 100.0)))?;
        write!(text, "| {} ", cell(1, &|figures| figures.ledger.saved))?;
        write!(text, "| {} ", cell(1, &|figures| figures.ledger.wasted))?;
        write!(text, "| {} |", cell(0, &|figures| Some(figures.cpu_us)))?;
        if dies {
            write!(text, " {} ", cell(1, &|figures| figures.dead.map(|dead| dead.share * 100.0)))?;
            write!(text, "| {} |", cell(1, &|figures| figures.dead.and_then(|dead| dead.back)))?;
        }
        writeln!(text)?;
    }
    Ok(())
}

/// Over the rounds that have the figure.
pub(crate) fn spread(entry: &Entry, value: &dyn Fn(&Figures) -> Option<f64>) -> Option<Spread> {
    Spread::of(entry.rounds.iter().filter_map(value))
}

fn shown(spread: Option<Spread>, digits: usize) -> String {
    let Some(spread) = spread else { return "–".to_owned() };
    let [median, smallest, largest] =
        [spread.median, spread.smallest, spread.largest].map(|value| format!("{value:.digits$}"));
    if smallest == largest { median } else { format!("{median} ({smallest}..{largest})") }
}

fn notes(text: &mut String, options: &Options, results: &Results) -> Result<()> {
    writeln!(
        text,
        "\nTimes are the client's, and a failure counts as the timeout. *extra* is attempts at the upstream after a \
         request's first, over first ones, in the run and in its worst ten seconds; *saved* and *wasted* are \
         headstart's own account.\n"
    )?;
    for contender in &options.contenders {
        writeln!(text, "- `{}`: {}.", contender.name, contender.what)?;
    }
    for (contender, why) in &results.absent {
        writeln!(text, "- `{}` is absent, {why}.", contender.name)?;
    }
    for entry in &results.entries {
        if let Some(why) = &entry.failed {
            let id = &options.scenarios[entry.scenario].id;
            writeln!(text, "- **{id}, `{}`: a round failed: {why}.**", entry.contender.name)?;
        }
    }
    let late = |which: usize| {
        let rounds = results.entries.iter().flat_map(|entry| &entry.rounds);
        Spread::of(rounds.map(|figures| figures.late_us[which])).map_or((0.0, 0.0), |late| (late.median, late.largest))
    };
    let ((p50, _), (p99, worst)) = (late(0), late(1));
    writeln!(
        text,
        "- The upstream answered {:.2} ms after the moment it had drawn (p50), {:.2} ms (p99), in the worst run {:.2} \
         ms (p99).",
        p50 / 1_000.0,
        p99 / 1_000.0,
        worst / 1_000.0
    )?;
    Ok(())
}
