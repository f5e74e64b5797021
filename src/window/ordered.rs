//! The values of a window in order of size, for what only order can tell: medians, ranks, counts between two values.
//!
//! Kept only while somebody asks (see [`super::Window::ordered`]): 8 bytes a value, and about a microsecond a sample
//! to move values aside in a window of 8,640. What it answers costs a few binary searches.

/// Values in ascending order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ordered {
    values: Vec<f64>,
}

impl Ordered {
    pub(super) fn new(mut values: Vec<f64>) -> Self {
        values.sort_unstable_by(f64::total_cmp);
        Self { values }
    }

    pub(super) fn add(&mut self, value: f64) {
        let place = self.values.partition_point(|&other| other < value);
        self.values.insert(place, value);
    }

    /// Takes away a value that is there.
    pub(super) fn remove(&mut self, value: f64) {
        let place = self.values.partition_point(|&other| other < value);
        debug_assert!(
            self.values.get(place) == Some(&value),
            "a value is removed that was never added"
        );
        self.values.remove(place);
    }

    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }

    pub(crate) fn min(&self) -> Option<f64> {
        self.values.first().copied()
    }

    pub(crate) fn max(&self) -> Option<f64> {
        self.values.last().copied()
    }

    /// Values below `bound`.
    pub(crate) fn count_below(&self, bound: f64) -> usize {
        self.values.partition_point(|&value| value < bound)
    }

    /// The middle value, or the mean of the two middle ones; `None` of nothing.
    pub(crate) fn median(&self) -> Option<f64> {
        let count = self.values.len();
        let upper = *self.values.get(count / 2)?;
        Some(if count % 2 == 1 {
            upper
        } else {
            f64::midpoint(self.values[count / 2 - 1], upper)
        })
    }

    /// The median of the distances to `centre`; `None` of nothing.
    pub(crate) fn median_distance(&self, centre: f64) -> Option<f64> {
        let count = self.values.len();
        if count == 0 {
            return None;
        }
        let upper = self.distance_of_rank(count / 2, centre);
        Some(if count % 2 == 1 {
            upper
        } else {
            f64::midpoint(self.distance_of_rank(count / 2 - 1, centre), upper)
        })
    }

    /// The distance to `centre` that `rank` others are not above, counted from 0.
    ///
    /// Distances fall up to `centre` and rise behind it: two sorted runs. A search over how many of the `rank + 1`
    /// nearest lie below the centre finds the place where both runs have given all that is nearer.
    fn distance_of_rank(&self, rank: usize, centre: f64) -> f64 {
        let middle = self.count_below(centre);
        let (below, above) = self.values.split_at(middle);
        // The distance of the n-th nearest on either side.
        let left = |place: usize| (centre - below[below.len() - 1 - place]).abs();
        let right = |place: usize| (above[place] - centre).abs();
        let wanted = rank + 1;
        let mut least = wanted.saturating_sub(above.len());
        let mut most = wanted.min(below.len());
        while least < most {
            let from_left = least.midpoint(most);
            // One more from the left is needed while it is nearer than the farthest taken from the right.
            if left(from_left) < right(wanted - from_left - 1) {
                least = from_left + 1;
            } else {
                most = from_left;
            }
        }
        let (from_left, from_right) = (least, wanted - least);
        let farthest_left = if from_left > 0 { left(from_left - 1) } else { 0.0 };
        let farthest_right = if from_right > 0 { right(from_right - 1) } else { 0.0 };
        farthest_left.max(farthest_right)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain_median(mut values: Vec<f64>) -> f64 {
        values.sort_by(f64::total_cmp);
        let count = values.len();
        f64::midpoint(values[(count - 1) / 2], values[count / 2])
    }

    proptest! {
        #[test]
        fn order_is_kept_while_values_come_and_go(
            values in proptest::collection::vec((-20_i32..20).prop_map(f64::from), 1..120),
            capacity in 1_usize..40,
        ) {
            let mut ordered = Ordered::default();
            for (place, &value) in values.iter().enumerate() {
                if place >= capacity {
                    ordered.remove(values[place - capacity]);
                }
                ordered.add(value);
                let window = &values[(place + 1).saturating_sub(capacity)..=place];
                let median = plain_median(window.to_vec());
                prop_assert_eq!(ordered.median(), Some(median));
                let distances = window.iter().map(|other| (other - value).abs()).collect();
                prop_assert_eq!(ordered.median_distance(value), Some(plain_median(distances)));
                let distances = window.iter().map(|other| (other - median).abs()).collect();
                prop_assert_eq!(ordered.median_distance(median), Some(plain_median(distances)));
                prop_assert_eq!(ordered.count_below(value), window.iter().filter(|&&other| other < value).count());
                prop_assert_eq!(ordered.min(), window.iter().copied().reduce(f64::min));
                prop_assert_eq!(ordered.max(), window.iter().copied().reduce(f64::max));
            }
        }
    }

    #[test]
    fn zeros_of_either_sign_are_one_value() {
        let mut ordered = Ordered::new(vec![0.0, -0.0, 1.0]);
        ordered.remove(0.0);
        ordered.remove(0.0);
        assert_eq!(ordered.median(), Some(1.0));
    }

    #[test]
    fn nothing_has_no_median() {
        assert_eq!(Ordered::default().median(), None);
        assert_eq!(Ordered::default().median_distance(0.0), None);
    }
}
