//! Running sums: the mean of any stretch of a past in O(1), after one pass over it.

/// Sums of all values before each place, and how many are known. Empty until [`Self::of`] has been asked.
#[derive(Debug, Default)]
pub(in crate::detect) struct Sums {
    before: Vec<(f64, u32)>,
}

impl Sums {
    /// Works out those of `values` (NaN where there is none) in place of what was there.
    pub(in crate::detect) fn of(&mut self, values: &[f64]) {
        self.before.clear();
        let (mut sum, mut known) = (0.0, 0);
        self.before.push((sum, known));
        for value in values {
            if !value.is_nan() {
                sum += value;
                known += 1;
            }
            self.before.push((sum, known));
        }
    }

    /// How many of the `count` values before the place `end` are known; of fewer, where the past begins.
    pub(in crate::detect) fn known(&self, end: usize, count: usize) -> u32 {
        self.before[end].1 - self.before[end.saturating_sub(count)].1
    }

    /// Mean of those; `None` where none is known.
    pub(in crate::detect) fn mean(&self, end: usize, count: usize) -> Option<f64> {
        let ((sum, known), (sum_before, known_before)) = (self.before[end], self.before[end.saturating_sub(count)]);
        (known > known_before).then(|| (sum - sum_before) / f64::from(known - known_before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_has_the_mean_of_what_is_known_of_it() {
        let mut sums = Sums::default();
        sums.of(&[1.0; 9]);
        sums.of(&[1.0, f64::NAN, 5.0, f64::NAN, f64::NAN]);
        let asked = [(0, 9), (1, 1), (3, 2), (3, 3), (5, 2), (5, 100)];
        let known = asked.map(|(end, count)| sums.known(end, count));
        assert_eq!(known, [0, 1, 1, 2, 0, 2]);
        let means = asked.map(|(end, count)| sums.mean(end, count));
        assert_eq!(means, [None, Some(1.0), Some(5.0), Some(3.0), None, Some(3.0)]);
    }
}
