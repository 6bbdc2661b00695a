//! Drawing. Made for 80 columns and 24 lines; what is larger shows more services.

use std::time::Instant;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Modifier, Style, Stylize},
    text::{Line, Span},
    widgets::{Cell, Paragraph, Row, Table},
};

use super::{
    model::{self, Model},
    sample::{Latency, Sample},
};

/// Draws all of it.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, now: Instant) {
    let latencies = model.sample.as_ref().map_or(0, |sample| recorded(sample).count().max(1));
    let latencies = u16::try_from(latencies).unwrap_or(u16::MAX).saturating_add(1);
    let areas = Layout::vertical([
        Constraint::Length(2),
        Constraint::Length(1),
        Constraint::Length(latencies),
        Constraint::Length(1),
        Constraint::Min(3),
        Constraint::Length(1),
    ]);
    let [head, _, upper, _, lower, foot] = areas.areas(frame.area());
    frame.render_widget(Paragraph::new(head_lines(model, now)), head);
    if let Some(sample) = &model.sample {
        frame.render_widget(latency_table(sample), upper);
        frame.render_widget(service_table(model, lower), lower);
    }
    frame.render_widget(Paragraph::new(foot_line(model)), foot);
}

fn head_lines(model: &Model, now: Instant) -> Vec<Line<'static>> {
    let first = match &model.sample {
        None => format!("causeway top  {}", model.url),
        Some(sample) => format!(
            "causeway {}  {}  {}  {}, {} workers",
            sample.role, sample.version, model.url, sample.engine, sample.workers
        ),
    };
    let mut first = vec![Span::from(first).bold(), Span::from("  ")];
    first.push(match (&model.lost, &model.sample) {
        (Some((since, why)), _) => {
            let seconds = now.saturating_duration_since(*since).as_secs();
            Span::from(format!("LOST for {seconds} s, trying again: {why}")).red()
        }
        (None, None) => Span::from("asking"),
        (None, Some(sample)) if !sample.reasons.is_empty() => {
            Span::from(format!("not ready: {}", sample.reasons.join("; "))).yellow()
        }
        (None, Some(_)) => Span::from("ready").green(),
    });
    let second = model.sample.as_ref().map(|sample| {
        let rates = model.throughput().map_or_else(
            || "up -  down -".to_owned(),
            |(up, down)| format!("up {}  down {}", rate(up), rate(down)),
        );
        let paused = if model.paused { "  PAUSED" } else { "" };
        let problems = sample.problems.join("; ");
        let (tunnels, streams, opened) = (sample.tunnels, sample.streams, sample.streams_opened);
        format!("tunnels {tunnels}  streams {streams} (of {opened})  {rates}{paused}  {problems}")
    });
    vec![Line::from(first), Line::from(second.unwrap_or_default())]
}

/// Those that hold anything; the others would push services off a small screen.
fn recorded(sample: &Sample) -> impl Iterator<Item = &Latency> {
    sample.latencies.iter().filter(|latency| latency.count > 0)
}

fn latency_table(sample: &Sample) -> Table<'static> {
    let row = |latency: &Latency| {
        let numbers = [latency.p50, latency.p90, latency.p99, latency.p999, latency.max];
        let cells = [latency.name.clone(), latency.count.to_string()];
        Row::new(cells.into_iter().chain(numbers.map(time)).map(right_but_first()))
    };
    let widths = [16, 10, 9, 9, 9, 9, 9].map(Constraint::Length);
    let names = ["LATENCY", "COUNT", "P50", "P90", "P99", "P99.9", "MAX"];
    Table::new(recorded(sample).map(row), widths).header(header(names)).column_spacing(1)
}

fn service_table(model: &Model, area: Rect) -> Table<'static> {
    let rows = model.rows();
    let room = usize::from(area.height).saturating_sub(1);
    let row = |row: &model::Row| {
        let of = row.latency.as_ref();
        let latency = |value: Option<u64>| value.map_or_else(|| "-".to_owned(), time);
        let cells = [
            row.service.0.clone(),
            row.service.1.clone(),
            row.streams.to_string(),
            rate(row.rates.0),
            rate(row.rates.1),
            latency(of.map(|latency| latency.p50)),
            latency(of.map(|latency| latency.p99)),
        ];
        let text = |(column, cell): (usize, String)| {
            let line = Line::from(cell);
            Cell::from(if column < 2 { line } else { line.right_aligned() })
        };
        Row::new(cells.into_iter().enumerate().map(text))
    };
    let shown: Vec<Row<'static>> = rows.iter().skip(model.scrolled).take(room).map(row).collect();
    let widths = [
        Constraint::Fill(1),
        Constraint::Fill(1),
        Constraint::Length(7),
        Constraint::Length(10),
        Constraint::Length(10),
        Constraint::Length(8),
        Constraint::Length(8),
    ];
    let names = ["SUBACCOUNT", "SERVICE", "STREAMS", "UP", "DOWN", "P50", "P99"];
    let header = Row::new(names.into_iter().enumerate().map(|(column, name)| {
        let line = Line::from(name);
        Cell::from(if column < 2 { line } else { line.right_aligned() })
    }));
    Table::new(shown, widths).header(header.style(heading())).column_spacing(1)
}

fn header<const N: usize>(names: [&'static str; N]) -> Row<'static> {
    let cells = names.map(str::to_owned).into_iter().map(right_but_first());
    Row::new(cells.collect::<Vec<_>>()).style(heading())
}

fn heading() -> Style {
    Style::new().add_modifier(Modifier::REVERSED)
}

/// Names begin on the left, numbers end on the right.
fn right_but_first() -> impl FnMut(String) -> Cell<'static> {
    let mut is_first = true;
    move |text| {
        let line = Line::from(text);
        Cell::from(if std::mem::take(&mut is_first) { line } else { line.right_aligned() })
    }
}

fn foot_line(model: &Model) -> Line<'static> {
    if model.typing {
        return Line::from(format!("filter: {}_   Enter keeps it, Esc clears it", model.filter));
    }
    let filter = match model.filter.as_str() {
        "" => "none".to_owned(),
        filter => format!("{filter:?}"),
    };
    let sort = model.sort.name();
    let pause = if model.paused { "go on" } else { "pause" };
    Line::from(format!(
        "q quit   s sort ({sort})   / filter ({filter})   p {pause}   up/down scroll"
    ))
}

/// Bytes a second, in three digits.
fn rate(bytes: f64) -> String {
    let units = ["B/s", "kB/s", "MB/s", "GB/s"];
    let mut value = bytes;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if unit == 0 || value >= 99.95 { 0 } else { 1 };
    format!("{value:.digits$} {}", units[unit])
}

/// A time in three digits.
fn time(nanos: u64) -> String {
    let units = [("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9)];
    let nanos = nanos as f64;
    let fits = |(_, size): &&(&str, f64)| nanos < *size * 999.5;
    let (unit, size) = units.iter().find(fits).unwrap_or(&units[3]);
    let value = nanos / size;
    let digits = if value >= 99.95 || *size == 1.0 { 0 } else { 1 };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (bytes, text) in
            [(0.0, "0 B/s"), (999.0, "999 B/s"), (1234.0, "1.2 kB/s"), (2.5e9, "2.5 GB/s")]
        {
            assert_eq!(rate(bytes), text);
        }
        for (nanos, text) in [
            (0, "0 ns"),
            (950, "950 ns"),
            (1_250, "1.2 µs"),
            (123_456, "123 µs"),
            (4_000_000, "4.0 ms"),
            (90_000_000_000, "90.0 s"),
        ] {
            assert_eq!(time(nanos), text);
        }
    }
}
