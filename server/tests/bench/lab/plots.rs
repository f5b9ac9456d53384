//! The plots: latency over the share of requests, what happens second by second, and p99 over the load.

use crate::asked::Options;
use crate::contenders::ALL;
use crate::figures::{Figures, Second};
use crate::harness::report::Spread;
use crate::run::{Entry, Results};
use crate::svg::{Axis, Chart, Line, Scale};
use crate::table::spread;

/// A figure of a second: the file's second word, the axis's label, and how to read it.
type Series = (&'static str, &'static str, fn(&Second) -> f64);

const P99: Series = ("p99", "ms", |second| second.p99);
const EXTRA: Series = ("extra", "extra/s", |second| second.again);
const SHARE: Series = ("share", "%", |second| second.share * 100.0);
const GOODPUT: Series = ("goodput", "right/s", |second| second.right);

/// File names and drawings; those without a figure are left out.
pub(crate) fn draw(options: &Options, results: &Results) -> Vec<(String, String)> {
    let mut drawn = Vec::new();
    for (place, scenario) in options.scenarios.iter().enumerate() {
        if scenario.number != 7 {
            drawn.push((format!("{}-latency.svg", scenario.id), latency(place, &scenario.title, results)));
        }
        let series: &[Series] = match scenario.number {
            4 => &[P99, EXTRA],
            5 => &[SHARE, P99],
            8 => &[P99, EXTRA],
            10 => &[GOODPUT, EXTRA],
            _ => &[],
        };
        for (word, label, value) in series {
            let title = format!("{}: {}", scenario.title, word_for(word));
            drawn.push((format!("{}-{word}.svg", scenario.id), over_time(place, &title, label, *value, results)));
        }
    }
    drawn.push(("7-load.svg".to_owned(), over_load(options, results, "7-", "go on")));
    drawn.push(("7-ends-load.svg".to_owned(), over_load(options, results, "7-ends-", "end")));
    let seen = drawn.into_iter().filter(|(_, chart)| !chart.lines.is_empty());
    seen.map(|(name, chart)| (name, chart.to_svg())).collect()
}

fn word_for(word: &str) -> &'static str {
    match word {
        "p99" => "p99 of each second",
        "extra" => "extra attempts in each second",
        "share" => "the dead replica's share of attempts",
        _ => "right answers in each second",
    }
}

fn latency(place: usize, title: &str, results: &Results) -> Chart {
    let lines = lines(place, results, |entry| {
        let at = |nth: usize| {
            let rounds = entry.rounds.iter().filter_map(|round| round.percentiles.get(nth));
            let share = rounds.clone().next()?.0;
            Some((share, Spread::of(rounds.map(|(_, millis)| *millis))?.median))
        };
        (0..).map_while(at).collect()
    });
    let ticks = [(0.0, "0"), (0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99")];
    let ticks = ticks.map(|(share, name)| (share, name.to_owned())).to_vec();
    let x = Axis { label: "per cent of requests".to_owned(), scale: Scale::Nines, range: (0.0, 0.9999), ticks };
    Chart { title: title.to_owned(), x, y: Axis::log("ms", values(&lines)), lines }
}

fn over_time(place: usize, title: &str, label: &str, value: fn(&Second) -> f64, results: &Results) -> Chart {
    let lines = lines(place, results, |entry| {
        let seconds = entry.rounds.iter().map(|round| round.seconds.len()).min().unwrap_or(0);
        let at = |second: usize| {
            let rounds = entry.rounds.iter().map(|round| value(&round.seconds[second]));
            Some((second as f64, Spread::of(rounds).filter(|spread| spread.median.is_finite())?.median))
        };
        (0..seconds).filter_map(at).collect()
    });
    let most = lines.iter().flat_map(|line| &line.points).map(|point| point.0).fold(1.0, f64::max);
    let y = match label {
        "ms" => Axis::log(label, values(&lines)),
        _ => linear(label, values(&lines).fold(1.0, f64::max)),
    };
    Chart { title: title.to_owned(), x: linear("seconds", most), y, lines }
}

/// p99 over the load of the queues.
fn over_load(options: &Options, results: &Results, prefix: &str, losers: &str) -> Chart {
    let p99: &dyn Fn(&Figures) -> Option<f64> = &|figures| Some(figures.p99);
    let line = |(color, contender): (usize, &crate::contenders::Contender)| {
        let scenarios = options.scenarios.iter().enumerate().filter(|(_, scenario)| scenario.number == 7);
        let points = scenarios.filter_map(|(place, scenario)| {
            let load: f64 = scenario.id.strip_prefix(prefix)?.parse().ok()?;
            Some((load, spread(results.entry(place, contender.name)?, p99)?.median))
        });
        Line { name: contender.name.to_owned(), color, points: points.collect() }
    };
    let lines: Vec<Line> = ALL.iter().enumerate().map(line).filter(|line| !line.points.is_empty()).collect();
    let x = linear("per cent of load", 80.0);
    Chart {
        title: format!("Two queues, losers {losers}: p99 over the load"),
        x,
        y: Axis::log("ms", values(&lines)),
        lines,
    }
}

/// A line for each contender of a scenario.
fn lines(place: usize, results: &Results, points: impl Fn(&Entry) -> Vec<(f64, f64)>) -> Vec<Line> {
    let line = |(color, contender): (usize, &crate::contenders::Contender)| {
        let points = results.entry(place, contender.name).map(&points).unwrap_or_default();
        Line { name: contender.name.to_owned(), color, points }
    };
    ALL.iter().enumerate().map(line).filter(|line| !line.points.is_empty()).collect()
}

fn values(lines: &[Line]) -> impl Iterator<Item = f64> {
    lines.iter().flat_map(|line| line.points.iter().map(|point| point.1))
}

/// From 0, with five to ten round steps.
fn linear(label: &str, most: f64) -> Axis {
    let power = 10f64.powf(most.log10().floor());
    let step = [0.1, 0.2, 0.5, 1.0].into_iter().map(|part| part * power).find(|step| most / step <= 10.0);
    let step = step.unwrap_or(power);
    let count = (most / step).ceil() as u32;
    let ticks = (0..=count).map(|nth| (f64::from(nth) * step, format!("{:.6}", f64::from(nth) * step)));
    let ticks = ticks.map(|(at, name)| (at, name.trim_end_matches('0').trim_end_matches('.').to_owned())).collect();
    Axis { label: label.to_owned(), scale: Scale::Linear, range: (0.0, f64::from(count) * step), ticks }
}
