//! Mean and variance that forget.
//!
//! The weight of a sample falls by one part in `1 / gain` with each later one. O(1), two numbers, no division.

use crate::save::fields;

/// Exponentially forgetting mean and variance.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moments {
    pub(super) mean: f64,
    pub(super) variance: f64,
}

fields!(Moments { mean, variance });

impl Moments {
    /// Takes in `value`, which weighs `gain` (above 0, at most 1): 1/n for the nth makes plain mean and variance.
    pub(super) fn learn(&mut self, value: f64, gain: f64) {
        let apart = value - self.mean;
        let step = gain * apart;
        self.mean += step;
        self.variance = (1.0 - gain) * (self.variance + step * apart);
    }

    /// As that, with the mean as it is.
    pub(super) fn learn_deviation(&mut self, value: f64, gain: f64) {
        let apart = value - self.mean;
        self.variance = (1.0 - gain) * (self.variance + gain * apart * apart);
    }

    pub(super) fn deviation(&self) -> f64 {
        self.variance.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_forgetting_they_are_the_plain_ones() {
        let values = [3.0, -1.0, 4.0, 1.0, -5.0, 9.0];
        let mut moments = Moments::default();
        for (&value, count) in values.iter().zip(1_u32..) {
            moments.learn(value, 1.0 / f64::from(count));
        }
        let mean = values.iter().sum::<f64>() / 6.0;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / 6.0;
        assert!((moments.mean - mean).abs() < 1e-12);
        assert!((moments.variance - variance).abs() < 1e-12);
    }

    #[test]
    fn with_forgetting_they_are_the_weighted_ones() {
        const GAIN: f64 = 0.01;
        let value = |place: i32| f64::from(place * 7919 % 101);
        let mut moments = Moments::default();
        for place in 0..2000 {
            moments.learn(value(place), GAIN);
        }
        let weighted = |of: &dyn Fn(f64) -> f64| {
            (0..2000)
                .map(|place| GAIN * (1.0 - GAIN).powi(1999 - place) * of(value(place)))
                .sum::<f64>()
        };
        let mean = weighted(&|value| value);
        assert!((moments.mean - mean).abs() < 1e-6);
        assert!((moments.variance - weighted(&|value| (value - mean).powi(2))).abs() < 1e-3);
    }

    #[test]
    fn equal_values_do_not_deviate() {
        let mut moments = Moments::default();
        for count in 1_u32..1000 {
            moments.learn(0.1, 1.0 / f64::from(count));
        }
        assert_eq!(
            moments,
            Moments {
                mean: 0.1,
                variance: 0.0
            }
        );
    }
}
