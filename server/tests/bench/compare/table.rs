//! The run as Markdown: the machine, a table per load, the contenders, and what disturbed the run.

use crate::asked::Options;
use crate::harness::Result;
use crate::harness::report::{DISTURBED, SATURATED, Spread, locked_version, processor, said_by, span, version_in};
use crate::loads::{Column, Figures, Load};
use crate::run::{Entry, Results};
use crate::{contenders, promises};
use std::fmt::Write;
use std::thread;

/// When requests leave later than this, in milliseconds, the load generator itself is too slow.
const LATE: f64 = 1.0;

pub(crate) fn markdown(options: &Options, results: &Results) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "## Comparison\n")?;
    writeln!(text, "{}.\n", heading()?)?;
    writeln!(
        text,
        "`{}`: rounds: {}, contenders in turns, each on cores {} and load and upstream on {}; up to {} files per \
         process; {:.0} s in all. Medians; in brackets the smallest and the largest; ÷ ours is the median of the \
         rounds' ratios.\n",
        options.command,
        options.rounds,
        span(&results.halves.contender),
        span(&results.halves.load),
        results.files,
        results.seconds,
    )?;
    let mut told = Vec::new();
    for load in &options.loads {
        if !told.contains(&load.letter()) {
            told.push(load.letter());
            table(&mut text, *load, results)?;
        }
    }
    legend(&mut text, options, results)?;
    promises::list(&mut text, results)?;
    caveats(&mut text, results)?;
    Ok(text)
}

/// Versions, processor, kernel, date.
pub(crate) fn heading() -> Result<String> {
    const RIVALS: &str = include_str!("../rivals/Cargo.lock");
    const PYTHON: &str = include_str!("../rivals/python/requirements.txt");
    let mut text = format!("headstart {}, ureq {}, ", env!("CARGO_PKG_VERSION"), locked_version("ureq"));
    write!(text, "tiny_http {}", locked_version("tiny_http"))?;
    for package in ["hyper", "tokio", "axum", "reqwest"] {
        write!(text, ", {package} {}", version_in(RIVALS, package))?;
    }
    for (package, version) in PYTHON.lines().filter_map(|line| line.split_once("==")) {
        write!(text, ", {package} {version}")?;
    }
    let (rustc, kernel) = (said_by("rustc", &["--version"]), said_by("uname", &["-sr"]));
    let (cores, date) = (thread::available_parallelism()?, said_by("date", &["-u", "+%Y-%m-%d %H:%M UTC"]));
    write!(text, ", {rustc}; {kernel}; {}, {cores} cores; {date}", processor())?;
    Ok(text)
}

fn table(text: &mut String, load: Load, results: &Results) -> Result<()> {
    let columns = load.columns();
    let [headline, rest @ ..] = columns else { return Ok(()) };
    writeln!(text, "### {}\n", load.title())?;
    let size = if load.size().is_some() { " at a time |" } else { "" };
    write!(text, "| contender |{size} {} | ÷ ours |", headline.1)?;
    rest.iter().try_for_each(|(_, title, _)| write!(text, " {title} |"))?;
    writeln!(text, " busy %: contender, load, upstream, others |")?;
    let figures = columns.len() + 2 + usize::from(load.size().is_some());
    writeln!(text, "|---|{}", "--:|".repeat(figures))?;
    for entry in results.entries.iter().filter(|entry| entry.load.letter() == load.letter()) {
        write!(text, "| {} |", entry.contender.name)?;
        if let Some(size) = entry.load.size() {
            write!(text, " {size} |")?;
        }
        if entry.rounds.is_empty() {
            writeln!(text, " failed: {} |", one_line(entry.failed.as_deref().unwrap_or("not measured")))?;
            continue;
        }
        write!(text, " {} | {} |", spread(entry, headline), ratio(entry, headline.0, results))?;
        for (key, _, decimals) in rest {
            match median(entry, key) {
                Some(value) => write!(text, " {value:.decimals$} |")?,
                None => write!(text, " – |")?,
            }
        }
        let share = |part: fn(&Figures) -> f64| over(entry, |figures| Some(part(figures) * 100.0));
        let shares = [
            share(|figures| figures.busy.contender),
            share(|figures| figures.busy.load),
            share(|figures| figures.busy.upstream),
            share(|figures| figures.busy.others),
        ];
        let shares = shares.map(|share| share.map_or("–".to_owned(), |share| format!("{:.0}", share.median)));
        writeln!(text, " {} |", shares.join(", "))?;
    }
    writeln!(text)?;
    Ok(())
}

