//! Figures with three digits and a unit, as people read them.

use crate::compare::Spread;

/// Bytes or operations, per something.
pub(crate) fn amount(value: f64, bytes: bool) -> String {
    let unit = if bytes { "B" } else { "" };
    let (scaled, prefix) = match value {
        value if value >= 1e9 => (value / 1e9, " G"),
        value if value >= 1e6 => (value / 1e6, " M"),
        value if value >= 1e3 => (value / 1e3, " k"),
        value => (value, if bytes { " " } else { "" }),
    };
    format!("{}{prefix}{unit}", digits(scaled))
}

/// Three digits, as far as they mean something.
pub(crate) fn digits(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A share of one.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// A change as a share of one.
pub(crate) fn signed_percent(change: f64) -> String {
    format!("{:+.1} %", change * 100.0)
}

/// Median and both ends.
pub(crate) fn spread(spread: Option<Spread>, show: impl Fn(f64) -> String) -> String {
    spread.map_or_else(
        || "-".to_owned(),
        |spread| format!("{} ({}..{})", show(spread.median), show(spread.min), show(spread.max)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        assert_eq!(amount(1_234_567_890.0, true), "1.23 GB");
        assert_eq!(amount(45_678.0, false), "45.7 k");
        assert_eq!(amount(7.0, false), "7.00");
        assert_eq!(amount(512.0, true), "512 B");
        let three = Spread::of([1.0, 2.0, 3.0]);
        assert_eq!(spread(three, digits), "2.00 (1.00..3.00)");
        assert_eq!(spread(None, digits), "-");
        assert_eq!(percent(0.256), "26 %");
        assert_eq!(signed_percent(-0.0512), "-5.1 %");
        assert_eq!(signed_percent(0.1), "+10.0 %");
    }
}
