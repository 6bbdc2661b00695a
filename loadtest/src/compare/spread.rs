//! Median and spread of rounds, and of ratios between contestants of the same round.

use serde::Serialize;

/// What several rounds say together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// None of no rounds. The median of an even number lies between the two in the middle.
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut values: Vec<f64> = values.into_iter().filter(|value| value.is_finite()).collect();
        values.sort_by(f64::total_cmp);
        let (min, max) = (*values.first()?, *values.last()?);
        let middle = values.len() / 2;
        let median = if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        };
        Some(Self { median, min, max })
    }

    /// Of the rounds that have a value.
    pub(crate) fn of_some(values: &[Option<f64>]) -> Option<Self> {
        Self::of(values.iter().flatten().copied())
    }

    /// Ours divided by theirs, each round with itself: what the machine did meanwhile met both.
    /// Rounds that one of them has not are left out.
    pub(crate) fn of_ratios(ours: &[Option<f64>], theirs: &[Option<f64>]) -> Option<Self> {
        let pairs =
            ours.iter().zip(theirs).filter_map(|(ours, theirs)| Some((*ours)? / (*theirs)?));
        Self::of(pairs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_median_and_the_ends() {
        let spread = Spread::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!(spread, Spread { median: 2.0, min: 1.0, max: 3.0 });
        let even = Spread::of([4.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!(even, Spread { median: 2.5, min: 1.0, max: 4.0 });
        assert_eq!(Spread::of([]), None);
        assert_eq!(Spread::of([f64::INFINITY, f64::NAN]), None);
    }

    #[test]
    fn ratios_pair_rounds_and_leave_out_what_is_missing() {
        let ours = [Some(2.0), Some(6.0), None, Some(10.0)];
        let theirs = [Some(1.0), Some(2.0), Some(5.0), None];
        let spread = Spread::of_ratios(&ours, &theirs).unwrap();
        assert_eq!(spread, Spread { median: 2.5, min: 2.0, max: 3.0 });
        assert_eq!(Spread::of_ratios(&[Some(1.0)], &[Some(0.0)]), None);
        assert_eq!(Spread::of_ratios(&[None], &[Some(1.0)]), None);
    }
}
