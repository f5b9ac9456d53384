//! The table, and how to read it: on which machine it was measured, and what disturbed it.

use super::Result;
use super::measure::Figures;
use super::options::Options;
use super::rounds::{Entry, Results};
use super::used::Busy;
use std::fmt::Write;
use std::process::Command;
use std::{fs, thread};

/// Above this a part of the bench counts as saturated.
pub(crate) const SATURATED: f64 = 0.9;
/// Above this other processes count as a disturbance.
pub(crate) const DISTURBED: f64 = 0.1;

pub(crate) fn markdown(options: &Options, results: &Results<'_>) -> Result<String> {
    let mut text = String::new();
    heading(&mut text, options, results)?;
    table(&mut text, results)?;
    notes(&mut text, results)?;
    Ok(text)
}

fn heading(text: &mut String, options: &Options, results: &Results<'_>) -> Result<()> {
    let halves = &results.halves;
    writeln!(text, "\n## What a request costs\n")?;
    writeln!(
        text,
        "headstart {}, tiny_http {}, ureq {}, {}; {}; {}, {} cores; {}.\n",
        env!("CARGO_PKG_VERSION"),
        locked_version("tiny_http"),
        locked_version("ureq"),
        said_by("rustc", &["--version"]),
        said_by("uname", &["-sr"]),
        processor(),
        thread::available_parallelism()?,
        said_by("date", &["-u", "+%Y-%m-%d %H:%M UTC"]),
    )?;
    writeln!(
        text,
        "{} keep-alive connections, upstream at 0 ms; {} rounds of {} s each, contenders in turns, cores {} theirs and \
         {} the load's and the upstream's. Medians; in brackets the smallest and the largest.\n",
        options.connections,
        options.rounds,
        options.measured.as_secs_f64(),
        span(&halves.contender),
        span(&halves.load),
    )?;
    Ok(())
}

fn table(text: &mut String, results: &Results<'_>) -> Result<()> {
    let ours = results.entries.iter().find(|entry| entry.contender.name == results.ours);
    writeln!(
        text,
        "| contender | CPU µs/request | of it user | CPU ÷ ours | requests/s | p50 ms | p99 ms | p99.9 ms | threads | \
         RSS MiB | upstream requests per answer | upstream connections per 1,000 | \
         busy %: contender, load, upstream, others |"
    )?;
    writeln!(text, "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|")?;
    for entry in &results.entries {
        let column = |value: fn(&Figures) -> f64| Spread::of(entry.rounds.iter().map(value));
        let Some(cpu) = column(|figures| figures.cpu_us) else {
            let why = entry.absent.as_deref().unwrap_or("not measured");
            writeln!(text, "| {} | absent: {why} |", entry.contender.name)?;
            continue;
        };
        let median = |value: fn(&Figures) -> f64| column(value).map_or(f64::NAN, |spread| spread.median);
        let percent = |value: fn(&Figures) -> f64| median(value) * 100.0;
        writeln!(
            text,
            "| {} | {:.1} ({:.1}..{:.1}) | {:.1} | {} | {:.0} | {:.2} | {:.2} | {:.2} | {:.0} | {:.1} | {:.3} | {:.1} \
             | {:.0}, {:.0}, {:.0}, {:.0} |",
            entry.contender.name,
            cpu.median,
            cpu.smallest,
            cpu.largest,
            median(|figures| figures.user_us),
            ours.and_then(|ours| ratio(entry, ours)).map_or("–".to_owned(), |ratio| ratio.to_string()),
            median(|figures| figures.throughput),
            median(|figures| figures.p50_ms),
            median(|figures| figures.p99_ms),
            median(|figures| figures.p999_ms),
            median(|figures| figures.threads),
            median(|figures| figures.memory_mib),
            median(|figures| figures.upstream_requests),
            median(|figures| figures.upstream_connections),
            percent(|figures| figures.busy.contender),
            percent(|figures| figures.busy.load),
            percent(|figures| figures.busy.upstream),
            percent(|figures| figures.busy.others),
        )?;
    }
    Ok(())
}

fn notes(text: &mut String, results: &Results<'_>) -> Result<()> {
    writeln!(text)?;
    for entry in &results.entries {
        writeln!(text, "- {}: {}.", entry.contender.name, entry.contender.what)?;
    }
    for entry in &results.entries {
        let name = entry.contender.name;
        let median = |value: fn(&Busy) -> f64| {
            let shares = entry.rounds.iter().map(|figures| value(&figures.busy));
            Spread::of(shares).map_or(0.0, |spread| spread.median)
        };
        let shares = [("the load generator", median(|busy| busy.load)), ("the upstream", median(|busy| busy.upstream))];
        for (part, share) in shares.into_iter().filter(|(_, share)| *share > SATURATED) {
            let percent = share * 100.0;
            writeln!(
                text,
                "- **{name}: {part} was saturated ({percent:.0} %): the throughput is at least, the latency at most \
                 this.**"
            )?;
        }
        let others = median(|busy| busy.others);
        if others > DISTURBED {
            writeln!(text, "- **{name}: others used {:.0} % of the machine meanwhile.**", others * 100.0)?;
        }
        let reopened: u64 = entry.rounds.iter().map(|figures| figures.reopened).sum();
        if reopened > 0 {
            writeln!(text, "- {name}: closed {reopened} connections between two requests.")?;
        }
        let wrong: u64 = entry.rounds.iter().map(|figures| figures.wrong).sum();
        if wrong > 0 {
            writeln!(text, "- **{name}: {wrong} wrong answers.**")?;
        }
        if let (Some(why), false) = (&entry.absent, entry.rounds.is_empty()) {
            writeln!(text, "- **{name}: left out after {} rounds: {why}.**", entry.rounds.len())?;
        }
    }
    Ok(())
}

/// Several figures of the same quantity.
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) smallest: f64,
    pub(crate) largest: f64,
}

impl Spread {
    pub(crate) fn of(figures: impl Iterator<Item = f64>) -> Option<Spread> {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let (smallest, largest) = (*sorted.first()?, *sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 };
        Some(Spread { median, smallest, largest })
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.2} ({:.2}..{:.2})", self.median, self.smallest, self.largest)
    }
}

/// How much more CPU a contender takes than ours did in the same round: what disturbs both cancels out.
fn ratio(entry: &Entry<'_>, ours: &Entry<'_>) -> Option<Spread> {
    Spread::of(entry.rounds.iter().zip(&ours.rounds).map(|(theirs, ours)| theirs.cpu_us / ours.cpu_us))
}

/// A package's version in `Cargo.lock`.
pub(crate) fn locked_version(package: &str) -> &'static str {
    version_in(include_str!("../../../../Cargo.lock"), package)
}

pub(crate) fn version_in<'a>(lock: &'a str, package: &str) -> &'a str {
    let rest = lock.split_once(&format!("name = \"{package}\"\nversion = \"")).map(|(_, rest)| rest);
    rest.and_then(|rest| rest.split('"').next()).unwrap_or("(unknown)")
}

pub(crate) fn processor() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name"));
    model.map_or("unknown processor".to_owned(), |model| model.trim_start_matches([' ', '\t', ':']).to_owned())
}

/// The first line of a program's output.
pub(crate) fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    said.lines().next().map_or(format!("{program} unknown"), str::to_owned)
}

/// Cores as a person would write them: `0–3` for consecutive ones.
pub(crate) fn span(cores: &[usize]) -> String {
    match cores {
        [first, .., last] if last - first + 1 == cores.len() => format!("{first}–{last}"),
        _ => super::cpus::list(cores),
    }
}
