//! Plots as inline SVG: lines over an axis, percentiles, and bars with whiskers.

use hdrhistogram::Histogram;

use super::html::escape;
use crate::compare::Spread;

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 80.0;
const BOTTOM: f64 = 40.0;
const TOP: f64 = 12.0;
const RIGHT: f64 = 200.0;
const BAR: f64 = 22.0;
const NAMES: f64 = 230.0;
/// Okabe and Ito's palette, without its black and yellow, and three more of the same kind.
const COLOURS: [&str; 9] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00", "#8c6bb1", "#7f7f7f",
    "#a6761d",
];
/// The last percentile of a plot: 99.999 %, five times a division by ten.
const DECADES: u32 = 5;

/// A line with its name.
pub(super) struct Line {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// Places on an axis that have a label.
pub(super) type Ticks = Vec<(f64, String)>;

/// Lines in a frame; the axes reach from their first to their last tick.
pub(super) fn lines(what: &str, lines: &[Line], across: &Ticks, up: &Ticks) -> String {
    let ends = |ticks: &Ticks| {
        let first = ticks.first().map_or(0.0, |tick| tick.0);
        (first, ticks.last().map_or(1.0, |tick| tick.0).max(first + f64::EPSILON))
    };
    let ((left, right), (low, high)) = (ends(across), ends(up));
    let x = |value: f64| LEFT + (value - left) / (right - left) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - BOTTOM - TOP);
    let mut out = open(what, HEIGHT);
    for (value, label) in up {
        let y = y(*value);
        let end = WIDTH - RIGHT;
        out += &format!(
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{end}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            LEFT - 6.0,
            y + 4.0,
            escape(label)
        );
    }
    for (value, label) in across {
        out += &format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x(*value),
            HEIGHT - BOTTOM + 18.0,
            escape(label)
        );
    }
    for (index, line) in lines.iter().enumerate() {
        let colour = COLOURS[index % COLOURS.len()];
        let inside = |value: f64, low: f64, high: f64| value.clamp(low, high);
        let points: Vec<String> = line
            .points
            .iter()
            .map(|(at, value)| {
                format!("{:.1},{:.1}", x(inside(*at, left, right)), y(inside(*value, low, high)))
            })
            .collect();
        let legend = TOP + 10.0 + 18.0 * index as f64;
        out += &format!(
            "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" points=\"{}\"/>\
             <rect x=\"{:.1}\" y=\"{:.1}\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\
             <text x=\"{:.1}\" y=\"{legend:.1}\">{}</text>",
            points.join(" "),
            WIDTH - RIGHT + 12.0,
            legend - 9.0,
            WIDTH - RIGHT + 28.0,
            escape(&line.name)
        );
    }
    out + "</svg>\n"
}

/// Latency over percentile: each step to the right leaves out nine of ten of what remains.
pub(super) fn percentiles(histograms: &[(String, &Histogram<u64>)]) -> String {
    let drawn: Vec<Line> = histograms
        .iter()
        .filter(|(_, histogram)| !histogram.is_empty())
        .map(|(name, histogram)| Line { name: name.clone(), points: curve(histogram) })
        .collect();
    if drawn.is_empty() {
        return String::new();
    }
    let across = (0..=DECADES)
        .map(|decade| {
            let label = ["0 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"][decade as usize];
            (f64::from(decade), label.to_owned())
        })
        .collect();
    let values = || drawn.iter().flat_map(|line| line.points.iter().map(|point| point.1));
    let low = values().fold(f64::INFINITY, f64::min).floor();
    let high = values().fold(f64::NEG_INFINITY, f64::max).ceil().max(low + 1.0);
    let mut up = Vec::new();
    let mut exponent = low;
    while exponent <= high {
        up.push((exponent, milliseconds(10_f64.powf(exponent))));
        exponent += 1.0;
    }
    lines("latency over percentile", &drawn, &across, &up)
}

fn milliseconds(value: f64) -> String {
    if value < 1.0 { format!("{:.0} µs", value * 1e3) } else { format!("{value:.0} ms") }
}

fn curve(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    const STEPS_PER_DECADE: u32 = 20;
    (0..=DECADES * STEPS_PER_DECADE)
        .map(|step| {
            let at = f64::from(step) / f64::from(STEPS_PER_DECADE);
            let value = histogram.value_at_quantile(1.0 - 10_f64.powf(-at));
            (at, (value.max(1) as f64 / 1e6).log10())
        })
        .collect()
}

/// A bar for each, as long as its median, with a whisker from minimum to maximum.
pub(super) fn bars(
    what: &str,
    values: &[(String, Option<Spread>)],
    show: impl Fn(f64) -> String,
) -> String {
    let longest = values.iter().filter_map(|(_, spread)| Some(spread.as_ref()?.max));
    let longest = longest.fold(f64::MIN_POSITIVE, f64::max);
    let length = |value: f64| value / longest * (WIDTH - NAMES - 110.0);
    let mut out = open(what, BAR * values.len() as f64 + 8.0);
    for (index, (name, spread)) in values.iter().enumerate() {
        let top = BAR * index as f64 + 4.0;
        let middle = top + BAR / 2.0;
        let text = middle + 4.0;
        out += &format!(
            "<text x=\"{:.1}\" y=\"{text:.1}\" text-anchor=\"end\">{}</text>",
            NAMES - 8.0,
            escape(name)
        );
        let Some(spread) = spread else {
            out += &format!("<text x=\"{NAMES}\" y=\"{text:.1}\">no result</text>");
            continue;
        };
        out += &format!(
            "<rect x=\"{NAMES}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{}\"/>\
             <line class=\"whisker\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{middle:.1}\" \
             y2=\"{middle:.1}\"/><text x=\"{:.1}\" y=\"{text:.1}\">{}</text>",
            top + 3.0,
            length(spread.median),
            BAR - 6.0,
            COLOURS[index % COLOURS.len()],
            NAMES + length(spread.min),
            NAMES + length(spread.max),
            NAMES + length(spread.max) + 8.0,
            escape(&show(spread.median))
        );
    }
    out + "</svg>\n"
}

fn open(what: &str, height: f64) -> String {
    format!(
        "<svg viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" role=\"img\" \
         aria-label=\"{}\">",
        escape(what)
    )
}
