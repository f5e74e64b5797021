//! Count, mean and variance of the samples of a window, while samples come and go.
//!
//! Sums of deviations from an *anchor*, a value of the series itself, in double-double arithmetic: a constant series has
//! variance zero to the last digit, and adding and removing for months leaves an error that no `f64` can show. Only a
//! giant could push the digits of the rest out, by its own square or, as the anchor, by their distance from it.
//! [`Moments::is_worn`] says so once it is gone, and whoever holds the samples sums them up anew. The anchor is then one
//! of them, so the variance is at least their distance from it squared over their count, and far from worn again.

use super::DoubleDouble;

/// Share of a sum of squares below which too few digits of 32 are left to what is asked of it.
const WORN: f64 = 1e-12;

/// Running sums.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moments {
    count: u32,
    anchor: f64,
    sum: DoubleDouble,
    squares: DoubleDouble,
    squares_peak: f64,
}
crate::save::fields!(Moments {
    count,
    anchor,
    sum,
    squares,
    squares_peak
});

impl Moments {
    pub(crate) fn add(&mut self, value: f64) {
        if self.count == 0 {
            *self = Self {
                anchor: value,
                ..Self::default()
            };
        }
        self.count += 1;
        let deviation = self.deviation_of(value);
        self.sum = self.sum + deviation;
        self.squares = self.squares + deviation.square();
        self.squares_peak = self.squares_peak.max(self.squares.value());
    }

    /// Takes away a value that was added before.
    pub(crate) fn remove(&mut self, value: f64) {
        debug_assert!(self.count > 0, "a value is removed that was never added");
        self.count -= 1;
        let deviation = self.deviation_of(value);
        self.sum = self.sum - deviation;
        self.squares = self.squares - deviation.square();
    }

    /// The moments without one of the values.
    pub(crate) fn without(mut self, value: f64) -> Self {
        self.remove(value);
        self
    }

    /// Are the sums to be built anew from the values themselves? Asked after a removal.
    pub(crate) fn is_worn(&self) -> bool {
        if self.count == 0 {
            return false;
        }
        let (sum, squares) = (self.sum.value(), self.squares.value());
        squares < WORN * self.squares_peak || squares - sum * sum / f64::from(self.count) < WORN * squares
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The arithmetic mean; `None` of nothing.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| self.anchor + self.sum.value() / f64::from(self.count))
    }

    /// Standard deviation of the population (ddof 0), for one value or more.
    pub(crate) fn population_deviation(&self) -> Option<f64> {
        self.deviation(0)
    }

    /// Standard deviation of a sample (ddof 1), for two values or more.
    pub(crate) fn sample_deviation(&self) -> Option<f64> {
        self.deviation(1)
    }

    /// Sum of the squared deviations from the mean.
    pub(super) fn squared_deviations(&self) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        let count = DoubleDouble::new(f64::from(self.count));
        DoubleDouble::difference_of_squares(self.squares, self.sum, count).max(0.0)
    }

    /// The same, with all digits.
    pub(super) fn squared_deviations_exact(&self) -> DoubleDouble {
        self.squares - self.sum.square() / DoubleDouble::new(f64::from(self.count))
    }

    /// Sum of the deviations from the anchor.
    pub(super) fn sum(&self) -> DoubleDouble {
        self.sum
    }

    /// Deviation of `value` from the anchor.
    pub(super) fn deviation_of(&self, value: f64) -> DoubleDouble {
        DoubleDouble::difference(value, self.anchor)
    }

    fn deviation(&self, degrees_lost: u32) -> Option<f64> {
        (self.count > degrees_lost).then(|| (self.squared_deviations() / f64::from(self.count - degrees_lost)).sqrt())
    }
}

impl Extend<f64> for Moments {
    fn extend<I: IntoIterator<Item = f64>>(&mut self, values: I) {
        values.into_iter().for_each(|value| self.add(value));
    }
}

impl FromIterator<f64> for Moments {
    fn from_iter<I: IntoIterator<Item = f64>>(values: I) -> Self {
        let mut moments = Self::default();
        moments.extend(values);
        moments
    }
}

#[cfg(test)]
#[expect(clippy::cast_precision_loss, reason = "small numbers")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Mean and squared deviations by the definition, in two passes.
    fn plain(values: &[f64]) -> (f64, f64) {
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let rest = values.iter().map(|value| value - mean).sum::<f64>() / count;
        let squares = values.iter().map(|value| (value - mean - rest).powi(2)).sum::<f64>();
        (mean + rest, squares)
    }

    proptest! {
        #[test]
        fn a_rolling_sum_is_the_sum_over_the_window(
            values in proptest::collection::vec(-1e3_f64..1e3, 60..300),
            offset in prop_oneof![Just(0.0), Just(1e9), Just(-1e6)],
            capacity in 2_usize..50,
        ) {
            let values: Vec<f64> = values.into_iter().map(|value| value + offset).collect();
            let mut moments = Moments::default();
            for (place, &value) in values.iter().enumerate() {
                moments.add(value);
                if place >= capacity {
                    moments.remove(values[place - capacity]);
                }
            }
            let (mean, squares) = plain(&values[values.len() - capacity..]);
            prop_assert!((moments.mean().unwrap() - mean).abs() <= 1e-12 * mean.abs().max(1.0));
            prop_assert!((moments.squared_deviations() - squares).abs() <= 1e-9 * squares);
        }
    }

    #[test]
    fn a_constant_has_no_deviation_at_all() {
        let mut moments: Moments = std::iter::repeat_n(0.1, 1000).collect();
        moments.add(1e6);
        moments.remove(1e6);
        assert_eq!(moments.mean(), Some(0.1));
        assert_eq!(moments.sample_deviation(), Some(0.0));
    }

    #[test]
    fn a_giant_that_left_is_noticed() {
        let mut moments: Moments = [1e30, 1.25, 2.5].into_iter().collect();
        assert!(!moments.is_worn());
        moments.remove(1e30);
        assert!(moments.is_worn());
        let mut moments: Moments = [1.0, 1e30, 1.25].into_iter().collect();
        moments.remove(1e30);
        assert!(moments.is_worn());
        let mut moments: Moments = [3.5, 1.25, 2.5].into_iter().collect();
        moments.remove(3.5);
        assert!(!moments.is_worn());
    }

    #[test]
    fn too_few_values_have_no_deviation() {
        assert_eq!(Moments::default().mean(), None);
        let one: Moments = [3.0].into_iter().collect();
        assert_eq!((one.population_deviation(), one.sample_deviation()), (Some(0.0), None));
    }
}