fn spread(entry: &Entry, (key, _, decimals): &Column) -> String {
    let figures = over(entry, |figures| figures.numbers.get(key).copied());
    let told = figures.map(|spread| {
        let Spread { median, smallest, largest } = spread;
        match entry.rounds.len() {
            1 => format!("{median:.decimals$}"),
            _ => format!("{median:.decimals$} ({smallest:.decimals$}..{largest:.decimals$})"),
        }
    });
    told.unwrap_or("–".to_owned())
}

/// How much more it is than ours in the same round: what disturbs both cancels out.
fn ratio(entry: &Entry, key: &str, results: &Results) -> String {
    let is_base = |other: &&Entry| other.load == entry.load && other.contender.name == entry.load.base();
    let ours = results.entries.iter().find(is_base);
    let ratio = ours.and_then(|ours| ratio_to(entry, ours, key));
    ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"))
}

pub(crate) fn ratio_to(entry: &Entry, base: &Entry, key: &str) -> Option<f64> {
    let pairs = entry.rounds.iter().zip(&base.rounds);
    let ratios = pairs.filter_map(|(theirs, base)| {
        let base = base.numbers.get(key).filter(|base| **base > 0.0)?;
        Some(theirs.numbers.get(key)? / base)
    });
    Spread::of(ratios).map(|spread| spread.median)
}

pub(crate) fn median(entry: &Entry, key: &str) -> Option<f64> {
    over(entry, |figures| figures.numbers.get(key).copied()).map(|spread| spread.median)
}

fn over(entry: &Entry, figure: impl Fn(&Figures) -> Option<f64>) -> Option<Spread> {
    Spread::of(entry.rounds.iter().filter_map(figure))
}

fn legend(text: &mut String, options: &Options, results: &Results) -> Result<()> {
    writeln!(text, "### Contenders\n")?;
    for contender in &options.contenders {
        let absent = results.absent.iter().find(|(absent, _)| absent.name == contender.name);
        let absent = absent.map(|(_, why)| format!(" **Absent: {}**", one_line(why))).unwrap_or_default();
        writeln!(text, "- {}: {}.{absent}", contender.name, contender.what)?;
    }
    writeln!(
        text,
        "\nNobody writes an access log (ours: `RUST_LOG=warn`). All but envoy, the proxies and {} check the JSON and \
         wrap it; floor has no hedges and no deadline; every answer counted was verified to its last byte.\n",
        contenders::DIRECT.name
    )?;
    Ok(())
}

