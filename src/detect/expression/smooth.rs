//! Exponentially weighted mean and deviation, as pandas has them: the sample `i` before the newest weighs `(1 - 1/(1 + com))^i`.
//!
//! 32 bytes and a few operations a sample. They know all samples of the series, not only those of the window.

/// A mean that leans towards recent samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Smooth {
    /// Sum of the weights, and of their squares.
    weight: f64,
    squared_weight: f64,
    mean: f64,
    /// Weighted sum of squared distances from the mean.
    squares: f64,
}
crate::save::fields!(Smooth {
    weight,
    squared_weight,
    mean,
    squares
});

impl Smooth {
    /// Takes in a value, where the mean has its centre of mass `com` samples back.
    pub(super) fn add(&mut self, value: f64, com: f64) {
        let keeps = com / (1.0 + com);
        self.weight = 1.0 + keeps * self.weight;
        self.squared_weight = 1.0 + keeps * keeps * self.squared_weight;
        let distance = value - self.mean;
        self.mean += distance / self.weight;
        self.squares = keeps * self.squares + distance * (value - self.mean);
        if !(self.mean.is_finite() && self.squares.is_finite()) {
            // Beyond what numbers can hold: begin anew.
            *self = Self::default();
        }
    }

    pub(super) fn mean(&self) -> Option<f64> {
        (self.weight > 0.0).then_some(self.mean)
    }

    /// Corrected for bias, as pandas does by default; `None` of fewer than two values.
    pub(super) fn deviation(&self) -> Option<f64> {
        let spread = self.weight * self.weight - self.squared_weight;
        (spread > f64::EPSILON).then(|| (self.squares * self.weight / spread).max(0.0).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_weighted_mean_and_deviation() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0_f64];
        let com = 2.5_f64;
        let mut smooth = Smooth::default();
        for count in 1..=values.len() {
            smooth.add(values[count - 1], com);
            let weights = (0..count)
                .rev()
                .map(|age| (com / (1.0 + com)).powi(i32::try_from(age).unwrap()));
            let weights: Vec<f64> = weights.collect();
            let pairs = || weights.iter().zip(&values);
            let sum: f64 = weights.iter().sum();
            let mean = pairs().map(|(weight, value)| weight * value).sum::<f64>() / sum;
            assert!((smooth.mean().unwrap() - mean).abs() < 1e-12);
            let squares: f64 = pairs().map(|(weight, value)| weight * (value - mean).powi(2)).sum();
            let weights_squared: f64 = weights.iter().map(|weight| weight * weight).sum();
            let variance = squares * sum / (sum * sum - weights_squared);
            match smooth.deviation() {
                Some(deviation) => assert!((deviation - variance.sqrt()).abs() < 1e-12),
                None => assert_eq!(count, 1),
            }
        }
    }
}
