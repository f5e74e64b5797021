//! Points at regular times, as whisper keeps and graphite-web shows them.
//!
//! A window holds samples at the times they came with; Graphite's answers have a slot for each step, and nothing where no
//! sample fell. The step of a series is the distance that its samples mostly have.

use std::collections::HashMap;

use crate::{line::Timestamp, window::Point};

/// The step of a series with less than two samples (seconds).
const STEP_DEFAULT_S: i64 = 60;

/// Slots of one series. A longer time is cut off at its beginning, where there is nothing: a window holds fewer samples.
const SLOTS_MAX: i64 = 1_000_000;

/// Values of one series, a slot each.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Slots {
    start: Timestamp,
    /// Seconds from slot to slot.
    step: i64,
    values: Vec<Option<f64>>,
}

impl Slots {
    /// The slots that begin after `from` and not after `until`. Of the samples in a slot the last one counts.
    pub(super) fn new(points: &[Point], from: Timestamp, until: Timestamp) -> Self {
        let step = step_of(points);
        let after = |timestamp: Timestamp| timestamp - timestamp.rem_euclid(step) + step;
        let end = after(until);
        let start = after(from).max(end - SLOTS_MAX * step);
        let count = usize::try_from((end - start) / step).unwrap_or(0);
        let mut values = vec![None; count.max(1)];
        for point in points {
            let slot = (point.timestamp - start).div_euclid(step);
            if let Some(value) = usize::try_from(slot).ok().and_then(|slot| values.get_mut(slot)) {
                *value = Some(point.value);
            }
        }
        Self { start, step, values }
    }

    /// The same value at the beginning, in the middle and at the end.
    pub(super) fn constant(value: f64, from: Timestamp, until: Timestamp) -> Self {
        Self {
            start: from,
            step: ((until - from) / 2).max(1),
            values: vec![Some(value); 3],
        }
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    /// Values with their times.
    pub(super) fn points(&self) -> impl Iterator<Item = (Option<f64>, Timestamp)> {
        let times = (0..).map(|slot: i64| self.start + slot * self.step);
        self.values.iter().copied().zip(times)
    }

    fn end(&self) -> Timestamp {
        self.start + self.step * i64::try_from(self.len()).unwrap_or(0)
    }

    /// Puts means in the place of `count` slots each, the last of which may be of fewer.
    fn merge(&mut self, count: usize) {
        let mean = |slots: &[Option<f64>]| {
            let (sum, known) = slots
                .iter()
                .flatten()
                .fold((0.0, 0.0), |(sum, known), value| (sum + value, known + 1.0));
            (known > 0.0).then(|| sum / known)
        };
        self.values = self.values.chunks(count).map(mean).collect();
        self.step = self.step.saturating_mul(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

/// Merges slots so that no series has many more than `points_max`, as graphite-web does: by means, and over bands that
/// begin at the same times at every call, so that a plot that is drawn again does not flicker.
pub(super) fn consolidate<'a>(series: impl Iterator<Item = &'a mut Slots>, points_max: Option<usize>) {
    let Some(points_max) = points_max else { return };
    let mut series: Vec<_> = series.collect();
    let start = series.iter().map(|slots| slots.start).min().unwrap_or(0);
    let end = series.iter().map(|slots| slots.end()).max().unwrap_or(0);
    for slots in &mut series {
        if points_max == 1 {
            slots.merge(slots.len());
            continue;
        }
        let all = usize::try_from((end - start) / slots.step).unwrap_or(0);
        if all <= points_max {
            continue;
        }
        let count = all.div_ceil(points_max);
        let band = slots.step * i64::try_from(count).unwrap_or(i64::MAX);
        // It leaves out one slot fewer than it moves the times by: kept, so that both draw the same.
        let moved = band + slots.start.rem_euclid(slots.step) - slots.start.rem_euclid(band);
        let lost = usize::try_from(moved / slots.step - 1).unwrap_or(0).min(slots.len());
        slots.values.drain(..lost);
        slots.start += moved;
        slots.merge(count);
    }
}

/// The distance that points mostly have (seconds).
fn step_of(points: &[Point]) -> i64 {
    let mut counts = HashMap::<i64, usize>::new();
    for pair in points.windows(2) {
        *counts.entry(pair[1].timestamp - pair[0].timestamp).or_default() += 1;
    }
    counts
        .into_iter()
        .max_by_key(|&(distance, count)| (count, std::cmp::Reverse(distance)))
        .map_or(STEP_DEFAULT_S, |(distance, _)| distance.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(times: impl IntoIterator<Item = i64>) -> Vec<Point> {
        let point = |timestamp| Point {
            timestamp,
            value: f64::from(u32::try_from(timestamp).unwrap()),
        };
        times.into_iter().map(point).collect()
    }

    #[test]
    fn samples_fall_into_the_slots_of_their_step() {
        let samples = points([100, 110, 121, 130, 140, 160]);
        let slots = Slots::new(&samples, 95, 165);
        let expected = [
            (100, Some(100.0)),
            (110, Some(110.0)),
            (120, Some(121.0)),
            (130, Some(130.0)),
            (140, Some(140.0)),
            (150, None),
            (160, Some(160.0)),
        ];
        assert_eq!(
            slots.points().collect::<Vec<_>>(),
            expected.map(|(time, value)| (value, time))
        );
        // The beginning is not asked for, the end is.
        let slots = Slots::new(&samples, 100, 110);
        assert_eq!(slots.points().collect::<Vec<_>>(), [(Some(110.0), 110)]);
    }

    #[test]
    fn the_step_is_the_distance_that_is_most_frequent() {
        assert_eq!(step_of(&points([0, 10, 20, 31, 40, 50])), 10);
        assert_eq!(step_of(&points([7])), STEP_DEFAULT_S);
        assert_eq!(step_of(&points([0, 10, 30])), 10, "of two the shorter");
    }

    #[test]
    fn few_points_are_means_of_many() {
        let samples = points((0..100).map(|number| number * 10));
        let mut slots = [Slots::new(&samples, -1, 995)];
        consolidate(slots.iter_mut(), Some(10));
        assert!(slots[0].len() <= 10, "{slots:?}");
        assert!(slots[0].points().all(|(_, time)| time % 100 == 0), "{slots:?}");
        let mut one = [Slots::new(&samples, -1, 995)];
        consolidate(one.iter_mut(), Some(1));
        assert_eq!(one[0].points().collect::<Vec<_>>(), [(Some(495.0), 0)]);
        let mut all = [Slots::new(&samples, -1, 995)];
        consolidate(all.iter_mut(), Some(100));
        assert_eq!(all[0].len(), 100);
    }

    #[test]
    fn a_range_beyond_all_bounds_is_cut() {
        let slots = Slots::new(&points([5, 6]), -(1 << 36), 1 << 36);
        assert_eq!(slots.len(), usize::try_from(SLOTS_MAX).unwrap());
    }
}
