//! Lines on axes, as SVG: just what the plots need, instead of a drawing library.

use std::fmt::Write;

pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) x: Axis,
    pub(crate) y: Axis,
    pub(crate) lines: Vec<Line>,
}

pub(crate) struct Axis {
    pub(crate) label: String,
    pub(crate) scale: Scale,
    /// In the axis's own unit, from one end to the other.
    pub(crate) range: (f64, f64),
    pub(crate) ticks: Vec<(f64, String)>,
}

#[derive(Clone, Copy)]
pub(crate) enum Scale {
    Linear,
    Log,
    /// For shares: each further nine has the same width.
    Nines,
}

pub(crate) struct Line {
    pub(crate) name: String,
    /// Which of the colours: the same contender has the same one in every plot.
    pub(crate) color: usize,
    pub(crate) points: Vec<(f64, f64)>,
}

/// Also safe for colour-blind readers (after Paul Tol's schemes), on white.
const COLORS: [&str; 11] = [
    "#cc3311", "#ee7733", "#ddaa33", "#aa4499", "#777777", "#0077bb", "#33bbee", "#228833", "#88aa55", "#332288",
    "#000000",
];
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 460.0;
/// The plot's own edges.
const LEFT: f64 = 78.0;
const RIGHT: f64 = 700.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 400.0;

impl Axis {
    /// In steps of 1, 2 and 5, from below the smallest to above the largest.
    pub(crate) fn log(label: &str, values: impl Iterator<Item = f64>) -> Axis {
        let positive: Vec<f64> = values.filter(|value| *value > 0.0).collect();
        let smallest = positive.iter().copied().fold(f64::INFINITY, f64::min).min(1e9);
        let largest = positive.iter().copied().fold(smallest, f64::max);
        let mut steps: Vec<f64> =
            (-6..=12).flat_map(|power| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(power))).collect();
        let first = steps.iter().rposition(|step| *step <= smallest).unwrap_or(0);
        let last = steps.iter().position(|step| *step > largest).unwrap_or(steps.len() - 1);
        let range = (steps[first], steps[last]);
        steps = steps[first..=last].to_vec();
        if steps.len() > 12 {
            // Too many labels: powers of ten only.
            steps.retain(|step| step.log10().fract().abs() < 1e-9);
        }
        // At most six digits, which removes the rounding errors of the powers.
        let name = |step: &f64| format!("{step:.6}").trim_end_matches('0').trim_end_matches('.').to_owned();
        let ticks = steps.iter().map(|step| (*step, name(step))).collect();
        Axis { label: label.to_owned(), scale: Scale::Log, range, ticks }
    }

    /// Where a value lies: 0 at the beginning, 1 at the end.
    fn place(&self, value: f64) -> f64 {
        let along = |value: f64| match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(f64::MIN_POSITIVE).log10(),
            Scale::Nines => -(1.0 - value).max(f64::MIN_POSITIVE).log10(),
        };
        let (first, last) = (along(self.range.0), along(self.range.1));
        ((along(value) - first) / (last - first)).clamp(0.0, 1.0)
    }
}

impl Chart {
    pub(crate) fn to_svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        text(&mut svg, (LEFT, 24.0), "start", "#222", &self.title);
        let across = |value| LEFT + self.x.place(value) * (RIGHT - LEFT);
        let up = |value| BOTTOM - self.y.place(value) * (BOTTOM - TOP);
        for (value, name) in &self.x.ticks {
            rule(&mut svg, (across(*value), TOP), (across(*value), BOTTOM));
            text(&mut svg, (across(*value), BOTTOM + 18.0), "middle", "#444", name);
        }
        for (value, name) in &self.y.ticks {
            rule(&mut svg, (LEFT, up(*value)), (RIGHT, up(*value)));
            text(&mut svg, (LEFT - 8.0, up(*value) + 4.0), "end", "#444", name);
        }
        text(&mut svg, ((LEFT + RIGHT) / 2.0, BOTTOM + 42.0), "middle", "#222", &self.x.label);
        text(&mut svg, (LEFT, TOP - 8.0), "end", "#222", &self.y.label);
        for (row, line) in self.lines.iter().enumerate() {
            let color = COLORS[line.color % COLORS.len()];
            let points: Vec<String> =
                line.points.iter().map(|(x, y)| format!("{:.1},{:.1}", across(*x), up(*y))).collect();
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/>",
                points.join(" ")
            );
            for (x, y) in &line.points {
                let _ =
                    writeln!(svg, "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{color}\"/>", across(*x), up(*y));
            }
            text(&mut svg, (RIGHT + 14.0, TOP + 12.0 + row as f64 * 20.0), "start", color, &line.name);
        }
        svg.push_str("</svg>\n");
        svg
    }
}

fn rule(svg: &mut String, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
    let _ = writeln!(svg, "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#ddd\"/>");
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, color: &str, words: &str) {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"{color}\">{words}</text>");
}
