//! The plots: how latency grows towards the rare requests, what a request costs, and how memory and threads grow with
//! the requests in flight.

use crate::asked::Options;
use crate::harness::report::Spread;
use crate::loads::Load;
use crate::run::{Entry, Results};
use crate::svg::{Axis, Chart, Line, Scale};
use crate::table::median;

/// File names and drawings; those without a figure are left out.
pub(crate) fn draw(options: &Options, results: &Results) -> Vec<(String, String)> {
    let mut drawn = Vec::new();
    for load in options.loads.iter().filter(|load| !matches!(load, Load::InFlight { .. })) {
        let size = load.size().map(|size| format!("-{size}")).unwrap_or_default();
        drawn.push((format!("latency-{}{size}.svg", load.letter()), latency(options, results, *load)));
    }
    drawn.push(("cpu.svg".to_owned(), cpu(options, results)));
    drawn.push(("memory.svg".to_owned(), over_requests(options, results, "memory", "MiB", "Memory in RAM")));
    drawn.push(("threads.svg".to_owned(), over_requests(options, results, "threads", "threads", "Threads")));
    let seen = drawn.into_iter().filter(|(_, chart)| chart.lines.iter().any(|line| !line.points.is_empty()));
    seen.map(|(name, chart)| (name, chart.to_svg())).collect()
}

fn latency(options: &Options, results: &Results, load: Load) -> Chart {
    let lines = lines(options, results, |entry| {
        if entry.load != load {
            return Vec::new();
        }
        let Some(first) = entry.rounds.first() else { return Vec::new() };
        let at = |share: f64| {
            let rounds = entry.rounds.iter();
            let told = rounds.filter_map(|figures| figures.percentiles.iter().find(|(at, _)| *at == share));
            Spread::of(told.map(|(_, millis)| *millis)).map(|spread| (share, spread.median))
        };
        first.percentiles.iter().filter_map(|(share, _)| at(*share)).collect()
    });
    let ticks = [(0.0, "0"), (0.5, "50"), (0.9, "90"), (0.99, "99"), (0.999, "99.9"), (0.9999, "99.99")];
    let ticks = ticks.map(|(share, name)| (share, name.to_owned())).to_vec();
    let x = Axis { label: "per cent of requests".to_owned(), scale: Scale::Nines, range: (0.0, 0.9999), ticks };
    Chart { title: load.title().to_owned(), x, y: Axis::log("ms", values(&lines)), lines }
}

/// A line for each contender, from nothing to its figure: a contender each row, the best on top.
fn cpu(options: &Options, results: &Results) -> Chart {
    let load = options.loads.iter().find(|load| matches!(load, Load::Saturation { .. }));
    let mut rows: Vec<(f64, usize, &str)> = Vec::new();
    for entry in results.entries.iter().filter(|entry| Some(&entry.load) == load) {
        if let Some(cpu) = median(entry, "cpu_us") {
            rows.push((cpu, color(entry.contender.name), entry.contender.name));
        }
    }
    rows.sort_by(|one, other| one.0.total_cmp(&other.0));
    let x = Axis::log("µs of CPU per request, user and system", rows.iter().map(|row| row.0));
    let (begin, count) = (x.range.0, rows.len());
    let height = |row: usize| (count - row) as f64;
    let ticks = rows.iter().enumerate().map(|(row, (.., name))| (height(row), (*name).to_owned())).collect();
    let y = Axis { label: String::new(), scale: Scale::Linear, range: (0.0, count as f64 + 1.0), ticks };
    let lines = rows.iter().enumerate().map(|(row, (cpu, color, name))| {
        let points = vec![(begin, height(row)), (*cpu, height(row))];
        Line { name: format!("{name} {cpu:.1} µs"), color: *color, points }
    });
    let title = load.map(|load| load.title()).unwrap_or_default();
    let size = load.and_then(|load| load.size()).unwrap_or_default();
    Chart { title: format!("{title} ({size} connections)"), x, y, lines: lines.collect() }
}

fn over_requests(options: &Options, results: &Results, key: &str, unit: &str, what: &str) -> Chart {
    let lines = lines(options, results, |entry| match entry.load {
        Load::InFlight { requests } => median(entry, key).map(|value| (requests as f64, value)).into_iter().collect(),
        _ => Vec::new(),
    });
    let mut sizes: Vec<f64> = lines.iter().flat_map(|line| line.points.iter().map(|point| point.0)).collect();
    sizes.sort_by(f64::total_cmp);
    sizes.dedup();
    let most = sizes.last().copied().unwrap_or(1.0);
    let ticks = sizes.iter().map(|size| (*size, size.to_string())).collect();
    let x = Axis { label: "requests in flight".to_owned(), scale: Scale::Linear, range: (0.0, most), ticks };
    Chart { title: format!("{what} over requests in flight"), x, y: Axis::log(unit, values(&lines)), lines }
}

/// A line for each contender, of the points of all its entries.
fn lines(options: &Options, results: &Results, points: impl Fn(&Entry) -> Vec<(f64, f64)>) -> Vec<Line> {
    let line = |name: &str| {
        let entries = results.entries.iter().filter(|entry| entry.contender.name == name);
        Line { name: name.to_owned(), color: color(name), points: entries.flat_map(&points).collect() }
    };
    let all = options.contenders.iter().map(|contender| line(contender.name));
    all.filter(|line| !line.points.is_empty()).collect()
}

fn color(name: &str) -> usize {
    crate::contenders::ALL.iter().position(|contender| contender.name == name).unwrap_or(0)
}

fn values(lines: &[Line]) -> impl Iterator<Item = f64> {
    lines.iter().flat_map(|line| line.points.iter().map(|point| point.1))
}
