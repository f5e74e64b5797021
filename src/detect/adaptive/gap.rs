//! Values that have been seen: how far is one from all of them?
//!
//! At most 64, in order, a quarter of a deviation apart when they were taken in; when there is no more room the closest two
//! become one. So a value between two groups of usual ones, or outside of all, is far from what was seen, whatever mean
//! and deviation say of it.
//!
//! Three bytes hold a value, so that values that differ by less than five digits show are the same. A look is a binary search over
//! 192 bytes; a new value is moved into its place, which is rare.

use super::{
    constants::{SEEN_APART, SEEN_VALUES},
    short::Short,
};
use crate::save::{fields, hold};

/// The values of a series that have been seen: three cache lines of them, where they begin with one.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub(super) struct Seen {
    values: [Short; SEEN_VALUES],
    count: u8,
}

fields!(Seen { count, values } check |seen| {
    hold(usize::from(seen.count) <= SEEN_VALUES, "more values were seen than there is room for")
});

impl Default for Seen {
    fn default() -> Self {
        Self {
            count: 0,
            values: [Short::default(); SEEN_VALUES],
        }
    }
}

impl Seen {
    /// Reads a little of each of its cache lines.
    pub(super) fn touch(&self) -> u64 {
        let byte = |place: usize| self.values[place].touch();
        byte(0) ^ byte(21) ^ byte(42) ^ u64::from(self.count)
    }

    fn values(&self) -> &[Short] {
        &self.values[..usize::from(self.count)]
    }

    /// Distance from `value` to the nearest that has been seen, in multiples of `deviation`: 0 while there are none, and
    /// infinite when there is a distance and no deviation. `unseen` does not count as seen.
    pub(super) fn gap(&self, value: f32, unseen: Option<f32>, deviation: f64) -> f64 {
        let value = Short::new(value).get();
        let unseen = unseen.map(Short::new);
        let values = self.values();
        let place = values.partition_point(|seen| seen.get() < value);
        let is_seen = |seen: &&Short| Some(**seen) != unseen;
        let above = values[place..].iter().find(is_seen);
        let below = values[..place].iter().rfind(is_seen);
        let apart = |seen: Option<&Short>| seen.map(|seen| (f64::from(value) - f64::from(seen.get())).abs());
        match (apart(below), apart(above)) {
            (None, None) | (Some(0.0), _) | (_, Some(0.0)) => 0.0,
            (Some(apart), None) | (None, Some(apart)) => apart / deviation,
            (Some(below), Some(above)) => below.min(above) / deviation,
        }
    }

    /// Takes in `value`, which is `gap` away. True when it is remembered.
    pub(super) fn learn(&mut self, value: f32, gap: f64) -> bool {
        if self.count > 0 && gap <= SEEN_APART {
            return false;
        }
        if usize::from(self.count) == SEEN_VALUES {
            self.join_closest();
        }
        let value = Short::new(value);
        let place = self.values().partition_point(|seen| seen.get() < value.get());
        let count = usize::from(self.count);
        self.values.copy_within(place..count, place + 1);
        self.values[place] = value;
        self.count += 1;
        true
    }

    /// Moves all by `shift`.
    pub(super) fn shift(&mut self, shift: f64) {
        for value in &mut self.values {
            *value = Short::new(super::single::single(f64::from(value.get()) + shift));
        }
    }

    fn join_closest(&mut self) {
        let values = self.values();
        let apart = |place: &usize| values[place + 1].get() - values[*place].get();
        let closest = (0..values.len() - 1).min_by(|left, right| apart(left).total_cmp(&apart(right)));
        let place = closest.expect("a full memory has two values");
        let (low, high) = (values[place].get(), values[place + 1].get());
        self.values[place] = Short::new(low + (high - low) / 2.0);
        let count = usize::from(self.count);
        self.values.copy_within(place + 2..count, place + 1);
        self.count -= 1;
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is the same is the same")]
mod tests {
    use super::*;

    fn values(seen: &Seen) -> Vec<f32> {
        seen.values().iter().map(|value| value.get()).collect()
    }

    fn learn(seen: &mut Seen, value: f32) -> (f64, bool) {
        let gap = seen.gap(value, None, 1.0);
        (gap, seen.learn(value, gap))
    }

    #[test]
    fn the_nearest_counts() {
        let mut seen = Seen::default();
        assert_eq!(learn(&mut seen, 10.0), (0.0, true));
        assert_eq!(learn(&mut seen, 20.0), (10.0, true));
        assert_eq!(learn(&mut seen, 13.0), (3.0, true));
        assert_eq!(learn(&mut seen, 13.0), (0.0, false));
        assert_eq!(learn(&mut seen, 12.875), (0.125, false));
        assert_eq!(learn(&mut seen, -5.0), (15.0, true));
        assert_eq!(values(&seen), [-5.0, 10.0, 13.0, 20.0]);
        assert_eq!(seen.gap(13.0, Some(13.0), 2.0), 1.5);
    }

    #[test]
    fn without_a_deviation_all_that_differs_is_far() {
        let mut seen = Seen::default();
        seen.learn(1.0, 0.0);
        assert_eq!(seen.gap(1.0, None, 0.0), 0.0);
        assert_eq!(seen.gap(2.0, None, 0.0), f64::INFINITY);
    }

    #[test]
    fn a_full_memory_joins_the_closest() {
        let mut seen = Seen::default();
        for place in 0..64_u8 {
            learn(&mut seen, f32::from(place) * 10.0 - f32::from(u8::from(place == 40)));
        }
        learn(&mut seen, 1000.0);
        assert_eq!(usize::from(seen.count), SEEN_VALUES);
        assert!(values(&seen).is_sorted());
        assert!(values(&seen).contains(&394.5) && !values(&seen).contains(&399.0));
        assert_eq!(seen.gap(1000.0, None, 1.0), 0.0);
    }

    #[test]
    fn what_is_seen_again_is_no_news_however_many_digits_it_has() {
        let mut seen = Seen::default();
        seen.learn(0.1, 0.0);
        assert_eq!(seen.gap(0.1, None, 1e-9), 0.0);
        assert_eq!(seen.gap(0.1, Some(0.1), 1e-9), 0.0, "nothing else was seen");
    }
}