/// What disturbed the figures: a line for each cause, with the contenders it affected.
fn caveats(text: &mut String, results: &Results) -> Result<()> {
    let mut saturated = Vec::new();
    let mut disturbed = Vec::new();
    let mut late = Vec::new();
    let mut bad = Vec::new();
    for entry in &results.entries {
        let size = entry.load.size().map(|size| format!(" {size}")).unwrap_or_default();
        let at = format!("{} ({}{size})", entry.contender.name, entry.load.letter());
        let share =
            |part: fn(&Figures) -> f64| over(entry, |figures| Some(part(figures))).map_or(0.0, |share| share.median);
        let parts =
            [("load", share(|figures| figures.busy.load)), ("upstream", share(|figures| figures.busy.upstream))];
        let full = parts.into_iter().filter(|(_, share)| *share > SATURATED);
        saturated.extend(full.map(|(part, share)| format!("{at} {part} {:.0} %", share * 100.0)));
        let others = share(|figures| figures.busy.others);
        if others > DISTURBED {
            disturbed.push(format!("{at} {:.0} %", others * 100.0));
        }
        late.extend(median(entry, "late_p99").filter(|late| *late > LATE).map(|late| format!("{at} {late:.1} ms")));
        let wrong: u64 = entry.rounds.iter().map(|figures| figures.wrong).sum();
        if let Some(first) = entry.rounds.iter().find_map(|figures| figures.first_bad.as_deref()) {
            bad.push(format!("{at} {wrong} wrong, the first that was wrong or lost: {}", one_line(first)));
        }
        if let (Some(why), false) = (&entry.failed, entry.rounds.is_empty()) {
            bad.push(format!("{at} left out after {} rounds: {}", entry.rounds.len(), one_line(why)));
        }
    }
    for (what, whom) in [
        ("Load generator or upstream saturated; it could be better than this", saturated),
        ("Others used the machine meanwhile; times mean little", disturbed),
        ("The load generator was late itself (p99)", late),
        ("Not every answer was right", bad),
    ] {
        if !whom.is_empty() {
            writeln!(text, "- **{what}:** {}.", whom.join("; "))?;
        }
    }
    Ok(())
}

/// Escaped for a table.
fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "/");
    line.chars().take(160).collect()
}

/// The README's table: a line per contender with its main figures.
pub(crate) fn short(options: &Options, results: &Results) -> Result<String> {
    let columns: Vec<(Load, &str, &str, usize)> = [
        ("a", "cpu_us", "CPU µs/request", 1),
        ("a", "per_second", "requests/s", 0),
        ("b", "added_p50", "added p50 ms", 2),
        ("b", "added_p99", "added p99 ms", 2),
        ("c", "p99", "tail p99 ms", 0),
        ("c", "p999", "p99.9 ms", 0),
        ("c", "extra", "extra %", 1),
        ("c", "ended", "losers ended %", 0),
        ("d", "answered", "in flight: answered %", 1),
        ("d", "memory", "RSS MiB", 0),
        ("d", "threads", "threads", 0),
        ("e", "took", "burst ms", 0),
        ("proxy-small", "cpu_us", "passed through: CPU µs/request", 1),
        ("proxy-large", "mib_per_second", "100 MiB: MiB/s", 0),
    ]
    .into_iter()
    .filter_map(|(letter, key, title, decimals)| Some((shown(options, letter)?, key, title, decimals)))
    .collect();
    let mut text = format!("`{}`: {}.\n\n| contender |", options.command, heading()?);
    for (load, _, title, _) in &columns {
        let size = load.size().map(|size| format!(", {size}")).unwrap_or_default();
        write!(text, " {title} ({}{size}) |", load.letter())?;
    }
    writeln!(text, "\n|---|{}", "--:|".repeat(columns.len()))?;
    for contender in options.contenders.iter().filter(|contender| contender.name != contenders::DIRECT.name) {
        write!(text, "| {} |", contender.name)?;
        if let Some((_, why)) = results.absent.iter().find(|(absent, _)| absent.name == contender.name) {
            writeln!(text, " absent: {} |", one_line(why))?;
            continue;
        }
        for (load, key, _, decimals) in &columns {
            let entry = results.entries.iter().find(|e| e.load == *load && e.contender.name == contender.name);
            match entry.and_then(|entry| median(entry, key)) {
                Some(value) => write!(text, " {value:.decimals$} |")?,
                None => write!(text, " – |")?,
            }
        }
        writeln!(text)?;
    }
    Ok(text)
}

/// The size that represents a load: the first number of connections, the largest number of requests in flight that all
/// contenders get.
fn shown(options: &Options, letter: &str) -> Option<Load> {
    let mut sizes = options.loads.iter().copied().filter(|load| load.letter() == letter);
    match letter {
        "d" => sizes.rfind(|load| contenders::ALL.iter().filter(|contender| load.suits(contender)).count() > 1),
        _ => sizes.next(),
    }
}
